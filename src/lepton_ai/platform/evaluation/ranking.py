"""Metrics of how well scores rank the rows, exact where scores tie; weighted, for many weightings at once."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation.arrays import Flags, Floats, Statistic


def area_under_roc(truth: NDArray[Any], probabilities: NDArray[Any]) -> Statistic:
    """The chance that a row of the class scores above one that is not of it, ties counting half.

    Two classes: of class 1. More: each class against the rest, and the mean of the classes that occur.
    """
    return _over_classes(truth, probabilities, _area)


def average_precision(truth: NDArray[Any], probabilities: NDArray[Any]) -> Statistic:
    """The precision at each score that finds a row of the class, averaged over those rows.

    Two classes: of class 1. More: each class against the rest, and the mean of the classes that occur.
    """
    return _over_classes(truth, probabilities, _precision)


def share(part: Floats, whole: Floats) -> Floats:
    """Part of whole, NaN where there is no whole."""
    shares: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return shares


def _over_classes(
    truth: NDArray[Any], probabilities: NDArray[Any], curve: Callable[[Floats, Floats], Floats]
) -> Statistic:
    classes = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    ranked = [_ranked(truth == number, probabilities[:, number]) for number in classes]

    def statistic(weights: Floats) -> Floats:
        per_class = np.stack([curve(*sums(weights)) for sums in ranked])  # (classes, replicates)
        defined = np.isfinite(per_class)
        total = np.where(defined, per_class, 0).sum(axis=0)
        return np.where(defined.any(axis=0), total / np.maximum(defined.sum(axis=0), 1), np.nan)

    return statistic


def _ranked(is_class: Flags, scores: NDArray[Any]) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Sorts once; then gives the weight of the class and of the rest at each distinct score, falling."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], falling[1:] != falling[:-1]]))
    positive = is_class[order].astype(np.float64)

    def sums(weights: Floats) -> tuple[Floats, Floats]:
        ordered = weights[:, order]
        of_class = ordered * positive
        if len(starts) == len(order):  # no ties: nothing to add up
            return of_class, ordered - of_class
        together = np.add.reduceat(of_class, starts, axis=1)
        return together, np.add.reduceat(ordered, starts, axis=1) - together

    return sums


def _area(of_class: Floats, rest: Floats) -> Floats:
    above = np.cumsum(of_class, axis=1)
    found = ((above - of_class / 2) * rest).sum(axis=1)
    pairs = above[:, -1] * rest.sum(axis=1)
    return share(found, pairs)


def _precision(of_class: Floats, rest: Floats) -> Floats:
    above = np.cumsum(of_class, axis=1)
    passed = above + np.cumsum(rest, axis=1)
    precision = np.divide(above, passed, out=np.zeros_like(above), where=passed > 0)
    total = above[:, -1]
    found = (precision * of_class).sum(axis=1)
    return share(found, total)
