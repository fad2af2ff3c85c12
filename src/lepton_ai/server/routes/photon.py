"""Photons over HTTP: push them, list them, fetch them. Running them comes with a later version."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from lepton_ai.platform.photons.records import Photon, namespace_of
from lepton_ai.server.dependencies import WORKSPACE, Caller, IdempotencyKey, Plane
from lepton_ai.server.downloads import BYTES, bytes_answer
from lepton_ai.server.schemas.photon import PhotonItem
from lepton_ai.server.uploads import form_with, receive_field

router = APIRouter(prefix=f"{WORKSPACE}/photons/{{namespace}}", tags=["photon"])


@router.get("")
def list_photons(namespace: str, plane: Plane, caller: Caller) -> list[PhotonItem]:
    """All photons of a namespace that the workspace may read, newest first. `namespace`: `private` or `public`."""
    return [_item(photon) for photon in plane.photons.list(caller.workspace_id, namespace_of(namespace))]


@router.post("", status_code=201, openapi_extra=form_with("file"))
async def push_photon(
    namespace: str, request: Request, plane: Plane, caller: Caller, key: IdempotencyKey = None
) -> PhotonItem:
    """Push a photon's archive as a new version. It is looked at before it is kept; nothing in it is run."""
    where = namespace_of(namespace)
    incoming = await asyncio.to_thread(plane.photons.receive)
    try:
        await receive_field(request, "file", incoming.write)
        return _item(await asyncio.to_thread(plane.photons.add, caller.workspace_id, where, incoming, caller.name, key))
    finally:
        await asyncio.to_thread(incoming.discard)


@router.get("/{photon_id}", response_model=PhotonItem, responses=BYTES)
def get_photon(
    namespace: str, photon_id: str, plane: Plane, caller: Caller, content: bool = False
) -> PhotonItem | StreamingResponse:
    """One photon, or with `content` its archive."""
    photon = plane.photons.get(caller.workspace_id, namespace_of(namespace), photon_id)
    return bytes_answer(plane.photons.content(photon), photon.size_bytes) if content else _item(photon)


@router.get("/{photon_id}/content", response_class=StreamingResponse, responses=BYTES)
def get_content(namespace: str, photon_id: str, plane: Plane, caller: Caller) -> StreamingResponse:
    """A photon's archive."""
    photon = plane.photons.get(caller.workspace_id, namespace_of(namespace), photon_id)
    return bytes_answer(plane.photons.content(photon), photon.size_bytes)


@router.delete("/{photon_id}")
def remove_photon(namespace: str, photon_id: str, plane: Plane, caller: Caller) -> PhotonItem:
    """Remove one version of a photon."""
    return _item(plane.photons.remove(caller.workspace_id, namespace_of(namespace), photon_id, caller.name))


def _item(photon: Photon) -> PhotonItem:
    spec = photon.spec
    return PhotonItem(
        id=photon.id,
        created_at=photon.created_at_ms,
        owner=photon.created_by,
        name=spec.name,
        model=spec.model,
        requirement_dependency=list(spec.requirement_dependency),
        image=spec.image,
        cmd=spec.metadata.get("cmd"),
        openapi_schema=spec.metadata.get("openapi_schema"),
        deployment_template=spec.metadata.get("deployment_template"),
        size_bytes=photon.size_bytes,
        sha256=photon.digest,
    )
