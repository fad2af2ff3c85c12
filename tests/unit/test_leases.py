"""Leases on rows: one holder at a time, and no row that is forgotten."""

from collections.abc import Iterator

import pytest
from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, create_engine, insert, select, update

from lepton_ai.core import leases

NOW_MS, LEASE_MS = 1_000_000, 15_000

table = Table(
    "things",
    MetaData(),
    Column("id", String(8), primary_key=True),
    Column("lease_token", String(8)),
    Column("lease_until_ms", BigInteger, nullable=False),
    Column("next_check_at_ms", BigInteger),
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        table.metadata.create_all(connection)
        connection.execute(insert(table), [{"id": name, **leases.DUE_AT_ONCE} for name in ("a", "b", "c")])
        yield connection
    engine.dispose()


def taken(connection: Connection, now_ms: int = NOW_MS) -> dict[str, str]:
    found = leases.lease(connection, table, now_ms, LEASE_MS, 2, ["first", "second", "third"])
    return {row["id"]: token for row, token in found}


def test_each_row_has_one_holder_until_its_lease_ends(connection: Connection) -> None:
    assert taken(connection) == {"a": "first", "b": "second"}
    assert taken(connection) == {"c": "first"}
    assert not leases.has_due(connection, table, NOW_MS)
    assert taken(connection, NOW_MS + LEASE_MS) == {"a": "first", "b": "second"}


def test_row_that_waits_is_not_looked_at_before_its_time(connection: Connection) -> None:
    connection.execute(update(table).values(next_check_at_ms=NOW_MS + 500))
    assert not leases.has_due(connection, table, NOW_MS)
    assert leases.has_due(connection, table, NOW_MS + 500)


def test_row_without_a_time_is_never_due(connection: Connection) -> None:
    connection.execute(update(table).values(next_check_at_ms=None))
    assert taken(connection) == {}


def test_times_from_before_the_clock_was_turned_back_count_as_over(connection: Connection) -> None:
    connection.execute(update(table).values(next_check_at_ms=NOW_MS, lease_until_ms=NOW_MS + LEASE_MS))
    an_hour_ago = NOW_MS - 3_600_000
    assert taken(connection, an_hour_ago) == {"a": "first", "b": "second"}


def test_only_the_holder_removes(connection: Connection) -> None:
    taken(connection)
    assert not leases.remove(connection, table, "second", "a")
    assert leases.remove(connection, table, "first", "a")
    assert connection.execute(select(table.c.id)).scalars().all() == ["b", "c"]


def test_leases_of_a_server_that_is_gone_are_free_at_once(connection: Connection) -> None:
    taken(connection)
    leases.free_all(connection, table)
    assert taken(connection) == {"a": "first", "b": "second"}


def test_next_row_is_due_when_it_said_and_a_held_one_when_its_lease_ends(connection: Connection) -> None:
    connection.execute(update(table).values(next_check_at_ms=NOW_MS))
    assert leases.next_due_ms(connection, table) == NOW_MS
    assert taken(connection) == {"a": "first", "b": "second"}
    connection.execute(update(table).where(table.c.id == "c").values(next_check_at_ms=None))
    assert leases.next_due_ms(connection, table) == NOW_MS + LEASE_MS
    connection.execute(update(table).values(next_check_at_ms=None))
    assert leases.next_due_ms(connection, table) is None


def test_hint_that_comes_while_a_row_is_held_is_not_lost(connection: Connection) -> None:
    assert taken(connection) == {"a": "first", "b": "second"}
    connection.execute(update(table).where(table.c.id == "a").values(next_check_at_ms=0))
    for row_id in ("a", "b"):
        connection.execute(update(table).filter_by(id=row_id).values(leases.given_back(table, NOW_MS + 500)))
    assert taken(connection, NOW_MS + 1) == {"a": "first", "c": "second"}
