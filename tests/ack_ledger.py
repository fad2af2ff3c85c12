"""Writers who keep a ledger of what was acknowledged, and the check that all of it is there.

Each writer has objects of its own, so it knows what must be true of them: what was acknowledged last, or else the one
thing that it had asked for when the server died.
"""

import hashlib
import http.client
import itertools
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud_lab import CloudLab
from waiting import wait_until

_OPEN = object()


@dataclass
class Value:
    """A value that is changed again and again: the last one acknowledged, and those that may have been taken."""

    acknowledged: Any
    possible: list[Any] = field(default_factory=list)

    def acknowledge(self, value: Any) -> None:
        self.acknowledged, self.possible = value, []

    def may_be(self, value: Any) -> bool:
        return value == self.acknowledged or value in self.possible


class Writer:
    """One client that pushes versions, moves an alias, makes endpoints, changes and restarts them, one after the other.

    Args:
        lab: Whose API.
        name: Names this writer's model and the beginning of its endpoints' names.
        gate: Open while writers may write.
    """

    def __init__(self, lab: CloudLab, name: str, gate: threading.Event) -> None:
        self._lab = lab
        self.name = name
        self._gate = gate
        self._over = False
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, name=name)
        self.idle = threading.Event()
        self.faults: list[str] = []
        self.count = 0
        self.versions: dict[int, Mapping[str, str]] = {}
        self.moves: list[int] = []
        self.alias = Value(None)
        self.time_outs: dict[str, Value] = {}
        self.generations: dict[str, int] = {}
        self._files = {
            path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.read_bytes())
            for path in lab.artifact().iterdir()
        }
        self._signature = json.loads(self._files["signature.json"][1])

    def start(self) -> None:
        for digest, data in self._files.values():
            assert self._send("PUT", f"/artifacts/{digest}", data)[0] == 201
        self._thread.start()

    def stop(self) -> None:
        self._over = True
        self._gate.set()
        self._thread.join()
        if self._connection is not None:
            self._connection.close()

    def _run(self) -> None:
        for number in itertools.count(1):
            for write in (self._push, self._move_alias, self._create, self._change, self._restart):
                if not self._may_write():
                    return
                write(number)

    def _may_write(self) -> bool:
        if not self._gate.is_set():
            self.idle.set()
            self._gate.wait()
            self.idle.clear()
        return not self._over

    def _push(self, number: int) -> None:
        notes = f"{self.name} {number} {secrets.token_hex(20_000)}".encode()
        files = {**self._files, "notes.txt": (hashlib.sha256(notes).hexdigest(), notes)}
        digest = files["notes.txt"][0]
        if self._until_it_is_there("PUT", f"/artifacts/{digest}", notes) is _OPEN:
            return
        described = {name: {"sha256": sha, "size_bytes": len(data)} for name, (sha, data) in files.items()}
        body = {"files": described, "signature": self._signature, "message": str(number)}
        made = self._until_it_is_there("POST", f"/models/{self.name}/versions", body, once=True)
        if made is not _OPEN:
            self.versions[made["version"]] = {name: sha for name, (sha, _) in files.items()}
            self.count += 1

    def _move_alias(self, number: int) -> None:
        version = 1 + number % max(self.versions)
        self.alias.possible.append(version)
        if self._write("PUT", f"/models/{self.name}/aliases/live", {"version": version}):
            self.alias.acknowledge(version)
            self.moves.append(version)

    def _create(self, number: int) -> None:
        name = f"{self.name}-{number}"
        body = {
            "metadata": {"name": name},
            "spec": {"model": {"name": self.name, "version": 1}, "resource_requirement": {"min_replicas": 0}},
        }
        if self._until_it_is_there("POST", "/deployments", body, once=True) is not _OPEN:
            self.time_outs[name] = Value(300)
            self.generations[name] = 1
            self.count += 1

    def _change(self, number: int) -> None:
        name = f"{self.name}-{number}"
        self.time_outs[name].possible.append(number)
        if self._write("PATCH", f"/deployments/{name}", {"spec": {"timeout_s": number}}):
            self.time_outs[name].acknowledge(number)

    def _restart(self, number: int) -> None:
        name = f"{self.name}-{number}"
        if self._write("PUT", f"/deployments/{name}/restart", None):
            self.generations[name] += 1

    def _write(self, method: str, path: str, body: Any) -> bool:
        """Send one write once; whether it was acknowledged. If not, the server has died, and it is not known."""
        status, _ = self._send(method, path, body)
        self.count += status < 300
        return status < 300

    def _until_it_is_there(self, method: str, path: str, body: Any, *, once: bool = False) -> Any:
        """Send a write, and after a death of the server the same again: that must not make a second thing."""
        headers = {"idempotency-key": secrets.token_hex(8)} if once else {}
        while True:
            status, answer = self._send(method, path, body, headers)
            if status < 300:
                return answer
            if not self._may_write():
                return _OPEN

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Send a request once. What comes back is an acknowledgement, or 503 because the server has just died."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._lab.port, timeout=60)
        sent = {**self._lab.bearer, "content-type": "application/json", **(headers or {})}
        try:
            self._connection.request(method, f"/api/v2/workspaces/default{path}", data, sent)
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            self._gate.clear()
            return 503, None
        if response.status >= 300:
            self._gate.clear()
            if response.status not in (502, 503):
                self.faults.append(f"{method} {path}: {response.status} {text[:300]!r}")
            return response.status, None
        return response.status, json.loads(text)


