# ruff: noqa: ARG002  (Keras passes every argument by name)
"""A companion of a net: a model in closed form in the same graph, mixed into the answer as far as it helps.

Random kernels and hashed words with a linear model on top know in seconds what a net needs many steps for, and often
more where rows are few; a net knows more where they are many. Side by side they are better than either, so a fit weighs
them on rows that neither has seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.run import Run
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.checkpoint import Arrays, Facts, Kept
from lepton_ai.platform.frameworks.closed_form import calibrated, ridge
from lepton_ai.platform.frameworks.intake import Rows
from lepton_ai.platform.frameworks.tables.blend import blend, log_probabilities
from lepton_ai.platform.frameworks.tables.truth import Truth

NET, COMPANION = "net", "companion"
_PRIOR = 0.5
_BATCH_SIZE = 256
_EVENNESS = 0.75  # 0 is each row alike, 1 each class
_LEAST = 1e-7  # of a probability whose logarithm is taken


class Companion(keras.layers.Layer):
    """The last layer of a net with a companion: `[answers of the net, what the companion sees]` to answers.

    As built, and while training, the answer is the net's alone. Classifiers are mixed as logits, so that the one that
    is sure weighs more; regressions as numbers of deviation 1.

    Args:
        classifies: Whether the answers are classes.
    """

    most_rows = 200_000  # to learn from

    def __init__(self, classifies: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classifies = classifies

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:
        self.share = self.add_weight(name="share", shape=(), initializer="zeros", trainable=False)

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        net, seen = inputs
        if training:
            return net
        share = self.share
        if not self.classifies:
            return net + share * (self.answers(seen) - net)
        logits = keras.ops.log(keras.ops.maximum(net, _LEAST))
        return keras.ops.softmax(logits + share * (self.answers(seen) - logits))

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return input_shape[0]

    def answers(self, seen: Any) -> Any:
        """The companion's own answers, `(batch, answers)`: normalised logits, or numbers."""
        raise NotImplementedError

    def learn_answers(self, seen: NDArray[np.float32], truth: Truth, held: NDArray[np.int64]) -> NDArray[np.float64]:
        """Learn from training rows, `(batch, ...)`.

        Returns:
            What it would answer those at the positions `held` if it had not learned from them, `(held, answers)`.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classifies": self.classifies}


@keras.saving.register_keras_serializable(package="lepton_ai")
class RidgeCompanion(Companion):
    """A ridge regression on features, `(batch, features)`; for classes on ones and zeros, its scores calibrated.

    It is taken apart as a whole, which bounds the rows: 20,000 are plenty for some 2,600 features.

    Rows of rare classes count more in it, or it would give them up; calibration then puts the shares right.
    """

    most_rows = 20_000

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:
        super().build(input_shape)
        answers = (input_shape[0][-1],)
        features = (input_shape[1][-1],)
        self.kernel = self.add_weight(name="kernel", shape=features + answers, initializer="zeros", trainable=False)
        self.bias = self.add_weight(name="bias", shape=answers, initializer="zeros", trainable=False)

    def answers(self, seen: Any) -> Any:
        answers = keras.ops.matmul(seen, self.kernel) + self.bias
        return keras.ops.log_softmax(answers) if self.classifies else answers

    def learn_answers(self, seen: NDArray[np.float32], truth: Truth, held: NDArray[np.int64]) -> NDArray[np.float64]:
        targets = np.eye(truth.classes)[truth.values.astype(int)] if truth.classes else truth.values[:, None]
        fitted = ridge(seen, targets, _evened(truth))
        slope, biases = 1.0, np.zeros(truth.width)
        if truth.classes:
            slope, biases = calibrated(fitted.left_out, truth.values.astype(int), truth.weights)
        self.kernel.assign(slope * fitted.kernel)
        self.bias.assign(slope * fitted.bias + biases)
        unseen = slope * fitted.left_out[held] + biases
        return log_probabilities(unseen) if truth.classes else unseen


def companion_of(model: Any) -> Companion | None:
    """The companion in a model, None where it has none."""
    return next((layer for layer in reversed(model.layers) if isinstance(layer, Companion)), None)


def with_companion(model: Any, rows: Rows, positions: NDArray[np.int64], joins_from: int, run: Run) -> tuple[Any, ...]:
    """Let the companion of a model learn before the net does, and have it weighed when the net has learned enough.

    Until then the answer is the net's alone, because the net is judged by rows that the companion knows. Where no rows
    are held back, both count half from the start.

    Args:
        model: The model, compiled, its layers having learned their scales.
        rows: What to train on.
        positions: Which of the rows are held back, and join the others later on.
        joins_from: The step from which they do.
        run: The fit, which knows averaged weights and takes decisions.

    Returns:
        Callbacks for Keras' loop, to come after the director's.
    """
    layer = companion_of(model)
    if layer is None:
        return ()
    layer.share.assign(0.0)
    net, seen = (keras.Model(model.input, tensor) for tensor in layer.input)
    truth = _truth(rows, layer)
    picks = _picks(len(rows), positions, layer.most_rows)
    is_held = np.isin(picks, positions)
    unseen = layer.learn_answers(_answered(seen, rows.x[picks]), truth.take(picks), np.flatnonzero(is_held))
    held = None
    if len(positions):
        if not is_held.any():
            unseen = _own_answers(layer, _answered(seen, rows.x[positions]))
        held = _Held(net, rows.x[positions], unseen, truth.take(positions))
    if held is None:
        chosen = run.decide(COMPANION, "share", {"rows": len(rows)}, f"{_PRIOR:g}", "no rows are held back to weigh by")
        layer.share.assign(float(chosen))
        return ()
    return (Weighing(layer, held, joins_from, run),)


@dataclass(frozen=True)
class _Held:
    """Rows that neither the net nor the companion has seen.

    Args:
        net: Answers rows without the companion.
        x: The rows.
        answers: What the companion answers.
        truth: What they should be answered with.
    """

    net: Any
    x: NDArray[np.float32]
    answers: NDArray[np.float64]
    truth: Truth


class Weighing(keras.callbacks.Callback):
    """Weighs net and companion right before the held-back rows join the others.

    The share is put in place between epochs only, and after the last one: within an epoch the net may still be judged
    by rows that the companion knows.
    """

    name = COMPANION

    def __init__(self, layer: Companion, held: _Held, joins_from: int, run: Run) -> None:
        super().__init__()
        self._layer = layer
        self._held: _Held | None = held
        self._joins_from = joins_from
        self._run = run
        self._epoch = 0
        self._share: float | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        step = self._epoch * self._run.plan.steps_per_epoch + batch
        if self._held is not None and step >= self._joins_from:
            self._share = self._weighed(self._held, step)
            self._held = None  # the rows can be freed

    def on_test_begin(self, logs: Any = None) -> None:
        self._put_in()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._put_in()

    def on_train_end(self, logs: Any = None) -> None:
        self._put_in()

    def state(self) -> Kept:
        """What a checkpoint keeps of it."""
        return [], {"share": self._share}

    def expect(self, facts: Facts) -> None:
        """Do not weigh anew what was weighed before training was interrupted: by now the net knows those rows."""
        self._share = facts["share"]
        if self._share is not None:
            self._held = None

    def restore(self, arrays: Arrays, facts: Facts) -> None:
        """Nothing is left to restore."""

    def _put_in(self) -> None:
        if self._share is not None:
            self._layer.share.assign(self._share)

    def _weighed(self, held: _Held, step: int) -> float:
        averages = self._run.averages
        if averages is not None:
            averages.put_in(step)
        try:
            net = _answered(held.net, held.x).astype(np.float64)
        finally:
            if averages is not None:
                averages.put_raw_back(keep_changes=False)
        if held.truth.classes:
            net = log_probabilities(np.log(np.maximum(net, _LEAST)))
        answers = {NET: net, COMPANION: held.answers}
        found = blend(answers, held.truth, {NET: 1 - _PRIOR, COMPANION: _PRIOR})
        measured = {"rows": len(held.x), "loss": {**found.losses, "both": found.loss}}
        why = "least loss on rows that neither had seen"
        chosen = f"{found.shares.get(COMPANION, 0.0):.4g}"
        return float(self._run.decide(COMPANION, "share", measured, chosen, why))


def _picks(count: int, positions: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The rows that a companion learns from: all, or of too many some at equal distances, none of them held back."""
    every = np.arange(count)
    if count <= most:
        return every
    others = np.setdiff1d(every, positions)
    return others[np.linspace(0, len(others) - 1, min(most, len(others))).astype(np.int64)]


