"""Queues: first in, first out; gone at once, or held by a lease until they are acknowledged."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lepton_ai.core.clock import ManualClock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import AlreadyExists, InvalidInput, NotFound, TooLarge
from lepton_ai.core.events import Journal
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import id_source
from lepton_ai.core.migrate import migrate
from lepton_ai.infrastructure.storage.queues.records import LARGEST_MESSAGE_BYTES, Received
from lepton_ai.infrastructure.storage.queues.service import Queues

T = TypeVar("T")
WS = "default"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queues(tmp_path: Path, clock: ManualClock) -> Iterator[Queues]:
    database = Database.open(tmp_path / "lepton.db")
    migrate(database)
    new_id = id_source(clock)
    found = Queues(database, clock, new_id, Journal(clock, new_id))
    done(found.create(WS, "letters", "ada"))
    yield found
    database.close()


def done(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def send(queues: Queues, *messages: str) -> None:
    for message in messages:
        done(queues.send(WS, "letters", message))


def receive(queues: Queues, lease_s: float | None = None) -> Received:
    found = done(queues.receive(WS, "letters", lease_s))
    assert found is not None
    return found


def test_messages_come_out_in_the_order_in_which_they_were_sent(queues: Queues, clock: ManualClock) -> None:
    send(queues, "one", "two")
    clock.turn_wall_clock(-3600)
    send(queues, "three", "one")
    assert queues.length(WS, "letters") == 4
    assert [receive(queues).message for _ in range(4)] == ["one", "two", "three", "one"]
    assert done(queues.receive(WS, "letters")) is None
    assert queues.length(WS, "letters") == 0


def test_message_received_without_a_lease_is_gone(queues: Queues, clock: ManualClock) -> None:
    send(queues, "one")
    assert receive(queues).receipt is None
    clock.advance(1e6)
    assert done(queues.receive(WS, "letters")) is None


def test_message_whose_lease_ran_out_comes_back_in_its_place(queues: Queues, clock: ManualClock) -> None:
    send(queues, "one", "two")
    first = receive(queues, lease_s=30)
    assert queues.length(WS, "letters") == 1
    clock.advance(29)
    assert receive(queues, lease_s=300).message == "two"
    assert done(queues.receive(WS, "letters")) is None
    clock.advance(1)
    again = receive(queues, lease_s=30)
    assert (again.message, again.deliveries) == ("one", 2)
    with pytest.raises(NotFound, match="no message"):
        done(queues.acknowledge(WS, "letters", str(first.receipt)))
    done(queues.acknowledge(WS, "letters", str(again.receipt)))
    clock.advance(1000)
    assert receive(queues).message == "two"
    assert done(queues.receive(WS, "letters")) is None


def test_message_can_be_acknowledged_late_as_long_as_nobody_else_got_it(queues: Queues, clock: ManualClock) -> None:
    send(queues, "one")
    held = receive(queues, lease_s=5)
    clock.advance(60)
    done(queues.acknowledge(WS, "letters", str(held.receipt)))
    assert done(queues.receive(WS, "letters")) is None


def test_message_sent_twice_with_one_key_is_there_once(queues: Queues) -> None:
    for _ in range(3):
        done(queues.send(WS, "letters", "one", Once("k", b"letters one")))
    assert queues.length(WS, "letters") == 1
    receive(queues)
    done(queues.send(WS, "letters", "one", Once("k", b"letters one")))
    assert queues.length(WS, "letters") == 0


@pytest.mark.parametrize("lease_s", [0, -1, float("nan"), 1e9])
def test_lease_must_be_a_time_that_can_be_waited(queues: Queues, lease_s: float) -> None:
    with pytest.raises(InvalidInput, match="lease_s"):
        done(queues.receive(WS, "letters", lease_s))


def test_message_above_the_limit_is_refused(queues: Queues) -> None:
    send(queues, "x" * LARGEST_MESSAGE_BYTES, "")
    with pytest.raises(TooLarge):
        send(queues, "é" * (LARGEST_MESSAGE_BYTES // 2 + 1))
    assert queues.length(WS, "letters") == 2


def test_queue_is_made_once_and_removed_with_its_messages(queues: Queues) -> None:
    send(queues, "one")
    with pytest.raises(AlreadyExists):
        done(queues.create(WS, "letters", "ada"))
    done(queues.remove(WS, "letters", "ada"))
    with pytest.raises(NotFound):
        queues.length(WS, "letters")
    done(queues.create(WS, "letters", "ada"))
    assert queues.length(WS, "letters") == 0
    for name in ("", " ", "a b", "X"):
        with pytest.raises(InvalidInput):
            done(queues.create(WS, name, "ada"))


def test_receipt_opens_messages_of_its_own_queue_alone(queues: Queues) -> None:
    send(queues, "one")
    held = receive(queues, lease_s=30)
    done(queues.create("other", "letters", "eve"))
    with pytest.raises(NotFound):
        done(queues.acknowledge("other", "letters", str(held.receipt)))
