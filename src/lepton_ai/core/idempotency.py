"""Idempotency keys: a create that is sent twice, because the first answer was lost, is made once."""

import hashlib
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
)

from lepton_ai.core.database import Json, metadata
from lepton_ai.core.errors import InvalidInput

KEPT_MS = 24 * 3600 * 1000
LONGEST_KEY = 200

idempotency_table = Table(
    "idempotency_keys",
    metadata,
    Column("workspace_id", String(64), nullable=False),
    Column("key", String(LONGEST_KEY), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("made", Json, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "key"),
    Index("idempotency_keys_by_age", "at_ms"),
)

_FIND = select(idempotency_table).where(
    idempotency_table.c.workspace_id == bindparam("workspace"), idempotency_table.c.key == bindparam("sent")
)
_FORGET = delete(idempotency_table).where(idempotency_table.c.at_ms < bindparam("before_ms"))
_INSERT = insert(idempotency_table)


class Once:
    """One create with its key; used inside the transaction that makes the thing.

    Args:
        key: What the client sent as `Idempotency-Key`.
        request: What it asked for, as bytes; the same key with another request is refused.
    """

    def __init__(self, key: str, request: bytes) -> None:
        if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
            raise InvalidInput(f"`Idempotency-Key` must be 1 to {LONGEST_KEY} printable characters, got {len(key)}")
        self._key = key
        self._fingerprint = hashlib.sha256(request).hexdigest()

    def made_before(self, connection: Connection, workspace_id: str) -> Any:
        """What an earlier request with this key made, or None."""
        row = connection.execute(_FIND, {"workspace": workspace_id, "sent": self._key}).mappings().first()
        if row is None:
            return None
        if row["fingerprint"] != self._fingerprint:
            raise InvalidInput(
                "this `Idempotency-Key` was used for another request", hint="Use a fresh key for every new request."
            )
        return row["made"]

    def remember(self, connection: Connection, workspace_id: str, made: Any, now_ms: int) -> None:
        """Write down what this request made; now and then forget what is older than a day."""
        if self._fingerprint.startswith("00"):  # one request in 256
            connection.execute(_FORGET, {"before_ms": now_ms - KEPT_MS})
        row = {"workspace_id": workspace_id, "key": self._key, "fingerprint": self._fingerprint}
        connection.execute(_INSERT, row | {"made": made, "at_ms": now_ms})
