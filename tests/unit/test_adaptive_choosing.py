"""How an adaptive fit chooses: the race, the rule of one standard error, rows held back, and the log of it all."""

import math
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.platform.frameworks.adaptive.choose import compare, one_standard_error
from lepton_ai.platform.frameworks.adaptive.held_back import held_back
from lepton_ai.platform.frameworks.adaptive.log import Decision, DecisionLog
from lepton_ai.platform.frameworks.adaptive.presets import free_settings, usual_rate
from lepton_ai.platform.frameworks.adaptive.race import Race, candidates, race

scores = st.lists(st.floats(-100, 100), min_size=5, max_size=5)


# One standard error


def test_first_candidate_wins_where_a_later_one_is_better_by_less_than_an_error() -> None:
    random = np.random.default_rng(0)
    users = random.normal(1.0, 0.3, 50)
    other = users + random.normal(0, 0.3, 50)
    assert one_standard_error({"user's": users, "other": other - other.mean() + users.mean() - 0.01}) == "user's"


def test_pairing_shows_a_small_difference_on_rows_of_very_different_difficulty() -> None:
    difficulty = np.random.default_rng(0).exponential(10.0, 50)
    assert one_standard_error({"user's": difficulty, "other": difficulty - 0.1}) == "other"


@given(st.dictionaries(st.sampled_from("abcd"), scores, min_size=1))
def test_whoever_is_chosen_is_never_worse_than_the_best_by_more_than_an_error(
    candidates: dict[str, list[float]],
) -> None:
    verdict = compare(candidates)
    assert verdict.means[verdict.best] == min(verdict.means.values())
    assert verdict.means[verdict.chosen] - verdict.means[verdict.best] <= verdict.errors[verdict.chosen]


@given(st.dictionaries(st.sampled_from("abcd"), scores, min_size=2), st.sampled_from([math.nan, math.inf]))
def test_candidate_that_broke_never_wins_against_one_that_did_not(
    candidates: dict[str, list[float]], broken: float
) -> None:
    first = next(iter(candidates))
    candidates[first] = [*candidates[first][1:], broken]
    assert one_standard_error(candidates) != first


def test_where_all_broke_the_first_stays() -> None:
    assert one_standard_error({"user's": [math.nan], "other": [math.inf]}) == "user's"


# The race


def test_users_rate_runs_first_and_the_usual_one_is_always_in_the_race() -> None:
    for spoiled in (0.03, 0.001 / 30):
        rates = candidates(spoiled, usual_rate=0.001)
        assert rates[:2] == (spoiled, 0.001)
        assert len(rates) == 4


@given(st.integers(1, 10**6), st.floats(1e-7, 10), st.one_of(st.none(), st.floats(1e-4, 1)))
def test_race_never_takes_more_than_a_quarter_of_the_budget(steps: int, users: float, usual: float | None) -> None:
    setup = race(steps, users, usual)
    if setup is None:
        return
    assert setup.all_steps <= steps / 4
    assert setup.rates[0] == users
    assert len(setup.rates) >= 2
    assert setup.steps >= (200 if usual is None or 1 / 8 < users / usual < 8 else 40)


def test_small_budget_races_only_where_the_users_rate_is_far_from_the_usual() -> None:
    assert race(800, users_rate=0.001, usual_rate=0.001) is None
    assert race(800, users_rate=0.03, usual_rate=0.001) is not None
    assert race(100, users_rate=0.03, usual_rate=0.001) is None


def test_each_step_of_a_race_belongs_to_one_candidate_in_turn() -> None:
    setup = Race((0.1, 0.2, 0.3), steps=10)
    assert [setup.runner(step) for step in range(30)] == [0] * 10 + [1] * 10 + [2] * 10


def test_usual_rate_is_known_by_the_kind_of_optimizer_also_for_a_class_derived_from_it() -> None:
    class Adam:
        pass

    class Mine(Adam):
        pass

    class SGD:
        momentum = 0.0

    assert usual_rate(Mine()) == usual_rate(Adam()) == 0.001
    assert usual_rate(SGD()) == 0.1
    assert usual_rate(object()) is None


def test_free_settings_spend_about_as_many_steps_on_few_rows_as_on_many() -> None:
    for rows in (1_000, 2_000, 20_000, 60_000):
        settings = free_settings("image", rows)
        assert 2_000 <= settings.epochs * rows / settings.batch_size <= 6_000
    assert free_settings("image", 10**6).epochs == 5


# Rows held back


def test_each_class_keeps_its_share_among_the_rows_held_back() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [6000, 3000, 1000]))
    back = held_back(labels, seed=1)
    assert len(back) == 1000
    assert np.bincount(labels[back]).tolist() == [600, 300, 100]
    one_hot = held_back(np.eye(3, dtype="float32")[labels], seed=1)
    assert np.array_equal(back, one_hot)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=40), st.integers(0, 5))
def test_rows_held_back_are_whole_groups(sizes: list[int], seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    positions = held_back(np.zeros(len(groups), int), seed, groups)
    assert len(positions) <= len(groups) // 10
    assert not set(groups[positions]) & set(np.delete(groups, positions))


def test_few_rows_are_all_trained_on_and_of_many_at_most_3000_are_held_back() -> None:
    assert len(held_back(np.zeros(599, int), seed=0)) == 0
    assert len(held_back(np.zeros(600, int), seed=0)) == 60
    assert len(held_back(np.zeros(100_000, int), seed=0)) == 3000


@given(st.integers(600, 3000), st.integers(0, 2**31 - 1))
def test_rows_held_back_are_drawn_once_each_and_by_the_seed(rows: int, seed: int) -> None:
    targets = np.linspace(0, 1, rows)[:, None]
    back = held_back(targets, seed)
    assert len(set(back)) == len(back) == rows // 10
    assert np.array_equal(back, held_back(targets, seed))
    assert 0.3 < targets[back].mean() < 0.7


# The log


def test_log_comes_back_from_json_as_it_was() -> None:
    measured = {
        "steps": 12,
        "loss": {"0.1": np.float32(0.25), "0.2": math.inf},
        "curve": np.array([1.0, 2.0]),
        "on": True,
    }
    log = DecisionLog((Decision("race", "learning rate", measured, "0.1", "it was best"),))
    again = DecisionLog.from_json(log.to_json())
    assert again == log
    assert again.to_json()["decisions"][0]["measured"] == {
        "steps": 12, "loss": {"0.1": 0.25, "0.2": None}, "curve": [1.0, 2.0], "on": True,
    }  # fmt: skip


def test_log_reads_as_sentences_and_draws_itself_with_names_escaped() -> None:
    log = DecisionLog()
    for step in (100, 200):
        measured = {"step": step, "loss on rows trained on": 1 / step, "loss on rows held back": 2 / step}
        log = log.with_decision(Decision("check", "strength <b>", measured, "1", "the gap is as it should be"))
    assert str(log).splitlines()[0].startswith("check: strength <b>: 1 (the gap is as it should be; step 100, loss")
    drawn = log._repr_html_()
    assert "&lt;b&gt;" in drawn
    assert drawn.count("<polyline") == 2
    assert [each.chosen for each in log.of("check")] == ["1", "1"]


def test_nothing_here_needs_tensorflow() -> None:
    import subprocess

    names = ("budget", "choose", "guard", "held_back", "log", "presets", "race", "steering")
    imports = "; ".join(f"import lepton_ai.platform.frameworks.adaptive.{name}" for name in names)
    code = f"import sys; {imports}; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
