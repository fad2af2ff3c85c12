"""A connection that became a WebSocket: bytes go both ways as they come, until either side ends."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import ClientResponse, web
from multidict import CIMultiDict

_HIGH_WATER_BYTES = 256 * 1024
_LOOK_AGAIN_S = 0.01


async def tunnel(
    request: web.BaseRequest, answer: ClientResponse, headers: CIMultiDict[str], moved: Callable[[], None]
) -> web.StreamResponse:
    """Join the client's and the replica's connection after the replica agreed with 101.

    Args:
        request: The client's request.
        answer: The replica's answer.
        headers: The headers of the answer to the client.
        moved: Called for each piece that passes.

    Returns:
        The answer, when the tunnel has ended and the client's connection is closed.
    """
    response = web.StreamResponse(status=101, reason="Switching Protocols", headers=headers)
    await response.prepare(request)
    connection = answer.connection
    client, replica = request.transport, connection.transport if connection else None
    if client is None or connection is None or connection.protocol is None or replica is None:
        raise ConnectionResetError
    ended = asyncio.Event()
    downstream, upstream = _Pipe(replica, client, ended, moved), _Pipe(client, replica, ended, moved)
    # aiohttp hands what follows an upgrade to a parser of this shape; its own one reads WebSocket frames.
    reader: Any = upstream
    request.protocol.set_parser(reader)
    connection.protocol.set_parser(downstream, None)
    try:
        await ended.wait()
        await asyncio.gather(upstream.flushed(), downstream.flushed())
    finally:
        connection.close()
        request.protocol.force_close()
    return response


class _Pipe:
    """Passes what one side sends to the other, and stops reading while the other is slow."""

    def __init__(
        self, source: asyncio.Transport, target: asyncio.Transport, ended: asyncio.Event, moved: Callable[[], None]
    ) -> None:
        self._source = source
        self._target = target
        self._ended = ended
        self._moved = moved
        self._waiting: asyncio.Task[None] | None = None

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes from the source."""
        self._moved()
        if not self._target.is_closing():
            self._target.write(data)
            if self._waiting is None and self._target.get_write_buffer_size() > _HIGH_WATER_BYTES:
                self._source.pause_reading()
                self._waiting = asyncio.create_task(self._resume_when_drained())
        return False, b""

    def feed_eof(self) -> None:
        """The source has ended."""
        self._ended.set()

    async def flushed(self) -> None:
        """Wait until the target has taken everything."""
        while not self._target.is_closing() and self._target.get_write_buffer_size():
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _resume_when_drained(self) -> None:
        while not self._target.is_closing() and self._target.get_write_buffer_size() > _HIGH_WATER_BYTES // 2:
            await asyncio.sleep(_LOOK_AGAIN_S)
        if not self._source.is_closing():
            self._source.resume_reading()
        self._waiting = None
