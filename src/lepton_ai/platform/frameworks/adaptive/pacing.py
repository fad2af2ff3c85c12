"""A budget of wall time while it is spent: steps are timed, the rest is replanned, and the fit ends on time."""

from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import Protocol

from lepton_ai.platform.frameworks.adaptive.budget import steps_left
from lepton_ai.platform.frameworks.adaptive.run import Run
from lepton_ai.platform.frameworks.checkpoint import Facts

_SPEEDS = 5
_SHARE_BETWEEN_MARKS, _FEWEST_BETWEEN_MARKS = 0.02, 10


class Pacing(Protocol):
    """What replans a fit."""

    def before_step(self, step: int) -> None:
        """Replan, where it is time."""
        ...


class ReplayedPacing:
    """Replans one fit where another one was, which is known by its log.

    Args:
        run: The fit.
        replans: Steps, each with the steps left then.
    """

    def __init__(self, run: Run, replans: Sequence[Sequence[int]]) -> None:
        self._run = run
        self._left = {replan[0]: replan[1] for replan in replans}

    def before_step(self, step: int) -> None:
        """Replan, where the other fit was."""
        if step in self._left:
            self._run.pace = self._run.pace.replanned(step, self._left[step])


class TimedPacing:
    """Keeps one fit in its time.

    Args:
        run: The fit.
        clock: Seconds, from any beginning.
        ends_at: When, by the clock, the fit must be over.
        reserve_s: What the end of the last epoch may take.
    """

    def __init__(self, run: Run, clock: Callable[[], float], *, ends_at: float, reserve_s: float) -> None:
        self._run = run
        self._clock = clock
        self._ends_at = ends_at
        self._reserve_s = reserve_s
        self._mark_step: int | None = None
        self._mark_time = 0.0
        self._speeds: deque[float] = deque(maxlen=_SPEEDS)

    def state(self) -> Facts:
        """All that a checkpoint needs of it: the time that is left, whenever it goes on."""
        return {"seconds_left": self._ends_at - self._clock(), "reserve_s": self._reserve_s}

    def before_step(self, step: int) -> None:
        """Time the steps since the last mark, and replan what is left."""
        now = self._clock()
        if self._mark_step is None:
            self._mark_step, self._mark_time = step, now
            return
        taken = step - self._mark_step
        if taken < max(round(self._run.pace.steps * _SHARE_BETWEEN_MARKS), _FEWEST_BETWEEN_MARKS):
            return
        # The median: a check, a validation or a hiccup of the machine is no reason to hurry to the end.
        self._speeds.append((now - self._mark_time) / taken)
        left = steps_left(self._ends_at - self._reserve_s - now, median(self._speeds))
        self._run.pace = self._run.pace.replanned(step, left)
        self._mark_step, self._mark_time = step, now
