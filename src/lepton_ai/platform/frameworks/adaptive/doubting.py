"""Rows whose label is likely wrong leave training on its way, where there are enough of them to matter."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.doubt import likely_wrong, random_labels
from lepton_ai.platform.frameworks.adaptive.held_back import hard_classes
from lepton_ai.platform.frameworks.adaptive.run import Run
from lepton_ai.platform.frameworks.adaptive.values import answers_of, graph
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.data import Leaving
from lepton_ai.platform.frameworks.intake import Rows

# A share of the budget: the net tells most rows by then, knows few by heart, and has most of its learning to come.
DOUBTS_FROM = 0.3
_BATCH_SIZE = 500
_NAMED = 10


class Doubting:
    """Looks at each check from some share of the budget on.

    Args:
        run: The fit.
        rows: All rows of the fit.
        held_back: The positions of those that are not trained on yet; by them the share of wrong labels is estimated.
        leaving: Is told which rows leave.
    """

    def __init__(self, run: Run, rows: Rows, held_back: NDArray[np.int64], leaving: Leaving) -> None:
        self._run = run
        self._rows = rows
        self._held_back = held_back
        self._leaving = leaving
        self._answers = graph(answers_of(run.model))
        self._has_found_none = False
        self.leaving: list[int] = []
        """The positions of the rows that left."""

    def consider(self, step: int) -> list[int] | None:
        """Decide which rows leave.

        Args:
            step: The step that comes next.

        Returns:
            Their positions, None where nothing new was decided.
        """
        labels = hard_classes(self._rows.y)
        if labels is None:
            return None
        with self._run.averaged(step):
            unseen = self._probabilities(self._held_back)
            if unseen is None:
                return None
            noise = random_labels(labels[self._held_back], unseen)
            if not noise.surest or (self._has_found_none and not noise.matters):
                return None  # it need not be said again and again
            self._has_found_none = not noise.matters
            measured: dict[str, Any] = {"share": noise.share, "at least": noise.least, "rows looked at": noise.surest}
            if self._run.decide("clean", "labels wrong at random", measured, *_FOUND[noise.matters]) != "yes":
                return None
            every = self._probabilities(np.arange(len(labels)))
        assert every is not None
        leaving = likely_wrong(labels, every)
        self._leaving.leave(leaving, step)
        self.leaving = leaving.tolist()
        measured = {"rows": len(leaving), "for example": self.leaving[:_NAMED]}
        why = "the net gives another class more than eight times the chance of the label"
        self._run.decide("clean", "rows that leave", measured, str(len(leaving)), why)
        return self.leaving

    def _probabilities(self, positions: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """What the net gives each class, `(positions, classes)`; None where its answers are not shares of one."""
        parts = []
        for first in range(0, len(positions), _BATCH_SIZE):
            x = self._rows.x[positions[first : first + _BATCH_SIZE]]
            parts.append(keras.ops.convert_to_numpy(self._answers(keras.ops.convert_to_tensor(x))))
        answers = np.concatenate(parts).astype(np.float64)
        are_shares = answers.ndim == 2 and np.all(answers >= 0) and np.allclose(answers.sum(axis=1), 1, atol=1e-3)
        return answers if are_shares else None


_FOUND = {
    True: ("yes", "where the net is surest the label is often neither its first guess nor its second"),
    False: ("no", "where the net is surest the label is hardly ever neither its first guess nor its second"),
}
