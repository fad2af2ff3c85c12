"""Key-value namespaces: values under keys, pages that skip nothing, and names that are never blank."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lepton_ai.core.clock import ManualClock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import AlreadyExists, InvalidInput, NotFound, TooLarge
from lepton_ai.core.events import Journal, events_of
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import id_source
from lepton_ai.core.migrate import migrate
from lepton_ai.infrastructure.storage.kv.records import LARGEST_VALUE_BYTES
from lepton_ai.infrastructure.storage.kv.service import KeyValues

T = TypeVar("T")
WS = "default"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "lepton.db")
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def kv(database: Database) -> KeyValues:
    clock = ManualClock()
    new_id = id_source(clock)
    found = KeyValues(database, clock, new_id, Journal(clock, new_id))
    done(found.create(WS, "settings", "ada"))
    return found


def done(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def put(kv: KeyValues, key: str, value: bytes = b"x") -> None:
    done(kv.put(WS, "settings", key, value))


def test_value_is_read_as_it_was_written_and_replaced(kv: KeyValues) -> None:
    put(kv, "a", bytes(range(256)))
    assert kv.get(WS, "settings", "a") == bytes(range(256))
    put(kv, "a", b"")
    assert kv.get(WS, "settings", "a") == b""


def test_key_that_is_not_there_is_not_found_and_removed_without_complaint(kv: KeyValues) -> None:
    with pytest.raises(NotFound, match="no key 'a'"):
        kv.get(WS, "settings", "a")
    assert not done(kv.remove_key(WS, "settings", "a"))
    put(kv, "a")
    assert done(kv.remove_key(WS, "settings", "a"))


def test_pages_end_with_no_cursor_and_skip_no_key_while_others_come_and_go(kv: KeyValues) -> None:
    assert vars(kv.keys(WS, "settings")) == {"keys": [], "cursor": None}
    for number in range(10):
        put(kv, str(number))
    first = kv.keys(WS, "settings", limit=5)
    assert first.keys == ["0", "1", "2", "3", "4"]
    for key in ("0", "1", "7"):
        done(kv.remove_key(WS, "settings", key))
    put(kv, "new")
    put(kv, "8", b"again")  # written before, so its place stays
    second = kv.keys(WS, "settings", cursor=first.cursor or 0, limit=5)
    assert second.keys == ["5", "6", "8", "9", "new"]
    assert second.cursor is None
    assert len(kv.keys(WS, "settings", limit=0).keys) == 8


def test_prefix_is_taken_letter_by_letter(kv: KeyValues) -> None:
    for key in ("a%b", "a_b", "aXb", "Axb", "b", "ä1"):
        put(kv, key)
    assert kv.keys(WS, "settings", prefix="a%").keys == ["a%b"]
    assert kv.keys(WS, "settings", prefix="a_").keys == ["a_b"]
    assert kv.keys(WS, "settings", prefix="a").keys == ["a%b", "a_b", "aXb"]
    assert kv.keys(WS, "settings", prefix="ä").keys == ["ä1"]


@pytest.mark.parametrize("name", ["", " ", "\t", "Upper", "a/b", "a b", "-a", "a-", "x" * 64, "é"])
def test_name_that_nobody_could_remove_again_is_refused(kv: KeyValues, name: str) -> None:
    with pytest.raises(InvalidInput, match="namespace"):
        done(kv.create(WS, name, "ada"))


@pytest.mark.parametrize("key", ["", " ", "x" * 257, "é" * 129, "a\x00b", "a\nb", "..", "a/../b", "./a"])
def test_key_that_breaks_the_rule_is_refused(kv: KeyValues, key: str) -> None:
    with pytest.raises(InvalidInput, match="key"):
        put(kv, key)


def test_value_above_the_limit_is_refused_and_the_old_one_stays(kv: KeyValues) -> None:
    put(kv, "a", b"y" * LARGEST_VALUE_BYTES)
    with pytest.raises(TooLarge, match=str(LARGEST_VALUE_BYTES)):
        put(kv, "a", b"z" * (LARGEST_VALUE_BYTES + 1))
    assert kv.get(WS, "settings", "a")[:1] == b"y"


def test_namespace_is_made_once_and_removed_with_all_that_is_in_it(kv: KeyValues, database: Database) -> None:
    put(kv, "a")
    with pytest.raises(AlreadyExists):
        done(kv.create(WS, "settings", "ada"))
    done(kv.remove(WS, "settings", "ada"))
    with pytest.raises(NotFound):
        kv.get(WS, "settings", "a")
    done(kv.create(WS, "settings", "ada"))
    assert kv.keys(WS, "settings").keys == []
    told = database.read(lambda connection: events_of(connection, WS, "kv", "settings"))
    assert [event.action for event in told] == ["created", "removed", "created"]


def test_create_that_is_sent_twice_with_one_key_is_made_once(kv: KeyValues) -> None:
    made = [done(kv.create(WS, "twice", "ada", Once("k", b"kv twice"))) for _ in range(2)]
    assert made[0].id == made[1].id


def test_another_workspace_has_its_own(kv: KeyValues) -> None:
    put(kv, "a")
    done(kv.create("other", "settings", "eve"))
    with pytest.raises(NotFound):
        kv.get("other", "settings", "a")
    done(kv.remove("other", "settings", "eve"))
    assert kv.get(WS, "settings", "a") == b"x"
