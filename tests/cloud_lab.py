"""A whole cloud under test: the real server, gateway and replicas in a folder of its own, always stopped at the end."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lepton_shell
import onnx_models
from gateway_lab import Answer, fetch
from lepton_ai.core.errors import LeptonError
from lepton_ai.core.folders import DataFolder
from lepton_ai.core.settings import Settings, load_settings
from lepton_ai.infrastructure.compute.supervisor import MARKER, identity_of
from lepton_ai.sdk.cloud import Cloud
from lepton_ai.sdk.local import LocalServer, find_server, start_server
from waiting import wait_until

FULL = os.environ.get("LEPTON_FAULTS") == "full"
"""Whether the long proofs were asked for (`make test-faults`)."""

GATEWAYS = ("envoy", "python_proxy")
LEPTON = str(Path(sys.executable).with_name("lepton"))
READY_BOUND_S = 3.0
"""How soon a server must be ready again after it was killed."""

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Below the ports that the system hands out to clients, so that nobody takes ours while a gateway is dead.
_PORTS = range(20_000, 32_000, 2)


def repetitions(small: int, full: int) -> int:
    """How often a proof is repeated: a few times in `make test`, the promised number in `make test-faults`."""
    return full if FULL else small


@dataclass(frozen=True)
class Process:
    """One process of the cloud, as the system lists it.

    Args:
        pid: Its id.
        started: What tells it from another process that has the same id later.
        argv: Its command line.
    """

    pid: int
    started: str
    argv: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What it is for: `server`, `supervisor`, `replica`, `training`, `gateway`."""
        if MARKER in self.argv:
            return "supervisor"
        text = " ".join(self.argv)
        if "lepton_ai.server" in text:
            return "server"
        if "train_worker" in text:
            return "training"
        return "replica" if "serving.model_server" in text else "gateway"

    @property
    def replica_id(self) -> str:
        """Which replica it is."""
        return self.argv[self.argv.index("--replica") + 1]


