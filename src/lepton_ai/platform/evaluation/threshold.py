"""Thresholds: from which probability on a row is called class 1, by costs, by F1, or by a share that must be met."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.arrays import Classes, Flags, Floats

Costs = Sequence[Sequence[float]]
"""What each answer costs: `costs[true class][answered class]`."""


def threshold(
    probability: Any, truth: Any, *, sensitivity: float | None = None, specificity: float | None = None
) -> float:
    """The threshold with the best F1, or the one that meets a share at the least price.

    Rows at or above it are called class 1. It lies midway between two probabilities that occur, so that a last digit
    more or less changes no answer.

    Args:
        probability: The probability of class 1 of rows that the model did not learn from, `(rows,)`.
        truth: 1 where it is class 1, `(rows,)`.
        sensitivity: Find at least this share of class 1, with as few false alarms as possible.
        specificity: Leave alone at least this share of class 0, and find as much of class 1 as possible.

    Raises:
        InvalidInput: Both shares are given, or only one class occurs.

    Example:

        >>> threshold([0.1, 0.4, 0.6, 0.9], [0, 1, 0, 1])
        0.25
        >>> threshold([0.1, 0.4, 0.6, 0.9], [0, 1, 0, 1], specificity=1.0)
        0.75
    """
    scores, positive = np.asarray(probability, np.float64), np.asarray(truth) == 1
    if sensitivity is not None and specificity is not None:
        raise InvalidInput(
            f"give `sensitivity` or `specificity`, got sensitivity={sensitivity} and specificity={specificity}",
            hint="A threshold meets one of the two; the other follows.",
        )
    for name, share in {"sensitivity": sensitivity, "specificity": specificity}.items():
        if share is not None and not 0 <= share <= 1:
            raise InvalidInput(f"`{name}` must be between 0 and 1, got {name}={share}")
    if scores.shape != positive.shape or scores.ndim != 1 or positive.all() or not positive.any():
        raise InvalidInput(
            f"a threshold needs rows of both classes, got {int(positive.sum())} of class 1 among {positive.size}"
        )
    cuts, found, alarms = _cuts(scores, positive)
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if specificity is not None:
        allowed = np.flatnonzero(alarms <= negatives * (1 - specificity) + 1e-9)
        return float(cuts[allowed[-1]])
    if sensitivity is not None:
        return float(cuts[np.flatnonzero(found >= positives * sensitivity - 1e-9)[0]])
    f1 = 2 * found / (positives + found + alarms)
    return float(cuts[int(np.argmax(f1))])


def cost_threshold(costs: Costs) -> float:
    """The threshold with the least expected cost for calibrated probabilities; no data are needed.

    Args:
        costs: `costs[true class][answered class]` for two classes.

    Raises:
        InvalidInput: Not two by two, or a wrong answer costs no more than the right one.

    Example:

        >>> cost_threshold([[0, 1], [5, 0]])
        0.16666666666666666
    """
    matrix = cost_matrix(costs, 2)
    alarm, miss = matrix[0, 1] - matrix[0, 0], matrix[1, 0] - matrix[1, 1]
    if alarm <= 0 or miss <= 0:
        raise InvalidInput(
            f"a wrong answer must cost more than the right one, got costs={matrix.tolist()}",
            hint="costs[0][1] is the price of a false alarm, costs[1][0] that of a miss.",
        )
    return float(alarm / (alarm + miss))


def cheapest(probabilities: NDArray[Any], costs: Costs) -> Classes:
    """The answer with the least expected cost for each row, `(rows,)`, for calibrated probabilities.

    Args:
        probabilities: `(rows, classes)`.
        costs: `costs[true class][answered class]`.

    Raises:
        InvalidInput: The costs do not name every class.
    """
    expected: Floats = probabilities @ cost_matrix(costs, probabilities.shape[1])
    answers: Classes = expected.argmin(axis=1)
    return answers


def cost_matrix(costs: Costs, classes: int) -> Floats:
    """Costs as an array `(classes, classes)`.

    Raises:
        InvalidInput: They are no square of finite numbers of that size.
    """
    matrix = np.asarray(costs, np.float64)
    if matrix.shape != (classes, classes) or not np.isfinite(matrix).all():
        raise InvalidInput(
            f"`costs` must hold {classes} by {classes} numbers, got shape {matrix.shape}",
            hint="costs[true class][answered class] is what that answer costs.",
        )
    return matrix


def _cuts(scores: Floats, positive: Flags) -> tuple[Floats, Floats, Floats]:
    """Every cut between two scores that occur, falling, with how much of class 1 and of class 0 lies above it."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.flatnonzero(np.concatenate([falling[1:] != falling[:-1], [True]]))
    found = np.concatenate([[0], np.cumsum(positive[order])[last]]).astype(np.float64)
    alarms = np.concatenate([[0], np.cumsum(~positive[order])[last]]).astype(np.float64)
    levels = np.concatenate([[max(1.0, falling[0])], falling[last], [min(0.0, falling[-1])]])
    return (levels[:-1] + levels[1:]) / 2, found, alarms
