"""The guard at work: it reads the loss of each step, and puts the last good weights back where training breaks."""

import warnings

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.adaptive.guard import MOST_RETURNS, Guard, State
from lepton_ai.platform.frameworks.adaptive.run import Run
from lepton_ai.platform.frameworks.adaptive.snapshot import Snapshot
from lepton_ai.platform.frameworks.adaptive.training_loss import TrainingLoss
from lepton_ai.platform.frameworks.checkpoint import Arrays, Facts, Kept
from lepton_ai.platform.frameworks.losses import is_built_in, loss_name, single_loss

_SHARE_BETWEEN_SNAPSHOTS, _FEWEST_BETWEEN_SNAPSHOTS = 0.02, 50


class Guarding:
    """Watches one fit.

    Args:
        run: The fit.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._guard = Guard()
        self._loss: TrainingLoss | None = None
        self._good: Snapshot | None = None
        self._good_updates = 0
        self._good_step = 0
        self._first_step: int | None = None
        self._returns = 0
        self._is_racing = False

    def begin(self, step: int) -> None:
        """Before the first step."""
        self._loss = TrainingLoss(self._run.model)
        self._good = self._run.snapshot()
        self._good_step = self._first_step = step

    def state(self) -> Kept:
        """All that a checkpoint needs of it, between two steps."""
        facts = {name: getattr(self, f"_{name}") for name in _REMEMBERED} | {"guard": self._guard.to_json()}
        if self._good is None or self._loss is None:
            return [], facts
        return self._good.values(), facts | {"loss": self._loss.state()}

    def restore(self, arrays: Arrays, facts: Facts) -> None:
        """Go on from a checkpoint."""
        if self._good is not None and self._loss is not None:
            self._good.restore(arrays)
            self._loss.restore(facts["loss"])
        self._guard = Guard.from_json(facts["guard"])
        for name in _REMEMBERED:
            setattr(self, f"_{name}", facts[name])

    def begin_epoch(self) -> None:
        """Keras counts the loss anew in each epoch."""
        if self._loss is not None:
            self._loss.begin_epoch()

    def before_step(self, step: int, batch: int, epoch: int, *, is_racing: bool) -> None:
        """Look at the loss of the step before, and act.

        Raises:
            InvalidInput: The loss is not finite from the first step on: it is the loss that is wrong.
        """
        if self._good is None or self._loss is None:
            return
        if self._is_racing and not is_racing:
            self._guard.forget()  # the race's losses are those of other rates
            self._keep(step)
        self._is_racing = is_racing
        mean = self._loss.mean_of_steps()
        state = self._guard.watch(mean) if mean is not None and not is_racing else State.GOOD
        if not self._loss.is_finite():
            state = State.NOT_FINITE
        is_due = not is_racing and step - self._good_step >= self._steps_between
        if is_due and state is State.GOOD and not self._good.is_finite():
            state = State.NOT_FINITE
        if state is State.NOT_FINITE and step - 1 == self._first_step:
            self._refuse(batch - 1, epoch)
        if state is not State.GOOD and not is_racing:
            self._go_back(step, batch - 1, epoch, state)
        elif is_due:
            self._keep(step)

    def end_epoch(self, step: int, batch: int, epoch: int) -> None:
        """Look at the last step of an epoch, before Keras counts anew: no validation, callback or file gets a NaN.

        Raises:
            InvalidInput: As in `before_step`.
        """
        if self._good is None or self._loss is None:
            return
        if self._loss.is_finite() and self._good.is_finite():
            self._loss.look()
        elif step == self._first_step:
            self._refuse(batch, epoch)
        elif not self._is_racing:
            self._go_back(step + 1, batch, epoch, State.NOT_FINITE)

    @property
    def _steps_between(self) -> int:
        return max(round(self._run.pace.steps * _SHARE_BETWEEN_SNAPSHOTS), _FEWEST_BETWEEN_SNAPSHOTS)

    def _refuse(self, batch: int, epoch: int) -> None:
        """Put the weights back as they were, and say what is wrong: the weights themselves, the data, or the loss."""
        assert self._good is not None
        self._good.put_back()
        if not self._good.is_finite():
            raise InvalidInput(
                "the weights must be finite before the first step, got NaN or infinity in them",
                hint="Rows too large for float32 do that: bring them to a smaller scale; or make the model anew.",
            )
        is_of_keras = is_built_in(single_loss(self._run.model.loss))
        raise InvalidInput(
            f"the loss {self._loss_name()!r} must be finite, got NaN or infinity for batch {batch} of epoch {epoch + 1}"
            "; the weights are as they were",
            hint="The numbers are too large for float32: bring rows, targets and weights to a smaller scale."
            if is_of_keras
            else "Look for a division by zero or the logarithm of 0 in it: add a small number, such as 1e-7.",
        )

    def _keep(self, step: int) -> None:
        assert self._good is not None
        self._good.take()
        self._good_step = step
        self._good_updates = 0 if self._run.averages is None else self._run.averages.updates

    def _go_back(self, step: int, batch: int, epoch: int, state: State) -> None:
        assert self._good is not None and self._loss is not None
        run = self._run
        self._good.put_back()
        if run.averages is not None:
            run.averages.restart(step, self._good_updates)
        self._loss.forget()
        self._guard.forget()
        if run.model.stop_training and self._returns > MOST_RETURNS:
            return  # it was said already; this was the step that Keras still finished
        self._returns += 1
        what = f"loss {self._loss_name()!r} {_TELLS[state]} at batch {batch} of epoch {epoch + 1}"
        measured = {"step": step, "back to step": self._good_step, "times": self._returns}
        if self._returns > MOST_RETURNS or not run.rate.is_ours:
            run.decide("guard", what, measured, "stop", "going back did not help; the last good weights stay")
            warnings.warn(
                f"training stopped: {what}; the last good weights, of step {self._good_step}, stay", stacklevel=2
            )
            run.model.stop_training = True
            return
        run.rate.chosen /= 2
        run.decide(
            "guard", what, measured, f"rate {run.rate.chosen:.4g}", "back to the last good weights at half the rate"
        )

    def _loss_name(self) -> str:
        return loss_name(single_loss(self._run.model.loss))


_TELLS = {State.NOT_FINITE: "is not finite", State.DIVERGES: "diverges"}
_REMEMBERED = ("good_updates", "good_step", "first_step", "returns", "is_racing")
