"""The temperature of a blend of classifiers: how sure it may be, on answers to rows that its members did not see. Pure.

`evaluation/calibration.py` calibrates finished models; here rows have weights, and the temperature is in the graph.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.tables.truth import Truth

_COLDEST, _HOTTEST = 0.2, 5.0
_PRECISION = 1e-3
_GOLDEN = (math.sqrt(5) - 1) / 2


def temperature_of(logits: NDArray[np.float64], truth: Truth) -> float:
    """What to divide logits by: 1, unless another temperature lowers the loss by more than one standard error.

    As in Platt's scaling (1999) every class is counted once more than it came: a hundred right answers do not prove
    that there will be no wrong one.

    Args:
        logits: Answers to rows that were not seen, `(batch, classes)`.
        truth: What they should have been.

    Example:

        >>> truth = Truth(np.array([0.0, 1.0] * 500), 2)
        >>> sure = np.where(truth.values[:, None] == [0, 1], 4.0, 0.0)
        >>> sure[:200] = sure[:200, ::-1]
        >>> round(temperature_of(sure, truth), 1)
        2.9
    """
    classes = logits.shape[1]
    doubt = classes / (len(truth) + classes)

    def losses(temperature: float) -> NDArray[np.float64]:
        answers = logits / temperature
        any_class = np.logaddexp.reduce(answers, axis=1) - answers.mean(axis=1)
        return (1 - doubt) * truth.losses(answers) + doubt * any_class

    def loss(log_temperature: float) -> float:
        return float(np.average(losses(math.exp(log_temperature)), weights=truth.weights))

    found = math.exp(_lowest(loss, math.log(_COLDEST), math.log(_HOTTEST)))
    gains = losses(1.0) - losses(found)
    error = float(np.std(gains)) / math.sqrt(len(truth))
    return found if float(np.average(gains, weights=truth.weights)) > error else 1.0


def _lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Golden-section search; the loss is convex in the inverse of the temperature, and so has one lowest point."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > _PRECISION:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return (low + high) / 2