class CloudLab:
    """A cloud in a folder of its own, on ports of its own, with an empty HOME.

    Args:
        root: A short folder; everything lies in it.
        gateway: Which gateway it uses.
        timed: Whether its times are looked at: then its processes run as they would anywhere, without coverage.
    """

    def __init__(self, root: Path, gateway: str = "auto", *, timed: bool = False) -> None:
        self.root = root
        self.data_dir = root / "cloud"
        self.folders = DataFolder(self.data_dir)
        self.sockets = root / "run"
        self.port = free_port_pair()
        home = root / "home"
        for folder in (home, self.sockets):
            folder.mkdir(mode=0o700)
        measured = {} if timed else os.environ
        coverage = {name: value for name, value in measured.items() if name.startswith("COVERAGE_")}
        self.environment: dict[str, str] = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(self.sockets),
            "LEPTON_DATA_DIR": str(self.data_dir),
            "LEPTON_PORT": str(self.port),
            "LEPTON_GATEWAY": gateway,
            **({"LEPTON_WORKER_ENV": ",".join(coverage)} | coverage if coverage else {}),
        }

    @property
    def settings(self) -> Settings:
        return load_settings({}, self.environment)[0]

    @property
    def endpoints_port(self) -> int:
        return self.port + 1

    @property
    def token(self) -> str:
        return self.folders.admin_token.read_text()

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def up(self, **variables: str) -> LocalServer:
        """Start the server in the background as `lepton up --detach` does, with further environment variables."""
        return start_server(self.settings, self.environment | variables)

    def server(self) -> LocalServer | None:
        """The server that runs, if one does."""
        return find_server(self.data_dir)

    def kill_server(self) -> None:
        """`kill -9` the server, and wait until it is gone."""
        server = self.server()
        assert server is not None, "no server runs"
        os.kill(server.pid, signal.SIGKILL)
        self.wait_for_the_servers_end(server.pid)

    def wait_for_the_servers_end(self, pid: int, timeout_s: float = 60.0) -> int | None:
        """Wait until a server process is gone; returns how it ended, if it was started by `up`: -9 when killed."""
        wait_until(lambda: identity_of(pid) is None, timeout_s)
        try:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:
            return None

    def lepton(
        self, *words: str, stdin: str = "", timeout_s: float = 120.0, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a `lepton` command; the exit code is the caller's to check."""
        return subprocess.run(
            [LEPTON, *words],
            env=self.environment | variables,
            cwd=self.root,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def shell(self, *words: str, stdin: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
        """The same in a process that stays: much quicker, and not for `up` in the foreground."""
        return lepton_shell.run(words, self.environment | variables, self.root, stdin)

    def timed(self, *words: str) -> "tuple[subprocess.CompletedProcess[str], float]":
        """Run a `lepton` command; returns it with the time it took, less what it waited for a core."""
        began_s = time.monotonic()
        with subprocess.Popen(
            [LEPTON, *words],
            env=self.environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and still in the system's list
            took_s = time.monotonic() - began_s - waited_for_a_core_s(process.pid)
            stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr), took_s

    def ok(self, *words: str, stdin: str = "", **variables: str) -> str:
        """Run a `lepton` command that must succeed, and return what it printed."""
        result = self.shell(*words, stdin=stdin, **variables)
        assert result.returncode == 0, f"lepton {' '.join(words)}: {result.stderr}{result.stdout}"
        return result.stdout

    def ok_json(self, *words: str) -> Any:
        """Run a `lepton` command with `--json`, and return what it printed as a value."""
        return json.loads(self.ok(*words, "--json"))

    def cloud(self) -> Cloud:
        """The SDK's door to this cloud."""
        return Cloud(f"http://127.0.0.1:{self.port}/api/v2/workspaces/default", self.token, data_dir=self.data_dir)

    def api(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, *, raw: bool = False
    ) -> Answer:
        """One request to the API, with the admin's token unless headers are given.

        Args:
            path: From the root if it begins with `/api`, `/healthz` and so on; else from the workspace.
            body: Sent as JSON, or as it is with `raw`.
        """
        if (
            not path.startswith(("/api", "/objects/", "/healthz", "/readyz", "/openapi.json", "/metrics"))
            and path != "/"
        ):
            path = f"/api/v2/workspaces/default{path}"
        sent = {"content-type": "application/json", **(self.bearer if headers is None else headers)}
        data = body if raw or body is None else json.dumps(body).encode()
        return fetch(self.port, path, sent, method, data)

    def push(self, name: str = "numbers") -> None:
        """Register the line of four numbers (see `onnx_models.numbers_artifact`) as a new version."""
        with self.cloud() as cloud:
            cloud.models.push_folder(self.artifact(), name)

    def artifact(self) -> Path:
        """A folder with the line of four numbers."""
        folder = self.root / "artifact"
        return folder if folder.exists() else onnx_models.numbers_artifact(folder)

    def deploy(self, name: str = "numbers", *, min_replicas: int = 2, timeout_s: int = 300) -> None:
        """Push the line of four numbers, and put it behind an endpoint that is ready."""
        self.push(name)
        with self.cloud() as cloud:
            cloud.deploy(name, min_replicas=min_replicas, timeout_s=timeout_s)

    def replicas(self, name: str = "numbers") -> list[dict[str, Any]]:
        """The endpoint's replicas that are not over."""
        listed: list[dict[str, Any]] = self.api("GET", f"/deployments/{name}/replicas").json
        return [item for item in listed if item["status"]["state"] not in ("Stopped", "Failed")]

    def endpoint_status(self, name: str = "numbers") -> dict[str, Any]:
        """Where the endpoint stands."""
        status: dict[str, Any] = self.api("GET", f"/deployments/{name}").json["status"]
        return status

    def wait_until(self, name: str, state: str, timeout_s: float = 60.0) -> None:
        """Wait until an endpoint is in a state."""
        wait_until(lambda: self.endpoint_status(name)["state"] == state, timeout_s, interval_s=0.1)

    def wait_until_settled(self, name: str = "numbers", *, replicas: int = 2, timeout_s: float = 60.0) -> None:
        """Wait until exactly this many replicas are there, all ready, and the endpoint says so."""

        def settled() -> bool:
            states = [item["status"]["state"] for item in self.replicas(name)]
            return states == ["Ready"] * replicas and self.endpoint_status(name)["reason"] == "all_ready"

        wait_until(settled, timeout_s, interval_s=0.1)

    def census(self, *kinds: str) -> list[Process]:
        """Every living process that has to do with this cloud, found by its folder in their command lines."""
        found = [process for process in _processes() if any(str(self.root) in word for word in process.argv)]
        return [process for process in found if not kinds or process.kind in kinds]

    def pids(self, *kinds: str) -> dict[int, str]:
        """The same as pid -> start: two processes with one pid are told apart."""
        return {process.pid: process.started for process in self.census(*kinds)}

    def socket_files(self) -> list[Path]:
        """The sockets that lie about."""
        return sorted(path for path in self.sockets.rglob("*") if path.is_socket())

    def temporary_files(self) -> list[Path]:
        """Files that were on their way somewhere when whoever wrote them ended."""
        incoming = list((self.folders.artifacts / "incoming").glob("*"))
        # What lies in a worker's own home is its own affair.
        return sorted(incoming + [path for path in self.data_dir.rglob(".*") if "home" not in path.parts])

    def close(self) -> None:
        """Stop everything, whatever state it is in."""
        self.shell("down")
        for process in self.census():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def cloud_lab(gateway: str = "auto", *, start: bool = True, timed: bool = False) -> Iterator[CloudLab]:
    """A cloud for the length of a block. See `CloudLab`."""
    root = Path(tempfile.mkdtemp(prefix="lab-"))
    lab = CloudLab(root, gateway, timed=timed)
    try:
        if start:
            lab.up()
        yield lab
    finally:
        lab.close()
        shutil.rmtree(root, ignore_errors=True)


def ready_after_s(lab: CloudLab, server: LocalServer) -> float:
    """How long a server took from the start of its process until it was ready, by its own record.

    Others may use this machine too: the time that it waited for a core does not count.
    """
    record = json.loads(lab.folders.server_record.read_text())
    assert record["process"]["pid"] == server.pid
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    began_s = time.time() - uptime_s + int(record["process"]["start"]) / _TICKS_PER_S
    return float(record["started_at_ms"]) / 1000 - began_s - waited_for_a_core_s(server.pid)


def waited_for_a_core_s(pid: int) -> float:
    """How long a process's main thread was ready to run while the cores were busy with something else."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def up_within_bound(lab: CloudLab) -> float:
    """Start the server after a kill and check how soon it is ready; returns that.

    Disks are shared too: a start that is slow once is killed, and the next one counts.
    """
    took_s = ready_after_s(lab, lab.up())
    if took_s > READY_BOUND_S:
        lab.kill_server()
        took_s = ready_after_s(lab, lab.up())
    assert took_s <= READY_BOUND_S
    return took_s


def free_port_pair() -> int:
    """A port that is free together with the next one."""
    for port in random.sample(_PORTS, 200):
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise LeptonError("no two neighbouring ports are free")


def _processes() -> Iterator[Process]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        identity = identity_of(int(folder.name))
        if identity is not None and words != [""]:
            yield Process(identity["pid"], identity["start"], tuple(words))
