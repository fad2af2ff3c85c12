"""The training recipe in numbers: the rate's course through the budget, the average's window, when rows join. Pure.

With the founding settings on MNIST the schedule carries most of the gain, the net and the augmentation the rest;
averaging makes the validation of early epochs good, and costs nothing at the end.
"""

import math
from dataclasses import dataclass

# The highest rate as a multiple of the chosen one. 3 was no better, and diverges where the rate is well tuned.
_PEAK = 1.0
_WARM_UP = 0.2
_FIRST = 0.04
_LAST = 1e-4
_CLEAN = 0.1
_WINDOW = 0.01
_SHORTEST_WINDOW, _LONGEST_WINDOW = 50, 1000
_FEWEST_STEPS_TO_AVERAGE = 400
_JOIN = 0.6


@dataclass(frozen=True)
class Plan:
    """What one fit will do, known before its first step.

    Args:
        steps_per_epoch: Batches in an epoch.
        epochs: The epoch to stop before, as in Keras.
        steps: All steps from epoch 0, also where training goes on in a later one; `steps_per_epoch * epochs` if left
            out. A wall-time budget may end within an epoch.
    """

    steps_per_epoch: int
    epochs: int
    steps: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", self.steps or self.steps_per_epoch * self.epochs)

    @property
    def clean_from(self) -> int:
        """The step from which rows come unchanged, so that the net ends on what it will meet."""
        return math.floor(self.steps * (1 - _CLEAN))

    @property
    def joins_from(self) -> int:
        """The step from which held-back rows are trained on: all choices are made, and most learning is to come."""
        return math.floor(self.steps * _JOIN)

    @property
    def averages(self) -> bool:
        """Whether there are enough steps for an average over some 50 of them to say anything."""
        return self.steps >= _FEWEST_STEPS_TO_AVERAGE

    @property
    def window(self) -> int:
        """How many of the last steps the average is about: one in a hundred of all (Kaddour and others, 2502.06761)."""
        return min(max(round(self.steps * _WINDOW), _SHORTEST_WINDOW), _LONGEST_WINDOW)

    @property
    def steps_between_averages(self) -> int:
        """How many steps apart weights are taken into the average: some twenty times in its window."""
        return max(self.window // 20, 4)

    def rate(self, step: int) -> float:
        """The learning rate at a step, as a multiple of the chosen one; see `rate_at`."""
        return rate_at(step / self.steps)


def rate_at(progress: float) -> float:
    """The learning rate at a share of the budget, as a multiple of the chosen one.

    A linear rise over the first fifth, then half a cosine down to almost nothing.

    Example:

        >>> [round(rate_at(progress), 4) for progress in (0, 0.2, 0.6, 0.999)]
        [0.04, 1.0, 0.5, 0.0001]
    """
    progress = min(progress, 1.0)
    if progress < _WARM_UP:
        return _PEAK * rise(progress / _WARM_UP)
    fall = (progress - _WARM_UP) / (1 - _WARM_UP)
    return _PEAK * max(0.5 * (1 + math.cos(math.pi * fall)), _LAST)


def rise(share: float) -> float:
    """The multiple of a rate while it rises: from a twenty-fifth to 1 in a straight line.

    Example:

        >>> rise(0), rise(0.5), rise(2)
        (0.04, 0.52, 1.0)
    """
    return _FIRST + (1 - _FIRST) * min(share, 1.0)


def average_share(updates: int, steps: int, window: int) -> float:
    """How much of the newest weights enters the average.

    Args:
        updates: How often the average was updated before.
        steps: Steps since the last update.
        window: How many steps the average is about.

    Early on the share is large, so that the average forgets the initial weights.

    Example:

        >>> round(average_share(0, 4, 200), 3), round(average_share(10_000, 4, 200), 3)
        (0.9, 0.02)
    """
    return 1 - min((1 - 1 / window) ** steps, (1 + updates) / (10 + updates))
