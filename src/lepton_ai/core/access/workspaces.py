"""Workspaces: what one is, and where they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, RowMapping, String, Table, bindparam, insert, select, update

from lepton_ai.core.database import Json, metadata
from lepton_ai.core.errors import InvalidInput
from lepton_ai.core.names import check_name

DEFAULT_WORKSPACE = "default"
"""The first workspace. Its admins look after the server."""

RESERVED_WORKSPACE_IDS = frozenset({"api", "docs", "metrics", "healthz", "readyz", "openapi.json", "console"})

workspaces_table = Table(
    "workspaces",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("quota", Json, nullable=False, server_default="{}"),
    Column("removed_at_ms", BigInteger),
)


@dataclass(frozen=True)
class Quota:
    """How much a workspace may have at once; None is without limit.

    Args:
        endpoints: Endpoints, stopped ones included.
        jobs: Jobs and training runs that are not over.
        replicas: Replicas that endpoints ask for, all together.
        cpus: Cores that replicas and jobs ask for, all together.
        storage_bytes: Bytes of models and stored files.
    """

    endpoints: int | None = None
    jobs: int | None = None
    replicas: int | None = None
    cpus: float | None = None
    storage_bytes: int | None = None


@dataclass(frozen=True)
class Workspace:
    """One workspace.

    Args:
        removed_at_ms: When it was removed. Its row stays, so that nobody who takes its name later reads its history.
    """

    id: str
    created_at_ms: int
    quota: Quota = Quota()
    removed_at_ms: int | None = None


# Built once, as every create asks for it: building a statement costs more than running it.
_FIND = select(workspaces_table).where(workspaces_table.c.id == bindparam("workspace"))


def check_workspace_id(workspace_id: str) -> None:
    """Refuse what cannot be a workspace's name.

    Raises:
        InvalidInput: The rule is broken, or the server's own paths use that name.
    """
    check_name("workspace", workspace_id)
    if workspace_id in RESERVED_WORKSPACE_IDS:
        raise InvalidInput(f"`workspace` may not be {workspace_id!r}: the server's own paths use that name")


def insert_workspace(connection: Connection, workspace_id: str, now_ms: int) -> None:
    """Write a new workspace."""
    connection.execute(insert(workspaces_table).values(id=workspace_id, created_at_ms=now_ms, quota={}))


def find_workspace(connection: Connection, workspace_id: str) -> Workspace | None:
    """One workspace, removed or not."""
    row = connection.execute(_FIND, {"workspace": workspace_id}).mappings().first()
    return _workspace(row) if row else None


def list_workspaces(connection: Connection) -> Sequence[Workspace]:
    """All workspaces that were not removed, by name."""
    query = select(workspaces_table).filter_by(removed_at_ms=None).order_by(workspaces_table.c.id)
    return [_workspace(row) for row in connection.execute(query).mappings()]


def set_quota(connection: Connection, workspace_id: str, quota: Quota) -> None:
    """Write a workspace's quota."""
    written = {name: limit for name, limit in vars(quota).items() if limit is not None}
    connection.execute(update(workspaces_table).filter_by(id=workspace_id).values(quota=written))


def mark_removed(connection: Connection, workspace_id: str, now_ms: int) -> None:
    """Write down that a workspace is gone."""
    connection.execute(update(workspaces_table).filter_by(id=workspace_id).values(removed_at_ms=now_ms))


def _workspace(row: RowMapping) -> Workspace:
    return Workspace(row["id"], row["created_at_ms"], Quota(**row["quota"]), row["removed_at_ms"])
