"""What `lepton doctor` looks at."""

import platform
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lepton_ai.core.errors import LeptonError
from lepton_ai.core.folders import socket_folder
from lepton_ai.core.settings import Settings
from lepton_ai.infrastructure.network.gateway import choose_driver
from lepton_ai.infrastructure.network.keeper import check_ports_free
from lepton_ai.infrastructure.network.routes import RouteTable
from lepton_ai.sdk.datasets import Datasets
from lepton_ai.sdk.local import find_server

_LEAST_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: What.
        state: `ok`, `note` (works, but there is something to know), or `broken`.
        found: What was found.
        remedy: What to do about it.
    """

    check: str
    state: str
    found: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything that a cloud on this machine needs."""
    checks: list[Callable[[Settings], Finding]] = [
        _python,
        _system,
        _sqlite,
        _tensorflow,
        _gateway,
        _data_folder,
        _disk,
        _sockets,
        _ports,
        _datasets,
        _clock,
    ]
    return [_guarded(check, settings) for check in checks]


def _guarded(check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except LeptonError as error:
        return Finding(check.__name__.strip("_").replace("_", " "), "broken", error.message, error.hint or "")
    except OSError as error:
        return Finding(check.__name__.strip("_").replace("_", " "), "broken", str(error))


def _python(_settings: Settings) -> Finding:
    version = platform.python_version()
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Finding("python", "ok" if good else "broken", version, "" if good else "Use Python 3.11 to 3.13.")


def _system(_settings: Settings) -> Finding:
    system, machine = platform.system(), platform.machine()
    tested = (system, machine) == ("Linux", "x86_64")
    return Finding("system", "ok" if tested else "note", f"{system} {machine}", "" if tested else "Not tested here.")


def _sqlite(_settings: Settings) -> Finding:
    # Versions before 3.51.3 can damage a WAL file when two connections write or checkpoint at once. Ours has one
    # connection that does either, so an older one is sound here.
    found = sqlite3.sqlite_version
    return Finding("sqlite", "ok" if sqlite3.sqlite_version_info >= (3, 37) else "broken", found)


def _tensorflow(_settings: Settings) -> Finding:
    missing = [name for name in ("tensorflow", "keras", "onnx", "tf2onnx") if find_spec(name) is None]
    if not missing:
        return Finding("tensorflow", "ok", "installed")
    remedy = "To train here: pip install 'lepton-ai[tensorflow]'"
    return Finding("tensorflow", "note", f"not installed: {', '.join(missing)}", remedy)


def _gateway(settings: Settings) -> Finding:
    driver, why = choose_driver(settings.gateway, settings.data_dir / "run" / "gateway", Path())
    return Finding("gateway", "ok" if driver.name == "envoy" else "note", f"{driver.name}: {why}")


def _data_folder(settings: Settings) -> Finding:
    folder = settings.data_dir
    if not folder.exists():
        return Finding("data folder", "note", f"{folder} is not there yet", "`lepton up` makes it.")
    if folder.stat().st_mode & 0o077:
        return Finding("data folder", "broken", f"{folder} can be read by others", f"chmod 700 {folder}")
    return Finding("data folder", "ok", str(folder))


def _disk(settings: Settings) -> Finding:
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    state = "ok" if free >= _LEAST_FREE_BYTES else "broken"
    return Finding("disk", state, f"{free / 1e9:.1f} GB free", "" if state == "ok" else "Free some space.")


def _sockets(settings: Settings) -> Finding:
    return Finding("sockets", "ok", str(socket_folder(settings.data_dir)))


def _ports(settings: Settings) -> Finding:
    server = find_server(settings.data_dir)
    if server is not None:
        return Finding("ports", "ok", f"in use by this cloud: {server.api_url}")
    check_ports_free(RouteTable(settings.host, settings.port, settings.endpoints_port, "tcp:127.0.0.1:1"))
    return Finding("ports", "ok", f"{settings.port} and {settings.endpoints_port} are free")


def _datasets(settings: Settings) -> Finding:
    datasets = Datasets(settings)
    if datasets.missing_folders:
        named = ", ".join(map(str, datasets.missing_folders))
        return Finding("data sets", "broken", f"LEPTON_DATASETS names {named}: not there", "Correct LEPTON_DATASETS.")
    return Finding("data sets", "ok", f"{len(datasets.list())} in reach")


def _clock(_settings: Settings) -> Finding:
    good = time.time() > 1_750_000_000
    return Finding(
        "clock", "ok" if good else "broken", time.strftime("%Y-%m-%d %H:%M:%S %Z"), "" if good else "Set it."
    )
