"""A budget of wall time before it is spent: a few steps are timed and undone, and the budget becomes a plan."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lepton_ai.platform.frameworks.adaptive.budget import steps_left
from lepton_ai.platform.frameworks.adaptive.pacing import Pacing, TimedPacing
from lepton_ai.platform.frameworks.adaptive.run import Run, build_optimizer
from lepton_ai.platform.frameworks.adaptive.snapshot import Snapshot
from lepton_ai.platform.frameworks.recipe import Plan

_TIMED_STEPS, _MOST_TIMED_SHARE = (3, 30), 0.01
# Room in the number of epochs, should steps turn out to be faster; the clock ends the fit, not the epochs.
_ROOM = 3
# What a row costs to validate on, in steps' worth of training on it.
_VALIDATION_COST = 0.5


@dataclass(frozen=True)
class Timer:
    """A wall-time budget that runs.

    Args:
        clock: Seconds, from any beginning.
        ends_at: When, by the clock, the fit must be over.
        budget_s: The whole budget.
    """

    clock: Callable[[], float]
    ends_at: float
    budget_s: float

    def plan(
        self,
        model: Any,
        keras_fit: Callable[..., Any],
        batches: Any,
        *,
        steps_per_epoch: int,
        most_epochs: int | None,
        rows_per_step: float,
        validation: Any,
        validation_rows: int,
    ) -> tuple[Plan, Callable[[Run], Pacing]]:
        """Time a few steps, undo them, and make the plan that fits the time left.

        Args:
            model: The model, compiled.
            keras_fit: Keras' own `fit` of that model.
            batches: A stream of batches like those to come.
            steps_per_epoch: Batches in an epoch, if it fits.
            most_epochs: The user's `epochs`, if there are any.
            rows_per_step: Rows in a batch.
            validation: What is validated on after each epoch, None for nothing.
            validation_rows: Rows that are validated on after each epoch.
        """
        seconds_per_step = self._seconds_per_step(model, keras_fit, batches, validation)
        validation_s = validation_rows / rows_per_step * seconds_per_step * _VALIDATION_COST
        left_s = self.ends_at - self.clock()
        steps = max(steps_left(left_s - validation_s, seconds_per_step), 1)
        steps_per_epoch = min(steps_per_epoch, steps)
        epochs = steps / steps_per_epoch
        steps = max(steps_left(left_s - math.ceil(epochs) * validation_s, seconds_per_step), 1)
        if most_epochs is not None and steps >= most_epochs * steps_per_epoch:
            plan = Plan(steps_per_epoch, most_epochs)
        else:
            plan = Plan(steps_per_epoch, math.ceil(epochs * _ROOM) + 1, steps)
        return plan, lambda run: TimedPacing(run, self.clock, ends_at=self.ends_at, reserve_s=validation_s)

    def _seconds_per_step(self, model: Any, keras_fit: Callable[..., Any], batches: Any, validation: Any) -> float:
        build_optimizer(model)
        before = Snapshot([*model.weights, *model.optimizer.variables])
        before.take()
        try:
            # The first step builds the graphs, that of validation too.
            once = {"validation_data": validation, "validation_steps": 1} if validation is not None else {}
            keras_fit(x=batches, epochs=1, steps_per_epoch=1, shuffle=False, verbose=0, **once)
            # Few steps are dear, because a fit has a beginning and an end: more follow where there is time.
            took_s = 0.0
            for steps in _TIMED_STEPS:
                if took_s > self.budget_s * _MOST_TIMED_SHARE:
                    break
                began = self.clock()
                keras_fit(x=batches, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0)
                took_s = self.clock() - began
                seconds_per_step = took_s / steps
            return seconds_per_step
        finally:
            before.put_back()
