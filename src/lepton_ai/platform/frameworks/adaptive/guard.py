"""The guard: whether training goes well, must go back to the last good weights, or must stop. Pure."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

MOST_RETURNS = 3

_WINDOW = 50
_SPREADS = 6.0
_FEWEST_LOSSES = 20
# A loss that doubles its distance to the median without leaving it for good is noise; only a lasting rise counts.
_PATIENCE = 3


class State(StrEnum):
    """What the guard says."""

    GOOD = "good"
    NOT_FINITE = "not finite"
    DIVERGES = "diverges"


@dataclass
class Guard:
    """Watches the training loss, mean by mean.

    A mean is judged by the median and the spread (the mean distance to the median) of the last 50: further above than
    six spreads, three times in a row, and more than twice the median, is a divergence.

    Example:

        >>> guard = Guard()
        >>> {guard.watch(1.0) for _ in range(30)}
        {<State.GOOD: 'good'>}
        >>> guard.watch(float("nan"))
        <State.NOT_FINITE: 'not finite'>
        >>> [guard.watch(50.0).value for _ in range(3)]
        ['good', 'good', 'diverges']
    """

    _losses: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _bad: int = 0

    def watch(self, loss: float) -> State:
        """Take in the mean loss of the last steps."""
        if not math.isfinite(loss):
            return State.NOT_FINITE
        if self._is_far_above(loss):
            self._bad += 1
            return State.DIVERGES if self._bad >= _PATIENCE else State.GOOD
        self._bad = 0
        self._losses.append(loss)
        return State.GOOD

    def to_json(self) -> dict[str, Any]:
        """What it has seen, for a checkpoint."""
        return {"losses": list(self._losses), "bad": self._bad}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(deque(value["losses"], maxlen=_WINDOW), value["bad"])

    def forget(self) -> None:
        """Begin anew, because the weights or what they are trained on changed."""
        self._losses.clear()
        self._bad = 0

    def _is_far_above(self, loss: float) -> bool:
        if len(self._losses) < _FEWEST_LOSSES:
            return False
        ordered = sorted(self._losses)
        median = ordered[len(ordered) // 2]
        spread = sum(abs(each - median) for each in ordered) / len(ordered)
        return loss > median + max(_SPREADS * spread, abs(median))
