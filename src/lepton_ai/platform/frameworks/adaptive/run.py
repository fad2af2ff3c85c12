"""What the parts of one adaptive fit share: the model, where it is in its budget, and what was decided."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lepton_ai.platform.frameworks.adaptive.averages import Averages
from lepton_ai.platform.frameworks.adaptive.budget import Pace
from lepton_ai.platform.frameworks.adaptive.log import Decision, DecisionLog
from lepton_ai.platform.frameworks.adaptive.rate import Rate
from lepton_ai.platform.frameworks.adaptive.snapshot import Snapshot
from lepton_ai.platform.frameworks.recipe import Plan


class Run:
    """One adaptive fit while it runs.

    Args:
        model: The model, compiled.
        plan: The budget.
        pace: How far each step is through it; replanned where it is a wall time.
        replayed: The log of another fit, whose decisions are taken instead of making any.
    """

    def __init__(self, model: Any, plan: Plan, pace: Pace, replayed: DecisionLog | None = None) -> None:
        self.model = model
        self.plan = plan
        self.pace = pace
        self.log = DecisionLog()
        self._replayed = None if replayed is None else list(replayed)
        self.rate = Rate(model.optimizer)
        self.averages: Averages | None = None
        self.steps_taken = 0

    def begin(self) -> None:
        """Make all variables that are missing, before the first step."""
        build_optimizer(self.model)
        if self.plan.averages and not getattr(self.model.optimizer, "use_ema", False):
            self.averages = Averages(self.model, self.plan.window, self.plan.steps_between_averages)

    def decide(self, step: str, what: str, measured: Mapping[str, Any], chosen: str, why: str) -> str:
        """Write a decision down.

        Returns:
            What was chosen: in a replay, what the other fit chose.
        """
        planned = self.planned(step, what)
        if planned is not None and self._replayed is not None:
            del self._replayed[: self._replayed.index(planned) + 1]
            chosen, why = planned.chosen, planned.why
        self.log = self.log.with_decision(Decision(step, what, measured, chosen, why))
        return chosen

    def planned(self, step: str, what: str) -> Decision | None:
        """The next such decision of the fit that is replayed, None if there is none."""
        return next((each for each in self._replayed or () if (each.step, each.what) == (step, what)), None)

    def snapshot(self) -> Snapshot:
        """Of all that a step changes: weights, optimizer variables, averages; not of the rate, which is ours to set."""
        averages = [] if self.averages is None else self.averages.variables
        optimizers = [each for each in self.model.optimizer.variables if each is not self.rate.variable]
        return Snapshot([*self.model.weights, *optimizers, *averages])

    @contextmanager
    def averaged(self, step: int) -> Iterator[None]:
        """With the averaged weights in place, if there are any."""
        if self.averages is None:
            yield
            return
        self.averages.put_in(step)
        try:
            yield
        finally:
            self.averages.put_raw_back(keep_changes=False)


def build_optimizer(model: Any) -> None:
    """Make an optimizer's variables now: Keras makes them within its first step, too late to keep and put back."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
