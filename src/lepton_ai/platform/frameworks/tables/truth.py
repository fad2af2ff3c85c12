"""What the rows of a table should be answered with, and how wrong answers are scored. Pure, NumPy only."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Truth:
    """Class numbers or targets `(batch,)`, and a weight for each row.

    Args:
        values: Class numbers from 0, or targets.
        classes: How many classes there are; None for a regression.
        weights: How much each row counts, 1 on average, or None.
    """

    values: NDArray[np.float64]
    classes: int | None
    weights: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def width(self) -> int:
        """How many numbers answer a row."""
        return self.classes or 1

    @cached_property
    def prior(self) -> NDArray[np.float64]:
        """The logits of the classes' shares, of which none is zero; or the mean target. `(answers,)`."""
        if not self.classes:
            return np.array([np.average(self.values, weights=self.weights)])
        counts = np.bincount(self.values.astype(np.int64), self.weights, self.classes).astype(np.float64)
        return np.log((counts + 0.5 / self.classes) / (counts.sum() + 0.5))

    def take(self, rows: Any) -> Self:
        """The truth of some of the rows; they count alike where none of them counts at all."""
        weights = None if self.weights is None else self.weights[rows]
        if weights is not None and not weights.any():
            weights = None
        return type(self)(self.values[rows], self.classes, weights)

    def losses(self, answers: NDArray[Any]) -> NDArray[np.float64]:
        """The loss of each row: log loss of logits `(batch, classes)`, or squared error of `(batch, 1)` numbers."""
        answers = np.asarray(answers, np.float64)
        if not self.classes:
            return np.square(answers[:, 0] - self.values)
        own = answers[np.arange(len(answers)), self.values.astype(np.int64)]
        return np.logaddexp.reduce(answers, axis=1) - own

    def slopes(self, answers: NDArray[np.float64]) -> NDArray[np.float64]:
        """The derivative of each row's loss by its answers, `(batch, answers)`."""
        if not self.classes:
            return 2 * (answers - self.values[:, None])
        slopes = np.exp(answers - np.logaddexp.reduce(answers, axis=1, keepdims=True))
        slopes[np.arange(len(answers)), self.values.astype(np.int64)] -= 1.0
        return slopes

    def mean_loss(self, answers: NDArray[Any]) -> float:
        """The mean of `losses`, weighted."""
        return float(np.average(self.losses(answers), weights=self.weights))
