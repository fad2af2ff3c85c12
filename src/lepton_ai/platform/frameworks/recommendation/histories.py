"""The histories of many users as one sparse matrix, the newest items weighing most where order is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lepton_ai.platform.frameworks.recommendation.interactions import Interactions


@dataclass(frozen=True)
class Histories:
    """What each of some users took.

    Args:
        starts: Where each user's items begin, and the number of all last, `(users + 1,)`.
        item: The items `(rows,)`.
        age: How many items the same user took later `(rows,)`.
        items: How many items there are in all.
    """

    starts: NDArray[np.int64]
    item: NDArray[np.int64]
    age: NDArray[np.float64]
    items: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def matrix(self, memory: float | None = None) -> Any:
        """As a sparse matrix `(users, items)` of ones; with a memory, an item so many items back weighs 1/e."""
        weights = np.ones(len(self.item)) if memory is None else np.exp(-self.age / memory)
        return csr_matrix((weights.astype(np.float32), self.item, self.starts), shape=(len(self), self.items))

    def of(self, users: NDArray[np.int64] | Sequence[int]) -> "Histories":
        """The histories of some of the users, in the order asked for."""
        sizes = [int(self.starts[user + 1] - self.starts[user]) for user in users]
        parts = [np.arange(self.starts[user], self.starts[user + 1]) for user in users]
        rows = np.concatenate([*parts, np.zeros(0, np.int64)]).astype(np.int64)
        return Histories(np.concatenate([[0], np.cumsum(sizes)]), self.item[rows], self.age[rows], self.items)


def histories_of(interactions: Interactions) -> Histories:
    """The histories of all users."""
    return Histories(interactions.starts, interactions.item, interactions.ages, len(interactions.items))


def one_history(item: Sequence[int], items: int) -> Histories:
    """One history, the oldest item first. What stands in it twice counts where it stands last."""
    newest = list(dict.fromkeys(reversed(item)))
    age = np.arange(len(newest), dtype=np.float64)
    return Histories(np.array([0, len(newest)]), np.array(newest, np.int64), age, items)
