"""A replica for gateway tests: tells what it received, and misbehaves on request.

In a thread of the test (`Replica`), so that a test can look into it, or as a process that can be killed:
`python gateway_replica.py ADDRESS NAME`.
"""

import asyncio
import hashlib
import sys
import threading
from pathlib import Path
from types import TracebackType

from aiohttp import web


class ReplicaApp:
    """Answers any path with what came; a few paths do something else.

    Args:
        name: Told in each answer.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.arrivals: list[str] = []
        self.left: list[str] = []
        self.active = 0
        self.body_begun = threading.Event()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.arrivals.append(request.raw_path)
        self.active += 1
        try:
            return await self._handle(request)
        except asyncio.CancelledError:
            self.left.append(request.raw_path)
            raise
        finally:
            self.active -= 1

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        action = request.path.rpartition("/")[2]
        number = int(request.query_string or 0) if request.query_string.isdigit() else 0
        match action:
            case "sleep":
                await asyncio.sleep(number / 1000)
            case "nap" if self.name == "busy":
                await asyncio.sleep(number / 1000)
            case "status":
                return web.Response(status=number, headers={"x-replica": self.name, "etag": '"1"'})
            case "reset":
                request.transport.abort()
                raise ConnectionResetError
            case "half":
                return await self._half(request)
            case "events":
                return await self._events(request, number)
            case "trickle":
                return await self._trickle(request, number)
            case "large":
                return await self._large(request, number)
            case "websocket":
                return await self._websocket(request)
            case "early":
                request.transport.write(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n")
            case "hop":
                return web.Response(text="x", headers={"connection": "x-private", "x-private": "1", "x-public": "1"})
            case "cookies":
                response = web.Response(text="x")
                response.headers.add("set-cookie", "a=1")
                response.headers.add("set-cookie", "b=2")
                return response
            case "encoded":
                return web.Response(body=b"not for the gateway to read", headers={"content-encoding": "gzip"})
            case "refuse":
                return web.Response(status=413, text="too large")
        return await self._echo(request)

    async def _echo(self, request: web.BaseRequest) -> web.Response:
        digest, size = hashlib.sha256(), 0
        async for chunk in request.content.iter_any():
            self.body_begun.set()
            digest.update(chunk)
            size += len(chunk)
        headers = [[name.decode().lower(), value.decode("latin-1")] for name, value in request.raw_headers]
        return web.json_response(
            {
                "replica": self.name,
                "method": request.method,
                "path": request.raw_path,
                "headers": headers,
                "body_bytes": size,
                "body_sha256": digest.hexdigest(),
            },
            headers={"x-replica": self.name},
        )

    async def _half(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "1000000"})
        await response.prepare(request)
        await response.write(b"x" * 1000)
        await asyncio.sleep(0.05)
        request.transport.abort()
        raise ConnectionResetError

    async def _events(self, request: web.BaseRequest, pause_ms: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for number in range(4):
            await response.write(f"data: {number}\n\n".encode())
            await asyncio.sleep(pause_ms / 1000)
        return response

    async def _trickle(self, request: web.BaseRequest, pause_ms: int) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        await asyncio.sleep(pause_ms / 1000)
        await response.write(b"ended")
        return response

    async def _large(self, request: web.BaseRequest, size: int) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(size // 65536):
            await response.write(b"y" * 65536)
        return response

    async def _websocket(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{self.name}:{message.data}")
        return socket


async def serve(app: ReplicaApp, address: str) -> web.ServerRunner:
    """Listen on `unix:/path` or `tcp:127.0.0.1:PORT`."""
    limits = {"max_field_size": 65536, "max_headers": 200, "auto_decompress": False}  # the gateway's limits come first
    runner = web.ServerRunner(web.Server(app.handle, handler_cancellation=True, access_log=None, **limits))
    await runner.setup()
    kind, _, rest = address.partition(":")
    if kind == "unix":
        Path(rest).unlink(missing_ok=True)
        await web.UnixSite(runner, rest, backlog=1024).start()
    else:
        host, _, port = rest.partition(":")
        await web.TCPSite(runner, host, int(port), backlog=1024).start()
    return runner


class Replica:
    """A replica in a thread of this process.

    Args:
        address: Where it listens.
        name: Told in each answer.
    """

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        self.app = ReplicaApp(name)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Replica":
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(serve(self.app, self.address), self._loop).result(5)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _stop(self) -> None:
        # As a good replica does: what it has begun it finishes, and then the rest of its connections are closed.
        deadline_s = self._loop.time() + 1
        while self.app.active and self._loop.time() < deadline_s:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        for connection in self._runner.server.connections:
            connection.force_close()
        await self._runner.cleanup()


async def _main(address: str, name: str) -> None:
    await serve(ReplicaApp(name), address)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2]))
