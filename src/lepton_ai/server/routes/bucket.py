"""Buckets over HTTP: the protocol's `/object_storage`, and the addresses without a token that it hands out."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from lepton_ai.infrastructure.storage.objects.signing import PREFIX
from lepton_ai.server.control_plane import ControlPlane
from lepton_ai.server.dependencies import WORKSPACE, Caller, Plane
from lepton_ai.server.downloads import BYTES, bytes_answer
from lepton_ai.server.schemas.bucket import LinkItem, ObjectItem, ObjectsItem
from lepton_ai.server.uploads import discard_body, receive_body

router = APIRouter(tags=["bucket"])

_BUCKET = f"{WORKSPACE}/object_storage/{{bucket}}"
_ADDRESS = f"{PREFIX}/{{workspace_id}}/{{bucket}}/{{key:path}}"
_PRESIGNED = "_presigned"
_MOST_LISTED = 100_000

Expires = Annotated[int | None, Query(ge=0, lt=2**40)]
Signature = Annotated[str | None, Query(max_length=64)]


@router.get(f"{_BUCKET}/")
def list_objects(
    bucket: str,
    plane: Plane,
    caller: Caller,
    prefix: Annotated[str, Query(max_length=1024)] = "",
    continuation_token: Annotated[str, Query(max_length=1024)] = "",
    limit: Annotated[int, Query(ge=1, le=_MOST_LISTED)] = _MOST_LISTED,
) -> ObjectsItem:
    """Objects of a bucket by key. `nextContinuationToken` goes on where a list was cut; it is empty at the end."""
    page = plane.buckets.list(caller.workspace_id, bucket, prefix, continuation_token, limit)
    items = [
        ObjectItem(key=stored.key, size=stored.size_bytes, last_modified=stored.changed_at_ms)
        for stored in page.objects
    ]
    return ObjectsItem(items=items, prefix=prefix, nextContinuationToken=items[-1].key if page.more else "")


@router.get(f"{_BUCKET}/{{key:path}}", status_code=307)
def get_object(bucket: str, key: str, request: Request, plane: Plane, caller: Caller) -> JSONResponse:
    """Where to read an object: an address that needs no token, for a while where the bucket is private.

    The bucket may be called `private`, `private_presigned` or `public`.
    """
    return _redirect("GET", bucket, key, request, plane, caller)


@router.put(f"{_BUCKET}/{{key:path}}", status_code=307)
async def put_object(bucket: str, key: str, request: Request, plane: Plane, caller: Caller) -> JSONResponse:
    """Where to write an object: an address that takes a PUT with its bytes, for a while.

    The bucket may be called `private`, `public`, or either with `_presigned` behind it.
    """
    answer = _redirect("PUT", bucket, key, request, plane, caller)
    await discard_body(request)  # some clients send the bytes here too, and again to the address
    return answer


@router.delete(f"{_BUCKET}/{{key:path}}")
def remove_object(bucket: str, key: str, plane: Plane, caller: Caller) -> dict[str, str]:
    """Remove an object, if it is there."""
    plane.buckets.remove(caller.workspace_id, bucket, key)
    return {"key": key}


@router.get(_ADDRESS, responses=BYTES)
def read_by_address(
    workspace_id: str,
    bucket: str,
    key: str,
    plane: Plane,
    expires: Expires = None,
    signature: Signature = None,
) -> StreamingResponse:
    """Read an object by an address with a signature; one of a public bucket without."""
    stored, chunks = plane.buckets.read_by_address(workspace_id, bucket, key, expires, signature)
    return bytes_answer(chunks, stored.size_bytes)


@router.put(_ADDRESS)
async def write_by_address(
    workspace_id: str,
    bucket: str,
    key: str,
    request: Request,
    plane: Plane,
    expires: Expires = None,
    signature: Signature = None,
) -> Response:
    """Write an object by an address with a signature. It is there, whole, when the answer comes."""
    arguments = (workspace_id, bucket, key, expires, signature)
    writer = await asyncio.to_thread(plane.buckets.write_by_address, *arguments)
    try:
        await receive_body(request, writer.write)
        await asyncio.to_thread(writer.commit)
    finally:
        await asyncio.to_thread(writer.abort)
    return Response()


def _redirect(
    method: str, bucket: str, key: str, request: Request, plane: ControlPlane, caller: Caller
) -> JSONResponse:
    server_url = f"http://{request.headers['host']}"
    name = bucket.removesuffix(_PRESIGNED)
    url = plane.buckets.address(method, caller.workspace_id, name, key, server_url)
    # 307 and no other: it alone makes clients repeat a PUT with its body.
    return JSONResponse(LinkItem(url=url).model_dump(), status_code=307, headers={"location": url})
