"""Which training rows are held back to choose by, and when they join: pure NumPy."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHARE = 0.1
_MOST, _FEWEST = 3000, 60


def held_back(labels: NDArray[Any], seed: int, groups: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """The positions of the rows to hold back, sorted; none where there are too few rows to spare any.

    One row in ten, at most 3,000: enough to tell candidates apart, and little to go without for a while.

    Args:
        labels: Class numbers `(batch,)`, one-hot rows `(batch, classes)`, or targets `(batch, targets)`. Whole numbers
            and one-hot rows are drawn class by class, so that each keeps its share; a class of few rows may have none
            held back. Targets are drawn at random.
        seed: Decides which.
        groups: A number for each row, `(batch,)`; of a group all rows are held back or none.

    Example:

        >>> held_back(np.repeat([0, 1], [900, 100]), seed=0).shape
        (100,)
        >>> held_back(np.arange(20), seed=0).shape
        (0,)
    """
    count = min(math.floor(len(labels) * SHARE), _MOST)
    if count < _FEWEST:
        return np.empty(0, np.int64)
    random = np.random.default_rng([seed, 17])
    if groups is not None:
        return _whole_groups(groups, count, random)
    order = random.permutation(len(labels))
    classes = hard_classes(labels)
    if classes is None:
        return np.sort(order[:count])
    # Sorted by class with a shuffled order inside, every tenth row is a stratified draw.
    order = order[np.argsort(classes[order], kind="stable")]
    picks = ((np.arange(count) + 0.5) * len(order) / count).astype(np.int64)
    return np.sort(order[picks])


def _whole_groups(groups: NDArray[np.int64], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The rows of groups drawn at random, as many as fit; none where these are too few."""
    _, group_of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    is_drawn, rows = np.zeros(len(sizes), bool), 0
    for group in random.permutation(len(sizes)):
        if rows + sizes[group] <= count:
            is_drawn[group] = True
            rows += sizes[group]
    return np.flatnonzero(is_drawn[group_of_row]) if rows >= _FEWEST else np.empty(0, np.int64)


def hard_classes(labels: NDArray[Any]) -> NDArray[Any] | None:
    """Class numbers `(batch,)` of whole numbers or one-hot rows; None for targets and shares."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        return labels.argmax(axis=1) if np.all((labels == 0) | (labels == 1)) else None
    return labels.reshape(-1) if labels.dtype.kind in "iu" else None
