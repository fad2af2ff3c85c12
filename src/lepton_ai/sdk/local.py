"""A cloud on this machine: start its server, find it, stop it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_ai.core.errors import Conflict, DeadlineExceeded, LeptonError, Unavailable
from lepton_ai.core.folders import DataFolder
from lepton_ai.core.settings import Settings
from lepton_ai.infrastructure.compute.supervisor import identity_of

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class LocalServer:
    """A server that runs on this machine."""

    pid: int
    api_url: str
    endpoints_url: str
    workspace_url: str
    version: str
    welcome: str


def server_command(settings: Settings) -> list[str]:
    """The command that runs the server with these settings."""
    return [
        *(sys.executable, "-m", "lepton_ai.server", "--data-dir", str(settings.data_dir)),
        *("--host", settings.host, "--port", str(settings.port), "--gateway", settings.gateway),
    ]


def find_server(data_dir: Path) -> LocalServer | None:
    """The server that runs on a data folder, or None. A record that a killed server left does not count."""
    try:
        record = json.loads(DataFolder(data_dir).server_record.read_text())
        if identity_of(record["process"]["pid"]) != record["process"]:
            return None
        names = ("api_url", "endpoints_url", "workspace_url", "version", "welcome")
        return LocalServer(record["process"]["pid"], **{name: record[name] for name in names})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def check_none_runs(data_dir: Path) -> None:
    """Refuse early where a server runs: the second one would find out too, but only once it has loaded everything.

    Raises:
        Conflict: A server has the data folder.
    """
    if (running := find_server(data_dir)) is not None:
        raise Conflict(
            f"a cloud runs there already (process {running.pid}, {running.api_url})",
            hint=f"Use it, or stop it: lepton down --data-dir {data_dir}",
        )


def start_server(settings: Settings, environment: Mapping[str, str] | None = None) -> LocalServer:
    """Start a server in the background and wait until it is ready. It outlives this process.

    Raises:
        Conflict: Another server has the data folder, or a port is taken.
        LeptonError: It ended at its start; the message is its own.
        DeadlineExceeded: It is not ready in time.
    """
    check_none_runs(settings.data_dir)
    folders = DataFolder(settings.data_dir)
    folders.create()
    log = folders.logs / "server.log"
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            server_command(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=settings.data_dir,
            env=None if environment is None else dict(environment),
        )
    give_up_at_s = time.monotonic() + _START_TIMEOUT_S
    while (server := find_server(settings.data_dir)) is None or server.pid != process.pid:
        if process.poll() is not None:
            raise _last_words(log, before, process.returncode)
        if time.monotonic() > give_up_at_s:
            process.terminate()
            raise DeadlineExceeded("the server is not ready in time", hint=f"Its log is {log}.")
        time.sleep(0.02)
    process.returncode = 0  # it is meant to outlive us: Popen must not warn of a process left behind
    return server


def stop_server(settings: Settings, *, keep_workloads: bool = False) -> bool:
    """Stop the server of a data folder with all that it started; returns whether anything ran.

    Args:
        settings: Where the data folder is.
        keep_workloads: Leave gateway and replicas running, for the next server to adopt.

    Raises:
        DeadlineExceeded: It does not end in time.
    """
    server = find_server(settings.data_dir)
    if server is not None:
        os.kill(server.pid, signal.SIGUSR1 if keep_workloads else signal.SIGTERM)
        give_up_at_s = time.monotonic() + _STOP_TIMEOUT_S
        while identity_of(server.pid) is not None:
            if time.monotonic() > give_up_at_s:
                raise DeadlineExceeded(
                    f"the server (process {server.pid}) does not end", hint=f"Its log is {settings.data_dir}/logs."
                )
            time.sleep(0.02)
        return True
    return not keep_workloads and _sweep(settings)


def _sweep(settings: Settings) -> bool:
    """Stop what a server that was killed left running."""
    workers = DataFolder(settings.data_dir).workers
    if not workers.is_dir() or not any(workers.iterdir()):
        return False
    result = subprocess.run([*server_command(settings), "--sweep"], capture_output=True, text=True, check=False)
    if result.returncode:
        raise _as_error(result.stderr, result.returncode)
    return True


def _last_words(log: Path, offset: int, code: int) -> LeptonError:
    with log.open("rb") as file:
        file.seek(offset)
        return _as_error(file.read().decode(errors="replace"), code)


def _as_error(text: str, code: int) -> LeptonError:
    """The error that a server told before it ended."""
    told: dict[str, Any] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(": ")
        if kind in ("error", "hint"):
            told[kind] = rest
    if "error" in told:
        error = Unavailable(told["error"], hint=told.get("hint"))
        error.exit_code = code  # type: ignore[misc] # this one error speaks for the server's own
        return error
    last = text.strip().splitlines()[-1:] or ["it said nothing"]
    return Unavailable(f"the server ended at its start (exit code {code}): {last[0]}")
