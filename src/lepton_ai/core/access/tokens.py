"""Tokens: what one looks like, and where they are kept. The database holds only a token's SHA-256."""

import hashlib
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    RowMapping,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from lepton_ai.core.access.roles import Role
from lepton_ai.core.database import metadata

tokens_table = Table(
    "tokens",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("workspace_id", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("masked", String(40), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("role", String(20), nullable=False, server_default=Role.ADMIN.value),
    Column("expires_at_ms", BigInteger),
    Column("workload_id", String(64)),
    Index("tokens_good", "revoked_at_ms"),
)

_SHOWN = ("id", "workspace_id", "name", "masked", "created_at_ms", "expires_at_ms", "workload_id")


@dataclass(frozen=True)
class Token:
    """A token as it may be shown: without its value."""

    id: str
    workspace_id: str
    name: str
    masked: str
    created_at_ms: int
    role: Role
    expires_at_ms: int | None = None
    workload_id: str | None = None

    def is_expired(self, now_ms: int) -> bool:
        """Whether its time is over."""
        return self.expires_at_ms is not None and self.expires_at_ms <= now_ms


def new_token_value() -> str:
    """A fresh token: a prefix that scanners for leaked secrets can find, 240 random bits, and a checksum.

    Example:

        >>> value = new_token_value()
        >>> value.startswith("lep_"), looks_like_token(value), looks_like_token(value[:-1])
        (True, True, False)
    """
    body = f"lep_{secrets.token_urlsafe(30)}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def looks_like_token(value: str) -> bool:
    """Whether the checksum fits, so that a typing error is told apart from a token that was revoked."""
    body, _, checksum = value.rpartition("_")
    return body.startswith("lep_") and checksum == f"{zlib.crc32(body.encode()):08x}"


def digest_of(token: str) -> str:
    """The SHA-256 of a token in hexadecimal: what is stored, and what the gateway compares."""
    return hashlib.sha256(token.encode()).hexdigest()


def masked(value: str) -> str:
    """What may be shown of a token's value: its two ends, by which its owner knows it again.

    Example:

        >>> masked("lep_abcdefgh_1a2b3c4d")
        'lep_abcd...c4d'
    """
    return f"{value[:8]}...{value[-3:]}"


def insert_token(connection: Connection, token: Token, digest: str) -> None:
    """Write a new token."""
    connection.execute(insert(tokens_table).values({**vars(token), "role": token.role.value, "digest": digest}))


def good_tokens(connection: Connection, workspace_id: str | None = None) -> Sequence[tuple[str, Token]]:
    """Every token that was not revoked, oldest first, each after its digest."""
    query = select(tokens_table).filter_by(revoked_at_ms=None).order_by(tokens_table.c.id)
    if workspace_id is not None:
        query = query.filter_by(workspace_id=workspace_id)
    return [(row["digest"], _token(row)) for row in connection.execute(query).mappings()]


def find_token(connection: Connection, token_id: str) -> Token | None:
    """One token, good or not."""
    row = connection.execute(select(tokens_table).filter_by(id=token_id)).mappings().first()
    return _token(row) if row else None


def replace_value(connection: Connection, token_id: str, digest: str, shown: str) -> None:
    """Give a token another value, in place of one that nobody has seen."""
    connection.execute(update(tokens_table).filter_by(id=token_id).values(digest=digest, masked=shown))


def revoke(connection: Connection, now_ms: int, **which: str) -> int:
    """Revoke the good tokens with these values (`workspace_id`, `name`, `id`, `workload_id`); returns how many."""
    query = update(tokens_table).filter_by(revoked_at_ms=None, **which)
    return connection.execute(query.values(revoked_at_ms=now_ms)).rowcount


def forget_workload(connection: Connection, workload_id: str) -> int:
    """Remove a worker's token. Nobody asks for it again, and there are many: no row is kept."""
    return connection.execute(delete(tokens_table).filter_by(workload_id=workload_id)).rowcount


def _token(row: RowMapping) -> Token:
    return Token(**{name: row[name] for name in _SHOWN}, role=Role(row["role"]))
