"""Leases on rows of a table: whoever holds the token of a row may write it, until the lease ends.

A table that is worked on by the loop of `reconcile.py` has the columns `id`, `lease_token`, `lease_until_ms` and
`next_check_at_ms`; the statements on these are here.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, case, delete, func, or_, select, update

FREE: Mapping[str, Any] = MappingProxyType({"lease_token": None, "lease_until_ms": 0})
"""What a row says that nobody holds."""

DUE_AT_ONCE: Mapping[str, Any] = MappingProxyType({**FREE, "next_check_at_ms": 0})
"""What a row says that nobody holds and that somebody should look at."""


_FAR_AHEAD_MS = 900_000
"""Longer than any lease, and than any pause between two looks."""


def is_due(table: Table, now_ms: int) -> ColumnElement[bool]:
    """Rows that should be looked at and that nobody holds."""
    # A time far ahead was written before somebody turned the clock back: it counts as due.
    far_ms = now_ms + _FAR_AHEAD_MS
    columns = (table.c.next_check_at_ms, table.c.lease_until_ms)
    return and_(*(or_(column <= now_ms, column > far_ms) for column in columns))


def has_due(connection: Connection, table: Table, now_ms: int) -> bool:
    """Whether `lease` would find something; a read, so that an idle server writes nothing."""
    return connection.execute(select(table.c.id).where(is_due(table, now_ms)).limit(1)).first() is not None


def next_due_ms(connection: Connection, table: Table) -> int | None:
    """When the next row is due, held ones at the end of their lease. None: no row waits for a time."""
    return connection.execute(select(func.min(table.c.next_check_at_ms))).scalar()


def lease(
    connection: Connection, table: Table, now_ms: int, lease_ms: int, limit: int, lease_tokens: Sequence[str]
) -> Sequence[tuple[RowMapping, str]]:
    """Take due rows, those first that have waited longest, each under a token of its own."""
    query = select(table).where(is_due(table, now_ms)).order_by(table.c.next_check_at_ms, table.c.id)
    found = connection.execute(query.limit(limit)).mappings().all()
    taken = list(zip(found, lease_tokens, strict=False))
    for row, lease_token in taken:
        # A pass that fails leaves its row due when the lease ends; a zero that is found there then is a new hint.
        held = {
            "lease_token": lease_token,
            "lease_until_ms": now_ms + lease_ms,
            "next_check_at_ms": now_ms + lease_ms,
        }
        connection.execute(update(table).filter_by(id=row["id"]).values(held))
    return taken


def given_back(table: Table, next_check_at_ms: int | None) -> Mapping[str, Any]:
    """What a row says after a pass: nobody holds it, and it is due then, or at once where a hint came meanwhile."""
    return {**FREE, "next_check_at_ms": case((table.c.next_check_at_ms == 0, 0), else_=next_check_at_ms)}


def remove(connection: Connection, table: Table, lease_token: str, row_id: str) -> bool:
    """Remove a row for good, if the lease still stands."""
    return connection.execute(delete(table).filter_by(id=row_id, lease_token=lease_token)).rowcount > 0


def free_all(connection: Connection, table: Table) -> None:
    """Give back the leases of a server that is gone. Only whoever holds the data folder's lock may do this."""
    connection.execute(update(table).values(DUE_AT_ONCE))
