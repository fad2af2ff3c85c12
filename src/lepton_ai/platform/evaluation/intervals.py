"""Intervals by the bootstrap: draws as weights of the rows, by row, within strata, by cluster, or in blocks of time.

Everything that is computed on the same draws is paired: the interval of a difference is that of the differences draw
by draw, which is far narrower than what two separate intervals suggest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Any

import numpy as np

from lepton_ai.platform.evaluation.arrays import Classes, Floats, Statistic, generator

LEVEL = 0.95

_MOST_DRAWS = 1000
_FEWEST_DRAWS = 200
_ENOUGH_WEIGHTS = 10_000_000  # more draws than this many weights in all would not change what one reads
_WEIGHTS_AT_ONCE = 2_000_000  # 16 MB


class Unit(StrEnum):
    """What is drawn, with replacement: what may be taken for independent of the rest."""

    ROW = "row"
    ROW_OF_CLASS = "row_of_class"
    CLUSTER = "cluster"
    TIME_BLOCK = "time_block"


@dataclass(frozen=True)
class Resampling:
    """How draws are made from the rows at hand; made by `by_row`, `by_class`, `by_cluster` and `by_time`.

    Args:
        unit: What is drawn.
        units: How many of them there are: rows, clusters, or distinct times.
        block: For blocks of time, how many times are drawn together.
        number_of_row: The number of each row's class, cluster or time; None where each row stands for itself.
    """

    unit: Unit
    units: int
    block: int = 1
    number_of_row: Classes | None = None

    @property
    def dependent(self) -> Classes | None:
        """The number of the part that each row belongs to, rows of different parts being independent; or None."""
        if self.number_of_row is None or self.unit is Unit.ROW_OF_CLASS:
            return None
        return self.number_of_row // self.block

    def draws(self, replicates: int, seed: int) -> Iterator[Floats]:
        """Weights of the rows, in parts of `(some replicates, rows)`: how often each was drawn.

        Example:

            >>> for weights in by_cluster(["a", "a", "b"]).draws(3, seed=1):
            ...     print(weights)
            [[0. 0. 2.]
             [2. 2. 0.]
             [1. 1. 1.]]
        """
        random = generator(seed)
        rows = self.units if self.number_of_row is None else len(self.number_of_row)
        at_once = max(1, _WEIGHTS_AT_ONCE // rows)
        for start in range(0, replicates, at_once):
            yield self._weights(min(at_once, replicates - start), random)

    def interval(self, values: Floats, level: float = LEVEL) -> tuple[float, float]:
        """The interval of a statistic from its value in each draw; draws that do not define it are left out.

        The percentiles are moved outward as a t-interval is wider than a normal one, which few rows (or few clusters)
        need: Hesterberg, "What Teachers Should Know About the Bootstrap", 2015.
        """
        defined = values[np.isfinite(values)]
        if not len(defined):
            return (np.nan, np.nan)
        tail = _widened_tail((1 - level) / 2, self.units // self.block)
        low, high = np.quantile(defined, [tail, 1 - tail])
        return (float(low), float(high))

    def _weights(self, replicates: int, random: np.random.Generator) -> Floats:
        if self.unit is Unit.ROW:
            return _counts(replicates, self.units, random)
        assert self.number_of_row is not None
        if self.unit is Unit.ROW_OF_CLASS:
            weights = np.empty((replicates, len(self.number_of_row)))
            for number in range(int(self.number_of_row.max()) + 1):
                rows = np.flatnonzero(self.number_of_row == number)
                weights[:, rows] = _counts(replicates, len(rows), random)
            return weights
        if self.unit is Unit.CLUSTER:
            return _counts(replicates, self.units, random)[:, self.number_of_row]
        return _block_counts(replicates, self.units, self.block, random)[:, self.number_of_row]


def by_row(rows: int) -> Resampling:
    """Rows are independent of each other."""
    return Resampling(Unit.ROW, rows)


def by_class(classes: Any) -> Resampling:
    """Rows are independent; each class keeps its number of rows, so that a rare one is in every draw."""
    numbers = np.unique(np.asarray(classes), return_inverse=True)[1]
    return Resampling(Unit.ROW_OF_CLASS, len(numbers), number_of_row=numbers)


def by_cluster(clusters: Any) -> Resampling:
    """Rows of one cluster (a patient, a machine) resemble each other, so clusters are drawn whole."""
    distinct, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    return Resampling(Unit.CLUSTER, len(distinct), number_of_row=numbers)


def by_time(times: Any) -> Resampling:
    """Rows near in time resemble each other, so blocks of neighbouring times are drawn (circular block bootstrap).

    The length of a block is twice the cube root of the number of times. Simulated with an autocorrelation of 0.5, a
    95 % interval so made holds the truth in 92 to 93 of 100 cases, with 0.8 in 83 (100 times) to 92 (500 times);
    drawing single rows, in 72 to 75 and in 47 to 51.
    """
    distinct, numbers = np.unique(np.asarray(times), return_inverse=True)
    block = min(len(distinct), round(2 * len(distinct) ** (1 / 3)))
    return Resampling(Unit.TIME_BLOCK, len(distinct), block, numbers)


def replicates_for(rows: int) -> int:
    """How many draws are worth their time for so many rows."""
    return int(np.clip(_ENOUGH_WEIGHTS // max(rows, 1), _FEWEST_DRAWS, _MOST_DRAWS))


def bootstrap(
    statistics: Mapping[str, Statistic], resampling: Resampling, *, replicates: int, seed: int
) -> Mapping[str, Floats]:
    """Every statistic in every draw, `(replicates,)` each, all on the same draws.

    Args:
        statistics: Functions of row weights `(replicates, rows)`, such as `metric.statistic(truth, predictions)`.
        resampling: What is drawn.
        replicates: How many draws.
        seed: The same seed gives the same draws.
    """
    values: dict[str, list[Floats]] = {name: [] for name in statistics}
    for weights in resampling.draws(replicates, seed):
        for name, statistic in statistics.items():
            values[name].append(statistic(weights))
    return {name: np.concatenate(parts) for name, parts in values.items()}


def share_interval(hits: float, rows: float, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval of a share, which says something also where all rows or none were hits.

    Example:

        >>> low, high = share_interval(30, 30)
        >>> round(low, 3), high
        (0.886, 1.0)
    """
    if rows <= 0:
        return (0.0, 1.0)
    z = NormalDist().inv_cdf(1 - (1 - level) / 2)
    share = hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    # Rounding must not leave out the share itself where none or all were hits.
    return (0.0 if hits == 0 else float(middle - half), 1.0 if hits == rows else float(middle + half))


