"""Which items are taken soon after which: counts of pairs in the order of time, nearer ones counting more."""

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from lepton_ai.platform.frameworks.recommendation.interactions import Interactions

_REACH = 10
_FADING = 3.0
_DOUBT = 5.0

MEMORY = 3.0
"""How far back a history speaks for the next item: an item so many items back weighs 1/e."""


def count_next_items(interactions: Interactions) -> Any:
    """How likely each item follows each item, a sparse matrix `(items, items)`.

    Pairs up to ten items apart count. The order of two items taken at the same moment is not known, so they count both
    ways. A row of few pairs is drawn towards zero.

    Example:

        >>> from lepton_ai.platform.frameworks.recommendation.interactions import read_interactions
        >>> taken = read_interactions({"user": [1, 1, 2, 2], "item": ["a", "b", "a", "b"], "time": [1, 2, 5, 9]})
        >>> print(count_next_items(taken).toarray().round(2))
        [[0.   0.29]
         [0.   0.  ]]
    """
    given, follows, counted = [], [], []
    user, item, time = interactions.user, interactions.item, interactions.time
    for apart in range(1, _REACH + 1):
        rows = np.flatnonzero(user[apart:] == user[:-apart])
        weight = np.exp(-(apart - 1) / _FADING)
        given.append(item[rows])
        follows.append(item[rows + apart])
        counted.append(np.full(len(rows), weight))
        if time is not None:
            rows = rows[time[rows] == time[rows + apart]]
            given.append(item[rows + apart])
            follows.append(item[rows])
            counted.append(np.full(len(rows), weight))
    count = len(interactions.items)
    places = (np.concatenate(given), np.concatenate(follows))
    pairs = csr_matrix((np.concatenate(counted), places), shape=(count, count))
    total = np.asarray(pairs.sum(axis=1)).ravel()
    scale = csr_matrix((1.0 / (total + _DOUBT), (np.arange(count), np.arange(count))), shape=(count, count))
    return csr_matrix(scale @ pairs, dtype=np.float32)
