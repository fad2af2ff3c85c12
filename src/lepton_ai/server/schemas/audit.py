"""The audit on the wire: what was changed, by whom."""

from typing import Any

from pydantic import Field

from lepton_ai.server.schemas.common import Body


class AuditItem(Body):
    """One change."""

    id: str
    at_ms: int
    actor: str
    action: str
    noun: str
    name: str
    reason: str
    message: str
    details: dict[str, Any]


class AuditPage(Body):
    """One page, newest first."""

    items: list[AuditItem]
    next: str | None = Field(None, description="Ask for the next page with `before=` this; null at the end.")
