# ruff: noqa: ARG002  (Keras passes every argument by name)
"""Watches the packed nets on the rows that each does not learn from, and keeps the weights that were best there."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.log import Decision
from lepton_ai.platform.frameworks.adaptive.values import answers_of, graph
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.checkpoint import Arrays, Facts, Kept
from lepton_ai.platform.frameworks.tables.blend import log_probabilities
from lepton_ai.platform.frameworks.tables.truth import Truth

_ROWS_TO_WATCH = 4096
_MOST_LOOKS = 30
_BATCH_SIZE = 2048


class NetWatch(keras.callbacks.Callback):
    """Looks at the ends of epochs, when the averaged weights are in place, and ends on the best that it saw.

    Small tables are learned by heart within a few epochs; a table of many rows is usually best at the end.

    Args:
        nets: From rows to what each net answers, `(batch, nets, answers)`.
        rows: The rows that are trained on.
        truth: What they should be answered with.
        unseen: Which net does not learn from which row, `(batch, nets)`.
    """

    name = "net watch"

    def __init__(self, nets: Any, rows: NDArray[np.float32], truth: Truth, unseen: NDArray[np.bool_]) -> None:
        super().__init__()
        self._nets = nets
        picks = np.linspace(0, len(rows) - 1, min(len(rows), _ROWS_TO_WATCH)).astype(int)
        self._rows, self._truth, self._unseen = rows[picks], truth.take(picks), unseen[picks]
        self._answer = graph(answers_of(nets))
        self._best: tuple[float, int, list[Any]] | None = None
        self.losses: dict[int, float] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        epochs = int(self.params.get("epochs") or 1)
        done = epoch + 1
        if done < epochs and (done * _MOST_LOOKS) // epochs == (epoch * _MOST_LOOKS) // epochs:
            return
        answers = self.unseen_answers(self._rows, self._unseen)
        loss = self._truth.mean_loss(answers) if np.isfinite(answers).all() else math.inf
        self.losses[done] = loss
        if loss < math.inf and (self._best is None or loss < self._best[0]):
            self._best = (loss, done, self._nets.get_weights())

    def on_train_end(self, logs: Any = None) -> None:
        if self._best is not None:
            self._nets.set_weights(self._best[2])

    def state(self) -> Kept:
        """What a checkpoint must know of it."""
        if self._best is None:
            return [], {"losses": self.losses}
        loss, epoch, weights = self._best
        return weights, {"losses": self.losses, "loss": loss, "epoch": epoch}

    def expect(self, facts: Facts) -> None:
        """Nothing has to be known before the first batch."""

    def restore(self, arrays: Arrays, facts: Facts) -> None:
        """Go on from a checkpoint."""
        self.losses = {int(epoch): loss for epoch, loss in facts["losses"].items()}
        self._best = (facts["loss"], facts["epoch"], list(arrays)) if arrays else None

    @property
    def decision(self) -> Decision | None:
        """What was kept, and why; None where no epoch ended with a net that answers."""
        if self._best is None:
            return None
        loss, epoch, _ = self._best
        measured = {"loss": loss, "loss at the end": list(self.losses.values())[-1]}
        return Decision("net", "epoch to keep", measured, str(epoch), "best on rows that the nets had not seen")

    def unseen_answers(self, rows: NDArray[np.float32], unseen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The mean answer of the nets that do not learn from a row, `(batch, answers)`; logits for classes."""
        parts = [
            keras.ops.convert_to_numpy(self._answer(rows[at : at + _BATCH_SIZE]))
            for at in range(0, len(rows), _BATCH_SIZE)
        ]
        answers = np.concatenate(parts).astype(np.float64)
        shares = unseen[:, :, None] / unseen.sum(axis=1)[:, None, None]
        if not self._truth.classes:
            return (answers * shares).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.logaddexp.reduce(log_probabilities(answers) + np.log(shares), axis=1)
