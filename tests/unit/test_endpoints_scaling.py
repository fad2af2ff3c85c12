"""How many replicas follow from traffic: delays up, down and to zero, and no flapping."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_ai.platform.model_management.endpoints.scaling import (
    DOWN_AFTER_MS,
    UP_AFTER_MS,
    Look,
    Rule,
    Scaling,
    replicas_wanted,
    scaling_of,
)

SECOND_MS = 1000


def course(scaling: Scaling, least: int, start: int, active: Callable[[int], int], seconds: int) -> list[int]:
    """The number of replicas at each second, for requests that are under way at each second."""
    now, looks, quiet_since_ms, numbers, requests = start, [], 0, [], 0
    for second in range(seconds):
        now_ms = second * SECOND_MS
        requests += active(second)
        looks.append(Look(now_ms, requests, active(second)))
        looks = [look for look in looks if look.at_ms > now_ms - DOWN_AFTER_MS - SECOND_MS]
        if active(second):
            quiet_since_ms = now_ms
        now = replicas_wanted(scaling, least, now, looks, quiet_since_ms, now_ms)
        numbers.append(now)
    return numbers


def changes(numbers: list[int]) -> int:
    return sum(before != after for before, after in pairwise(numbers))


def test_more_come_after_the_short_delay_and_go_after_the_long_one() -> None:
    busy_until = 60
    numbers = course(Scaling(4, Rule(in_flight=2)), 1, 1, lambda second: 6 if second < busy_until else 1, 300)
    up = numbers.index(3)
    assert UP_AFTER_MS // SECOND_MS <= up <= UP_AFTER_MS // SECOND_MS + 2
    down = next(second for second in range(busy_until, 300) if numbers[second] == 1)
    assert DOWN_AFTER_MS // SECOND_MS <= down - busy_until + 1 <= DOWN_AFTER_MS // SECOND_MS + 2
    assert changes(numbers) == 2


def test_none_is_kept_after_the_idle_time_and_none_comes_back_by_itself() -> None:
    numbers = course(Scaling(1, Rule(idle_timeout_s=30)), 1, 1, lambda second: second < 10, 100)
    assert numbers.index(0) == 39
    assert set(numbers[39:]) == {0}


def test_requests_a_minute_are_shared_among_replicas() -> None:
    numbers = course(Scaling(10, Rule(requests_per_minute=60)), 1, 1, lambda _: 3, 120)
    assert numbers[-1] == 3


@settings(max_examples=60, deadline=None)
@given(
    least=st.integers(0, 3),
    more=st.integers(0, 5),
    per_replica=st.integers(1, 5),
    period=st.integers(1, 60),
    high=st.integers(0, 30),
    low=st.integers(1, 3),
)
def test_traffic_that_comes_and_goes_within_the_delays_never_makes_the_number_flap(
    least: int, more: int, per_replica: int, period: int, high: int, low: int
) -> None:
    scaling = Scaling(max(least + more, 1), Rule(in_flight=per_replica))
    numbers = course(scaling, least, max(least, 1), lambda second: high if second // period % 2 else low, 600)
    assert all(max(least, 1) <= number <= scaling.most for number in numbers)
    assert changes(numbers) <= 2
    ups = [after > before for before, after in pairwise(numbers) if after != before]
    assert ups == sorted(ups, reverse=True)


@given(restart=st.integers(1, 100))
def test_gateway_that_counts_anew_gives_nothing_up(restart: int) -> None:
    looks = [Look(at * SECOND_MS, 1000 + at if at < restart else at - restart, 0) for at in range(110)]
    wanted = replicas_wanted(Scaling(5, Rule(requests_per_minute=10)), 1, 2, looks, 109_000, 109_000)
    assert wanted >= 2


@pytest.mark.parametrize(
    ("least", "most", "rule", "follows"),
    [
        (1, None, None, False),
        (2, 2, Rule(), False),
        (0, None, None, False),
        (0, 1, None, True),
        (1, 3, None, True),
        (1, 1, Rule(idle_timeout_s=60), True),
    ],
)
def test_number_follows_traffic_where_something_was_said_of_it(
    least: int, most: int | None, rule: Rule | None, follows: bool
) -> None:
    assert (scaling_of(least, most, rule) is not None) is follows
