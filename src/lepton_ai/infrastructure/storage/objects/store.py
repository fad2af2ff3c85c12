"""Which objects there are, for the driver `local`: all its SQL."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Connection, PrimaryKeyConstraint, String, Table, delete, func, insert, select

from lepton_ai.core.database import metadata
from lepton_ai.infrastructure.storage.objects.records import LONGEST_KEY_BYTES, Bucket, StoredObject

objects_table = Table(
    "objects",
    metadata,
    Column("workspace_id", String(64), nullable=False),
    Column("bucket", String(16), nullable=False),
    Column("key", String(LONGEST_KEY_BYTES), nullable=False),
    Column("blob", String(40), nullable=False, unique=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "bucket", "key"),
)


def find_object(connection: Connection, bucket: Bucket, key: str) -> tuple[StoredObject, str] | None:
    """One object, and the name of the file with its bytes."""
    query = select(objects_table).filter_by(workspace_id=bucket.workspace_id, bucket=bucket.name.value, key=key)
    row = connection.execute(query).mappings().first()
    return (StoredObject(row["key"], row["size_bytes"], row["changed_at_ms"]), row["blob"]) if row else None


def put_object(connection: Connection, bucket: Bucket, stored: StoredObject, blob: str) -> str | None:
    """Write an object in the place of the one there was; returns the file that nobody needs any more."""
    before = remove_object(connection, bucket, stored.key)
    where = {"workspace_id": bucket.workspace_id, "bucket": bucket.name.value}
    connection.execute(insert(objects_table).values(**where, **vars(stored), blob=blob))
    return before


def remove_object(connection: Connection, bucket: Bucket, key: str) -> str | None:
    """Remove an object; returns the file that nobody needs any more."""
    found = find_object(connection, bucket, key)
    if found is None:
        return None
    where = {"workspace_id": bucket.workspace_id, "bucket": bucket.name.value, "key": key}
    connection.execute(delete(objects_table).filter_by(**where))
    return found[1]


def list_objects(connection: Connection, bucket: Bucket, prefix: str, after: str, limit: int) -> Sequence[StoredObject]:
    """Objects by key, from behind `after` on."""
    table = objects_table.c
    query = select(table.key, table.size_bytes, table.changed_at_ms)
    query = query.filter_by(workspace_id=bucket.workspace_id, bucket=bucket.name.value).where(table.key > after)
    if prefix:
        # Behind the prefix itself, and before the first text that no longer begins with it.
        query = query.where(table.key >= prefix, table.key < prefix + "\U0010ffff")
    return [StoredObject(*row) for row in connection.execute(query.order_by(table.key).limit(limit))]


def count_objects(connection: Connection, workspace_id: str) -> int:
    """How many objects a workspace has in the data folder."""
    query = select(func.count()).select_from(objects_table).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query).scalar_one())


def bytes_of(connection: Connection, workspace_id: str) -> int:
    """The size of a workspace's objects in the data folder."""
    query = select(func.sum(objects_table.c.size_bytes)).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query).scalar_one() or 0)


def blobs(connection: Connection) -> set[str]:
    """The files that objects need."""
    return set(connection.execute(select(objects_table.c.blob)).scalars())
