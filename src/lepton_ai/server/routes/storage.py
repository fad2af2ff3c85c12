"""Volumes over HTTP: the protocol's `/storage`."""

import asyncio

from fastapi import APIRouter, Request, Response

from lepton_ai.core.errors import NotFound
from lepton_ai.infrastructure.storage.volumes.paths import parse_path, path_text
from lepton_ai.infrastructure.storage.volumes.records import EntryKind
from lepton_ai.server.dependencies import WORKSPACE, Caller, Plane
from lepton_ai.server.downloads import BYTES, FileAnswer
from lepton_ai.server.schemas.storage import (
    EntryItem,
    UploadedItem,
    VolumeItem,
    VolumeName,
    VolumesUsage,
    VolumeUsage,
)
from lepton_ai.server.uploads import form_with, receive_field

router = APIRouter(prefix=f"{WORKSPACE}/storage", tags=["storage"])


@router.get("")
def list_volumes(plane: Plane, caller: Caller) -> list[VolumeItem]:
    """All volumes of the workspace, with what they hold."""
    return [
        VolumeItem(
            metadata=VolumeName(id=volume.name, name=volume.name),
            status=VolumeUsage(total_usage_bytes=volume.used_bytes),
        )
        for volume in plane.volumes.list(caller.workspace_id)
    ]


@router.get("/du")
def usage(plane: Plane, caller: Caller) -> VolumesUsage:
    """How much all volumes of the workspace hold."""
    used = sum(volume.used_bytes for volume in plane.volumes.list(caller.workspace_id))
    return VolumesUsage(status=VolumeUsage(total_usage_bytes=used))


@router.head("/{volume}/{path:path}")
def ask(volume: str, path: str, plane: Plane, caller: Caller) -> Response:
    """Whether something is there; `x-lepton-type` says what: `dir` or `file`."""
    kind = plane.volumes.find(caller.workspace_id, volume, path)
    if kind is None:
        raise NotFound(f"there is nothing at {path[:200]!r}")
    return Response(headers={"x-lepton-type": kind.value})


@router.get("/{volume}/{path:path}", response_model=list[EntryItem], responses=BYTES)
def get(volume: str, path: str, plane: Plane, caller: Caller) -> list[EntryItem] | FileAnswer:
    """What a folder holds, or the bytes of a file."""
    if plane.volumes.find(caller.workspace_id, volume, path) is EntryKind.FILE:
        return FileAnswer(*plane.volumes.open(caller.workspace_id, volume, path))
    folder = parse_path(path)
    return [
        EntryItem(
            type=entry.kind.value,
            name=entry.name,
            path=path_text((*folder, entry.name)),
            size_bytes=entry.size_bytes,
            changed_at=entry.changed_at_ms,
        )
        for entry in plane.volumes.entries(caller.workspace_id, volume, path)
    ]


@router.post("/{volume}/{path:path}", status_code=201, openapi_extra=form_with("file"))
async def upload(volume: str, path: str, request: Request, plane: Plane, caller: Caller) -> UploadedItem:
    """Upload a file. It appears, whole, when all of it is on disk; one that is there is replaced."""
    writer = await asyncio.to_thread(plane.volumes.writer, caller.workspace_id, volume, path)
    try:
        await receive_field(request, "file", writer.write)
        size = await asyncio.to_thread(writer.commit)
    finally:
        await asyncio.to_thread(writer.abort)
    return UploadedItem(path=path_text(parse_path(path)), size_bytes=size)


@router.put("/{volume}/{path:path}", status_code=201)
def make_folder(volume: str, path: str, plane: Plane, caller: Caller) -> dict[str, str]:
    """Make a folder with those above it; at the root, the volume itself. One that is there is left as it is."""
    plane.volumes.make_folder(caller.workspace_id, volume, path, caller.name)
    return {"path": path_text(parse_path(path))}


@router.delete("/{volume}/{path:path}")
def remove(volume: str, path: str, plane: Plane, caller: Caller, removeall: bool = False) -> dict[str, str]:
    """Remove a file or an empty folder; with `removeall` a folder with what it holds."""
    plane.volumes.remove(caller.workspace_id, volume, path, caller.name, with_contents=removeall)
    return {"path": path_text(parse_path(path))}
