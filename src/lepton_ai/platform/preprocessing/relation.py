"""How well one column alone tells the target, cross-validated; NumPy only, a few milliseconds a column."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.preprocessing.columns import is_missing
from lepton_ai.platform.preprocessing.copies import codes_of

_FOLDS = 5
_MOST_ROWS = 50_000
_MOST_CLASSES = 20
_MOST_BINS = 200
_ROWS_IN_BIN = 25
_FEWEST_IN_CLASS = 10
_FEWEST_ROWS = 30


@dataclass(frozen=True)
class Target:
    """What is to be told, prepared once for many columns; see `target_of`.

    Args:
        rows: The positions of the rows that are looked at.
        classes: The class of each of these rows, numbered from 0, or None for a target of numbers.
        numbers: The number of each of these rows, or None for classes.
        fold: The fold of each of these rows.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64] | None
    numbers: NDArray[np.float64] | None
    fold: NDArray[np.int64]

    @property
    def measure(self) -> str:
        """What `relation` measures: `"auc"` (0.5 tells nothing) or `"r2"` (0 tells nothing); 1 tells all."""
        return "auc" if self.classes is not None else "r2"


def target_of(values: NDArray[Any], *, classes: bool) -> Target | None:
    """Prepare a target; None if it is too small to say anything.

    Args:
        values: The target of each row, `(rows,)`. Rows without one are left out; of very many rows a part is used.
        classes: Whether it is a class rather than a number.
    """
    chance = np.random.default_rng(0)
    rows = np.flatnonzero(~is_missing(values))
    if len(rows) > _MOST_ROWS:
        rows = np.sort(chance.choice(rows, _MOST_ROWS, replace=False))
    fold = chance.permutation(np.arange(len(rows)) % _FOLDS)
    if not classes:
        numbers = values[rows].astype(np.float64)
        return None if len(rows) < _FEWEST_ROWS or np.ptp(numbers) == 0 else Target(rows, None, numbers, fold)
    codes = codes_of(values[rows])
    counts = np.bincount(codes, minlength=2)
    # What a class of few rows seems to be told by is mostly chance.
    usual = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    usual = usual[counts[usual] >= _FEWEST_IN_CLASS]
    if len(usual) < 2:
        return None
    place = np.full(len(counts), -1)
    place[usual] = np.arange(len(usual))
    kept = place[codes] >= 0
    return Target(rows[kept], place[codes[kept]], None, fold[kept])


@dataclass(frozen=True)
class Relation:
    """What a column alone tells of the target.

    Args:
        score: For classes the area under the curve, each class against the others, weighted by its rows, from 0.5; for
            numbers the share of variance that is explained, of the numbers or of their ranks, whichever is more.
        weakest: The same for the class that is told least; the score itself for numbers. A measurement may tell one of
            three classes from the others without fail; a copy of the target tells all.
    """

    score: float
    weakest: float


def relation(values: NDArray[Any], target: Target) -> Relation:
    """How well a column alone tells the target.

    Rows are put into bins of like values (ranges of numbers, or categories; missing is a value of its own), and each
    fold is told by what the others hold in the bin: classes by their shares, numbers by a straight line. So a value
    that is met once tells nothing.

    Args:
        values: Numbers, dates, or objects, `(rows,)`; all rows, as the target knows which it wants.
        target: What is to be told.

    Example:

        >>> target = target_of(np.arange(200) // 100, classes=True)
        >>> relation(np.arange(200.0), target).score, relation(np.zeros(200), target).score
        (1.0, 0.5)
    """
    values = values[target.rows]
    numbers = None if values.dtype.kind == "O" else _as_numbers(values)
    bins = _category_bins(values) if numbers is None else _number_bins(numbers)
    if target.classes is not None:
        scores = _aucs(numbers, bins, target.classes, target.fold)
        return Relation(float(np.average(scores, weights=np.bincount(target.classes))), float(scores.min()))
    assert target.numbers is not None
    # Ranks as well: one giant in the target may hide that all others are told.
    ranks = np.argsort(np.argsort(target.numbers, kind="stable"), kind="stable").astype(np.float64)
    score = max(0.0, *(_r2(numbers, bins, each, target.fold) for each in (target.numbers, ranks)))
    return Relation(score, score)


def _as_numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    numbers = values.astype(np.int64 if values.dtype.kind == "M" else np.float64).astype(np.float64)
    numbers[is_missing(values)] = np.nan
    return numbers


