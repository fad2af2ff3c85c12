"""Where queues and their messages are kept: all their SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from lepton_ai.core.database import metadata
from lepton_ai.infrastructure.storage.queues.records import Queue

queues_table = Table(
    "queues",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("workspace_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),
    UniqueConstraint("workspace_id", "name"),
)

messages_table = Table(
    "queue_messages",
    metadata,
    # The order of sending, also where the wall clock was turned back.
    Column("position", Integer, primary_key=True),
    Column("queue_id", String(40), ForeignKey("queues.id", ondelete="CASCADE"), nullable=False),
    Column("message", Text, nullable=False),
    Column("sent_at_ms", BigInteger, nullable=False),
    Column("visible_at_ms", BigInteger, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("receipt", String(40)),
    Index("queue_messages_by_queue", "queue_id", "position"),
    Index("queue_messages_by_receipt", "receipt"),
    sqlite_autoincrement=True,
)


def insert_queue(connection: Connection, queue: Queue) -> None:
    """Write a new queue."""
    connection.execute(insert(queues_table).values(vars(queue)))


def find_queue(connection: Connection, workspace_id: str, name: str) -> Queue | None:
    """One queue."""
    query = select(queues_table).filter_by(workspace_id=workspace_id, name=name)
    row = connection.execute(query).mappings().first()
    return Queue(**row) if row else None


def list_queues(connection: Connection, workspace_id: str) -> Sequence[Queue]:
    """All queues of a workspace, by name."""
    query = select(queues_table).filter_by(workspace_id=workspace_id).order_by(queues_table.c.name)
    return [Queue(**row) for row in connection.execute(query).mappings()]


def count_queues(connection: Connection, workspace_id: str) -> int:
    """How many queues a workspace has."""
    query = select(func.count()).select_from(queues_table).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query).scalar_one())


def remove_queue(connection: Connection, queue_id: str) -> None:
    """Remove a queue with all that is in it."""
    connection.execute(delete(queues_table).filter_by(id=queue_id))


def insert_message(connection: Connection, queue_id: str, message: str, now_ms: int) -> None:
    """Write a message behind all others."""
    row: dict[str, Any] = {"message": message, "sent_at_ms": now_ms, "visible_at_ms": 0, "deliveries": 0}
    connection.execute(insert(messages_table).values(queue_id=queue_id, **row))


def first_visible(connection: Connection, queue_id: str, now_ms: int) -> RowMapping | None:
    """The oldest message that nobody holds."""
    query = select(messages_table).filter_by(queue_id=queue_id).where(messages_table.c.visible_at_ms <= now_ms)
    return connection.execute(query.order_by(messages_table.c.position).limit(1)).mappings().first()


def lease_message(connection: Connection, position: int, receipt: str, until_ms: int) -> None:
    """Hide a message for some time, under a receipt."""
    held = {"receipt": receipt, "visible_at_ms": until_ms, "deliveries": messages_table.c.deliveries + 1}
    connection.execute(update(messages_table).filter_by(position=position).values(held))


def remove_message(connection: Connection, position: int) -> None:
    """Remove a message."""
    connection.execute(delete(messages_table).filter_by(position=position))


def remove_received(connection: Connection, queue_id: str, receipt: str) -> bool:
    """Remove the message that is held under a receipt; returns whether there was one."""
    return bool(connection.execute(delete(messages_table).filter_by(queue_id=queue_id, receipt=receipt)).rowcount)


def count_visible(connection: Connection, queue_id: str, now_ms: int) -> int:
    """How many messages wait that nobody holds."""
    waiting = messages_table.c.visible_at_ms <= now_ms
    query = select(func.count()).select_from(messages_table).filter_by(queue_id=queue_id).where(waiting)
    return int(connection.execute(query).scalar_one())
