"""Ids sort by the time they were made, and never meet."""

from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.core.clock import ManualClock
from lepton_ai.core.ids import id_source


@given(st.lists(st.integers(-5, 5), max_size=200))
def test_later_ids_sort_after_earlier_ones_whatever_the_wall_clock_does(turns: list[int]) -> None:
    clock = ManualClock()
    new_id = id_source(clock)
    made = [new_id("x")]
    for turn in turns:
        clock.turn_wall_clock(turn / 1000)
        made.append(new_id("x"))
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_many_ids_of_one_millisecond_stay_in_order() -> None:
    new_id = id_source(ManualClock())
    made = [new_id("x") for _ in range(5000)]
    assert made == sorted(made)
    assert len(set(made)) == 5000


def test_ids_of_two_servers_differ() -> None:
    clock = ManualClock()
    assert id_source(clock)("x") != id_source(clock)("x")
