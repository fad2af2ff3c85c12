"""Checks during the main run: how far the net is on rows held back, how strongly to augment, which weights to keep."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.choose import compare
from lepton_ai.platform.frameworks.adaptive.judge import Judge
from lepton_ai.platform.frameworks.adaptive.mirroring import Mirroring
from lepton_ai.platform.frameworks.adaptive.run import Run
from lepton_ai.platform.frameworks.adaptive.steering import Course
from lepton_ai.platform.frameworks.augmentation import Mirror, Strength
from lepton_ai.platform.frameworks.checkpoint import Arrays, Facts, Kept

# Shares of the budget; the last is where held-back rows join.
CHECKS = (0.2, 0.3, 0.4, 0.5, 0.6)
_MIRROR_FROM = 0.3


class Checking:
    """Looks at a fit a few times on its way.

    Args:
        run: The fit.
        held_back: Measures on rows not trained on.
        trained: Measures on as many rows that are.
        naive: The losses of the answer that does not look at a row, for the chunks of `held_back`.
        mirroring: Decides whether rows may be mirrored, where they are images.
        strength: The augmentation to steer, if there is any.
    """

    def __init__(
        self,
        run: Run,
        held_back: Judge,
        trained: Judge,
        naive: NDArray[np.float64],
        *,
        mirroring: Mirroring | None = None,
        strength: Strength | None = None,
    ) -> None:
        self._run = run
        self._held_back = held_back
        self._trained = trained
        self._naive = naive
        self._mirroring = mirroring
        self._strength = strength
        self._course = Course()
        self._left = list(CHECKS)
        self.keeps_averages = True

    def state(self) -> Kept:
        """All that a checkpoint needs of it, between two steps."""
        arrays, mirroring = ([], None) if self._mirroring is None else self._mirroring.state()
        facts = {"level": self._course.level, "left": self._left, "keeps_averages": self.keeps_averages}
        return arrays, facts | {"mirroring": mirroring}

    def restore(self, arrays: Arrays, facts: Facts) -> None:
        """Go on from a checkpoint."""
        self._course, self._left = Course(facts["level"]), list(facts["left"])
        self.keeps_averages = facts["keeps_averages"]
        if self._mirroring is not None:
            self._mirroring.restore(arrays, facts["mirroring"])

    def before_step(self, step: int) -> None:
        """Check, where it is time."""
        progress = self._run.pace.progress(step)
        if not self._left or progress < self._left[0]:
            return
        while self._left and progress >= self._left[0]:
            self._left.pop(0)
        with self._run.averaged(step):
            losses, trained = self._held_back.losses(), self._trained.losses()
        measured = {
            "step": step,
            "loss on rows trained on": trained.mean(),
            "loss on rows held back": losses.mean(),
            "naive": self._naive.mean(),
        }
        if self._strength is not None:
            self._steer(step, progress, losses, trained, measured)
        else:
            self._run.decide("check", "how far it is", measured, "go on", "there is nothing to steer")
        if not self._left:
            self._choose(losses)

    def _steer(self, step: int, progress: float, losses: Any, trained: Any, measured: dict[str, Any]) -> None:
        assert self._strength is not None
        course, why = self._course.steer(trained, losses, float(self._naive.mean()))
        chosen = self._run.decide("check", "strength of augmentation", measured, f"{course.strength:g}", why)
        self._course = Course.of(float(chosen))
        mirrors = Mirror(0)
        if self._mirroring is not None and progress >= _MIRROR_FROM:
            self._mirroring.consider(step, losses)
            mirrors = self._mirroring.allowed
        clean_from = step + round((self._run.pace.steps - step) * (0.9 - progress) / (1 - progress))
        self._strength.change(step, self._course.strength, mirrors=mirrors, clean_from=clean_from)

    def _choose(self, losses: NDArray[np.float64]) -> None:
        run = self._run
        if losses.mean() >= self._naive.mean():
            run.decide(
                "choice",
                "whether it learned",
                {"loss": losses.mean(), "naive": self._naive.mean()},
                "no",
                "an answer that does not look at the row is as good",
            )
        if run.averages is None:
            return
        verdict = compare({"averaged": losses, "raw": self._held_back.losses()})
        measured = {"loss": verdict.means, "error": verdict.errors}
        chosen = run.decide("choice", "weights to keep", measured, verdict.chosen, verdict.why)
        self.keeps_averages = chosen == "averaged"
