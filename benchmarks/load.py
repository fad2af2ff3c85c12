"""A load generator that costs little: keep-alive connections, one request at a time on each, nothing repeated."""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class LoadResult:
    """What came of it."""

    answered: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds


class _Client(asyncio.Protocol):
    def __init__(self, next_request: Callable[[], bytes | None], done: asyncio.Future[None]) -> None:
        self._next_request = next_request
        self._done = done
        self._buffer = b""
        self._began = 0.0
        self.latencies: list[float] = []
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = self._next_request()
        if request is None:
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, split, body = self._buffer.partition(b"\r\n\r\n")
        if not split:
            return
        lowered = head.lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            return
        self._buffer = b""
        self.latencies.append(time.perf_counter() - self._began)
        self.failed += not head[9:12].startswith(b"2")
        if self.failed == 1 and not head[9:12].startswith(b"2"):
            sys.stderr.write((head + b"\n\n" + body[:500]).decode(errors="replace") + "\n")
        self._send()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if not self._done.done():
            self._done.set_result(None)


async def _run(host: str, port: int, clients: int, seconds: float, make: Callable[[int], bytes]) -> LoadResult:
    loop = asyncio.get_running_loop()
    count = 0
    began = time.perf_counter()

    def next_request() -> bytes | None:
        nonlocal count
        if time.perf_counter() - began > seconds:
            return None
        count += 1
        return make(count)

    running = []
    for _ in range(clients):
        done = loop.create_future()
        _, client = await loop.create_connection(lambda done=done: _Client(next_request, done), host, port)
        running.append((client, done))
    await asyncio.gather(*(done for _, done in running))
    elapsed = time.perf_counter() - began
    latencies = sorted(1000 * latency for client, _ in running for latency in client.latencies)
    failed = sum(client.failed for client, _ in running)
    pick = lambda share: latencies[min(len(latencies) - 1, int(share * len(latencies)))]  # noqa: E731
    return LoadResult(len(latencies) - failed, failed, elapsed, pick(0.5), pick(0.99))


def load(host: str, port: int, clients: int, seconds: float, make: Callable[[int], bytes]) -> LoadResult:
    """Send requests for some seconds.

    Args:
        make: Gives the n-th request, whole, as bytes.
    """
    return asyncio.run(_run(host, port, clients, seconds, make))


def request(method: str, path: str, token: str, body: bytes = b"", **headers: str) -> bytes:
    """One HTTP/1.1 request as bytes."""
    extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
    )
    return head.encode() + body
