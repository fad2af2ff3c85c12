"""A steady load on one endpoint: raw HTTP, every failure counted, nothing ever repeated."""

import http.client
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from cloud_lab import CloudLab
from waiting import wait_until

ROW = [1.0, 2.0, 3.0, 4.0]
VALUE = 30.5
"""What the line of `onnx_models.numbers_artifact` gives for ROW."""


@dataclass(frozen=True)
class Asked:
    """One request and what became of it.

    Args:
        began_s: When it was sent, monotonic.
        ended_s: When its answer, or its failure, was there.
        failure: What went wrong; empty for a right answer.
    """

    began_s: float
    ended_s: float
    failure: str


class Load:
    """Clients that ask an endpoint for predictions until the block ends, each over a connection of its own.

    Args:
        lab: Whose endpoint.
        name: Which endpoint.
        clients: How many connections.
        per_second: Requests per second, of all clients together. A slow answer delays its own client alone.
        timeout_s: How long a client waits; a later answer is a failure.
    """

    def __init__(
        self,
        lab: CloudLab,
        name: str = "numbers",
        *,
        clients: int = 8,
        per_second: float = 200.0,
        timeout_s: float = 30.0,
    ) -> None:
        self._port = lab.endpoints_port
        self._path = f"/default/{name}/predict"
        self._headers = {**lab.bearer, "content-type": "application/json"}
        self._body = json.dumps({"inputs": [ROW]}).encode()
        self._interval_s = clients / per_second
        self._timeout_s = timeout_s
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number / clients,)) for number in range(clients)]
        self.asked: list[Asked] = []

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        self.more(2 * len(self._threads))
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int, timeout_s: float = 60.0) -> None:
        """Wait until this many further requests have ended."""
        until = len(self.asked) + count
        wait_until(lambda: len(self.asked) >= until, timeout_s)

    @property
    def failed(self) -> list[Asked]:
        """The requests that went wrong."""
        return [asked for asked in self.asked if asked.failure]

    @property
    def failures(self) -> Counter[str]:
        """How often each thing went wrong; empty when nothing did."""
        return Counter(asked.failure for asked in self.failed)

    def _run(self, phase: float) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_s)
        next_at_s = time.monotonic() + phase * self._interval_s
        while not self._over.wait(max(0.0, next_at_s - time.monotonic())):
            next_at_s = max(next_at_s + self._interval_s, time.monotonic() - 5 * self._interval_s)
            began_s = time.monotonic()
            failure = self._ask(connection)
            self.asked.append(Asked(began_s, time.monotonic(), failure))
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> str:
        try:
            connection.request("POST", self._path, self._body, self._headers)
            response = connection.getresponse()
            text = response.read()
            return "" if response.status == 200 and _is_right(text) else f"{response.status} {text[:200]!r}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            return repr(error)


def _is_right(text: bytes) -> bool:
    answer: Any = json.loads(text)
    return bool(answer["outputs"] == [VALUE])
