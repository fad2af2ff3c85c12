"""Artifacts over HTTP: bytes under the SHA-256 of their content."""

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.server.dependencies import WORKSPACE, Caller, Plane

router = APIRouter(prefix=f"{WORKSPACE}/artifacts", tags=["artifacts"])

_WRITE_BYTES = 1 << 20


@router.put("/{sha256}", status_code=201)
async def upload(sha256: str, request: Request, plane: Plane, caller: Caller) -> dict[str, int]:  # noqa: ARG001
    """Upload one blob. It becomes visible when all of its bytes are on disk and have the promised SHA-256."""
    writer = await asyncio.to_thread(plane.artifacts.writer, sha256)
    try:
        held = bytearray()
        async for chunk in request.stream():
            held += chunk
            if len(held) >= _WRITE_BYTES:
                await asyncio.to_thread(writer.write, bytes(held))
                held.clear()
        await asyncio.to_thread(writer.write, bytes(held))
        return {"size_bytes": await asyncio.to_thread(writer.commit)}
    except ClientDisconnect as error:
        raise InvalidInput("the upload broke off") from error
    finally:
        writer.abort()


@router.head("/{sha256}")
def ask(sha256: str, plane: Plane, caller: Caller) -> Response:  # noqa: ARG001
    """Whether a blob is there."""
    size = plane.artifacts.size(sha256)
    if size is None:
        raise NotFound(f"there is no artifact {sha256}")
    return Response(headers={"x-artifact-bytes": str(size)})


@router.get("/{sha256}")
def download(sha256: str, plane: Plane, caller: Caller) -> StreamingResponse:  # noqa: ARG001
    """The bytes of one blob, checked while they are read."""
    chunks = plane.artifacts.read(sha256)
    return StreamingResponse(
        chunks,
        media_type="application/octet-stream",
        headers={"content-disposition": "attachment", "x-content-type-options": "nosniff"},
    )
