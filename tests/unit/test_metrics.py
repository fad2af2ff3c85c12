"""Metrics of predictions agree with scikit-learn's, tied, weighted and at the edges."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation import metrics

Weighting = Any


def two_classes(rows: int = 400, *, ties: bool = False) -> tuple[Any, Any]:
    random = np.random.default_rng(rows)
    truth = (random.random(rows) < 0.3).astype(np.int64)
    score = np.clip(0.35 + 0.2 * truth + random.normal(0, 0.2, rows), 0.001, 0.999)
    score = score.round(1) * 0.98 + 0.01 if ties else score
    return truth, np.stack([1 - score, score], axis=1)


def four_classes(rows: int = 400) -> tuple[Any, Any]:
    random = np.random.default_rng(rows)
    truth = random.choice(4, rows, p=[0.5, 0.3, 0.15, 0.05])
    powers = np.exp(random.normal(0, 1, (rows, 4)) + 1.5 * np.eye(4)[truth])
    return truth, powers / powers.sum(axis=1, keepdims=True)


def weights_of(rows: int) -> Any:
    return np.random.default_rng(7).poisson(1.0, rows).astype(float)


BINARY: dict[str, Callable[..., float]] = {
    "accuracy": lambda y, p, w: sklearn_metrics.accuracy_score(y, p.argmax(1), sample_weight=w),
    "balanced_accuracy": lambda y, p, w: sklearn_metrics.balanced_accuracy_score(y, p.argmax(1), sample_weight=w),
    "macro_f1": lambda y, p, w: sklearn_metrics.f1_score(y, p.argmax(1), average="macro", sample_weight=w),
    "log_loss": lambda y, p, w: sklearn_metrics.log_loss(y, p, sample_weight=w),
    "brier": lambda y, p, w: sklearn_metrics.brier_score_loss(y, p[:, 1], sample_weight=w),
    "auc": lambda y, p, w: sklearn_metrics.roc_auc_score(y, p[:, 1], sample_weight=w),
    "average_precision": lambda y, p, w: sklearn_metrics.average_precision_score(y, p[:, 1], sample_weight=w),
}
MANY: dict[str, Callable[..., float]] = {
    "accuracy": BINARY["accuracy"],
    "balanced_accuracy": BINARY["balanced_accuracy"],
    "macro_f1": BINARY["macro_f1"],
    "log_loss": BINARY["log_loss"],
    "brier": lambda y, p, w: np.average(np.square(p - np.eye(4)[y]).sum(1), weights=w),
    "auc": lambda y, p, w: np.mean([sklearn_metrics.roc_auc_score(y == k, p[:, k], sample_weight=w) for k in range(4)]),
    "average_precision": lambda y, p, w: np.mean(
        [sklearn_metrics.average_precision_score(y == k, p[:, k], sample_weight=w) for k in range(4)]
    ),
}
NUMBERS: dict[str, Callable[..., float]] = {
    "rmse": lambda y, p, w: sklearn_metrics.mean_squared_error(y, p, sample_weight=w) ** 0.5,
    "mae": lambda y, p, w: sklearn_metrics.mean_absolute_error(y, p, sample_weight=w),
    "r2": lambda y, p, w: sklearn_metrics.r2_score(y, p, sample_weight=w),
    "wape": lambda y, p, w: np.average(np.abs(y - p), weights=w) / np.average(np.abs(y), weights=w),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", BINARY)
def test_metric_of_two_classes_agrees_with_scikit_learn(name: str, ties: bool, weighted: bool) -> None:
    truth, probabilities = two_classes(ties=ties)
    weights = weights_of(len(truth)) if weighted else np.ones(len(truth))
    metric: metrics.Metric = next(each for each in metrics.CLASSIFICATION if each.name == name)
    assert metric.statistic(truth, probabilities)(weights[None])[0] == pytest.approx(
        BINARY[name](truth, probabilities, weights)
    )


@pytest.mark.parametrize("name", MANY)
def test_metric_of_many_classes_agrees_with_scikit_learn(name: str) -> None:
    truth, probabilities = four_classes()
    weights = weights_of(len(truth))
    metric = next(each for each in metrics.CLASSIFICATION if each.name == name)
    assert metric.statistic(truth, probabilities)(weights[None])[0] == pytest.approx(
        MANY[name](truth, probabilities, weights)
    )


@pytest.mark.parametrize("name", NUMBERS)
def test_metric_of_numbers_agrees_with_scikit_learn(name: str) -> None:
    random = np.random.default_rng(0)
    truth = random.normal(1e6, 3, 300)  # far from zero: a sum of squares that is not centred would lose its digits
    numbers = truth + random.normal(0, 1, 300)
    weights = weights_of(300)
    metric = next(each for each in metrics.REGRESSION if each.name == name)
    assert metric.statistic(truth, numbers)(weights[None])[0] == pytest.approx(NUMBERS[name](truth, numbers, weights))


def test_pinball_loss_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    truth, quantiles = random.normal(size=100), random.normal(size=100)
    expected = sklearn_metrics.mean_pinball_loss(truth, quantiles, alpha=0.9)
    assert metrics.pinball(0.9)(truth, quantiles) == pytest.approx(expected)


def test_pinball_loss_is_least_at_the_quantile() -> None:
    truth = np.random.default_rng(0).exponential(size=2000)
    at = {level: metrics.pinball(0.8)(truth, np.full(2000, np.quantile(truth, level))) for level in (0.7, 0.8, 0.9)}
    assert min(at, key=lambda level: at[level]) == 0.8


def test_coverage_and_width_of_intervals() -> None:
    ends = np.array([[0.0, 2.0], [0.0, 2.0], [3.0, 4.0], [3.0, 4.0]])
    assert metrics.coverage([0.0, 2.1, 3.5, 4.0], ends) == 0.75
    assert metrics.interval_width([0.0, 2.1, 3.5, 4.0], ends) == 1.5


def test_calibration_error_is_the_mean_gap_over_bins() -> None:
    probability = np.array([0.1] * 10 + [0.9] * 10)
    truth = np.array([1] * 3 + [0] * 7 + [1] * 9 + [0])
    probabilities = np.stack([1 - probability, probability], axis=1)
    assert metrics.expected_calibration_error(truth, probabilities) == pytest.approx(0.5 * 0.2 + 0.5 * 0.0)


def test_calibration_error_of_many_classes_is_about_the_likeliest() -> None:
    probabilities = np.tile([0.7, 0.2, 0.1], (10, 1))
    assert metrics.expected_calibration_error([0] * 5 + [1] * 5, probabilities) == pytest.approx(0.2)


def test_metrics_of_answers_take_answers_that_a_threshold_gave() -> None:
    truth, answers = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert metrics.accuracy(truth, answers) == 0.75
    assert metrics.balanced_accuracy(truth, answers) == 0.75
    assert metrics.macro_f1(truth, answers) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert metrics.cost([[0, 1], [5, 0]])(truth, answers) == 0.25


def test_area_under_the_curve_is_not_defined_with_one_class() -> None:
    assert np.isnan(metrics.auc([1, 1], [[0.2, 0.8], [0.4, 0.6]]))


def test_average_over_classes_leaves_out_classes_that_do_not_occur() -> None:
    truth, probabilities = four_classes()
    kept = truth != 3
    rows = probabilities[kept]
    expected = np.mean([sklearn_metrics.roc_auc_score(truth[kept] == k, rows[:, k]) for k in range(3)])
    assert metrics.auc(truth[kept], rows) == pytest.approx(expected)


def test_certainty_that_was_wrong_costs_much_but_not_everything() -> None:
    double = metrics.log_loss([1], np.array([[1.0, 0.0]]))
    single = metrics.log_loss([1], np.array([[1.0, 0.0]], np.float32))
    assert double == pytest.approx(-np.log(np.finfo(np.float64).eps))
    assert single == pytest.approx(-np.log(np.finfo(np.float32).eps), rel=1e-6)


def test_constant_truth_has_no_explained_variance() -> None:
    assert np.isnan(metrics.r2([5.0, 5.0, 5.0], [5.0, 4.0, 6.0]))
    assert np.isnan(metrics.wape([0.0, 0.0], [1.0, 2.0]))


def test_metrics_refuse_rows_that_do_not_match() -> None:
    with pytest.raises(InvalidInput, match="got 2 and 1"):
        metrics.mae([1.0, 2.0], [1.0])
    with pytest.raises(InvalidInput, match="got 0 and 0"):
        metrics.mae([], [])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=30))
def test_weight_of_two_is_the_row_twice(rows: list[tuple[bool, int, int]]) -> None:
    truth = np.array([row[0] for row in rows], np.int64)
    score = np.array([row[1] for row in rows]) / 4
    weights = np.array([row[2] for row in rows])
    probabilities = np.stack([1 - score, score], axis=1)
    again = np.repeat(np.arange(len(rows)), weights)
    for metric in metrics.CLASSIFICATION:
        weighted = metric.statistic(truth, probabilities)(weights[None].astype(float))[0]
        if len(again):
            assert weighted == pytest.approx(metric(truth[again], probabilities[again]), nan_ok=True)
        else:
            assert np.isnan(weighted)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=40))
def test_area_under_the_curve_of_turned_scores_is_the_rest(rows: list[tuple[bool, float]]) -> None:
    truth = np.array([row[0] for row in rows], np.int64)
    score = np.array([row[1] for row in rows]).round(3)
    area = metrics.auc(truth, np.stack([1 - score, score], axis=1))
    turned = metrics.auc(truth, np.stack([score, 1 - score], axis=1))
    assert np.isnan(area) or area + turned == pytest.approx(1)
