"""A gateway under test: the real process of one driver, a control plane and replicas behind it, and clients."""

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway_replica import Replica
from lepton_ai.infrastructure.network.gateway import choose_driver
from lepton_ai.infrastructure.network.port import GatewayDriver
from lepton_ai.infrastructure.network.routes import EndpointRoute, RouteTable, Upstream
from waiting import wait_until

DRIVERS = ("envoy", "python_proxy")
TOKEN = "lep-" + "t" * 40
DIGESTS = {hashlib.sha256(TOKEN.encode()).hexdigest(): "ada"}
BEARER = {"authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class Answer:
    """One answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def seen(self) -> dict[str, str]:
        """The headers that the replica saw."""
        return dict(self.json["headers"])


class Lab:
    """The process of one gateway and what stands around it.

    Args:
        name: The driver's name.
        folder: A folder for the gateway's files; long on purpose.
        sockets: A short folder for sockets.
    """

    def __init__(self, name: str, folder: Path, sockets: Path) -> None:
        self.name = name
        self.folder = folder
        self.sockets = sockets
        self.driver = self.open_driver()
        self.api_port, self.endpoints_port = free_ports(2)
        self.process: subprocess.Popen[bytes] | None = None
        self._stack = contextlib.ExitStack()
        self._count = 0
        self.control_plane = f"unix:{sockets / 'control.sock'}"

    def open_driver(self) -> GatewayDriver:
        """A fresh driver object on the same folders, as after a restart of the control plane."""
        return choose_driver(self.name, self.folder, self.sockets)[0]

    def table(self, *endpoints: EndpointRoute) -> RouteTable:
        return RouteTable("127.0.0.1", self.api_port, self.endpoints_port, self.control_plane, endpoints)

    def start(self) -> None:
        self.driver.write(self.table())
        self.process = start_gateway(self.driver, self.folder)
        wait_until(self.driver.is_ready)

    def apply(self, *endpoints: EndpointRoute) -> str:
        """Make these the endpoints, and wait until the gateway goes by them."""
        version = self.driver.write(self.table(*endpoints))
        wait_until(lambda: self.driver.applied_version() == version, interval_s=0.005)
        return version

    def replica(self, name: str = "a", *, tcp: bool = False) -> Replica:
        """A replica that runs until the end of the lab."""
        return self._stack.enter_context(Replica(self.new_address(tcp=tcp), name))

    def new_address(self, *, tcp: bool = False) -> str:
        self._count += 1
        return f"tcp:127.0.0.1:{free_ports(1)[0]}" if tcp else f"unix:{self.sockets / f'{self._count}.sock'}"

    def replica_process(self, name: str, address: str | None = None) -> "ReplicaProcess":
        """A replica that can be killed."""
        replica = ReplicaProcess(address or self.new_address(), name)
        self._stack.callback(replica.kill)
        return replica

    def get(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: Any = None) -> Answer:
        """One request to the endpoints' port, with the good token unless `headers` are given."""
        return fetch(self.endpoints_port, path, BEARER if headers is None else headers, method, body)

    def api(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: Any = None) -> Answer:
        """One request to the API's port."""
        return fetch(self.api_port, path, headers or {}, method, body)

    def close(self) -> None:
        if self.process is not None:
            stop(self.process)
        self._stack.close()


class ReplicaProcess:
    """A replica in a process of its own."""

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        script = Path(__file__).with_name("gateway_replica.py")
        self._process = subprocess.Popen([sys.executable, str(script), address, name])
        wait_until(lambda: _accepts(address))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Load:
    """Clients that ask one path again and again, each over its own connection, until the block ends.

    Args:
        port: Where.
        path: What.
        clients: How many.
        method: How.
        body: With what body.
    """

    def __init__(self, port: int, path: str, clients: int = 4, method: str = "POST", body: bytes = b"x" * 500) -> None:
        self._arguments = (port, path, method, body)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        self.results: Counter[str] = Counter()

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self.results.total() > 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    @property
    def failures(self) -> dict[str, int]:
        return {result: count for result, count in self.results.items() if result != "200"}

    def more(self, count: int) -> None:
        """Wait until this many further requests have been answered."""
        until = self.results.total() + count
        wait_until(lambda: self.results.total() >= until)

    def _run(self) -> None:
        port, path, method, body = self._arguments
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while not self._over.is_set():
            try:
                connection.request(method, path, body, BEARER)
                response = connection.getresponse()
                text = response.read()
                self.results[str(response.status) if response.status == 200 else f"{response.status} {text!r}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.results[repr(error)] += 1
                connection.close()
        connection.close()


@contextlib.contextmanager
def running_lab(name: str) -> Iterator[Lab]:
    """A lab with a running gateway; skips where this gateway cannot run."""
    with idle_lab(name) as lab:
        lab.start()
        yield lab


@contextlib.contextmanager
def idle_lab(name: str) -> Iterator[Lab]:
    """A lab whose gateway has not been started."""
    root = Path(tempfile.mkdtemp(prefix="gw-"))
    folder = root / ("a-folder-with-a-long-name-" * 4) / ("another-folder-with-a-long-name-" * 3)
    try:
        driver = _driver_or_skip(name, folder, root)
        assert driver.name == name
        lab = Lab(name, folder, root)
        try:
            yield lab
        finally:
            lab.close()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def start_gateway(driver: GatewayDriver, folder: Path, *, log: Path | None = None) -> "subprocess.Popen[bytes]":
    """Start a gateway as the supervisor does: in its own folder, with next to no environment."""
    command = driver.command()
    coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    environment = {"PATH": os.defpath, "HOME": str(folder), **dict(command.env), **coverage}
    with open(log or os.devnull, "ab") as output:
        return subprocess.Popen(
            command.argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def stop(process: "subprocess.Popen[bytes]") -> int:
    """End a gateway as the supervisor does, by its process group, and return its exit code."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        return process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def route(name: str, *replicas: Replica | ReplicaProcess | str, **options: Any) -> EndpointRoute:
    """An endpoint `default/<name>` that the good token may call."""
    addresses = [replica if isinstance(replica, str) else replica.address for replica in replicas]
    upstreams = tuple(Upstream(f"rep-{name}-{number}", address) for number, address in enumerate(addresses))
    return EndpointRoute(
        **{"workspace": "default", "name": name, "upstreams": upstreams, "token_digests": DIGESTS} | options
    )


def fetch(port: int, path: str, headers: Mapping[str, str], method: str = "GET", body: Any = None) -> Answer:
    """One request over a connection of its own; nothing is added to `headers` but what HTTP needs."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
    finally:
        connection.close()


def raw(
    port: int, data: bytes, timeout_s: float = 5.0, *, until: bytes | None = None, quiet_s: float | None = None
) -> bytes:
    """Send bytes as they are, and read.

    Args:
        port: Where to.
        data: The bytes.
        timeout_s: How long to wait for each piece of the answer.
        until: Stop when this has come; otherwise when the other side closes.
        quiet_s: How long to wait for each piece after the first.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(data)
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while chunk := connection.recv(65536):
                received += chunk
                if until is not None and until in received:
                    break
                connection.settimeout(quiet_s or timeout_s)
        return received


def request_bytes(path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A request as bytes, with the good token."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {TOKEN}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def is_problem(answer: Answer, status: int, code: str) -> bool:
    """Whether an answer is one of the gateway's own, of this kind, with all that belongs to it."""
    problem = answer.json
    return (
        answer.status == status == problem["status"]
        and answer.headers["content-type"] == "application/problem+json"
        and problem["code"] == code
        and bool(problem["detail"])
        and problem["request_id"] == answer.headers["x-request-id"]
    )


def _accepts(address: str) -> bool:
    kind, _, rest = address.partition(":")
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
    target: Any = rest if kind == "unix" else (rest.partition(":")[0], int(rest.partition(":")[2]))
    with socket.socket(family) as probe:
        return probe.connect_ex(target) == 0


def _driver_or_skip(name: str, folder: Path, sockets: Path) -> GatewayDriver:
    from lepton_ai.core.errors import NotSupported

    try:
        return choose_driver(name, folder, sockets)[0]
    except NotSupported as error:
        pytest.skip(str(error))
