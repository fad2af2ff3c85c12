"""What each route needs: the one place where it is decided who may send a request. What is not listed is not there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lepton_ai.core.access import Need, Principal
from lepton_ai.core.errors import NotFound

_WORKSPACES = "/api/v2/workspaces"
_READING = frozenset({"GET", "HEAD"})
_TAKING = re.compile(rf"{_WORKSPACES}/[^/]+/queue/[^/]+/messages")
"""What takes something away although it is a GET: so the protocol receives messages."""


@dataclass(frozen=True)
class Rights:
    """What a noun's routes need: the reading ones, and all others."""

    reading: Need = Need.READ
    changing: Need = Need.WRITE


SERVER_RIGHTS: Mapping[str, Rights] = {
    "/metrics": Rights(changing=Need.ROOT),
    _WORKSPACES: Rights(reading=Need.ADMIN, changing=Need.ROOT),
    "/api/v2/master-key": Rights(reading=Need.ROOT, changing=Need.ROOT),
}
"""The paths outside of any workspace."""

WORKSPACE_RIGHTS: Mapping[str, Rights] = {
    "": Rights(changing=Need.ROOT),  # the workspace itself
    "admin-token": Rights(reading=Need.ROOT, changing=Need.ROOT),
    "artifacts": Rights(),
    "audit": Rights(),
    "datasets": Rights(),
    "dedicated-node-groups": Rights(changing=Need.ADMIN),
    "deployments": Rights(),
    "finetune": Rights(),
    "gc": Rights(reading=Need.ROOT, changing=Need.ROOT),  # files are shared by all workspaces
    "ingress": Rights(),
    "jobs": Rights(),
    "kv": Rights(),
    "logs": Rights(),
    "models": Rights(),
    "object_storage": Rights(),
    "photons": Rights(),
    "queue": Rights(),
    "quota": Rights(changing=Need.ROOT),
    "rayclusters": Rights(),
    "runs": Rights(),
    "secrets": Rights(),
    "shapes": Rights(),
    "status": Rights(),
    "storage": Rights(),
    "templates": Rights(),
    "tokens": Rights(changing=Need.ADMIN),
    "usage": Rights(),
    "usersecrets": Rights(),
    "workspace": Rights(),
}
"""The nouns of a workspace: the first part of the path after it. A new noun is reached once it stands here."""

PROTOCOL_NOUNS = frozenset(
    {
        *("workspace", "deployments", "tokens", "usersecrets", "secrets", "shapes", "dedicated-node-groups"),
        *("ingress", "rayclusters", "finetune", "jobs", "templates", "logs"),
        *("storage", "object_storage", "kv", "queue", "photons"),
    }
)
"""Those whose routes answer errors in the protocol's form."""


def check_rights(principal: Principal, method: str, path: str) -> None:
    """Refuse a request that its sender may not make.

    Args:
        principal: Who sends it.
        method: How.
        path: The path as it came.

    Raises:
        NotFound: The workspace is another one, or nothing of that name is listed above.
        PermissionDenied: The role does not allow it.
    """
    workspace_id, rights = _find(path)
    if rights is None:
        raise NotFound(f"there is nothing at {path[:200]}", hint="GET /openapi.json lists all.")
    reads = method in _READING and not _TAKING.fullmatch(path)
    need = rights.reading if reads else rights.changing
    if workspace_id is not None and not (need is Need.ROOT and principal.is_root):
        principal.require_workspace(workspace_id)
    principal.require(need)


def noun_of(path: str) -> str:
    """The noun in a path of a workspace: what follows the workspace. "" for the workspace itself and every other path.

    Example:

        >>> noun_of("/api/v2/workspaces/default/models/digits/versions"), noun_of("/healthz")
        ('models', '')
    """
    workspace_id, noun = _parts(path) or ("", "")
    return noun if workspace_id else ""


def _find(path: str) -> tuple[str | None, Rights | None]:
    if path in SERVER_RIGHTS:
        return None, SERVER_RIGHTS[path]
    parts = _parts(path)
    return (None, None) if parts is None else (parts[0], WORKSPACE_RIGHTS.get(parts[1]))


def _parts(path: str) -> tuple[str, str] | None:
    """The workspace and the noun in a path; None where it leads into no workspace."""
    if not path.startswith(f"{_WORKSPACES}/"):
        return None
    workspace_id, _, rest = path.removeprefix(f"{_WORKSPACES}/").partition("/")
    return workspace_id, rest.partition("/")[0]