class Ledger:
    """Writers at work on one cloud, with what was acknowledged to them.

    Args:
        lab: The cloud.
        writers: How many.
    """

    def __init__(self, lab: CloudLab, writers: int = 4) -> None:
        self._lab = lab
        self._gate = threading.Event()
        self._writers = [Writer(lab, f"w{number}", self._gate) for number in range(writers)]
        self._verified: set[str] = set()

    def __enter__(self) -> "Ledger":
        for writer in self._writers:
            writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers:
            writer.stop()

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged so far."""
        return sum(writer.count for writer in self._writers)

    @property
    def endpoints(self) -> int:
        """How many endpoints there are."""
        return sum(len(writer.time_outs) for writer in self._writers)

    def write_until(self, condition: Callable[[], object], timeout_s: float = 60.0) -> None:
        """Let the writers write until a condition holds; they are at rest when this returns.

        A request that is not acknowledged, because the server has died or for worse reasons, puts them all to rest.
        """
        if condition():
            return
        self._gate.set()
        try:
            wait_until(condition, timeout_s, interval_s=0.01)
        finally:
            self._gate.clear()
            for writer in self._writers:
                wait_until(writer.idle.is_set, 90)

    def check(self) -> None:
        """Compare the cloud with the ledger: what was acknowledged is there, and nothing that was not asked for."""
        listed = {item["metadata"]["name"]: item for item in self._get("/deployments")}
        for writer in self._writers:
            assert not writer.faults
            self._check_endpoints(writer, listed)
            self._check_versions(writer)

    def _check_endpoints(self, writer: Writer, listed: Mapping[str, Any]) -> None:
        mine = {name: item for name, item in listed.items() if name.startswith(f"{writer.name}-")}
        lost = set(writer.time_outs) - set(mine)
        assert not lost
        assert len(mine) <= len(writer.time_outs) + 1  # the one that was asked for when the server died
        for name, time_out in writer.time_outs.items():
            assert time_out.may_be(mine[name]["spec"]["timeout_s"]), name
            assert mine[name]["metadata"]["generation"] >= writer.generations[name], name

    def _check_versions(self, writer: Writer) -> None:
        details = self._get(f"/models/{writer.name}") if writer.versions else {"versions": [], "aliases": {}}
        found = {item["version"]: item for item in details["versions"]}
        assert set(writer.versions) <= set(found)
        assert len(found) <= len(writer.versions) + 1
        for number, item in found.items():
            digests = {name: described["sha256"] for name, described in item["files"].items()}
            assert digests == writer.versions.get(number, digests)
            for name, digest in digests.items():
                self._check_bytes(digest, item["files"][name]["size_bytes"])
        if writer.moves:
            assert writer.alias.may_be(details["aliases"]["live"])
            history = iter(move["version"] for move in details["history"] if move["alias"] == "live")
            assert all(move in history for move in writer.moves)  # in this order

    def _check_bytes(self, digest: str, size_bytes: int) -> None:
        if digest in self._verified:
            return
        answer = self._lab.api("GET", f"/artifacts/{digest}")
        assert answer.status == 200
        assert len(answer.body) == size_bytes
        assert hashlib.sha256(answer.body).hexdigest() == digest
        self._verified.add(digest)

    def _get(self, path: str) -> Any:
        answer = self._lab.api("GET", path)
        assert answer.status == 200, answer.body
        return answer.json
