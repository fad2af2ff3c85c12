"""How strongly rows are augmented, steered by the gap between what the net knows and what it can tell. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = (0.0, 1.0, 1.5, 2.0)
_START = 1

# The share of the loss on held-back rows that is not there on rows trained on; and what it is of all that was learned,
# which tells where wrong labels make up most of the loss and are about to be learned by heart.
_WIDE, _NARROW = 0.35, 0.1
_WIDE_OF_LEARNED = 0.05


@dataclass(frozen=True)
class Course:
    """The strength of augmentation, as a level.

    Args:
        level: The position in `LEVELS`.
    """

    level: int = _START

    @property
    def strength(self) -> float:
        """From 0, rows as they are, over 1, the usual, to 2."""
        return LEVELS[self.level]

    @classmethod
    def of(cls, strength: float) -> "Course":
        """The course of a strength that is one of `LEVELS`."""
        return cls(LEVELS.index(strength))

    def steer(self, trained: NDArray[np.float64], held_back: NDArray[np.float64], naive: float) -> tuple["Course", str]:
        """The course after a check, and the reason.

        Args:
            trained: Losses on rows that are trained on, `(count,)`, unaugmented.
            held_back: Losses on rows that are not.
            naive: The loss on these of an answer that does not look at the row.

        Example:

            >>> course, why = Course(1).steer(np.array([0.01, 0.01]), np.array([0.1, 0.1]), naive=0.9)
            >>> course.level, why
            (2, 'the net knows its rows much better than others')
        """
        gap = float(held_back.mean() - trained.mean())
        error = float(np.hypot(_error(trained), _error(held_back)))
        share = gap / max(float(held_back.mean()), 1e-12)
        learned = max(naive - float(held_back.mean()), 0.0)
        is_wide = share > _WIDE or gap > _WIDE_OF_LEARNED * learned
        # Wrong labels make all losses large and hide a gap in their scatter: not to see one is not to know of none.
        is_narrow = gap + 2 * error < min(_NARROW * float(held_back.mean()), _WIDE_OF_LEARNED * learned)
        if gap > error and is_wide:
            return Course(min(self.level + 1, len(LEVELS) - 1)), "the net knows its rows much better than others"
        if is_narrow:
            return Course(max(self.level - 1, 0)), "the net knows its rows no better than others"
        return self, "the gap is as it should be"


def _error(losses: NDArray[np.float64]) -> float:
    return float(losses.std(ddof=1) / np.sqrt(len(losses))) if len(losses) > 1 else 0.0
