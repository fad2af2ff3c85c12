"""Checks during the main run: how far the net is on rows held back, how strongly to augment, which weights to keep."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.choose import compare
from lepton_ai.platform.frameworks.adaptive.doubting import DOUBTS_FROM, Doubting
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
        judges: Makes what measures on rows not trained on, and on as many that are, both without some rows.
        naive: The one answer that fits all rows best, `(width,)`.
        mirroring: Decides whether rows may be mirrored, where they are images.
        doubting: Decides whether labels are to be doubted, where they are classes.
        strength: The augmentation to steer, if there is any.
    """

    def __init__(
        self,
        run: Run,
        judges: Callable[[Sequence[int]], tuple[Judge, Judge]],
        naive: NDArray[np.float32],
        *,
        mirroring: Mirroring | None = None,
        doubting: Doubting | None = None,
        strength: Strength | None = None,
    ) -> None:
        self._run = run
        self._judges = judges
        self._naive_answer = naive
        self._judge_without(())
        self._mirroring = mirroring
        self._doubting = doubting
        self._strength = strength
        self._course = Course()
        self._left = list(CHECKS)
        self.keeps_averages = True

    def state(self) -> Kept:
        """All that a checkpoint needs of it, between two steps."""
        arrays, mirroring = ([], None) if self._mirroring is None else self._mirroring.state()
        leaving = None if self._doubting is None else self._doubting.leaving
        facts = {
            "leaving": leaving,
            "level": self._course.level,
            "left": self._left,
            "keeps_averages": self.keeps_averages,
        }
        return arrays, facts | {"mirroring": mirroring}

    def restore(self, arrays: Arrays, facts: Facts) -> None:
        """Go on from a checkpoint."""
        self._course, self._left = Course(facts["level"]), list(facts["left"])
        self.keeps_averages = facts["keeps_averages"]
        if self._doubting is not None and facts["leaving"]:
            self._doubting.leaving = facts["leaving"]
            self._judge_without(facts["leaving"])
        if self._mirroring is not None:
            self._mirroring.restore(arrays, facts["mirroring"])

    def before_step(self, step: int) -> None:
        """Check, where it is time."""
        progress = self._run.pace.progress(step)
        if not self._left or progress < self._left[0]:
            return
        while self._left and progress >= self._left[0]:
            self._left.pop(0)
        if self._doubting is not None and progress >= DOUBTS_FROM:
            leaving = self._doubting.consider(step)
            if leaving is not None:
                self._judge_without(leaving)
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

    def _judge_without(self, leaving: Sequence[int]) -> None:
        """Wrong labels would make the net look worse on rows held back than it is, and the gap wider."""
        self._held_back, self._trained = self._judges(leaving)
        self._naive = self._held_back.losses_of(self._naive_answer)

    def _steer(self, step: int, progress: float, losses: Any, trained: Any, measured: dict[str, Any]) -> None:
        assert self._strength is not None
        course, why = self._course.steer(trained, losses, float(self._naive.mean()))
        chosen = self._run.decide("check", "strength of augmentation", measured, f"{course.strength:g}", why)
        self._course = Course.of(float(chosen))
        mirrors = Mirror(0)
        if self._mirroring is not None and progress >= _MIRROR_FROM:
            self._mirroring.consider(step)
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
