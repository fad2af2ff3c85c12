"""How long people wait: for an import, for help, for the server, for a replica."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from lepton_ai.core.settings import load_settings
from lepton_ai.sdk.cloud import Cloud, free_port_pair
from lepton_ai.sdk.local import start_server, stop_server

REPEATS = 7


def measure() -> dict[str, object]:
    """All of it, in seconds: the median of fresh processes, byte code cached, beside a bare interpreter."""
    lepton = str(Path(sys.executable).parent / "lepton")
    bare = _seconds([sys.executable, "-c", "pass"])
    results: dict[str, object] = {
        "bare interpreter s": bare,
        "import lepton_ai s, above bare": _seconds([sys.executable, "-c", "import lepton_ai"]) - bare,
        "lepton --help s": _seconds([lepton, "--help"]),
    }
    with tempfile.TemporaryDirectory(prefix="lepton-bench-") as text:
        settings, _ = load_settings({"data_dir": Path(text) / "cloud", "port": free_port_pair()})
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            start_server(settings)
            seconds.append(time.perf_counter() - began)
            with Cloud(data_dir=settings.data_dir) as cloud:
                cloud.ping()
            stop_server(settings)
        results["server ready s"] = median(seconds)
    return results


def verdicts(results: dict[str, object]) -> Iterator[tuple[str, bool]]:
    """What must hold."""
    imported, helped, ready = (
        results[name] for name in ("import lepton_ai s, above bare", "lepton --help s", "server ready s")
    )
    assert isinstance(imported, float)
    assert isinstance(helped, float)
    assert isinstance(ready, float)
    yield "import lepton_ai < 0.15 s", imported < 0.15
    yield "lepton --help < 0.2 s", helped < 0.2
    yield "server ready <= 3 s", ready <= 3


def _seconds(command: list[str]) -> float:
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return median(taken)
