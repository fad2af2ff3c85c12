"""Takes what a request sends, however much it is, and passes it on in large pieces."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from lepton_ai.core.errors import InvalidInput, TooLarge
from lepton_ai.server.multipart import FieldReader

_WRITE_BYTES = 1 << 20


def form_with(field: str) -> dict[str, Any]:
    """What a route says in `/openapi.json` that reads one field of a form: pass it as `openapi_extra`."""
    form = {"type": "object", "required": [field], "properties": {field: {"type": "string", "format": "binary"}}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


async def receive_field(request: Request, field: str, write: Callable[[bytes], None]) -> None:
    """Pass on one field of a form. `write` is called in a thread.

    Raises:
        InvalidInput: The body is no form, lacks the field, or broke off.
    """
    reader = FieldReader(request.headers.get("content-type", ""), field)
    await _receive(request, reader.feed, write)
    reader.close()


async def receive_body(request: Request, write: Callable[[bytes], None]) -> None:
    """Pass on the whole body. `write` is called in a thread.

    Raises:
        InvalidInput: The body broke off.
    """
    await _receive(request, lambda chunk: chunk, write)


async def read_field(request: Request, field: str, most_bytes: int) -> bytes:
    """One field of a form, whole; for what is small.

    Raises:
        TooLarge: It has more bytes than that.
    """
    held = bytearray()

    def keep(chunk: bytes) -> None:
        nonlocal held
        held += chunk
        if len(held) > most_bytes:
            raise TooLarge(f"`{field}` may have at most {most_bytes} bytes")

    await receive_field(request, field, keep)
    return bytes(held)


async def discard_body(request: Request) -> None:
    """Let a body come in that nobody needs: an answer before it has come is lost where the client still sends."""
    try:
        async for _ in request.stream():
            pass
    except ClientDisconnect as error:
        raise InvalidInput("the request broke off") from error


async def _receive(request: Request, feed: Callable[[bytes], bytes], write: Callable[[bytes], None]) -> None:
    held = bytearray()
    try:
        async for chunk in request.stream():
            held += feed(chunk)
            if len(held) >= _WRITE_BYTES:
                await asyncio.to_thread(write, bytes(held))
                held.clear()
    except ClientDisconnect as error:
        raise InvalidInput("the upload broke off") from error
    if held:
        await asyncio.to_thread(write, bytes(held))
