"""What the tests of the real clients share: a running cloud, and each client in an environment of its own."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_lab import CloudLab, cloud_lab

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("0.47.1", "0.27.3")


class LepClient:
    """The published `lep` of one version, logged in to the cloud of a lab."""

    def __init__(self, version: str, lab: CloudLab, home: Path) -> None:
        self.version = version
        self.lab = lab
        self.home = home
        self.python = ROOT / ".lep" / version / "bin" / "python"
        cache = home / "cache"
        cache.mkdir(parents=True)
        (cache / "latest_version_check").write_text(str(int(time.time())))  # else it asks the package index
        self.environment = {
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "LEPTON_CACHE_DIR": str(cache),
            "NO_PROXY": "127.0.0.1",
            "COLUMNS": "250",  # tables cut no names
        }

    @property
    def url(self) -> str:
        """The workspace that it is logged in to."""
        return f"http://127.0.0.1:{self.lab.port}/api/v2/workspaces/default"

    def run(self, *words: str, stdin: str = "", timeout_s: float = 120.0) -> "subprocess.CompletedProcess[str]":
        """Run one command as a person would."""
        command = [str(self.python.with_name("lep")), *words]
        return subprocess.run(
            command, env=self.environment, cwd=self.home, input=stdin, capture_output=True, text=True, timeout=timeout_s
        )

    def ok(self, *words: str, stdin: str = "") -> str:
        """Run one command that must end well; nothing of what the server said may have been unreadable to it."""
        done = self.run(*words, stdin=stdin)
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"lep {' '.join(words)}: exit code {done.returncode}\n{said}"
        assert "lepton-error" not in said, f"lep {' '.join(words)}: {said}"
        return said

    def script(self, text: str) -> str:
        """Run Python with this client's library and what a workload would find in its environment."""
        own = {
            "LEPTON_WORKSPACE_ID": "default",
            "LEPTON_WORKSPACE_TOKEN": self.lab.token,
            "LEPTON_WORKSPACE_URL": self.url,
        }
        done = subprocess.run(
            [str(self.python), "-c", text],
            env=self.environment | own,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def lab() -> Iterator[CloudLab]:
    """A cloud that runs."""
    if not all((ROOT / ".lep" / version / "bin" / "lep").exists() for version in VERSIONS):
        pytest.skip("the published clients are not installed: make test-lep installs them")
    with cloud_lab() as lab:
        yield lab
        assert "Traceback" not in (lab.folders.logs / "server.log").read_text()


@pytest.fixture(scope="session", params=VERSIONS)
def lep(request: pytest.FixtureRequest, lab: CloudLab, tmp_path_factory: pytest.TempPathFactory) -> LepClient:
    """Each of the two clients, logged in."""
    client = LepClient(request.param, lab, tmp_path_factory.mktemp("lep"))
    said = client.ok("login", "-c", f"default:{lab.token}", "-u", client.url)
    assert "default" in said
    return client
