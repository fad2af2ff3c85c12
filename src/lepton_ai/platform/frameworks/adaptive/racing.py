"""The race while it runs: candidates for the learning rate take turns from the same weights, and the best goes on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.judge import Judge
from lepton_ai.platform.frameworks.adaptive.race import Race
from lepton_ai.platform.frameworks.adaptive.run import Run
from lepton_ai.platform.frameworks.adaptive.snapshot import Snapshot
from lepton_ai.platform.frameworks.checkpoint import Arrays, Facts, Kept
from lepton_ai.platform.frameworks.recipe import rise

_RISE = 0.5
_DECISION = ("race", "learning rate")


class Racing:
    """Runs a race within the steps of a fit.

    Args:
        run: The fit.
        race: Who takes part.
        judge: Measures each candidate.
    """

    def __init__(self, run: Run, race: Race, judge: Judge) -> None:
        self._run = run
        self._race = race
        self._judge = judge
        self._runner = -1
        self._start: Snapshot | None = None
        self._leaders: Snapshot | None = None
        self._leader = ""
        self._updates = 0
        self._losses: dict[str, NDArray[np.float64]] = {}
        self.is_over = False

    def state(self) -> Kept:
        """All that a checkpoint needs of it, between two steps."""
        kept = [each.values() for each in (self._start, self._leaders) if each is not None]
        arrays = [array for values in (*kept, list(self._losses.values())) for array in values]
        facts = {"runner": self._runner, "leader": self._leader, "updates": self._updates, "is_over": self.is_over}
        return arrays, facts | {"names": list(self._losses), "counts": [len(values) for values in kept]}

    def restore(self, arrays: Arrays, facts: Facts) -> None:
        """Go on from a checkpoint."""
        self._runner, self._leader, self._updates = facts["runner"], facts["leader"], facts["updates"]
        self.is_over = facts["is_over"]
        if self.is_over:
            self._start = self._leaders = None
        first = 0
        self._start = self._start or (self._run.snapshot() if facts["counts"] else None)
        self._leaders = self._leaders or (self._run.snapshot() if facts["counts"] else None)
        for snapshot, count in zip((self._start, self._leaders), facts["counts"], strict=False):
            assert snapshot is not None
            snapshot.restore(arrays[first : first + count])
            first += count
        self._losses = dict(zip(facts["names"], arrays[first:], strict=True))

    def before_step(self, step: int) -> None:
        """Change the candidate, or end the race, where it is time."""
        if self.is_over:
            return
        if self._start is None or self._leaders is None:
            self._start, self._leaders = self._run.snapshot(), self._run.snapshot()
        elif step >= self._race.all_steps:
            self._judge_runner(step)
            self._end(step)
            return
        runner = self._race.runner(step)
        if runner == self._runner:
            return
        if self._runner >= 0:
            self._judge_runner(step)
            self._start.put_back()
            if self._run.averages is not None:
                self._run.averages.restart(step)
        self._runner = runner
        self._run.rate.chosen = self._race.rates[runner]

    def multiple(self, step: int) -> float:
        """The rate at a step as a multiple of the candidate's: it rises, then stays."""
        return rise((step - self._runner * self._race.steps) / (self._race.steps * _RISE))

    def _judge_runner(self, step: int) -> None:
        name = f"{self._race.rates[self._runner]:.4g}"
        with self._run.averaged(step):
            self._losses[name] = self._judge.losses()
        planned = self._run.planned(*_DECISION)
        leads = self._race.winner(self._losses).chosen == name if planned is None else planned.chosen == name
        if leads and self._leaders is not None:
            self._leaders.take()
            self._leader = name
            self._updates = 0 if self._run.averages is None else self._run.averages.updates

    def _end(self, step: int) -> None:
        assert self._leaders is not None
        self._leaders.put_back()
        if self._run.averages is not None:
            self._run.averages.restart(step, self._updates)
        verdict = self._race.winner(self._losses)
        names = list(self._losses)
        self._run.rate.chosen = self._race.rates[names.index(self._leader)]
        measured: dict[str, Any] = {"steps each": self._race.steps, "loss": verdict.means, "error": verdict.errors}
        self._run.decide(*_DECISION, measured, self._leader, verdict.why)
        self._start = self._leaders = None
        self.is_over = True
