"""A request's body on its way through the proxy: passed on as it comes, kept up to a limit to be sent again."""

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from lepton_ai.infrastructure.network import limits


class RequestBody:
    """The body of one request.

    Args:
        request: The request.
        moved: Called for each piece that came.
    """

    def __init__(self, request: web.BaseRequest, moved: Callable[[], None]) -> None:
        self._request = request
        self._moved = moved
        self._kept: list[bytes] = []
        self._seen_bytes = 0
        self._invited = False
        self._reading = asyncio.Lock()
        self.failed = False
        """Whether the client broke off, or sent what is no body."""
        self.is_complete = not request.body_exists
        """Whether all of it came."""

    @property
    def can_be_sent_again(self) -> bool:
        """Whether all that was read so far is still here."""
        return not self.failed and self._seen_bytes <= limits.RETRY_BUFFER_BYTES

    def chunks(self) -> AsyncIterator[bytes] | None:
        """The body from its beginning, or None when there is none. Call it once for each try."""
        return self._chunks() if self._request.body_exists else None

    async def _chunks(self) -> AsyncIterator[bytes]:
        for chunk in list(self._kept):
            yield chunk
        while chunk := await self._next():
            yield chunk

    async def _next(self) -> bytes:
        # The lock waits for the reader of a try that was given up.
        async with self._reading:
            if self.is_complete:
                return b""
            await self._invite()
            try:
                chunk = await self._request.content.readany()
            except (RequestPayloadError, aiohttp.ClientError, ConnectionError):
                self.failed = True
                raise
            self._moved()
            self._keep(chunk)
            return chunk

    async def _invite(self) -> None:
        """Answer `Expect: 100-continue` when the body is wanted."""
        if not self._invited and self._request.headers.get("expect", "").lower() == "100-continue":
            await self._request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._request.writer.output_size = 0
        self._invited = True

    def _keep(self, chunk: bytes) -> None:
        self.is_complete = not chunk
        self._seen_bytes += len(chunk)
        if self.can_be_sent_again:
            self._kept.append(chunk)
        else:
            self._kept.clear()
