"""The demo tells its whole story, on a tenth of the data so that it stays quick."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
STEPS = re.compile(
    r"The cloud is up at http://127\.0\.0\.1:\d+, gateway: (envoy|python_proxy)\n"
    r"Trained by examples/01_founding_script\.py in \d+ s, registered as digits:1\n"
    r"Test accuracy: (?P<test>0\.\d+)\n"
    r"Deployed digits@champion as endpoint digits, two replicas\n"
    r"Accuracy over HTTP: (?P<http>[01]\.\d{4}) \(1000 test images, one request each\)\n"
    r"Latency: p50 [\d.]+ ms, p99 [\d.]+ ms at 8 clients, \d+ requests/s\n"
    r"Killed replica rep-[\w-]+ under load: 0 of 1000 requests failed\n"
    r"\n"
    r"Go on with a cloud of your own:\n"
    r"  \.venv/bin/lepton up --detach\n"
    r"  \.venv/bin/lepton run examples/01_founding_script\.py --push digits\n"
    r"  \.venv/bin/lepton deploy digits --min-replicas 2\n"
    r"Stopped everything that was started\.\n"
)


@pytest.fixture
def small_mnist(tmp_path: Path) -> Path:
    """The first 6,000 training and 1,000 test images, as a data set of the same name."""
    folder = tmp_path / "datasets" / "mnist"
    folder.mkdir(parents=True)
    with np.load(ROOT / "examples" / "data" / "mnist" / "mnist.npz") as data:
        np.savez(
            folder / "mnist.npz",
            x_train=data["x_train"][:6000],
            y_train=data["y_train"][:6000],
            x_test=data["x_test"][:1000],
            y_test=data["y_test"][:1000],
        )
    return folder.parent


def test_the_demo_goes_from_data_to_a_live_endpoint_and_leaves_nothing_behind(
    small_mnist: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / ("a-long-path-" * 8) / "x"
    temporary.mkdir(parents=True)
    environment = os.environ | {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(temporary),
        "LEPTON_DATASETS": str(small_mnist),
    }
    result = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "demo.py")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    told = STEPS.fullmatch(result.stdout)
    assert told, result.stdout
    assert len(result.stdout.splitlines()) <= 25
    assert float(told["test"]) > 0.93
    assert abs(float(told["http"]) - float(told["test"])) < 0.002, "the endpoint answers as the script's model does"
    assert list(temporary.iterdir()) == []
    assert processes_with(str(temporary)) == []
    assert not (tmp_path / "home" / ".keras").exists(), "the user's Keras cache is not touched"


def processes_with(text: str) -> list[str]:
    """The command lines of running processes that speak of a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found
