"""The rule by which a model answers: made of answers to rows not learned from, kept as JSON, applied to batches."""

import json
from typing import Any

import numpy as np
import pytest

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.platform.evaluation.deciding import decide_rule

SHARES = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])


def answers(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three classes, and probabilities that mean what they say."""
    random = np.random.default_rng(seed)
    shares = random.dirichlet([1.0, 1.0, 1.0], rows)
    return (shares.cumsum(axis=1) < random.random((rows, 1))).sum(axis=1), shares


def test_without_a_threshold_the_likeliest_is_answered() -> None:
    assert AnswerRule().classes(SHARES).tolist() == [0, 0, 1]
    assert AnswerRule().label_sets(SHARES) is None
    assert AnswerRule().intervals(np.array([1.0])) is None


def test_second_class_is_answered_from_the_threshold_on() -> None:
    assert AnswerRule(threshold=0.4).classes(SHARES).tolist() == [0, 1, 1]


def test_what_is_answered_is_among_the_labels_that_a_row_may_have() -> None:
    rule = AnswerRule(threshold=0.05, coverage=0.5, quantile=0.1)
    assert rule.label_sets(SHARES).tolist() == [[True, True], [True, True], [False, True]]


@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_sets_of_labels_hold_the_truth_as_often_as_promised(coverage: float) -> None:
    rule = decide_rule(*answers(2000, seed=1), coverage=coverage)
    truth, shares = answers(5000, seed=2)
    sets = rule.label_sets(shares)
    held = sets[np.arange(len(truth)), truth].mean()
    assert held == pytest.approx(coverage, abs=0.03)
    assert sets.sum(axis=1).mean() < 3


def test_intervals_hold_the_truth_as_often_as_promised() -> None:
    random = np.random.default_rng(3)
    rule = decide_rule(random.normal(size=1000), np.zeros(1000), coverage=0.9)
    low, high = rule.intervals(np.zeros(4000)).T
    truth = random.normal(size=4000)
    assert ((low <= truth) & (truth <= high)).mean() == pytest.approx(0.9, abs=0.03)


def test_costs_and_shares_decide_the_threshold() -> None:
    truth, shares = np.array([0, 1, 0, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.1, 0.9]])
    assert decide_rule(truth, shares).threshold is None
    assert decide_rule(truth, shares, costs=[[0, 1], [4, 0]]).threshold == 0.2
    assert decide_rule(truth, shares, sensitivity=1.0).threshold == 0.25
    assert decide_rule(truth, shares, specificity=1.0).threshold == 0.75


def test_costs_decide_between_any_number_of_classes_and_are_kept() -> None:
    costs = [[0, 1, 1], [1, 0, 1], [9, 9, 0]]
    rule = decide_rule(*answers(200, seed=4), costs=costs)
    assert rule.costs == ((0, 1, 1), (1, 0, 1), (9, 9, 0))
    assert rule.classes(np.array([[0.6, 0.2, 0.2], [0.7, 0.29, 0.01]])).tolist() == [2, 0]
    with pytest.raises(InvalidInput, match="costs of 3 classes were given for 4 classes"):
        rule.check_fits(4)


def test_too_few_rows_promise_nothing() -> None:
    rule = decide_rule([1.0, 2.0], [1.0, 2.0], coverage=0.9)
    assert (rule.coverage, rule.quantile) == (0.9, None)


@pytest.mark.parametrize(
    "rule",
    [
        AnswerRule(),
        AnswerRule(0.3),
        AnswerRule(None, 0.9, 2.5),
        AnswerRule(0.1, 0.9),
        AnswerRule(costs=((0, 1), (2, 0))),
    ],
)
def test_rule_survives_json(rule: AnswerRule) -> None:
    assert AnswerRule.from_json(json.loads(json.dumps(rule.to_json(), allow_nan=False))) == rule


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"costs": [[0, 1], [1, 0]], "sensitivity": 0.9}, "got costs and sensitivity"),
        ({"coverage": 1.0}, "`coverage` must be between 0 and 1"),
        ({"sensitivity": 0.9}, "between two classes, got predictions of shape"),
    ],
)
def test_wish_that_does_not_fit_is_refused(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        decide_rule(*answers(50, seed=1), **wishes)


@pytest.mark.parametrize(
    "written",
    [
        None,
        [],
        {},
        {"version": 2},
        {"version": 1, "threshold": 2},
        {"version": 1, "threshold": "0.5"},
        {"version": 1, "threshold": True},
        {"version": 1, "coverage": 0.9, "quantile": float("inf")},
        {"version": 1, "quantile": 0.1},
        {"version": 1, "coverage": 0.9, "quantile": -1},
    ],
)
def test_what_is_no_rule_is_refused(written: Any) -> None:
    with pytest.raises(InvalidInput):
        AnswerRule.from_json(written)
