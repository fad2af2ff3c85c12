"""Reading a request's body: only JSON, never more of it in memory than the limit."""

import asyncio

from starlette.requests import Request

from lepton_ai.core.errors import TooLarge
from lepton_ai.platform.model_management.serving.problems import UnsupportedMediaType

_DRAIN_S = 5.0


async def read_json_body(request: Request, max_bytes: int) -> bytes:
    """The body of a request that says it is JSON, or does not say.

    Args:
        request: The request, its body not yet read.
        max_bytes: The limit. Of a body somewhat beyond it the rest is read and dropped, because a client that is still
            sending when the connection closes does not see the answer.

    Raises:
        UnsupportedMediaType: It says that it is something else, or compressed.
        TooLarge: It is beyond the limit. The connection has to be closed: the rest may still be coming.
    """
    _check_media_type(request)
    too_large = TooLarge(f"the body may have at most {max_bytes} bytes", hint="Send the rows in several requests.")
    declared = int(request.headers.get("content-length", 0))
    if declared > 2 * max_bytes or (declared > max_bytes and "expect" in request.headers):
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(None) as deadline:
            async for chunk in request.stream():
                size += len(chunk)
                if size <= max_bytes:
                    chunks.append(chunk)
                    continue
                chunks.clear()
                if deadline.when() is None:
                    deadline.reschedule(asyncio.get_running_loop().time() + _DRAIN_S)
                if size > 2 * max_bytes:
                    break
    except TimeoutError:
        raise too_large from None
    if size > max_bytes:
        raise too_large
    return b"".join(chunks)


def _check_media_type(request: Request) -> None:
    content_type = request.headers.get("content-type", "application/json")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMediaType(
            f"the body must be application/json, got content-type {content_type[:80]!r}",
            hint="Send the header `content-type: application/json`.",
        )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaType(
            f"the body must not be compressed, got content-encoding {encoding[:80]!r}", hint="Send it as it is."
        )
