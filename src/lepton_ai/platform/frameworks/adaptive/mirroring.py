"""Whether images may be mirrored while training: found out by measuring, once, and taken back if it hurts."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.choose import compare
from lepton_ai.platform.frameworks.adaptive.judge import Judge
from lepton_ai.platform.frameworks.adaptive.run import Run
from lepton_ai.platform.frameworks.augmentation import Mirror, label_is_kept
from lepton_ai.platform.frameworks.checkpoint import Arrays, Facts, Kept


class Mirroring:
    """Decides at two checks of a fit.

    At the first, which ways of mirroring a net that never saw any of it takes for the same thing; at the second, when
    it has seen them, whether the loss is worse for it.

    Args:
        run: The fit.
        held_back: Measures on rows not trained on.
        mirrored: Measures on the same rows mirrored, for each way.
        right_naive: The share of rows that an answer tells right which does not look at a row.
    """

    def __init__(self, run: Run, held_back: Judge, mirrored: Mapping[Mirror, Judge], right_naive: float) -> None:
        self._run = run
        self._held_back = held_back
        self._mirrored = mirrored
        self._right_naive = right_naive
        self._before: NDArray[np.float64] | None = None
        self._is_settled = False
        self.allowed = Mirror(0)
        """The ways in which images are mirrored from now on."""

    def state(self) -> Kept:
        """All that a checkpoint needs of it, between two steps."""
        facts = {"allowed": self.allowed.value, "is_settled": self._is_settled}
        return [] if self._before is None else [self._before], facts

    def restore(self, arrays: Arrays, facts: Facts) -> None:
        """Go on from a checkpoint."""
        self._before = arrays[0] if arrays else None
        self.allowed, self._is_settled = Mirror(facts["allowed"]), facts["is_settled"]

    def consider(self, step: int) -> None:
        """At a check: decide, if it is not settled.

        Args:
            step: The step that comes next.
        """
        if self._is_settled:
            return
        with self._run.averaged(step):
            losses = self._held_back.losses()
            if self._before is None:
                self._probe()
        if self._before is not None:
            self._look_back(self._before, losses)
            self._is_settled = True
        self._before = losses

    def _probe(self) -> None:
        right = self._held_back.right()
        for mirror, judge in self._mirrored.items():
            mirrored = judge.right()
            kept = label_is_kept(right, mirrored, self._right_naive)
            measured = {"right": right, "right mirrored": mirrored, "right naive": self._right_naive}
            self._decide(mirror, measured, kept, _PROBED[kept])

    def _look_back(self, before: NDArray[np.float64], losses: NDArray[np.float64]) -> None:
        kept = compare({"with": losses, "without": before}).chosen == "with"
        for mirror in self.allowed:
            self._decide(mirror, {"loss": losses.mean(), "before": before.mean()}, kept, _LOOKED_BACK[kept])

    def _decide(self, mirror: Mirror, measured: Mapping[str, float], kept: bool, why: str) -> None:
        what = f"mirror images {_WORDS[mirror]}"
        chosen = self._run.decide("augment", what, measured, "yes" if kept else "no", why)
        self.allowed = self.allowed | mirror if chosen == "yes" else self.allowed & ~mirror


_WORDS = {Mirror.LEFT_RIGHT: "left to right", Mirror.UPSIDE_DOWN: "upside down"}
_PROBED = {True: "most mirrored rows are told right", False: "mirrored rows mean something else"}
_LOOKED_BACK = {True: "it was no worse with them", False: "it was worse with them"}
