"""Key-value namespaces over HTTP: the protocol's `/kv`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from lepton_ai.core.idempotency import Once
from lepton_ai.infrastructure.storage.kv.records import LARGEST_VALUE_BYTES, Namespace
from lepton_ai.server.dependencies import WORKSPACE, Caller, IdempotencyKey, Plane
from lepton_ai.server.downloads import BYTES, HARMLESS
from lepton_ai.server.schemas.kv import KeysItem, NamespaceItem, NamespaceMetadata
from lepton_ai.server.uploads import form_with, read_field

router = APIRouter(prefix=f"{WORKSPACE}/kv/namespaces", tags=["kv"])


@router.get("")
def list_namespaces(plane: Plane, caller: Caller) -> list[NamespaceItem]:
    """All namespaces of the workspace."""
    return [_item(namespace) for namespace in plane.kv.list(caller.workspace_id)]


@router.post("/{namespace}", status_code=201)
async def create_namespace(namespace: str, plane: Plane, caller: Caller, key: IdempotencyKey = None) -> NamespaceItem:
    """Make a namespace. It can be used at once."""
    once = Once(key, f"kv {namespace}".encode()) if key else None
    return _item(await plane.kv.create(caller.workspace_id, namespace, caller.name, once))


@router.get("/{namespace}")
def get_namespace(namespace: str, plane: Plane, caller: Caller) -> NamespaceItem:
    """One namespace."""
    return _item(plane.kv.get_namespace(caller.workspace_id, namespace))


@router.delete("/{namespace}")
async def remove_namespace(namespace: str, plane: Plane, caller: Caller) -> dict[str, str]:
    """Remove a namespace with all that is in it."""
    await plane.kv.remove(caller.workspace_id, namespace, caller.name)
    return {"name": namespace}


@router.get("/{namespace}/keys")
def list_keys(
    namespace: str,
    plane: Plane,
    caller: Caller,
    cursor: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=0, lt=2**31)] = 0,
    prefix: Annotated[str, Query(max_length=256)] = "",
) -> KeysItem:
    """Some keys, in the order in which they were first written; all of them for a `limit` of 0."""
    page = plane.kv.keys(caller.workspace_id, namespace, cursor=cursor, limit=limit, prefix=prefix)
    return KeysItem(keys=list(page.keys), cursor=page.cursor)


@router.post("/{namespace}/values/{key:path}", openapi_extra=form_with("value"))
async def put_value(namespace: str, key: str, request: Request, plane: Plane, caller: Caller) -> dict[str, str]:
    """Keep a value under a key, in the place of the one there was. The answer comes when it is on disk."""
    value = await read_field(request, "value", LARGEST_VALUE_BYTES)
    await plane.kv.put(caller.workspace_id, namespace, key, value)
    return {"key": key}


@router.get("/{namespace}/values/{key:path}", response_class=Response, responses=BYTES)
def get_value(namespace: str, key: str, plane: Plane, caller: Caller) -> Response:
    """The value under a key, as bytes."""
    value = plane.kv.get(caller.workspace_id, namespace, key)
    return Response(value, media_type="application/octet-stream", headers=HARMLESS)


@router.delete("/{namespace}/values/{key:path}")
async def remove_value(namespace: str, key: str, plane: Plane, caller: Caller) -> dict[str, bool]:
    """Remove a key, if it is there."""
    return {"removed": await plane.kv.remove_key(caller.workspace_id, namespace, key)}


def _item(namespace: Namespace) -> NamespaceItem:
    return NamespaceItem(
        name=namespace.name,
        metadata=NamespaceMetadata(
            id=namespace.name, name=namespace.name, created_at=namespace.created_at_ms, owner=namespace.created_by
        ),
    )