def _counts(replicates: int, units: int, random: np.random.Generator) -> Floats:
    drawn = random.integers(units, size=(replicates, units)) + units * np.arange(replicates)[:, None]
    return np.bincount(drawn.ravel(), minlength=replicates * units).reshape(replicates, units).astype(np.float64)


def _block_counts(replicates: int, units: int, block: int, random: np.random.Generator) -> Floats:
    blocks = -(-units // block)
    starts = random.integers(units, size=(replicates, blocks))
    ends = starts + block
    ends[:, -1] = starts[:, -1] + units - (blocks - 1) * block  # the last is cut, so that each draw has as many times
    first = (2 * units * np.arange(replicates))[:, None]
    begun = np.bincount((starts + first).ravel(), minlength=2 * units * replicates)
    ended = np.bincount((ends + first).ravel(), minlength=2 * units * replicates + 1)[: 2 * units * replicates]
    running = np.cumsum((begun - ended).reshape(replicates, 2 * units), axis=1)
    return (running[:, :units] + running[:, units:]).astype(np.float64)  # blocks go on at the beginning


def _widened_tail(tail: float, units: int) -> float:
    if units < 3:
        return 0.0
    normal, freedom = NormalDist(), units - 1
    z = -normal.inv_cdf(tail)
    # The t quantile as a series in 1 / freedom: Abramowitz and Stegun, 26.7.5.
    t = (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
    return normal.cdf(-t * np.sqrt(units / freedom))
