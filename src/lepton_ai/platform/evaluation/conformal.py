"""Split conformal prediction: intervals and sets of labels that hold the truth as often as promised.

Whatever the model is, the promise holds on average over new rows that come as the calibration rows came. It says
nothing about one group of rows, and breaks where the world changes, so coverage is measured again in the report.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.arrays import Flags, Floats


def conformal_quantile(scores: Any, coverage: float) -> float:
    """The score that a new row stays below with the chance `coverage`; infinite where the rows are too few to promise.

    Args:
        scores: How badly each calibration row fits its truth, `(rows,)`: of `class_scores`, `distance_scores` or
            `interval_scores`, for rows that the model did not learn from.
        coverage: Between 0 and 1, such as 0.9.

    Raises:
        InvalidInput: No scores, or a coverage that is no share.

    Example:

        >>> conformal_quantile([1.0, 2.0, 3.0, 4.0], 0.8), conformal_quantile([1.0, 2.0, 3.0, 4.0], 0.9)
        (4.0, inf)
    """
    ordered = np.sort(np.asarray(scores, np.float64))
    if not 0 < coverage < 1:
        raise InvalidInput(f"`coverage` must be between 0 and 1, got coverage={coverage}")
    if ordered.ndim != 1 or not len(ordered):
        raise InvalidInput(f"`scores` must hold one number per row, got shape {ordered.shape}")
    # One more row than there are: the new one is as likely as any to have the highest score of all.
    position = math.ceil(coverage * (len(ordered) + 1) - 1e-9)
    return float(ordered[position - 1]) if position <= len(ordered) else math.inf


def class_scores(probabilities: NDArray[Any], truth: NDArray[Any]) -> Floats:
    """What the model leaves to the other classes, for `label_sets`: Sadinle, Lei and Wasserman, 2019."""
    of_truth: Floats = np.asarray(probabilities, np.float64)[np.arange(len(truth)), truth]
    return 1.0 - of_truth


def label_sets(probabilities: NDArray[Any], quantile: float) -> Flags:
    """Which labels each row may have, `(rows, classes)`; the likeliest is always among them."""
    shares: Floats = np.asarray(probabilities, np.float64)
    likeliest = shares == shares.max(axis=1, keepdims=True)
    possible: Flags = (1.0 - shares <= quantile) | likeliest
    return possible


def distance_scores(truth: NDArray[Any], numbers: NDArray[Any]) -> Floats:
    """How far off each number is, for `interval_around`."""
    return np.abs(np.asarray(truth, np.float64) - np.asarray(numbers, np.float64))


def interval_around(numbers: NDArray[Any], quantile: float) -> Floats:
    """An interval of one width around each number, `(rows, 2)`."""
    middle: Floats = np.asarray(numbers, np.float64)
    return np.stack([middle - quantile, middle + quantile], axis=1)


def interval_scores(truth: NDArray[Any], interval: NDArray[Any]) -> Floats:
    """How far outside its interval each truth is, negative inside, for `widened`."""
    numbers: Floats = np.asarray(truth, np.float64)
    ends: Floats = np.asarray(interval, np.float64)
    return np.maximum(ends[:, 0] - numbers, numbers - ends[:, 1])


def widened(interval: NDArray[Any], quantile: float) -> Floats:
    """The model's own intervals `(rows, 2)`, moved out (or in) by the quantile: Romano, Patterson and Candès, 2019.

    Unlike `interval_around` it is wide where the model is unsure. Ends that would cross meet in the middle.
    """
    ends: Floats = np.asarray(interval, np.float64)
    middle = ends.mean(axis=1)
    return np.stack([np.minimum(ends[:, 0] - quantile, middle), np.maximum(ends[:, 1] + quantile, middle)], axis=1)
