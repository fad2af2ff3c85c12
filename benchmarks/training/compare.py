"""What the results say: differences paired by fold and seed, mean ranks, and whether what was promised holds. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from results import Result


@dataclass(frozen=True)
class Difference:
    """How much better one method is than another, paired.

    Args:
        mean: The mean gain, positive where the first is better.
        error: Its standard error over pairs.
        pairs: How many pairs.
    """

    mean: float
    error: float
    pairs: int

    def is_worse(self, *, than: float) -> bool:
        """Whether the first is worse by more than two standard errors and by more than `than`."""
        return self.pairs > 0 and -self.mean > max(2 * self.error, than)


def difference(ours: Iterable[Result], theirs: Iterable[Result], metric: str, *, higher: bool) -> Difference:
    """Compare two methods on one set."""
    others = {(result.key.seed, result.key.fold): result for result in theirs}
    gains = []
    for result in ours:
        other = others.get((result.key.seed, result.key.fold))
        if other is None or metric not in result.scores or metric not in other.scores:
            continue
        gain = result.scores[metric] - other.scores[metric]
        gains.append(gain if higher else -gain)
    if not gains:
        return Difference(math.nan, math.nan, 0)
    mean = sum(gains) / len(gains)
    if len(gains) == 1:
        return Difference(mean, math.inf, 1)
    spread = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1))
    return Difference(mean, spread / math.sqrt(len(gains)), len(gains))


def mean_score(results: Sequence[Result], metric: str) -> tuple[float, float]:
    """Mean and standard error of a metric."""
    values = [result.scores[metric] for result in results if metric in result.scores]
    if not values:
        return math.nan, math.nan
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, math.nan
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))


def mean_ranks(means: dict[str, dict[str, float]], *, higher: dict[str, bool]) -> dict[str, float]:
    """The mean rank of each method over sets; 1 is best. Methods without a score on a set share its last place.

    Args:
        means: Mean score by set and method.
        higher: By set, whether more is better.
    """
    methods = sorted({method for by_method in means.values() for method in by_method})
    ranks: dict[str, list[float]] = {method: [] for method in methods}
    for name, by_method in means.items():
        sign = 1 if higher[name] else -1
        values = {method: sign * by_method.get(method, math.nan) for method in methods}
        for method in methods:
            mine = values[method]
            if math.isnan(mine):
                ranks[method].append(float(len(methods)))
                continue
            better = sum(value > mine for value in values.values() if not math.isnan(value))
            level = sum(value == mine for value in values.values())
            ranks[method].append(better + (level + 1) / 2)
    return {method: sum(values) / len(values) for method, values in ranks.items()}
