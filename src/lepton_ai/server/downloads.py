"""Answers with bytes that users put here, in a way that no browser takes for a page of this server."""

from collections.abc import Iterator
from io import FileIO
from typing import Any

from fastapi.responses import StreamingResponse

# This origin is the API's: whatever a user's file says, a browser must neither run nor show it here.
HARMLESS = {
    "content-disposition": "attachment",
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
}

BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
"""What a route says in `/openapi.json` that answers with bytes: pass it as `responses`."""

_CHUNK_BYTES = 1 << 20


class FileAnswer(StreamingResponse):
    """An open file, as many bytes as it had when it was opened. Closes it, also where the client goes away.

    Args:
        file: What to send.
        size_bytes: How much of it.
    """

    def __init__(self, file: FileIO, size_bytes: int) -> None:
        headers = HARMLESS | {"content-length": str(size_bytes)}
        super().__init__(_chunks(file, size_bytes), media_type="application/octet-stream", headers=headers)
        self._file = file

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def bytes_answer(chunks: Iterator[bytes], size_bytes: int) -> StreamingResponse:
    """Bytes from a store, in chunks."""
    headers = HARMLESS | {"content-length": str(size_bytes)}
    return StreamingResponse(chunks, media_type="application/octet-stream", headers=headers)


def _chunks(file: FileIO, size_bytes: int) -> Iterator[bytes]:
    left = size_bytes
    while left and (chunk := file.read(min(_CHUNK_BYTES, left))):
        left -= len(chunk)
        yield chunk
