"""A budget of wall time turned into steps, and replanned as seconds per step become known. Pure: times are given."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from lepton_ai.core.errors import InvalidInput

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_SECONDS = 366 * 24 * 3600.0


def seconds(budget: Any) -> float:
    """`budget` in seconds.

    Args:
        budget: Seconds as a number, or text such as "90s", "3m", "1.5h".

    Raises:
        InvalidInput: Anything else, or not above 0.

    Example:

        >>> seconds("3m"), seconds(20)
        (180.0, 20.0)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([smh]?)\s*", str(budget)) if not isinstance(budget, bool) else None
    value = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < value <= _MOST_SECONDS:
        raise InvalidInput(
            f"`budget` must be seconds or a time such as '90s', '3m' or '1h', and at most a year, "
            f"got budget={repr(budget)[:60]}",
            hint="Write fit(x, y, budget='3m').",
        )
    return value


@dataclass(frozen=True)
class Mark:
    """What was known at a step of how the budget would be used.

    Args:
        step: The step.
        progress: The share of the budget used before it.
        left: How many steps were planned from there on.
    """

    step: int
    progress: float
    left: int


@dataclass(frozen=True)
class Pace:
    """How far each step is through the budget: a line from mark to mark, exact for a budget of steps.

    Args:
        marks: At least one, by step.
    """

    marks: tuple[Mark, ...]

    @property
    def replans(self) -> tuple[tuple[int, int], ...]:
        """The steps at which it was replanned, each with the steps left then."""
        return tuple((mark.step, mark.left) for mark in self.marks[1:])

    @classmethod
    def of_steps(cls, steps: int) -> Self:
        """The pace of a budget of steps."""
        return cls((Mark(0, 0.0, steps),))

    def to_json(self) -> list[list[float]]:
        """As plain JSON values."""
        return [[mark.step, mark.progress, mark.left] for mark in self.marks]

    @classmethod
    def from_json(cls, value: Sequence[Sequence[float]]) -> Self:
        """Read what `to_json` wrote."""
        return cls(tuple(Mark(int(step), progress, int(left)) for step, progress, left in value))

    @property
    def steps(self) -> int:
        """All steps, as planned now."""
        return self.marks[-1].step + self.marks[-1].left

    def progress(self, step: int) -> float:
        """The share of the budget used before a step.

        Example:

            >>> pace = Pace.of_steps(100).replanned(50, 150)
            >>> pace.progress(25), pace.progress(50), pace.progress(125), pace.steps
            (0.25, 0.5, 0.75, 200)
        """
        mark = next(each for each in reversed(self.marks) if each.step <= step)
        return min(mark.progress + (1 - mark.progress) * (step - mark.step) / max(mark.left, 1), 1.0)

    def replanned(self, step: int, left: int) -> "Pace":
        """The pace from a step on, where so many steps are left; never a jump in the progress."""
        return Pace((*self.marks, Mark(step, self.progress(step), max(left, 0))))


def steps_left(seconds_left: float, seconds_per_step: float) -> int:
    """How many steps fit into the time left.

    Example:

        >>> steps_left(10.0, 0.004), steps_left(-1.0, 0.004)
        (2500, 0)
    """
    return max(math.floor(seconds_left / max(seconds_per_step, 1e-9)), 0)
