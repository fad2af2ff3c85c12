"""Workspaces over HTTP: made, limited and removed by the server's admins; and what one's own has used."""

from typing import Annotated

from fastapi import APIRouter, Query

from lepton_ai.core.access import Workspace
from lepton_ai.core.access.service import IssuedToken
from lepton_ai.core.access.workspaces import Quota
from lepton_ai.core.idempotency import Once
from lepton_ai.infrastructure.compute.usage.records import Usage
from lepton_ai.server.control_plane import ControlPlane
from lepton_ai.server.dependencies import WORKSPACE, Asker, Caller, IdempotencyKey, Plane
from lepton_ai.server.schemas.workspaces import (
    CreateWorkspace,
    QuotaField,
    SetQuota,
    UsageAnswer,
    UsageItem,
    WorkspaceItem,
    WorkspaceMade,
)

router = APIRouter(tags=["workspaces"])

_DAY_MS = 24 * 3600 * 1000
_Time = Annotated[int | None, Query(ge=0, lt=2**62)]


@router.get("/api/v2/workspaces")
def list_workspaces(plane: Plane, asker: Asker) -> list[WorkspaceItem]:
    """The workspaces that the caller looks after: an admin of the server all of them, any other admin their own."""
    own = [found for found in plane.access.workspaces() if asker.is_root or found.id == asker.workspace_id]
    return [_item(found, plane) for found in own]


@router.post("/api/v2/workspaces", status_code=201)
def create_workspace(body: CreateWorkspace, plane: Plane, asker: Asker, key: IdempotencyKey = None) -> WorkspaceMade:
    """Make a workspace. The token of its first admin is in this answer, and never again."""
    once = Once(key, body.model_dump_json().encode()) if key else None
    return _made(plane.access.open_workspace(body.name, asker.name, once))


@router.delete(WORKSPACE)
def remove_workspace(workspace_id: str, plane: Plane, asker: Asker) -> dict[str, str]:
    """Remove a workspace that is empty. Its tokens end, its history stays, and its name is not given again."""
    plane.access.remove_workspace(workspace_id, plane.contents, asker.name)
    plane.gateway.hint()
    return {"removed": workspace_id}


@router.put(f"{WORKSPACE}/quota")
def set_quota(workspace_id: str, body: SetQuota, plane: Plane, asker: Asker) -> WorkspaceItem:
    """Set how much a workspace may have. What it has already stays."""
    return _item(plane.access.set_quota(workspace_id, Quota(**body.model_dump()), asker.name), plane)


@router.post(f"{WORKSPACE}/admin-token")
def reset_admin_token(workspace_id: str, plane: Plane, asker: Asker) -> WorkspaceMade:
    """Give a workspace a new token `admin`, in place of one that was lost."""
    made = plane.access.reset_admin(workspace_id, asker.name)
    plane.gateway.hint()
    return _made(made)


@router.get(f"{WORKSPACE}/usage")
def usage(plane: Plane, caller: Caller, since_ms: _Time = None, until_ms: _Time = None) -> UsageAnswer:
    """What the workspace used, hour by hour; by default in the last 24 hours."""
    until = plane.clock.now_ms() + 1 if until_ms is None else until_ms
    since = max(0, until - _DAY_MS) if since_ms is None else since_ms
    hours = plane.meter.usage(caller.workspace_id, since, until)
    return UsageAnswer(
        workspace=caller.workspace_id,
        since_ms=since,
        until_ms=until,
        total=UsageItem(**vars(sum(hours, start=Usage(since)))),
        hours=[UsageItem(**vars(hour)) for hour in hours],
    )


def _item(workspace: Workspace, plane: ControlPlane) -> WorkspaceItem:
    return WorkspaceItem(
        id=workspace.id,
        created_at=workspace.created_at_ms,
        quota=QuotaField(**vars(workspace.quota)),
        used=dict(plane.database.read(lambda connection: plane.quotas.used(connection, workspace.id))),
    )


def _made(made: IssuedToken) -> WorkspaceMade:
    return WorkspaceMade(id=made.token.workspace_id, token=made.value, token_name=made.token.name)
