"""The activator: holds requests to an endpoint that sleeps until a replica answers, and passes them on.

The gateway sends it the requests of endpoints without a replica. It asks for one, waits, and forwards each request as
the Python gateway does; from then on the gateway's table names the replica itself.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from lepton_ai.infrastructure.network import refusals
from lepton_ai.infrastructure.network.proxy_connection import ClientConnection
from lepton_ai.infrastructure.network.proxy_forward import Errand, Refused, forward
from lepton_ai.infrastructure.network.proxy_service import answered
from lepton_ai.infrastructure.network.proxy_upstreams import Upstreams

_LOOK_AGAIN_S = 0.02
_WAKE_AGAIN_S = 1.0
_SAID = ("x-forwarded-prefix", "x-lepton-principal")
"""What the gateway said of a request, and goes on to the replica."""


@dataclass(frozen=True)
class Sleeper:
    """An endpoint as the activator sees it.

    Args:
        addresses: Its replicas that answer.
        is_hopeless: Whether none will come by waiting.
        timeout_s: How long a request may wait, and an answer take.
    """

    addresses: Sequence[str]
    is_hopeless: bool
    timeout_s: float


class Activator:
    """Runs in the control plane, on a thread of its own.

    Args:
        socket: Where it listens.
        look: Says how an endpoint is, by workspace and name; None where there is none.
        wake: Asks for a replica, by workspace and name.
        report: Called with an exception of either; the request goes on waiting.
    """

    def __init__(
        self,
        socket: Path,
        look: Callable[[str, str], Sleeper | None],
        wake: Callable[[str, str], object],
        report: Callable[[str, Exception], None],
    ) -> None:
        self._socket = socket
        self._look = look
        self._wake = wake
        self._report = report
        self._seen: dict[str, Sleeper | None] = {}
        self._waiting: dict[str, int] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="activator", daemon=True)
        self._listens = threading.Event()

    def waiting(self, workspace_id: str, name: str) -> int:
        """How many requests it holds for an endpoint."""
        return self._waiting.get(f"{workspace_id}/{name}", 0)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._listens.wait(10)

    def stop(self) -> None:
        """Listen no more. Requests that wait are cut off, and a gateway sends none meanwhile."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._socket.unlink(missing_ok=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._listens.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _open(self) -> None:
        self._upstreams = Upstreams()
        door = web.Server(self._answer)
        door.handler_cancellation = True  # a client that leaves ends the work for it
        self._door = door
        self._socket.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await self._loop.create_unix_server(
                lambda: ClientConnection(door, loop=self._loop), str(self._socket), backlog=2048
            )
        finally:
            os.umask(before)

    async def _close(self) -> None:
        self._server.close()
        for connection in list(self._door.connections):
            connection.force_close()
        for task in asyncio.all_tasks(self._loop):
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.sleep(0)
        await self._upstreams.keep_only(())

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        return await answered(request, self._held)

    async def _held(self, request: web.BaseRequest, request_id: str) -> web.StreamResponse:
        path = request.headers.get("x-forwarded-prefix", "").strip("/")
        self._waiting[path] = self._waiting.get(path, 0) + 1
        try:
            sleeper = await self._awake(path)
        finally:
            self._waiting[path] = self._waiting.get(path, 1) - 1
        said: dict[str, str | None] = {name: request.headers.get(name) for name in _SAID}
        errand = Errand(
            addresses=lambda: self._addresses(path),
            target=request.raw_path,
            headers={**said, "x-request-id": request_id},
            idle_s=sleeper.timeout_s,
        )
        return await forward(request, errand, self._upstreams, request_id)

    async def _awake(self, path: str) -> Sleeper:
        """Wait until an endpoint has a replica that answers."""
        began_s = self._loop.time()
        if path not in self._watchers:
            self._seen.pop(path, None)
            self._watchers[path] = self._loop.create_task(self._watch(path))
        while True:
            if path in self._seen:
                sleeper = self._seen[path]
                if sleeper is None:
                    raise Refused(refusals.ENDPOINT_UNKNOWN)
                if sleeper.addresses:
                    return sleeper
                if sleeper.is_hopeless or self._loop.time() - began_s > sleeper.timeout_s:
                    raise Refused(refusals.NO_REPLICA)
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _watch(self, path: str) -> None:
        """Look at an endpoint for all requests that wait for it, for as long as one does."""
        workspace_id, _, name = path.partition("/")
        woken_s = -_WAKE_AGAIN_S
        try:
            while True:
                try:
                    sleeper = await asyncio.to_thread(self._look, workspace_id, name)
                    self._seen[path] = sleeper
                    if sleeper is not None and not sleeper.addresses and self._loop.time() - woken_s >= _WAKE_AGAIN_S:
                        woken_s = self._loop.time()
                        await asyncio.to_thread(self._wake, workspace_id, name)
                except Exception as error:  # noqa: BLE001 - a database that is busy: the next look tells
                    self._report("activator", error)
                if not self._waiting.get(path):
                    return
                await asyncio.sleep(_LOOK_AGAIN_S)
        finally:
            self._watchers.pop(path, None)
            self._waiting.pop(path, None)

    def _addresses(self, path: str) -> Sequence[str]:
        sleeper = self._seen.get(path)
        return sleeper.addresses if sleeper is not None else ()