def _truth(rows: Rows, layer: Companion) -> Truth:
    """Class numbers, or targets of mean 0 and deviation 1, as the net's last layer but one answers them."""
    classes = int(layer.output.shape[-1]) if layer.classifies else None
    values = (
        rows.y.argmax(axis=1) if classes and rows.y.ndim == 2 and rows.y.shape[1] > 1 else rows.y.reshape(len(rows))
    )
    values = values.astype(np.float64)
    if not classes:
        values = (values - values.mean()) / (values.std() or 1.0)
    weights = None
    if rows.weights is not None and rows.weights.sum() > 0:
        weights = rows.weights.astype(np.float64) / rows.weights.mean(dtype=np.float64)
    return Truth(values, classes, weights)


def _evened(truth: Truth) -> NDArray[np.float64] | None:
    """A weight for each row, which makes the classes more alike in number."""
    if not truth.classes:
        return truth.weights
    labels = truth.values.astype(int)
    counts = np.bincount(labels, truth.weights, truth.classes)[labels]
    weights = np.maximum(counts, 1.0) ** -_EVENNESS
    return weights if truth.weights is None else weights * truth.weights


def _answered(part: Any, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a part of the net makes of rows, `(batch, ...)`."""
    if part.output is part.input:
        return rows
    predict = part.predict_on_batch
    return np.concatenate([predict(rows[at : at + _BATCH_SIZE]) for at in range(0, len(rows), _BATCH_SIZE)])


def _own_answers(layer: Companion, seen: NDArray[np.float32]) -> NDArray[np.float64]:
    parts = [layer.answers(seen[at : at + _BATCH_SIZE]) for at in range(0, len(seen), _BATCH_SIZE)]
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts]).astype(np.float64)
