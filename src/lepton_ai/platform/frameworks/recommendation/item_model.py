"""The closed-form item model: which items a history speaks for, from one ridge regression of every item on the others.

Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019. Where users are fewer than items the same solution
is found through a matrix over users, which is smaller; it is never multiplied out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

LARGEST = 8000
"""The most users or items, whichever are fewer, of the matrix to invert; beyond it only items often taken are kept."""


@dataclass(frozen=True)
class ItemModel:
    """Item-to-item weights, as one of two factorings.

    Args:
        rows: What the users took, `(users, items)`, sparse.
        by_item: The same turned over, `(items, users)`.
        penalty: The ridge penalty.
        inverse: The inverse of the matrix over users, `(users, users)`; None where items are fewer.
        weights: The weights themselves, `(kept, kept)`; None where users are fewer.
        kept: The items that have weights, `(kept,)`.
        freedom: What the rest of the history leaves of each item, `(items,)`: 1 where it tells nothing about it.
    """

    rows: Any
    by_item: Any
    penalty: float
    inverse: NDArray[np.float32] | None
    weights: NDArray[np.float32] | None
    kept: NDArray[np.int64]
    freedom: NDArray[np.float32]

    def scores(self, history: Any) -> NDArray[np.float32]:
        """How much histories `(users, items)`, sparse, speak for each item: `(users, items)`."""
        if self.inverse is not None:
            through = (history @ self.by_item).toarray() @ self.inverse
            told = (self.by_item @ through.T).T
            dense = history.toarray()
            return dense - (dense - told) / self.freedom
        assert self.weights is not None
        scores = np.zeros(history.shape, np.float32)
        scores[:, self.kept] = history[:, self.kept] @ self.weights
        return scores

    def weights_between(self, given: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
        """How much each given item speaks for each of some items, `(given, items)`."""
        if self.inverse is not None:
            through = self.inverse @ self.by_item[items].toarray().T
            told = self.by_item[given] @ through
            return np.where(given[:, None] == items[None, :], 0.0, told / self.freedom[items]).astype(np.float32)
        assert self.weights is not None
        place = np.full(len(self.freedom), -1)
        place[self.kept] = np.arange(len(self.kept))
        known = (place[given] >= 0)[:, None] & (place[items] >= 0)[None, :]
        return np.where(known, self.weights[np.ix_(place[given], place[items])], 0.0).astype(np.float32)


def fit_item_model(rows: Any, penalty: float, largest: int = LARGEST) -> ItemModel:
    """Fit the weights.

    Args:
        rows: What each user took: a sparse matrix `(users, items)` of ones, or of ratings less what was expected.
        penalty: The ridge penalty, in interactions: an item taken much less often than that gets small weights.
        largest: See `LARGEST`.

    Example:

        >>> rows = csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], np.float32))
        >>> model = fit_item_model(rows, penalty=1.0)
        >>> print(model.scores(csr_matrix(np.array([[1, 0, 0]], np.float32))).round(2))
        [[0.   0.67 0.  ]]
    """
    rows = csr_matrix(rows, dtype=np.float32)
    by_item = csr_matrix(rows.T)
    users, items = rows.shape
    if users <= min(items, largest):
        gram = (rows @ by_item).toarray().astype(np.float64)
        inverse = np.linalg.inv(gram + penalty * np.eye(users)).astype(np.float32)
        told = np.zeros(items)
        for start in range(0, items, 1024):
            part = rows[:, start : start + 1024].toarray()
            told[start : start + 1024] = np.einsum("ui,ui->i", part, inverse @ part)
        freedom = np.maximum(1.0 - told, 1e-6).astype(np.float32)
        return ItemModel(rows, by_item, penalty, inverse, None, np.arange(items), freedom)
    kept = np.sort(np.argsort(-np.asarray(abs(rows).sum(axis=0)).ravel(), kind="stable")[:largest])
    few = rows[:, kept]
    gram = (few.T @ few).toarray().astype(np.float64)
    precision = np.linalg.inv(gram + penalty * np.eye(len(kept)))
    own = np.diag(precision).copy()
    weights = -precision / own
    np.fill_diagonal(weights, 0.0)
    freedom = np.ones(items)
    freedom[kept] = own * penalty
    return ItemModel(rows, by_item, penalty, None, weights.astype(np.float32), kept, freedom.astype(np.float32))
