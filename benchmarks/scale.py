"""Many things on one small machine: 500 endpoints that run, a control plane that is killed, 10,000 jobs in a list."""

import json
import os
import signal
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
from load import load, request

from lepton_ai.core.settings import load_settings
from lepton_ai.sdk.cloud import free_port_pair
from lepton_ai.sdk.local import LocalServer, start_server, stop_server

ENDPOINTS = int(os.environ.get("BENCH_ENDPOINTS", "500"))
JOBS = int(os.environ.get("BENCH_JOBS", "10000"))
IDLE_S = 30.0
SECONDS = 5.0
NEVER_S = 4_000_000_000


class Cloud:
    """A cloud of its own folder."""

    def __init__(self, folder: Path) -> None:
        self.settings, _ = load_settings({"data_dir": folder, "port": free_port_pair()})
        self.start()
        self.token = (folder / "admin-token").read_text()

    def start(self) -> None:
        """Start its server, which may find what another one left."""
        self.server: LocalServer = start_server(self.settings, dict(os.environ))

    def client(self) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.server.workspace_url,
            headers={"authorization": f"Bearer {self.token}"},
            trust_env=False,
            timeout=60.0,
        )


def measure() -> dict[str, object]:
    """All of it, once: it takes minutes."""
    with tempfile.TemporaryDirectory(prefix="lepton-bench-") as text:
        cloud = Cloud(Path(text))
        try:
            with cloud.client() as client:
                return {
                    "endpoints": ENDPOINTS,
                    **_endpoints(cloud, client),
                    "jobs": JOBS,
                    **_jobs(cloud),
                }
        finally:
            stop_server(cloud.settings)


def _endpoints(cloud: Cloud, client: httpx2.Client) -> dict[str, object]:
    foreign = _sleepers()
    began_s = time.perf_counter()
    for number in range(ENDPOINTS):
        spec = {"container": {"command": ["sleep", "infinity"]}, "is_pod": True}
        body = {"metadata": {"name": f"pod-{number:04}"}, "spec": spec}
        client.post("/deployments", json=body).raise_for_status()
    _wait(lambda: _ready(client) == ENDPOINTS, 1800)
    all_ready_s = time.perf_counter() - began_s
    before = _sleepers() - foreign

    os.kill(cloud.server.pid, signal.SIGKILL)
    os.waitpid(cloud.server.pid, 0)
    began_s = time.perf_counter()
    cloud.start()
    _wait(lambda: _ready(client) == ENDPOINTS, 120)
    converged_s = time.perf_counter() - began_s
    time.sleep(10)  # what follows from the start is over
    idle = _idle_share(cloud)
    adopted = len(before & _sleepers())

    one = request("GET", "/api/v2/workspaces/default/deployments", cloud.token)
    listed = load("127.0.0.1", cloud.settings.port, 1, SECONDS, lambda _: one)
    return {
        "create until all run, s": all_ready_s,
        "converged after kill -9, s": converged_s,
        "processes adopted": adopted,
        "idle share of a core": idle,
        "list of all endpoints p99 ms": listed.p99_ms,
        "new route known to the gateway, s": _route_known_after_s(cloud, client),
    }


def _jobs(cloud: Cloud) -> dict[str, object]:
    spec = {"container": {"command": ["true"]}, "time_schedule": {"start_at": NEVER_S}}
    bodies = (json.dumps({"metadata": {"name": f"later-{number}"}, "spec": spec}).encode() for number in range(10**9))
    path = "/api/v2/workspaces/default/jobs"
    made = 0
    while made < JOBS:
        made += load(
            "127.0.0.1", cloud.settings.port, 16, 2.0, lambda _: request("POST", path, cloud.token, next(bodies))
        ).answered
    one = request("GET", f"{path}?page=1&page_size=50", cloud.token)
    listed = load("127.0.0.1", cloud.settings.port, 1, SECONDS, lambda _: one)
    assert not listed.failed, "requests failed"
    return {"jobs made": made, "page of jobs p50 ms": listed.p50_ms, "page of jobs p99 ms": listed.p99_ms}


def _ready(client: httpx2.Client) -> int:
    try:
        listed: list[Mapping[str, Any]] = client.get("/deployments").raise_for_status().json()
    except (httpx2.HTTPError, httpx2.HTTPStatusError):
        return -1
    return sum(each["status"]["state"] == "Ready" for each in listed)


def _route_known_after_s(cloud: Cloud, client: httpx2.Client) -> float:
    """From the answer to a create until the gateway asks for a token there, where before it knew no such endpoint."""
    container = {"command": ["sleep", "infinity"], "ports": [{"container_port": 8080}]}
    spec = {"container": container, "resource_requirement": {"min_replicas": 0, "max_replicas": 1}}
    client.post("/deployments", json={"metadata": {"name": "newcomer"}, "spec": spec}).raise_for_status()
    began_s = time.perf_counter()
    url = f"http://127.0.0.1:{cloud.settings.endpoints_port}/default/newcomer/"
    _wait(lambda: _status(url) == 401, 60, 0.005)
    return time.perf_counter() - began_s


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _sleepers() -> set[int]:
    """The pids of the endpoints' own processes."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes() == b"sleep\0infinity\0":
                found.add(int(folder.name))
        except OSError:
            continue  # it ended meanwhile
    return found


def _idle_share(cloud: Cloud) -> float:
    """How much of a core the control plane takes while nobody asks anything."""

    def cpu_s() -> float:
        fields = Path(f"/proc/{cloud.server.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    before_s = cpu_s()
    time.sleep(IDLE_S)
    return (cpu_s() - before_s) / IDLE_S


def _wait(condition: Callable[[], bool], timeout_s: float, interval_s: float = 0.2) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s"
        time.sleep(interval_s)


def verdicts(results: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """What must hold."""
    yield "converged <= 10 s after kill -9", results["converged after kill -9, s"] <= 10
    yield "every process adopted", results["processes adopted"] == results["endpoints"]
    yield "idle <= 5 % of a core", results["idle share of a core"] <= 0.05
    yield "new route <= 1 s", results["new route known to the gateway, s"] <= 1
    yield "page of jobs p99 <= 300 ms", results["page of jobs p99 ms"] <= 300
