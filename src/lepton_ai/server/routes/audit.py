"""The audit over HTTP: every change of the workspace, with who made it."""

from typing import Annotated

from fastapi import APIRouter, Query

from lepton_ai.core import events
from lepton_ai.server.dependencies import WORKSPACE, Caller, Plane
from lepton_ai.server.schemas.audit import AuditItem, AuditPage

router = APIRouter(prefix=f"{WORKSPACE}/audit", tags=["audit"])

_Time = Annotated[int | None, Query(ge=0, lt=2**63)]
_Word = Annotated[str | None, Query(max_length=128)]


@router.get("")
def audit(
    plane: Plane,
    caller: Caller,
    noun: _Word = None,
    name: _Word = None,
    actor: _Word = None,
    since_ms: _Time = None,
    until_ms: _Time = None,
    before: _Word = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AuditPage:
    """What was changed, newest first: by noun (`endpoint`, `token`, …), name, actor and time."""
    found = plane.database.read(
        lambda connection: events.find_events(
            connection,
            caller.workspace_id,
            object_kind=noun,
            object_name=name,
            actor=actor,
            since_ms=since_ms,
            until_ms=until_ms,
            before=before,
            limit=limit,
        )
    )
    return AuditPage(items=[_item(event) for event in found], next=found[-1].id if len(found) == limit else None)


def _item(event: events.Event) -> AuditItem:
    return AuditItem(
        id=event.id,
        at_ms=event.at_ms,
        actor=event.actor,
        action=event.action,
        noun=event.object_kind,
        name=event.object_name,
        reason=event.reason,
        message=event.message,
        details=dict(event.details),
    )
