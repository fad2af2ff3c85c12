"""The training loss, read from the running mean that Keras keeps: nothing is computed twice."""

import math
from typing import Any

_WINDOW = 16


class TrainingLoss:
    """Reads a model's loss while it trains.

    Args:
        model: The model, compiled.
    """

    def __init__(self, model: Any) -> None:
        self._tracker = next((each for each in model.metrics if each.name == "loss"), None)
        self._seen = (0.0, 0.0)  # Keras' sum of losses and number of rows at the last look
        self._window = (0.0, 0.0)  # what came since the last mean
        self._steps = 0

    def state(self) -> list[Any]:
        """All that a checkpoint needs of it."""
        return [self._seen, self._window, self._steps]

    def restore(self, state: list[Any]) -> None:
        """Go on from a checkpoint."""
        self._seen, self._window, self._steps = tuple(state[0]), tuple(state[1]), state[2]

    def begin_epoch(self) -> None:
        """Keras begins its mean anew."""
        self._seen = (0.0, 0.0)

    def forget(self) -> None:
        """Begin anew, because the weights changed: Keras' mean too, which one number that is not finite spoils."""
        if self._tracker is not None:
            self._tracker.reset_state()
        self._seen, self._window, self._steps = (0.0, 0.0), (0.0, 0.0), 0

    def is_finite(self) -> bool:
        """Whether the loss of all steps of this epoch was finite."""
        return self._tracker is None or math.isfinite(float(self._tracker.total))

    def mean_of_steps(self) -> float | None:
        """After each step: the mean loss of the last 16, every 16 steps."""
        self._steps += 1
        if self._steps < _WINDOW:
            return None
        self.look()
        (total, rows), self._window, self._steps = self._window, (0.0, 0.0), 0
        return total / rows if rows else None

    def look(self) -> None:
        """Take in what Keras has now; at the latest before it begins anew."""
        if self._tracker is None:
            return
        total, rows = float(self._tracker.total), float(self._tracker.count)
        self._window = (self._window[0] + total - self._seen[0], self._window[1] + rows - self._seen[1])
        self._seen = (total, rows)
