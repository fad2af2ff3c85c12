"""The rule by which candidates are chosen: the first one that is not worse than the best by a standard error. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Verdict:
    """What the rule found.

    Args:
        chosen: The name of the candidate to take.
        best: The name of the one with the lowest mean.
        means: The mean score of each.
        errors: The standard error of each one's difference to the best; 0 for the best itself.
    """

    chosen: str
    best: str
    means: Mapping[str, float]
    errors: Mapping[str, float]

    @property
    def why(self) -> str:
        """In words."""
        if self.chosen == self.best:
            return "it was best"
        return f"{self.best} was better by less than a standard error"


def one_standard_error(candidates: Mapping[str, ArrayLike]) -> str:
    """The name of the candidate to take; see `compare`.

    Example:

        >>> one_standard_error({"linear": [0.50, 0.42, 0.61], "net": [0.51, 0.40, 0.60]})
        'linear'
        >>> one_standard_error({"linear": [0.50, 0.42, 0.61], "net": [0.31, 0.20, 0.40]})
        'net'
    """
    return compare(candidates).chosen


def compare(candidates: Mapping[str, ArrayLike]) -> Verdict:
    """Compare candidates by the one-standard-error rule (Breiman and others, "Classification and Regression Trees").

    Args:
        candidates: For each name its scores, lower being better, per row or per fold `(count,)`, the same rows or
            folds for all. Their order is the order of preference: the first that is within one standard error of the
            best wins. The error is that of the paired differences, which is much smaller than that of the scores.

    A candidate with a score that is not finite loses; where all have one, the first wins.
    """
    scores = {name: np.asarray(each, dtype=np.float64).reshape(-1) for name, each in candidates.items()}
    means = {name: float(each.mean()) if np.isfinite(each).all() else math.inf for name, each in scores.items()}
    best = min(means, key=lambda name: means[name])
    if not math.isfinite(means[best]):
        return Verdict(next(iter(means)), next(iter(means)), means, dict.fromkeys(means, 0.0))
    errors = {name: _error(scores[name], scores[best]) for name in scores}
    chosen = next(name for name in scores if means[name] - means[best] <= errors[name] or name == best)
    return Verdict(chosen, best, means, errors)


def _error(scores: NDArray[Any], best: NDArray[Any]) -> float:
    if len(scores) < 2 or not np.isfinite(scores).all():
        return 0.0
    return float(np.std(scores - best, ddof=1) / math.sqrt(len(scores)))
