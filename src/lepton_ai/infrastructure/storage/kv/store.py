"""Where key-value namespaces are kept: all their SQL."""

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from lepton_ai.core.database import metadata
from lepton_ai.infrastructure.storage.kv.records import LONGEST_KEY_BYTES, KeyPage, Namespace

namespaces_table = Table(
    "kv_namespaces",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("workspace_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),
    UniqueConstraint("workspace_id", "name"),
)

values_table = Table(
    "kv_values",
    metadata,
    # Grows with each new key: a cursor that is a position skips no key, whatever is written or removed meanwhile.
    Column("position", Integer, primary_key=True),
    Column("namespace_id", String(40), ForeignKey("kv_namespaces.id", ondelete="CASCADE"), nullable=False),
    Column("key", String(LONGEST_KEY_BYTES), nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    UniqueConstraint("namespace_id", "key"),
    sqlite_autoincrement=True,
)


def insert_namespace(connection: Connection, namespace: Namespace) -> None:
    """Write a new namespace."""
    connection.execute(insert(namespaces_table).values(vars(namespace)))


def find_namespace(connection: Connection, workspace_id: str, name: str) -> Namespace | None:
    """One namespace."""
    query = select(namespaces_table).filter_by(workspace_id=workspace_id, name=name)
    row = connection.execute(query).mappings().first()
    return Namespace(**row) if row else None


def list_namespaces(connection: Connection, workspace_id: str) -> Sequence[Namespace]:
    """All namespaces of a workspace, by name."""
    query = select(namespaces_table).filter_by(workspace_id=workspace_id).order_by(namespaces_table.c.name)
    return [Namespace(**row) for row in connection.execute(query).mappings()]


def count_namespaces(connection: Connection, workspace_id: str) -> int:
    """How many namespaces a workspace has."""
    query = select(func.count()).select_from(namespaces_table).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query).scalar_one())


def remove_namespace(connection: Connection, namespace_id: str) -> None:
    """Remove a namespace with all that is in it."""
    connection.execute(delete(namespaces_table).filter_by(id=namespace_id))


def put_value(connection: Connection, namespace_id: str, key: str, value: bytes, now_ms: int) -> None:
    """Write a value in the place of the one there was."""
    changed = {"value": value, "changed_at_ms": now_ms}
    written = update(values_table).filter_by(namespace_id=namespace_id, key=key).values(changed)
    if not connection.execute(written).rowcount:
        connection.execute(insert(values_table).values(namespace_id=namespace_id, key=key, **changed))


def find_value(connection: Connection, namespace_id: str, key: str) -> bytes | None:
    """One value."""
    query = select(values_table.c.value).filter_by(namespace_id=namespace_id, key=key)
    return connection.execute(query).scalar_one_or_none()


def remove_value(connection: Connection, namespace_id: str, key: str) -> bool:
    """Remove a key; returns whether it was there."""
    return bool(connection.execute(delete(values_table).filter_by(namespace_id=namespace_id, key=key)).rowcount)


def list_keys(connection: Connection, namespace_id: str, cursor: int, limit: int, prefix: str) -> KeyPage:
    """Keys from a cursor on; all that are left for a limit of 0."""
    table = values_table.c
    query = select(table.position, table.key).filter_by(namespace_id=namespace_id).where(table.position >= cursor)
    if prefix:
        query = query.where(func.substr(table.key, 1, len(prefix)) == prefix)
    query = query.order_by(table.position)
    rows = connection.execute(query.limit(limit + 1) if limit else query).all()
    more = bool(limit) and len(rows) > limit
    return KeyPage([row.key for row in (rows[:limit] if more else rows)], rows[limit].position if more else None)
