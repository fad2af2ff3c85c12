"""Leftovers over HTTP: what nobody needs any more, in the whole cloud."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from lepton_ai.platform.gc.records import DEFAULT_AGE_S, Leftover
from lepton_ai.server.dependencies import WORKSPACE, Caller, Plane
from lepton_ai.server.schemas.gc import LeftoverItem, RemoveLeftovers

router = APIRouter(prefix=f"{WORKSPACE}/gc", tags=["gc"])


@router.get("")
def list_leftovers(
    plane: Plane,
    caller: Caller,  # noqa: ARG001
    older_than_s: Annotated[float, Query(ge=0, le=1e9)] = DEFAULT_AGE_S,
) -> list[LeftoverItem]:
    """What could be removed: what no record names, and has not changed for `older_than_s`. Nothing is touched."""
    return _items(plane.leftovers.list(older_than_s))


@router.post("")
def remove_leftovers(body: RemoveLeftovers, plane: Plane, caller: Caller) -> list[LeftoverItem]:
    """Remove it for good; the answer says what went."""
    return _items(plane.leftovers.remove(body.older_than_s, caller.workspace_id, caller.name))


def _items(found: Sequence[Leftover]) -> list[LeftoverItem]:
    return [LeftoverItem(kind=item.kind.value, name=item.name, size_bytes=item.size_bytes) for item in found]
