"""Rolling origins inside the history: what is fitted up to a cut is asked from the origins after it."""

from dataclasses import dataclass
from itertools import pairwise
from math import gcd

import numpy as np
from numpy.typing import NDArray

_FOLDS = 3
_LEARNED = 0.55
_LEARNED_OF_LONG = 0.7
_LONG = 20
_MOST_ORIGINS = 60
_FEWEST_ORIGINS = 6
_MOST_FORECASTS = 1_000_000


@dataclass(frozen=True)
class Fold:
    """One cut.

    Args:
        cut: The first step that is not learned from.
        origins: Where forecasts begin: from the cut on, as far as the next one.
    """

    cut: int
    origins: NDArray[np.int64]


def folds_of(steps: int, horizon: int, seasons: tuple[int, ...] = (), rows: int = 1) -> tuple[Fold, ...]:
    """Up to three cuts in the later part of the history; none where it is too short to hold anything back.

    Args:
        steps: How many steps of history there are.
        horizon: How many steps ahead; every forecast ends within the history.
        seasons: Season lengths, shortest first. Origins come at all phases of the shortest alike, and a little more
            than the longest is learned from where that leaves something to ask.
        rows: How many lines there are: with very many, fewer origins are asked from.

    Example:

        >>> [(fold.cut, fold.origins.tolist()) for fold in folds_of(24, 4)]
        [(13, [13, 14]), (15, [15, 16, 17]), (18, [18, 19, 20])]
    """
    end = steps - horizon + 1
    longest = max((season + season // 4 + 1 for season in seasons if season + season // 4 < end - 4), default=0)
    # What learns from much is judged with much to learn from, where enough is left to ask.
    is_long = (1 - _LEARNED_OF_LONG) * steps >= _LONG * horizon
    learned = round((_LEARNED_OF_LONG if is_long else _LEARNED) * steps)
    first = min(max(learned, horizon + 2, longest), end - 1)
    if first < max(horizon // 2, 4) or end - first < 1:
        return ()
    cuts = np.unique(np.linspace(first, end, _FOLDS + 1).astype(int))
    most = min(max(_MOST_FORECASTS // (rows * horizon * _FOLDS), _FEWEST_ORIGINS), _MOST_ORIGINS)
    folds = []
    for cut, after in pairwise(cuts.tolist()):
        stride = max(1, -(-(after - cut) // most))
        while stride > 1 and gcd(stride, seasons[0] if seasons else 1) > 1:
            stride += 1
        folds.append(Fold(cut, np.arange(cut, after, stride)))
    return tuple(folds)
