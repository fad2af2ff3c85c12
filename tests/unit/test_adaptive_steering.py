"""How an adaptive fit keeps its course: the budget of time, the guard, the strength of augmentation, the rate."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.adaptive.budget import Mark, Pace, seconds, steps_left
from lepton_ai.platform.frameworks.adaptive.guard import Guard, State
from lepton_ai.platform.frameworks.adaptive.steering import LEVELS, Course
from lepton_ai.platform.frameworks.recipe import rate_at

# The budget


@pytest.mark.parametrize(
    ("budget", "expected"), [("90s", 90), ("3m", 180), ("1.5h", 5400), (20, 20), (0.5, 0.5), (" 2 m ", 120), ("7", 7)]
)
def test_budget_is_seconds_or_a_time_in_words(budget: object, expected: float) -> None:
    assert seconds(budget) == expected


@pytest.mark.parametrize("budget", ["", "3x", "-1s", 0, -5, "0m", True, [3], "nan", math.inf, None])
def test_budget_that_is_no_time_is_refused_with_the_form_that_is_one(budget: object) -> None:
    with pytest.raises(InvalidInput, match="`budget` must be seconds or a time such as '90s'"):
        seconds(budget)


@given(st.integers(10, 10_000), st.lists(st.tuples(st.integers(1, 500), st.integers(0, 5_000)), max_size=8))
def test_progress_never_falls_or_jumps_however_often_it_is_replanned(
    steps: int, replans: list[tuple[int, int]]
) -> None:
    pace, step, progress = Pace.of_steps(steps), 0, []
    for ahead, left in replans:
        progress += [pace.progress(each) for each in range(step, step + ahead)]
        step += ahead
        pace = pace.replanned(step, left)
    progress += [pace.progress(each) for each in range(step, pace.steps + 1)]
    assert progress == sorted(progress)
    assert progress[0] == 0.0
    if pace.steps > step:
        assert progress[-1] == pytest.approx(1.0)


def test_pace_of_a_log_is_the_pace_that_was_kept() -> None:
    pace = Pace.of_steps(100).replanned(10, 50).replanned(30, 70)
    again = Pace(tuple(Mark(mark.step, mark.progress, mark.left) for mark in pace.marks))
    assert [again.progress(step) for step in range(100)] == [pace.progress(step) for step in range(100)]


@given(st.floats(-10, 1e4), st.floats(0, 10))
def test_steps_left_fit_into_the_time_left(seconds_left: float, seconds_per_step: float) -> None:
    steps = steps_left(seconds_left, seconds_per_step)
    assert steps >= 0
    assert steps * seconds_per_step <= max(seconds_left, 0) + 1e-6


def test_rate_rises_stays_below_its_top_and_ends_near_zero() -> None:
    rates = [rate_at(progress / 1000) for progress in range(1001)]
    assert max(rates) == rates[200] == 1.0
    assert rates[:201] == sorted(rates[:201])
    assert rates[200:] == sorted(rates[200:], reverse=True)
    assert 0 < rates[-1] < 0.001


# The guard


def test_guard_lets_a_noisy_falling_loss_pass() -> None:
    random = np.random.default_rng(0)
    guard = Guard()
    states = {guard.watch(math.exp(-step / 200) * random.lognormal(0, 0.4) + 0.1) for step in range(1000)}
    assert states == {State.GOOD}


def test_guard_reports_a_loss_that_leaves_for_good_and_not_a_single_bad_batch() -> None:
    random = np.random.default_rng(0)
    guard = Guard()
    for _ in range(40):
        guard.watch(1 + random.normal(0, 0.05))
    assert guard.watch(9.0) is State.GOOD
    assert guard.watch(1.0) is State.GOOD
    assert [guard.watch(9.0) for _ in range(3)] == [State.GOOD, State.GOOD, State.DIVERGES]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_guard_reports_what_is_not_finite_at_once(loss: float) -> None:
    assert Guard().watch(loss) is State.NOT_FINITE


def test_guard_that_forgot_accepts_another_loss() -> None:
    guard = Guard()
    for _ in range(40):
        guard.watch(1.0)
    guard.forget()
    assert {guard.watch(50.0) for _ in range(30)} == {State.GOOD}


# Augmentation


def test_augmentation_grows_where_the_net_knows_its_rows_by_heart_and_fades_where_it_does_not() -> None:
    random = np.random.default_rng(0)
    known, unknown = random.normal(0.01, 0.002, 50), random.normal(0.10, 0.01, 50)
    course = Course()
    for _ in LEVELS:
        course, _why = course.steer(known, unknown, naive=0.9)
    assert course.strength == max(LEVELS)
    for _ in LEVELS:
        course, _why = course.steer(unknown, unknown, naive=0.9)
    assert course.strength == min(LEVELS)


def test_augmentation_grows_where_wrong_labels_are_most_of_the_loss_and_begin_to_be_known() -> None:
    random = np.random.default_rng(0)
    trained, held_back = random.normal(0.34, 0.01, 50), random.normal(0.40, 0.01, 50)
    assert Course(1).steer(trained, held_back, naive=0.9)[0].level == 2
    assert Course(1).steer(trained - 0.3, trained - 0.28, naive=0.9)[0].level == 1


def test_augmentation_stays_where_the_scatter_of_wrong_labels_hides_a_gap() -> None:
    random = np.random.default_rng(0)
    wrong = 0.16 * (random.random(1000) < 0.2) + 0.005
    course, why = Course(1).steer(wrong, random.permutation(wrong), naive=0.09)
    assert (course.level, why) == (1, "the gap is as it should be")
    assert Course(1).steer(np.full(1000, 0.037), np.full(1000, 0.037), naive=0.09)[0].level == 0


@given(
    st.integers(0, len(LEVELS) - 1),
    st.lists(st.floats(0, 10), min_size=5, max_size=5),
    st.lists(st.floats(0, 10), min_size=5, max_size=5),
)
def test_strength_moves_by_at_most_one_level(level: int, trained: list[float], held_back: list[float]) -> None:
    course, why = Course(level).steer(np.array(trained), np.array(held_back), naive=5.0)
    assert abs(course.level - level) <= 1
    assert why