def _number_bins(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return np.zeros(len(numbers), dtype=np.int64)
    wanted = int(np.clip(len(known) // _ROWS_IN_BIN, 2, _MOST_BINS))
    distinct = np.unique(known)
    # With few distinct values each is a bin. Edges are values themselves, and belong to the bin below.
    edges = distinct if len(distinct) <= wanted else np.unique(np.quantile(known, np.arange(1, wanted) / wanted))
    bins = np.searchsorted(edges, numbers, side="left")
    bins[~np.isfinite(numbers)] = len(edges) + 1
    return bins.astype(np.int64)


def _category_bins(values: NDArray[Any]) -> NDArray[np.int64]:
    codes = codes_of(values)
    # All values that are met once share a bin: what is true of one cannot be known from the others.
    alone = np.bincount(codes)[codes] == 1
    return codes_of(np.where(alone, -1, codes))


def _aucs(
    numbers: NDArray[np.float64] | None, bins: NDArray[np.int64], classes: NDArray[np.int64], fold: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The area under the curve for each class against the others, `(classes,)`."""
    shape = (_FOLDS, int(bins.max()) + 1, int(classes.max()) + 1)
    cells = np.ravel_multi_index((fold, bins, classes), shape)
    counts = np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)
    others = counts.sum(axis=0) - counts
    prior = others.sum(axis=1, keepdims=True) / np.maximum(others.sum(axis=(1, 2), keepdims=True), 1)
    shares = (others + prior) / (others.sum(axis=2, keepdims=True) + 1)
    scores = np.full(shape[2], 0.5)
    distinct, places = (None, None) if numbers is None else np.unique(numbers, return_inverse=True)
    for one in range(shape[2]):
        by_fold = [_auc_of_bins(shares[at, :, one], counts[at, :, one], counts[at].sum(axis=1)) for at in range(_FOLDS)]
        if not np.isnan(by_fold).all():
            scores[one] = max(0.5, float(np.nanmean(by_fold)))
        if distinct is not None and places is not None:
            scores[one] = max(scores[one], _auc_of_ranks(distinct, places.reshape(-1), classes == one))
    return scores


def _auc_of_ranks(distinct: NDArray[np.float64], places: NDArray[np.int64], hit: NDArray[np.bool_]) -> float:
    """The area under the curve of the numbers themselves, which need no fit; bins blur them in a small set."""
    rows = np.bincount(places, minlength=len(distinct))
    known = np.isfinite(distinct)
    score = _auc_of_bins(distinct[known], np.bincount(places, hit, len(distinct))[known], rows[known])
    if np.isnan(score):
        return 0.5
    # Of the rows without a value nothing is told: they count as ties.
    return float(0.5 + (rows[known].sum() / len(places)) ** 2 * (max(score, 1 - score) - 0.5))


def _auc_of_bins(scores: NDArray[Any], hits: NDArray[Any], rows: NDArray[Any]) -> float:
    """How often a hit has a higher score than another row, over bins that each have one score; ties count half."""
    order = np.argsort(scores, kind="stable")
    scores, hits, misses = scores[order], hits[order], (rows - hits)[order]
    begins = np.concatenate([[True], scores[1:] != scores[:-1]]) if len(scores) else np.empty(0, dtype=bool)
    places = np.flatnonzero(begins)
    if not hits.sum() or not misses.sum():
        return float("nan")
    hits, misses = np.add.reduceat(hits, places), np.add.reduceat(misses, places)
    below = np.cumsum(misses) - misses
    return float((hits * (below + misses / 2)).sum() / (hits.sum() * misses.sum()))


def _r2(
    numbers: NDArray[np.float64] | None, bins: NDArray[np.int64], target: NDArray[np.float64], fold: NDArray[np.int64]
) -> float:
    target = (target - target.mean()) / (target.std() or 1.0)
    count = int(bins.max()) + 1
    x = np.zeros(len(target)) if numbers is None else np.nan_to_num(numbers, nan=0.0, posinf=0.0, neginf=0.0)
    # Within a bin x is counted from its middle, and small, so that the sums below lose no digits.
    rows = np.bincount(bins, minlength=count)
    x = x - (np.bincount(bins, x, count) / np.maximum(rows, 1))[bins]
    x = x / max(float(np.abs(x).max()), 1e-300)
    sums = [_by_fold(bins, fold, weights, count) for weights in (np.ones(len(x)), x, target, x * x, x * target)]
    n, sx, sy, sxx, sxy = (each.sum(axis=0) - each for each in sums)
    safe = np.maximum(n, 1)
    spread = sxx - sx * sx / safe
    slope = np.where((n >= 3) & (spread > 1e-9 * np.maximum(sxx, 1e-300)), sxy - sx * sy / safe, 0.0)
    slope = slope / np.where(slope != 0, spread, 1.0)
    told = sy / safe + 0.0
    predicted = told[fold, bins] + slope[fold, bins] * (x - (sx / safe)[fold, bins])
    # A line may run away at the end of a bin; no target lies outside of all.
    predicted = np.clip(predicted, target.min(), target.max())
    return float(1 - ((target - predicted) ** 2).mean())


def _by_fold(
    bins: NDArray[np.int64], fold: NDArray[np.int64], weights: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    cells = fold * count + bins
    return np.bincount(cells, weights, _FOLDS * count).astype(np.float64).reshape(_FOLDS, count)
