"""Calibration, thresholds and conformal prediction: what is promised is what a simulation finds."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation import metrics
from lepton_ai.platform.evaluation.calibration import Calibration, calibrate, temperature
from lepton_ai.platform.evaluation.conformal import (
    class_scores,
    conformal_quantile,
    distance_scores,
    interval_around,
    interval_scores,
    label_sets,
    widened,
)
from lepton_ai.platform.evaluation.reliability import reliability
from lepton_ai.platform.evaluation.threshold import cheapest, cost_threshold, threshold


def two(probability: Any) -> Any:
    return np.stack([1 - probability, probability], axis=1)


def rows_with(kind: str, rows: int, seed: int = 0) -> tuple[Any, Any]:
    """Labels that come as often as true probabilities say, and what a model of some kind says of them."""
    random = np.random.default_rng(seed)
    logit = random.normal(-1, 2, rows)
    true = 1 / (1 + np.exp(-logit))
    labels = (random.random(rows) < true).astype(np.int64)
    stated = {
        "true": true,
        "too sure": 1 / (1 + np.exp(-2.5 * logit)),
        "too careful": 1 / (1 + np.exp(-0.4 * logit)),
        "bent": true**3,
    }[kind]
    return labels, two(stated)


# Temperature


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_temperature_undoes_the_sharpness_that_was_added(classes: int, factor: float) -> None:
    random = np.random.default_rng(classes)
    logits = random.normal(0, 2, (20_000, classes))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (random.random((20_000, 1)) > true.cumsum(axis=1)).sum(axis=1)
    sharper = np.exp(factor * logits)
    sharper /= sharper.sum(axis=1, keepdims=True)
    assert temperature(sharper, labels) == pytest.approx(factor, rel=0.04)


def test_temperature_is_where_the_log_loss_is_least() -> None:
    labels, stated = rows_with("too sure", 3000)
    best = temperature(stated, labels)
    losses = [metrics.log_loss(labels, Calibration(best * factor).apply(stated)) for factor in (0.95, 1.0, 1.05)]
    assert min(losses) == losses[1]


def test_rows_told_apart_perfectly_do_not_ask_for_certainty() -> None:
    labels = np.arange(40) % 2
    stated = two(0.3 + 0.4 * labels)
    calibrated = Calibration(temperature(stated, labels)).apply(stated)
    assert 0.95 < calibrated.max() < 0.99
    certain = two(labels.astype(float))
    assert 0.95 < Calibration(temperature(certain, labels)).apply(certain).max() < 0.99


@given(arrays(np.float64, (12, 3), elements=st.floats(0, 1)), st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_temperature_is_always_a_number_in_its_range(powers: Any, labels: list[int]) -> None:
    stated = (powers + 1e-9) / (powers + 1e-9).sum(axis=1, keepdims=True)
    assert 1 / 20 <= temperature(stated, labels) <= 20


@given(arrays(np.float64, (8, 4), elements=st.floats(0.001, 1)), st.floats(0.1, 10))
def test_temperature_keeps_the_order_and_the_sum(powers: Any, heat: float) -> None:
    stated = powers / powers.sum(axis=1, keepdims=True)
    calibrated = Calibration(heat).apply(stated)
    assert calibrated.sum(axis=1) == pytest.approx(np.ones(8))
    likeliest = np.take_along_axis(calibrated, stated.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert likeliest == pytest.approx(calibrated.max(axis=1))


# The choice between none, a temperature and isotonic steps


@pytest.mark.parametrize("kind", ["too sure", "too careful"])
def test_temperature_is_taken_where_sharpness_is_the_trouble(kind: str) -> None:
    labels, stated = rows_with(kind, 1000)
    chosen = calibrate(stated, labels)
    assert chosen.temperature != 1
    assert chosen.stated == ()


def test_steps_are_taken_where_a_temperature_cannot_help() -> None:
    labels, stated = rows_with("bent", 2000)
    chosen = calibrate(stated, labels)
    assert chosen.stated != ()
    assert np.all(np.diff(chosen.stated) > 0) and np.all(np.diff(chosen.happened) > 0)
    fresh_labels, fresh = rows_with("bent", 20_000, seed=1)
    assert metrics.expected_calibration_error(fresh_labels, chosen.apply(fresh)) < 0.03
    assert metrics.expected_calibration_error(fresh_labels, fresh) > 0.1


@pytest.mark.parametrize("rows", [50, 300, 3000])
def test_good_probabilities_are_mostly_left_alone(rows: int) -> None:
    changed = 0
    for seed in range(20):
        labels, stated = rows_with("true", rows, seed)
        changed += calibrate(stated, labels, seed=seed) != Calibration()
    assert changed <= 3


def test_calibration_never_costs_much_and_often_gains() -> None:
    for kind in ("true", "too sure", "too careful", "bent"):
        labels, stated = rows_with(kind, 200)
        fresh_labels, fresh = rows_with(kind, 20_000, seed=1)
        before = metrics.log_loss(fresh_labels, fresh)
        after = metrics.log_loss(fresh_labels, calibrate(stated, labels).apply(fresh))
        assert after <= before + 0.005


def test_few_rows_leave_probabilities_as_they_are() -> None:
    assert calibrate(two(np.array([0.2, 0.9, 0.4])), [0, 1, 1]) == Calibration()


def test_calibration_survives_json() -> None:
    for kind in ("true", "too sure", "bent"):
        labels, stated = rows_with(kind, 1000)
        chosen = calibrate(stated, labels)
        again = Calibration.from_json(json.loads(json.dumps(chosen.to_json())))
        assert again == chosen
        assert np.array_equal(again.apply(stated), chosen.apply(stated))


@pytest.mark.parametrize("labels", [[0, 2], [0, -1], [0, 0.5], [0]])
def test_calibration_refuses_labels_that_do_not_fit(labels: list[float]) -> None:
    with pytest.raises(InvalidInput):
        temperature([[0.5, 0.5], [0.4, 0.6]], labels)


# Thresholds


def test_threshold_has_the_best_f1_of_all() -> None:
    labels, stated = rows_with("true", 500)
    chosen = threshold(stated[:, 1], labels)
    scores = [metrics.macro_f1(labels, (stated[:, 1] >= cut).astype(np.int64)) for cut in (chosen, 0.5)]
    f1 = {cut: _f1(labels, stated[:, 1] >= cut) for cut in [chosen, *np.unique(stated[:, 1])]}
    assert f1[chosen] == max(f1.values())
    assert all(0 < score < 1 for score in scores)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.95, 1.0])
def test_threshold_meets_the_share_that_was_asked_for(share: float) -> None:
    labels, stated = rows_with("true", 500)
    for name in ("sensitivity", "specificity"):
        chosen = threshold(stated[:, 1], labels, **{name: share})
        alarmed = stated[:, 1] >= chosen
        found, left_alone = alarmed[labels == 1].mean(), (~alarmed[labels == 0]).mean()
        assert (found if name == "sensitivity" else left_alone) >= share
        if 0 < share < 1:
            assert (found if name == "sensitivity" else left_alone) <= share + 0.02


def test_threshold_lies_between_two_probabilities_that_occur() -> None:
    assert threshold([0.2, 0.2, 0.8, 0.8], [0, 0, 1, 1]) == 0.5
    assert threshold([0.2, 0.2, 0.8, 0.8], [0, 0, 1, 1], specificity=1.0) == 0.5


def test_threshold_refuses_what_it_cannot_do() -> None:
    with pytest.raises(InvalidInput, match="both classes"):
        threshold([0.1, 0.2], [1, 1])
    with pytest.raises(InvalidInput, match="give `sensitivity` or `specificity`"):
        threshold([0.1, 0.2], [0, 1], sensitivity=0.9, specificity=0.9)
    with pytest.raises(InvalidInput, match="got specificity=95"):
        threshold([0.1, 0.2], [0, 1], specificity=95)


@given(st.floats(0.01, 0.99))
def test_threshold_of_costs_answers_as_the_cheapest_does(probability: float) -> None:
    costs = [[0.0, 1.0], [5.0, 0.5]]
    by_threshold = int(probability >= cost_threshold(costs))
    assert by_threshold == cheapest(two(np.array([probability])), costs)[0]


def test_cheapest_answer_is_cheaper_than_the_likeliest() -> None:
    labels, stated = rows_with("true", 5000)
    costs = [[0, 1], [5, 0]]
    measure = metrics.cost(costs)
    assert measure(labels, cheapest(stated, costs)) < 0.9 * measure(labels, stated)


@pytest.mark.parametrize("costs", [[[0, 1], [0, 0]], [[0, 0], [1, 0]], [[0, 1, 2], [1, 0, 2]], [[0, math.nan], [1, 0]]])
def test_costs_that_make_no_sense_are_refused(costs: Any) -> None:
    with pytest.raises(InvalidInput):
        cost_threshold(costs)


# Conformal prediction


def tolerance(share: float, trials: int) -> float:
    return 2 * math.sqrt(share * (1 - share) / trials)


@pytest.mark.parametrize("share", [0.8, 0.9, 0.95])
def test_intervals_hold_a_new_row_as_often_as_promised(share: float) -> None:
    random = np.random.default_rng(0)
    calibration, trials = 99, 10_000  # 99 rows: the promise is met exactly, and not only at least
    truths = random.gumbel(size=(trials, calibration + 1))
    held = 0
    for row in truths:
        quantile = conformal_quantile(distance_scores(row[:-1], np.zeros(calibration)), share)
        low, high = interval_around(np.zeros(1), quantile)[0]
        held += low <= row[-1] <= high
    assert held / trials == pytest.approx(share, abs=tolerance(share, trials))


def test_label_sets_hold_a_new_label_as_often_as_promised() -> None:
    random = np.random.default_rng(0)
    share, calibration, trials = 0.9, 99, 3000
    held = 0
    for _ in range(trials):
        powers = np.exp(random.normal(0, 1.5, (calibration + 1, 4)))
        stated = powers / powers.sum(axis=1, keepdims=True)
        wrong = np.roll(stated, 1, axis=1) * 0.3 + stated * 0.7  # the model is not calibrated: the promise holds still
        labels = (random.random((calibration + 1, 1)) > stated.cumsum(axis=1)).sum(axis=1).clip(0, 3)
        quantile = conformal_quantile(class_scores(wrong[:-1], labels[:-1]), share)
        held += bool(label_sets(wrong[-1:], quantile)[0, labels[-1]])
    assert held / trials == pytest.approx(share, abs=tolerance(share, trials) + 0.005)


def test_widened_quantiles_hold_as_promised_and_are_wide_where_the_noise_is() -> None:
    random = np.random.default_rng(1)
    share, calibration, trials = 0.9, 99, 3000
    held, widths = 0, []
    for _ in range(trials):
        x = random.uniform(0, 1, calibration + 1)
        truth = random.normal(0, 0.2 + 2 * x)
        ends = np.stack([-(0.2 + 2 * x), 0.2 + 2 * x], axis=1)  # far too narrow: 68 %
        quantile = conformal_quantile(interval_scores(truth[:-1], ends[:-1]), share)
        low, high = widened(ends[-1:], quantile)[0]
        held += low <= truth[-1] <= high
        widths.append((x[-1], high - low))
    assert held / trials == pytest.approx(share, abs=tolerance(share, trials))
    calm = np.mean([width for x, width in widths if x < 0.2])
    noisy = np.mean([width for x, width in widths if x > 0.8])
    assert noisy > 1.5 * calm


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_quantile_leaves_at_least_the_promised_share_below(scores: list[float], share: float) -> None:
    quantile = conformal_quantile(scores, share)
    below = sum(score <= quantile for score in scores)
    assert quantile == math.inf or below / len(scores) >= share - 1e-9


def test_too_few_rows_promise_nothing() -> None:
    assert conformal_quantile([0.1] * 8, 0.9) == math.inf
    assert label_sets(np.array([[0.7, 0.3]]), math.inf).all()
    assert interval_around(np.array([1.0]), math.inf).tolist() == [[-math.inf, math.inf]]


def test_label_sets_are_never_empty() -> None:
    assert label_sets(np.array([[0.4, 0.35, 0.25]]), 0.1).tolist() == [[True, False, False]]


def test_intervals_that_were_too_wide_are_drawn_in_but_never_crossed() -> None:
    assert widened(np.array([[0.0, 10.0], [4.0, 5.0]]), -2.0).tolist() == [[2.0, 8.0], [4.5, 4.5]]


@pytest.mark.parametrize(("scores", "share"), [([], 0.9), ([1.0], 0.0), ([1.0], 1.0), ([1.0], 90)])
def test_conformal_quantile_refuses_what_makes_no_sense(scores: list[float], share: float) -> None:
    with pytest.raises(InvalidInput):
        conformal_quantile(scores, share)


# Reliability


def test_true_probabilities_look_reliable_and_bent_ones_do_not() -> None:
    good = reliability(*rows_with("true", 5000))
    bent = reliability(*rows_with("bent", 5000))
    assert good.error < 2 * good.error_by_chance
    assert bent.error > 5 * bent.error_by_chance
    inside = [each.low <= each.stated <= each.high for each in good.bins]
    assert np.mean(inside) > 0.8
    assert sum(each.rows for each in good.bins) == 5000


def test_error_by_chance_is_what_true_probabilities_show() -> None:
    errors, by_chance = [], []
    for seed in range(40):
        found = reliability(*rows_with("true", 200, seed))
        errors.append(found.error)
        by_chance.append(found.error_by_chance)
    assert np.mean(errors) == pytest.approx(np.mean(by_chance), rel=0.1)
    assert np.mean(by_chance) > 0.04, "few rows never look perfect"


def _f1(labels: Any, alarmed: Any) -> float:
    return float(2 * (alarmed & (labels == 1)).sum() / (alarmed.sum() + (labels == 1).sum()))
