"""The shares of a blend: what is better counts more, few rows decide little, and the temperature makes it honest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_ai.platform.frameworks.tables.blend import blend, log_probabilities, mixed
from lepton_ai.platform.frameworks.tables.plan import table_plan
from lepton_ai.platform.frameworks.tables.temperature import temperature_of
from lepton_ai.platform.frameworks.tables.truth import Truth


def classified(rows: int, *noises: float, classes: int = 2, seed: int = 0) -> tuple[Truth, dict[str, np.ndarray]]:
    """Labels and members that know them to a degree, named `a`, `b`, …"""
    random = np.random.default_rng(seed)
    truth = Truth(random.integers(0, classes, rows).astype(float), classes)
    sign = np.eye(classes)[truth.values.astype(int)] * 2
    answers = {
        name: log_probabilities((sign + random.normal(size=sign.shape) * noise) / max(noise**2, 1))
        for name, noise in zip("abcd", noises, strict=False)
    }
    return truth, answers


def evenly(names: dict[str, np.ndarray]) -> dict[str, float]:
    return dict.fromkeys(names, 1 / len(names))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(5, 400),
    st.lists(st.floats(0.2, 5), min_size=1, max_size=4),
    st.sampled_from([2, 5]),
    st.integers(0, 99),
)
def test_shares_are_a_mixture_that_is_no_worse_than_the_prior(
    rows: int, noises: list[float], classes: int, seed: int
) -> None:
    truth, answers = classified(rows, *noises, classes=classes, seed=seed)
    blended = blend(answers, truth, evenly(answers))
    assert sum(blended.shares.values()) == pytest.approx(1, abs=1e-5)
    assert min(blended.shares.values()) > 0
    assert blended.loss <= truth.mean_loss(mixed(answers, evenly(answers))) + 0.02


def test_better_member_counts_more_and_a_useless_one_is_left_out() -> None:
    truth, answers = classified(5000, 0.8, 1.2, 20.0)
    shares = blend(answers, truth, evenly(answers)).shares
    assert shares["a"] > shares["b"]
    assert "c" not in shares


def test_member_that_is_right_on_few_rows_already_takes_all() -> None:
    random = np.random.default_rng(0)
    truth = Truth(random.normal(size=200), None)
    exact = truth.values[:, None] + 1e-3 * random.normal(size=(200, 1))
    rough = {name: truth.values[:, None] + random.normal(size=(200, 1)) for name in ("b", "c")}
    assert blend({"a": exact, **rough}, truth, {"a": 0.2, "b": 0.4, "c": 0.4}).shares == {"a": 1.0}


def test_blend_of_equals_is_better_than_each() -> None:
    truth, answers = classified(5000, 1.5, 1.5)
    blended = blend(answers, truth, evenly(answers))
    assert blended.loss < min(blended.losses.values()) - 0.01
    assert blended.shares["a"] == pytest.approx(0.5, abs=0.1)


def test_few_rows_leave_the_prior_in_place() -> None:
    prior = {"a": 0.7, "b": 0.3}
    distances = []
    for rows in (10, 100_000):
        truth, answers = classified(rows, 1.0, 1.2, seed=1)
        distances.append(abs(blend(answers, truth, prior).shares["a"] - 0.7))
    assert distances[0] < 0.15


def test_member_that_diverged_has_no_share() -> None:
    truth, answers = classified(100, 1.0, 1.0)
    answers["b"] = np.full_like(answers["b"], np.nan)
    assert set(blend(answers, truth, evenly(answers)).shares) == {"a"}


def test_weighted_rows_decide_by_their_weight() -> None:
    truth, answers = classified(2000, 1.0, 1.0)
    half = np.arange(2000) < 1000
    answers["a"][half], answers["b"][~half] = 0.0, 0.0  # each knows one half of the rows
    weighted = Truth(truth.values, 2, np.where(half, 1.9, 0.1))
    shares = blend(log_all(answers), weighted, evenly(answers)).shares
    assert shares["b"] > 0.8


def log_all(answers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: log_probabilities(each) for name, each in answers.items()}


@given(st.floats(1e-3, 1e6), st.floats(-1e6, 1e6))
@settings(max_examples=10, deadline=None)
def test_unit_of_a_target_changes_nothing(scale: float, shift: float) -> None:
    random = np.random.default_rng(0)
    targets = random.normal(size=300)
    answers = {
        name: targets[:, None] + random.normal(size=(300, 1)) * noise for name, noise in (("a", 0.5), ("b", 1.0))
    }
    shares = blend(answers, Truth(targets, None), evenly(answers)).shares
    scaled = {name: each * scale + shift for name, each in answers.items()}
    others = blend(scaled, Truth(targets * scale + shift, None), evenly(answers)).shares
    assert others == pytest.approx(shares, abs=0.02)


def test_temperature_is_found_where_there_is_one() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(20_000, 3)) * 2
    chances = np.exp(log_probabilities(logits))
    labels = (chances.cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1).astype(float)
    truth = Truth(labels, 3)
    assert temperature_of(logits, truth) == 1.0
    assert temperature_of(logits * 2.5, truth) == pytest.approx(2.5, rel=0.05)


def test_few_right_answers_do_not_prove_that_there_will_be_no_wrong_one() -> None:
    truth = Truth(np.array([0.0, 1.0] * 10), 2)
    logits = np.where(truth.values[:, None] == [0, 1], 20.0, 0.0)
    assert temperature_of(logits, truth) > 2
    assert temperature_of(logits / 10, truth) > 0.5


@pytest.mark.parametrize("rows", [1, 2, 5, 300, 50_000])
def test_plan_has_rows_for_every_fold_and_shares_of_one(rows: int) -> None:
    plan = table_plan(rows, 2)
    assert 2 <= plan.folds <= max(rows, 2)
    assert sum(plan.prior.values()) == pytest.approx(1)
    assert set(plan.growths) < set(plan.prior)
