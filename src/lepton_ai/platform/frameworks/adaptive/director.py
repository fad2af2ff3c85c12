# ruff: noqa: ARG002  (Keras passes every argument by name)
"""The hands of an adaptive fit on Keras' training loop: one callback that calls each part before each step."""

from collections.abc import Callable
from typing import Any

from lepton_ai.platform.frameworks.adaptive.budget import Pace
from lepton_ai.platform.frameworks.adaptive.checking import Checking
from lepton_ai.platform.frameworks.adaptive.guarding import Guarding
from lepton_ai.platform.frameworks.adaptive.log import DecisionLog
from lepton_ai.platform.frameworks.adaptive.pacing import Pacing, TimedPacing
from lepton_ai.platform.frameworks.adaptive.racing import Racing
from lepton_ai.platform.frameworks.adaptive.run import Run
from lepton_ai.platform.frameworks.adaptive.values import bring_up_to_date
from lepton_ai.platform.frameworks.augmentation import Strength
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.checkpoint import Arrays, Checkpointing, Facts, Kept
from lepton_ai.platform.frameworks.data import Leaving
from lepton_ai.platform.frameworks.recipe import rate_at


class Director(keras.callbacks.Callback):
    """Sets the rate before each step, and lets race, checks, guard and clock do their work at theirs.

    Between epochs, and where validation runs, the averaged weights are in place and the rate is the user's, so that
    callbacks and checkpoints see what will stay. When all is over the averaged weights stay, if they were chosen.

    Args:
        run: The fit.
        start_step: A `tf.Variable` that tells the stream of batches its first step, which `BackupAndRestore` may have
            moved after fit was called; None where there is no such stream.
        racing: Makes the race, if there is one, once all variables exist.
        checking: Makes the checks, if there are any.
        pacing: The clock, for a budget of wall time.
        strength: How strongly rows are changed, if they are.
        leaving: Which rows leave on the way, if any may.
    """

    name = "adaptive"

    def __init__(
        self,
        run: Run,
        *,
        start_step: Any = None,
        racing: Callable[[], Racing] | None = None,
        checking: Callable[[], Checking] | None = None,
        pacing: Pacing | None = None,
        strength: Strength | None = None,
        leaving: Leaving | None = None,
    ) -> None:
        super().__init__()
        self._strength = strength
        self._leaving = leaving
        self.run = self._run = run
        self._start_step: Any = start_step
        self._make_racing = racing
        self._make_checking = checking
        self._pacing = pacing
        self._racing: Racing | None = None
        self._checking: Checking | None = None
        self._guarding = Guarding(run)
        self.checkpointing: Checkpointing | None = None
        """Who lets steps pass by that were done before; nothing is decided in them."""
        self._has_begun = False
        self._is_in_epoch = False
        self._epoch = 0
        self._step = 0

    def state(self) -> Kept:
        """All that a checkpoint needs of this fit, between two steps: of each part its arrays and facts."""
        run = self._run
        parts = {name: part.state() for name, part in self._parts_with_state().items()}
        facts = {
            "plan": [run.plan.steps_per_epoch, run.plan.epochs, run.plan.steps],
            "pace": run.pace.to_json(),
            "log": run.log.to_json(),
            "rate": run.rate.state(),
            "steps_taken": run.steps_taken,
            "strength": None if self._strength is None else self._strength.values(),
            "leaving": None if self._leaving is None else self._leaving.values(),
            "pacing": self._pacing.state() if isinstance(self._pacing, TimedPacing) else None,
            "parts": {name: {"count": len(arrays), "facts": own} for name, (arrays, own) in parts.items()},
        }
        return [array for arrays, _ in parts.values() for array in arrays], facts

    def expect(self, facts: Facts) -> None:
        """Before the first batch: what the stream and the clock must know of the checkpoint to come."""
        self._run.pace = Pace.from_json(facts["pace"])
        if self._strength is not None:
            self._strength.restore(facts["strength"])
        if self._leaving is not None:
            self._leaving.restore(facts["leaving"])

    def restore(self, arrays: Arrays, facts: Facts) -> None:
        """Go on from a checkpoint, once a batch has begun."""
        run = self._run
        self.expect(facts)
        run.log = DecisionLog.from_json(facts["log"])
        run.rate.restore(facts["rate"])
        run.steps_taken = facts["steps_taken"]
        if self._make_racing is not None and self._racing is None and "racing" in facts["parts"]:
            self._racing = self._make_racing()
        parts, first = self._parts_with_state(), 0
        for name, kept in facts["parts"].items():
            after = first + kept["count"]
            parts[name].restore(arrays[first:after], kept["facts"])
            first = after

    def _parts_with_state(self) -> dict[str, Any]:
        named = {
            "averages": self._run.averages,
            "guarding": self._guarding,
            "racing": self._racing,
            "checking": self._checking,
        }
        return {name: part for name, part in named.items() if part is not None}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        run = self._run
        self._epoch = epoch
        self._step = epoch * run.plan.steps_per_epoch
        if self._start_step is not None:
            self._start_step.assign(self._step)
            self._start_step = None
        if run.averages is not None:
            run.averages.put_raw_back(keep_changes=True)
        self._guarding.begin_epoch()
        self._is_in_epoch = True

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        bring_up_to_date(self.model)
        run = self._run
        run.steps_taken += 1
        step = self._step = self._epoch * run.plan.steps_per_epoch + batch
        if batch == 0:
            run.rate.step_aside_if_changed()
        if not self._has_begun:
            self._begin(step)
        if self.checkpointing is not None and self.checkpointing.is_resuming:
            return
        self._guarding.before_step(step, batch, self._epoch, is_racing=self._is_racing)
        if self._racing is not None:
            self._racing.before_step(step)
        if self._checking is not None and not self._is_racing:
            self._checking.before_step(step)
        if self._pacing is not None:
            self._pacing.before_step(step)
        if step >= run.pace.steps - 1:
            self.model.stop_training = True
        if run.averages is not None:
            run.averages.follow(step)
        if self._racing is not None and not self._racing.is_over:
            run.rate.set(self._racing.multiple(step))
        else:
            run.rate.set(rate_at(run.pace.progress(step)))

    def on_test_begin(self, logs: Any = None) -> None:
        self._show()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        # Before the user's callbacks run: a checkpoint they save must hold the user's rate, not this step's.
        self._show()
        self._run.rate.give_back()

    def on_train_end(self, logs: Any = None) -> None:
        run = self._run
        if run.pace.replans:
            run.decide("budget", "pace", {"replans": run.pace.replans}, str(run.pace.steps), "steps were timed")
        run.rate.step_aside()  # what a callback made of the rate after the last epoch stays
        if run.averages is None:
            return
        if self._checking is not None and not self._checking.keeps_averages:
            run.averages.put_raw_back(keep_changes=True)
        run.averages.stay()

    def undo(self) -> None:
        """Put the raw weights and the user's rate back where training ended in an error."""
        if self._run.averages is not None:
            self._run.averages.put_raw_back(keep_changes=False)
        self._run.rate.give_back()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts of the recipe that are on."""
        averaged = ("averaged weights",) if self._run.averages is not None else ()
        return ("one-cycle rate", *averaged)

    @property
    def _is_racing(self) -> bool:
        return self._racing is not None and not self._racing.is_over

    def _begin(self, step: int) -> None:
        self._has_begun = True
        self._run.begin()
        if self._make_racing is not None and step == 0 and self._run.rate.is_ours:
            self._racing = self._make_racing()
        if self._make_checking is not None:
            self._checking = self._make_checking()
        self._guarding.begin(step)

    def _show(self) -> None:
        if self._is_in_epoch and self._has_begun:
            self._is_in_epoch = False
            self._guarding.end_epoch(self._step, self._step - self._epoch * self._run.plan.steps_per_epoch, self._epoch)
        if self._run.averages is not None:
            self._run.averages.put_in(self._step + 1)
