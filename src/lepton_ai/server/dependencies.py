"""What every route gets: the control plane, who asks, and the workspace they may enter."""

from typing import Annotated

from fastapi import Depends, Header, Path, Request

from lepton_ai.core.access import Principal
from lepton_ai.server.control_plane import ControlPlane


# Both are coroutines, or FastAPI would send each through a thread of its own: 0.3 ms a request.
async def _control_plane(request: Request) -> ControlPlane:
    control_plane: ControlPlane = request.app.state.control_plane
    return control_plane


async def _principal(request: Request, workspace_id: Annotated[str, Path(max_length=64)]) -> Principal:
    principal: Principal = request.state.principal
    principal.require_workspace(workspace_id)  # the guard has checked it, on the path; this is what the route will use
    return principal


async def _anyone(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


Plane = Annotated[ControlPlane, Depends(_control_plane)]
"""The control plane."""

Caller = Annotated[Principal, Depends(_principal)]
"""Who asks; the workspace in the path is theirs, or the request has ended with 404."""

Asker = Annotated[Principal, Depends(_anyone)]
"""Who asks, on routes of the whole server: what they may see is the route's affair."""

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]
"""The client's key for a create that may be sent twice."""

WORKSPACE = "/api/v2/workspaces/{workspace_id}"
"""The path under which everything of a workspace lies."""
