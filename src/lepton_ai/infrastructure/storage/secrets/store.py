"""Where secrets are kept, sealed: all their SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    RowMapping,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from lepton_ai.core.database import Json, metadata
from lepton_ai.infrastructure.storage.secrets.records import Secret, Visibility

secrets_table = Table(
    "secrets",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("workspace_id", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("owner", String(80), nullable=False),
    Column("visibility", String(10), nullable=False),
    Column("tags", Json, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    UniqueConstraint("workspace_id", "name"),
)

data_keys_table = Table(
    "data_keys",
    metadata,
    Column("workspace_id", String(64), primary_key=True),
    Column("master_key_id", String(16), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
)


def insert_secret(connection: Connection, secret: Secret, sealed: bytes) -> None:
    """Write a new secret."""
    row = vars(secret) | {"visibility": secret.visibility.value, "tags": list(secret.tags), "sealed": sealed}
    connection.execute(insert(secrets_table).values(row))


def find_secret(connection: Connection, workspace_id: str, name: str) -> tuple[Secret, bytes] | None:
    """One secret, with its sealed value."""
    query = select(secrets_table).filter_by(workspace_id=workspace_id, name=name)
    row = connection.execute(query).mappings().first()
    return (_secret(row), row["sealed"]) if row else None


def list_secrets(connection: Connection, workspace_id: str) -> Sequence[Secret]:
    """The secrets of a workspace, by name."""
    query = select(secrets_table).filter_by(workspace_id=workspace_id).order_by(secrets_table.c.name)
    return [_secret(row) for row in connection.execute(query).mappings()]


def count_secrets(connection: Connection, workspace_id: str) -> int:
    """How many secrets a workspace has."""
    query = select(func.count()).select_from(secrets_table).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query).scalar_one())


def delete_secret(connection: Connection, secret_id: str) -> None:
    """Remove a secret."""
    connection.execute(delete(secrets_table).filter_by(id=secret_id))


def find_data_key(connection: Connection, workspace_id: str) -> RowMapping | None:
    """A workspace's data key, as it is kept."""
    return connection.execute(select(data_keys_table).filter_by(workspace_id=workspace_id)).mappings().first()


def list_data_keys(connection: Connection) -> Sequence[RowMapping]:
    """The data keys of all workspaces."""
    return connection.execute(select(data_keys_table)).mappings().all()


def insert_data_key(connection: Connection, workspace_id: str, sealed_by: dict[str, Any]) -> None:
    """Write a workspace's first data key."""
    connection.execute(insert(data_keys_table).values(workspace_id=workspace_id, **sealed_by))


def update_data_key(connection: Connection, workspace_id: str, sealed_by: dict[str, Any]) -> None:
    """Write a data key as another master key has sealed it."""
    connection.execute(update(data_keys_table).filter_by(workspace_id=workspace_id).values(sealed_by))


def _secret(row: RowMapping) -> Secret:
    return Secret(
        row["id"],
        row["workspace_id"],
        row["name"],
        row["owner"],
        Visibility(row["visibility"]),
        tuple(row["tags"]),
        row["created_at_ms"],
    )
