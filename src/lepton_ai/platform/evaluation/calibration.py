"""Calibration: probabilities that mean what they say, fitted on rows that the model did not learn from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.arrays import Classes, Floats, generator

_FOLDS = 5
_FEWEST_ROWS_FOR_STEPS = 1000
_SHARPEST, _FLATTEST = 20.0, 0.05
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Calibration:
    """A change of probabilities that keeps their order; stored as JSON with the model.

    Args:
        temperature: Probabilities become softmax(log p / temperature): above 1 flattens, below 1 sharpens.
        stated: For two classes, rising probabilities of class 1 as the model states them, and
        happened: how often class 1 happened there. In between, straight lines. Both are empty where only the
            temperature acts.

    Example:

        >>> Calibration(temperature=2.0).apply(np.array([[0.9, 0.1]])).round(3)
        array([[0.75, 0.25]])
    """

    temperature: float = 1.0
    stated: tuple[float, ...] = ()
    happened: tuple[float, ...] = ()

    def apply(self, probabilities: NDArray[Any]) -> Floats:
        """Calibrated probabilities of the same shape, `(rows, classes)`."""
        if self.stated:
            positive = np.interp(probabilities[:, 1], self.stated, self.happened)
            return np.stack([1 - positive, positive], axis=1)
        if self.temperature == 1.0:
            return np.asarray(probabilities, np.float64)
        return _softmax(_logs(probabilities) / self.temperature)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"temperature": self.temperature, "stated": list(self.stated), "happened": list(self.happened)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(float(value["temperature"]), tuple(value["stated"]), tuple(value["happened"]))


def calibrate(probabilities: Any, truth: Any, *, seed: int = 0) -> Calibration:
    """The calibration that these rows speak for: none, a temperature, or isotonic steps (two classes).

    Each is judged by its log loss on folds that it was not fitted on. A temperature is taken where it is better than
    none by more than one standard error of the paired difference; isotonic steps, which have many more ways to be wrong
    and make probabilities tie, only where they are better than that by more than two, and with 1,000 rows or more
    (Niculescu-Mizil and Caruana, "Predicting Good Probabilities with Supervised Learning", 2005).

    Args:
        probabilities: What the model says of rows that it did not learn from, `(rows, classes)`.
        truth: Their class numbers, `(rows,)`.
        seed: Decides the folds.

    Raises:
        InvalidInput: Shapes or class numbers do not fit each other.
    """
    probabilities, truth = _checked(probabilities, truth)
    candidates = [(_tempered, 1.0)]
    if probabilities.shape[1] == 2 and len(truth) >= _FEWEST_ROWS_FOR_STEPS:
        candidates.append((_isotonic, 2.0))
    fold = generator(seed).permutation(len(truth)) % _FOLDS
    chosen: Callable[[Floats, Classes], Calibration] = _uncalibrated
    chosen_losses = _losses(probabilities, truth)
    for fit, errors in candidates if len(truth) >= 2 * _FOLDS else []:
        losses = np.empty(len(truth))
        for number in range(_FOLDS):
            inside, outside = fold != number, fold == number
            calibrated = fit(probabilities[inside], truth[inside]).apply(probabilities[outside])
            losses[outside] = _losses(calibrated, truth[outside])
        gains = chosen_losses - losses
        if gains.mean() > errors * gains.std(ddof=1) / np.sqrt(len(gains)):
            chosen, chosen_losses = fit, losses
    return chosen(probabilities, truth)


def temperature(probabilities: Any, truth: Any) -> float:
    """The temperature with the least log loss: Guo et al., "On Calibration of Modern Neural Networks", 2017.

    One imagined row of each class is spread over the rows, as in Platt's scaling (1999). Without it, rows that the
    model tells apart perfectly would ask for certainty without end.

    Args:
        probabilities: What the model says of rows that it did not learn from, `(rows, classes)`.
        truth: Their class numbers, `(rows,)`.

    Returns:
        Between 1/20 and 20.

    Raises:
        InvalidInput: Shapes or class numbers do not fit each other.

    Example:

        >>> too_sure = np.tile([[0.99, 0.01]], (100, 1))
        >>> round(temperature(too_sure, np.repeat([0, 1], [80, 20])), 1)
        3.4
    """
    probabilities, truth = _checked(probabilities, truth)
    rows, classes = probabilities.shape
    logs = _logs(probabilities)
    wanted = (rows * logs[np.arange(rows), truth] + logs.sum(axis=1)).sum() / (rows + classes)
    # The loss is convex in 1 / temperature: Newton's steps, and halving where one leaves the bracket.
    low, high, inverse = _FLATTEST, _SHARPEST, 1.0
    for _ in range(60):
        shares = _softmax(logs * inverse)
        means = (shares * logs).sum(axis=1)
        slope = means.sum() - wanted
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        curvature = (shares * np.square(logs - means[:, None])).sum()
        step = inverse - slope / curvature if curvature > 0 else inverse
        following = step if low < step < high else (low + high) / 2
        if abs(following - inverse) <= 1e-7 * inverse:
            break
        inverse = following
    return float(1 / inverse)


def _uncalibrated(_: Floats, __: Classes) -> Calibration:
    return Calibration()


def _tempered(probabilities: Floats, truth: Classes) -> Calibration:
    return Calibration(temperature(probabilities, truth))


def _isotonic(probabilities: Floats, truth: Classes) -> Calibration:
    """Steps that rise and are nearest to what happened, by pooling neighbours that fall; never 0 or 1 themselves."""
    scores, numbers = np.unique(probabilities[:, 1], return_inverse=True)
    rows = np.bincount(numbers).astype(np.float64)
    hits = np.bincount(numbers, weights=truth == 1)
    pools: list[tuple[float, float, float]] = []  # rows, hits, sum of scores
    for pool in zip(rows, hits, rows * scores, strict=True):
        while pools and pools[-1][1] * pool[0] >= pool[1] * pools[-1][0]:
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2] + pool[2])
        pools.append(pool)
    pooled = np.array(pools)
    margin = 1 / (len(truth) + 2)
    happened = np.clip(pooled[:, 1] / pooled[:, 0], margin, 1 - margin)
    return Calibration(stated=tuple((pooled[:, 2] / pooled[:, 0]).tolist()), happened=tuple(happened.tolist()))


def _checked(probabilities: Any, truth: Any) -> tuple[Floats, Classes]:
    probabilities, truth = np.asarray(probabilities, np.float64), np.asarray(truth)
    if (
        probabilities.ndim != 2
        or probabilities.shape[1] < 2
        or truth.shape != probabilities.shape[:1]
        or not len(truth)
    ):
        raise InvalidInput(
            "calibration needs probabilities (rows, classes) and class numbers (rows,), "
            f"got shapes {probabilities.shape} and {truth.shape}"
        )
    numbers = truth.astype(np.int64)
    if (numbers != truth).any() or numbers.min() < 0 or numbers.max() >= probabilities.shape[1]:
        raise InvalidInput(
            f"class numbers must be from 0 to {probabilities.shape[1] - 1}, got {truth.min()} to {truth.max()}"
        )
    return probabilities, numbers


def _losses(probabilities: Floats, truth: Classes) -> Floats:
    return -_logs(probabilities)[np.arange(len(truth)), truth]


def _logs(probabilities: NDArray[Any]) -> Floats:
    return np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST))


def _softmax(logits: Floats) -> Floats:
    powers: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares
