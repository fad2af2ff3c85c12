"""Metrics of predictions, each also for many weightings of the rows at once, which is what makes intervals quick.

A metric is called with truth and predictions and answers one number. `metric.statistic(truth, predictions)` does the
work that no weight changes (sorting, losses per row) once, and answers for any weights `(replicates, rows)`; a
bootstrap draw is a row of such weights. A metric that the rows do not define (the area under a curve with one class
only) is NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation import ranking
from lepton_ai.platform.evaluation.arrays import Classes, Flags, Floats, Statistic
from lepton_ai.platform.evaluation.threshold import Costs

BINS = 15


class Better(StrEnum):
    """Which way a metric improves."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True)
class Metric:
    """One way to say how good predictions are.

    Args:
        name: How documents and tables call it.
        title: How people call it.
        better: Which way it improves; None where neither way is (coverage should be as promised).
        statistic: Truth and predictions -> the metric as a function of row weights.

    Truth is class numbers `(rows,)` and predictions are probabilities `(rows, classes)`, or both are numbers `(rows,)`.
    Metrics of answers (accuracy, balanced accuracy, F1) also take the answered class numbers `(rows,)`, where a
    threshold other than the likeliest class decided them; those of an interval take its ends `(rows, 2)`.

    Example:

        >>> accuracy([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        0.6666666666666666
        >>> two_weightings = np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0]])
        >>> accuracy.statistic(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))(two_weightings)
        array([0.66666667, 1.        ])
    """

    name: str
    title: str
    better: Better | None
    statistic: Callable[[Any, Any], Statistic]

    def __call__(self, truth: Any, predictions: Any) -> float:
        """The metric of these rows.

        Raises:
            InvalidInput: Truth and predictions have different lengths, or there are none.
        """
        truth, predictions = np.asarray(truth), np.asarray(predictions)
        if len(truth) != len(predictions) or not len(truth):
            raise InvalidInput(
                f"truth and predictions must have the same number of rows, got {len(truth)} and {len(predictions)}"
            )
        return float(self.statistic(truth, predictions)(np.ones((1, len(truth))))[0])


def log_losses(truth: Classes, probabilities: NDArray[Any]) -> Floats:
    """The log loss of each row, `(rows,)`; a probability of zero counts as the smallest step of its own precision."""
    smallest = np.finfo(probabilities.dtype).eps
    of_truth: Floats = np.maximum(probabilities[np.arange(len(truth)), truth], smallest).astype(np.float64)
    return -np.log(of_truth)


def one_per_class(classes: Classes, count: int) -> Floats:
    """Class numbers as rows of zeros and a one, `(rows, classes)`."""
    rows = np.zeros((len(classes), count))
    rows[np.arange(len(classes)), classes] = 1
    return rows


def cost(costs: Costs | Floats) -> Metric:
    """What the answers cost per row, by `costs[true class][answered class]`; takes answers or probabilities.

    Example:

        >>> cost([[0, 1], [5, 0]])([0, 0, 1, 1], np.array([0, 1, 0, 1]))
        1.5
    """
    prices = np.asarray(costs, np.float64)
    return Metric("cost", "Cost per row", Better.LOWER, _mean_of(lambda truth, p: prices[truth, _answers(p)]))


def pinball(level: float) -> Metric:
    """The loss that a quantile minimises: below the truth it costs `level`, above it `1 - level` per unit.

    Example:

        >>> pinball(0.9)([10.0, 10.0], [8.0, 12.0])
        1.0
    """

    def losses(truth: Floats, quantiles: Floats) -> Floats:
        below = truth - quantiles
        return np.maximum(level * below, (level - 1) * below)

    return Metric(f"pinball_{level:g}", f"Pinball loss at {level:g}", Better.LOWER, _mean_of(losses))


def _mean_of(values: Callable[[Any, Any], NDArray[Any]]) -> Callable[[Any, Any], Statistic]:
    """The weighted mean of one number per row."""

    def statistic(truth: Any, predictions: Any) -> Statistic:
        per_row: Floats = values(truth, predictions).astype(np.float64)
        return lambda weights: _mean(weights, per_row)

    return statistic


def _mean(weights: Floats, per_row: Floats) -> Floats:
    return ranking.share(weights @ per_row, weights.sum(axis=1))


def _is_right(truth: Classes, predictions: NDArray[Any]) -> Flags:
    right: Flags = _answers(predictions) == truth
    return right


def _answers(predictions: NDArray[Any]) -> Classes:
    answers: Classes = predictions if predictions.ndim == 1 else predictions.argmax(axis=1)
    return answers


def _brier(truth: Classes, probabilities: Floats) -> Floats:
    if probabilities.shape[1] == 2:
        return np.square(probabilities[:, 1] - truth)
    squares: Floats = np.square(probabilities - one_per_class(truth, probabilities.shape[1])).sum(axis=1)
    return squares


@dataclass(frozen=True)
class _Counts:
    """Weighted counts per class, each `(replicates, classes)`."""

    true: Floats
    predicted: Floats
    right: Floats


def _counts(truth: Classes, predictions: NDArray[Any]) -> Callable[[Floats], _Counts]:
    answers = _answers(predictions)
    classes = int(max(truth.max(), answers.max())) + 1
    true, predicted = one_per_class(truth, classes), one_per_class(answers, classes)
    right = true * predicted
    return lambda weights: _Counts(weights @ true, weights @ predicted, weights @ right)


