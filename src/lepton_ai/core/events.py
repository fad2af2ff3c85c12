"""Events: who changed what, when and why; written in the transaction of the change itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, String, Table, Text, insert, select

from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Json, metadata
from lepton_ai.core.ids import NewId

events_table = Table(
    "events",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("workspace_id", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("object_kind", String(40), nullable=False),
    Column("object_name", String(128), nullable=False),
    Column("reason", String(80), nullable=False),
    Column("message", Text, nullable=False),
    Column("details", Json, nullable=False),
    Index("events_by_object", "workspace_id", "object_kind", "object_name", "id"),
    Index("events_by_workspace", "workspace_id", "id"),
)

_INSERT = insert(events_table)

SYSTEM = "system"
"""The actor of what the server does by itself."""


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Args:
        id: Sortable: later events sort after earlier ones.
        workspace_id: Where.
        at_ms: When, wall time in milliseconds.
        actor: The token's name, or `system`.
        action: What was done: `created`, `updated`, `status_changed`, …
        object_kind: What it was done to: `endpoint`, `model`, …
        object_name: Its name.
        reason: A stable word that programs can look for.
        message: A sentence for a person.
        details: Whatever else belongs to it, as JSON values.
    """

    id: str
    workspace_id: str
    at_ms: int
    actor: str
    action: str
    object_kind: str
    object_name: str
    reason: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """Writes events and reads them back. `record` is called inside the transaction that makes the change."""

    def __init__(self, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id

    def event(
        self,
        workspace_id: str,
        actor: str,
        action: str,
        object_kind: str,
        object_name: str,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
    ) -> Event:
        """Make an event with a fresh id and the time of now; `record` writes it."""
        return Event(
            self._new_id("evt"),
            workspace_id,
            self._clock.now_ms(),
            actor,
            action,
            object_kind,
            object_name,
            reason,
            message,
            dict(details or {}),
        )


def record(connection: Connection, *happened: Event) -> None:
    """Write events in the caller's transaction."""
    if happened:
        connection.execute(_INSERT, [vars(event) for event in happened])


def events_of(
    connection: Connection, workspace_id: str, object_kind: str, object_name: str, *, limit: int = 200
) -> Sequence[Event]:
    """The latest events of one object, oldest first."""
    rows = connection.execute(
        select(events_table)
        .where(
            events_table.c.workspace_id == workspace_id,
            events_table.c.object_kind == object_kind,
            events_table.c.object_name == object_name,
        )
        .order_by(events_table.c.id.desc())
        .limit(limit)
    ).mappings()
    return [Event(**row) for row in rows][::-1]


def find_events(
    connection: Connection,
    workspace_id: str,
    *,
    object_kind: str | None = None,
    object_name: str | None = None,
    actor: str | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    before: str | None = None,
    limit: int = 100,
) -> Sequence[Event]:
    """The events of a workspace, newest first.

    Args:
        since_ms: Not before this time.
        until_ms: Before this time.
        before: Only events older than the one of this id, to read page after page.
    """
    table = events_table.c
    query = select(events_table).where(table.workspace_id == workspace_id).order_by(table.id.desc()).limit(limit)
    wanted = {table.object_kind: object_kind, table.object_name: object_name, table.actor: actor}
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    if since_ms is not None:
        query = query.where(table.at_ms >= since_ms)
    if until_ms is not None:
        query = query.where(table.at_ms < until_ms)
    if before is not None:
        query = query.where(table.id < before)
    return [Event(**row) for row in connection.execute(query).mappings()]


def with_details(event: Event, **details: Any) -> Event:
    """The event with details that are known only inside the transaction."""
    return replace(event, details={**event.details, **details})
