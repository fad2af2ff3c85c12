"""Workspaces on the wire, for the server's admins: quotas, and what was used."""

from pydantic import Field

from lepton_ai.server.schemas.common import Body, Request

_MOST = 2**53


class QuotaField(Body):
    """How much a workspace may have at once; null is without limit."""

    endpoints: int | None = Field(None, ge=0, le=_MOST)
    jobs: int | None = Field(None, ge=0, le=_MOST)
    replicas: int | None = Field(None, ge=0, le=_MOST)
    cpus: float | None = Field(None, ge=0, le=_MOST)
    storage_bytes: int | None = Field(None, ge=0, le=_MOST)


class SetQuota(QuotaField, Request):
    """The body of `PUT …/quota`: the whole quota."""


class CreateWorkspace(Request):
    """The body of `POST /workspaces`."""

    name: str


class WorkspaceItem(Body):
    """One workspace."""

    id: str
    created_at: int
    quota: QuotaField
    used: dict[str, float]


class WorkspaceMade(Body):
    """A workspace that was made, or whose admin was: with the token's value, which is shown this once."""

    id: str
    token: str
    token_name: str


class UsageItem(Body):
    """What was used in one hour, or in all of them."""

    hour_ms: int
    cpu_s: float
    replica_s: float
    worker_s: float


class UsageAnswer(Body):
    """What a workspace used."""

    workspace: str
    since_ms: int
    until_ms: int
    total: UsageItem
    hours: list[UsageItem]