def _balanced_accuracy(truth: Classes, predictions: NDArray[Any]) -> Statistic:
    count = _counts(truth, predictions)

    def statistic(weights: Floats) -> Floats:
        counts = count(weights)
        return _mean_where(counts.right, counts.true)

    return statistic


def _macro_f1(truth: Classes, predictions: NDArray[Any]) -> Statistic:
    count = _counts(truth, predictions)

    def statistic(weights: Floats) -> Floats:
        counts = count(weights)
        return _mean_where(2 * counts.right, counts.true + counts.predicted)

    return statistic


def _mean_where(above: Floats, below: Floats) -> Floats:
    """The mean of above / below over the classes that occur, `(replicates,)`."""
    occurs = below > 0
    shares: Floats = np.divide(above, below, out=np.zeros_like(above), where=occurs)
    return ranking.share(shares.sum(axis=1), occurs.sum(axis=1).astype(np.float64))


def _calibration_error(truth: Classes, probabilities: Floats) -> Statistic:
    stated, happened = stated_and_happened(truth, probabilities)
    gaps = one_per_class(bin_of(stated), BINS) * (happened - stated)[:, None]  # (rows, bins)

    def statistic(weights: Floats) -> Floats:
        return ranking.share(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))

    return statistic


def stated_and_happened(truth: Classes, probabilities: Floats) -> tuple[Floats, Floats]:
    """What calibration compares: of two classes, the probability of class 1 and whether it came; of more, that of the
    likeliest class and whether it was right. Both `(rows,)`.
    """
    if probabilities.shape[1] == 2:
        return probabilities[:, 1].astype(np.float64), (truth == 1).astype(np.float64)
    return probabilities.max(axis=1).astype(np.float64), _is_right(truth, probabilities).astype(np.float64)


def bin_of(stated: Floats) -> Classes:
    """The bin of equal width that each probability falls into, `(rows,)`."""
    return np.minimum((stated * BINS).astype(np.int64), BINS - 1)


def _squares(truth: Floats, numbers: Floats) -> Floats:
    return np.square(truth - numbers)


def _root_mean_square(truth: Floats, numbers: Floats) -> Statistic:
    squares = _squares(truth, numbers)
    return lambda weights: np.sqrt(_mean(weights, squares))


def _explained(truth: Floats, numbers: Floats) -> Statistic:
    squares = _squares(truth, numbers)
    centred = truth - truth.mean()  # or the sum of squares would be a difference of two huge numbers

    def statistic(weights: Floats) -> Floats:
        spread: Floats = weights @ np.square(centred) - np.square(weights @ centred) / weights.sum(axis=1)
        varies = spread > 1e-12 * (weights @ np.square(truth))  # else what is left is rounding
        return 1 - ranking.share(weights @ squares, np.where(varies, spread, 0.0))

    return statistic


def _absolute(truth: Floats, numbers: Floats) -> Floats:
    return np.abs(truth - numbers)


def _share_of_absolute(truth: Floats, numbers: Floats) -> Statistic:
    errors, sizes = _absolute(truth, numbers), np.abs(truth)
    return lambda weights: ranking.share(weights @ errors, weights @ sizes)


def _is_inside(truth: Floats, ends: Floats) -> Flags:
    return (ends[:, 0] <= truth) & (truth <= ends[:, 1])


def _width(_: Floats, ends: Floats) -> Floats:
    return ends[:, 1] - ends[:, 0]


accuracy = Metric("accuracy", "Accuracy", Better.HIGHER, _mean_of(_is_right))
balanced_accuracy = Metric("balanced_accuracy", "Balanced accuracy", Better.HIGHER, _balanced_accuracy)
macro_f1 = Metric("macro_f1", "F1, mean over classes", Better.HIGHER, _macro_f1)
log_loss = Metric("log_loss", "Log loss", Better.LOWER, _mean_of(log_losses))
brier = Metric("brier", "Brier score", Better.LOWER, _mean_of(_brier))
auc = Metric("auc", "Area under the ROC curve", Better.HIGHER, ranking.area_under_roc)
average_precision = Metric("average_precision", "Average precision", Better.HIGHER, ranking.average_precision)
expected_calibration_error = Metric("ece", "Expected calibration error", Better.LOWER, _calibration_error)
rmse = Metric("rmse", "Root mean squared error", Better.LOWER, _root_mean_square)
mae = Metric("mae", "Mean absolute error", Better.LOWER, _mean_of(_absolute))
r2 = Metric("r2", "Explained variance, R²", Better.HIGHER, _explained)
wape = Metric("wape", "Absolute error as a share of the total", Better.LOWER, _share_of_absolute)
coverage = Metric("coverage", "Share inside the interval", None, _mean_of(_is_inside))
interval_width = Metric("interval_width", "Width of the interval", Better.LOWER, _mean_of(_width))

CLASSIFICATION = (
    accuracy,
    balanced_accuracy,
    macro_f1,
    log_loss,
    brier,
    auc,
    average_precision,
    expected_calibration_error,
)
REGRESSION = (rmse, mae, r2, wape)
