"""From answers to rows that a model did not learn from to the rule by which it answers. Pure."""

from math import isfinite
from typing import Any

import numpy as np

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.platform.evaluation.arrays import Floats
from lepton_ai.platform.evaluation.checks import checked_classes, checked_numbers, checked_probabilities
from lepton_ai.platform.evaluation.conformal import class_scores, conformal_quantile, distance_scores
from lepton_ai.platform.evaluation.threshold import Costs, cost_matrix, cost_threshold, threshold


def decide_rule(
    truth: Any,
    predictions: Any,
    *,
    coverage: float = 0.9,
    costs: Costs | None = None,
    sensitivity: float | None = None,
    specificity: float | None = None,
) -> AnswerRule:
    """The rule that keeps a promise of coverage and answers as costs or, for two classes, shares ask for.

    Args:
        truth: Class numbers `(rows,)`, or numbers `(rows,)`.
        predictions: Probabilities `(rows, classes)`, or numbers `(rows,)`, for rows that the model did not learn from.
        coverage: How often the set of labels, or the interval, is to hold the truth.
        costs: What each answer costs, `costs[true class][answered class]`. Or
        sensitivity: two classes: the share of the second class to find at least. Or
        specificity: two classes: the share of the first to leave alone at least. Without any of them the likeliest is
            answered.

    Raises:
        InvalidInput: Something does not fit, or more than one of the three is given.

    Example:

        >>> rule = decide_rule([1.0, 2.0, 3.0, 4.0], [1.5, 2.0, 3.0, 6.0], coverage=0.6)
        >>> rule.quantile, rule.intervals(np.array([10.0])).tolist()
        (0.5, [[9.5, 10.5]])
    """
    wishes = {"costs": costs, "sensitivity": sensitivity, "specificity": specificity}
    given = [name for name, wish in wishes.items() if wish is not None]
    if len(given) > 1:
        raise InvalidInput(f"one of costs, sensitivity and specificity decides a threshold, got {' and '.join(given)}")
    is_class = np.ndim(predictions) == 2 and np.shape(predictions)[1] > 1
    if given and not (is_class and (costs is not None or np.shape(predictions)[1] == 2)):
        told = "answers between classes" if costs is not None else "a threshold between two classes"
        raise InvalidInput(
            f"`{given[0]}` decides {told}, got predictions of shape {np.shape(predictions)}", hint="Leave it out."
        )
    if not is_class:
        numbers = checked_numbers(predictions, "predictions")
        return _promising(coverage, distance_scores(checked_numbers(truth, "truth", len(numbers)), numbers))
    probabilities = checked_probabilities(predictions, "predictions")
    classes = checked_classes(truth, *probabilities.shape)
    cut = None
    if costs is not None:
        prices = tuple(map(tuple, cost_matrix(costs, probabilities.shape[1]).tolist()))
        cut = cost_threshold(costs) if len(prices) == 2 else None
        return _promising(coverage, class_scores(probabilities, classes), cut, prices)
    if given:
        cut = threshold(probabilities[:, 1], classes, sensitivity=sensitivity, specificity=specificity)
    return _promising(coverage, class_scores(probabilities, classes), cut)


def _promising(
    coverage: float, scores: Floats, cut: float | None = None, costs: tuple[tuple[float, ...], ...] | None = None
) -> AnswerRule:
    quantile = conformal_quantile(scores, coverage)
    return AnswerRule(cut, coverage, quantile if isfinite(quantile) else None, costs)
