"""Batches for Keras: tf.data sets that never stall, shuffled and augmented by seed and step alone.

Keras' own path for arrays leaves tf.data's autotuner on, and dropping an iterator then waits for that thread's next
wake-up: up to 20 s between epochs, on a CPU that does nothing (seen with TensorFlow 2.21). Here the autotuner is off,
and one iterator serves the whole fit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.augmentation import Augmentation, Strength, mirrored_images
from lepton_ai.platform.frameworks.backend import tf
from lepton_ai.platform.frameworks.intake import Rows

_WORKERS = 2
_AHEAD = 4


@dataclass(frozen=True)
class Changes:
    """How rows are changed while training.

    Args:
        augmentation: What changes a batch.
        strength: How strongly, by step.
        may_mirror: Whether rows are images, which may turn out to be mirrored.
    """

    augmentation: Augmentation
    strength: Strength
    may_mirror: bool = False


class Leaving:
    """Rows that take no part in training from some pass on, for a stream that is made ahead of the steps.

    Args:
        rows: How many rows there are in all.
    """

    ahead = 16

    def __init__(self, rows: int) -> None:
        with tf.device("CPU:0"):
            # One variable, so that a pass never sees half of a change: the step it begins at, and who stays.
            self._values = tf.Variable(tf.ones([rows + 1], tf.int64), trainable=False)

    def leave(self, positions: Sequence[int] | NDArray[np.int64], step: int) -> None:
        """Tell, before a step, which rows leave with the first pass that begins `ahead` steps later or after that.

        Args:
            positions: Which ones.
            step: The step that comes next.
        """
        values = np.ones(self._values.shape[0], np.int64)
        values[0] = step + self.ahead
        values[1 + np.asarray(positions, np.int64)] = 0
        self._values.assign(values)

    def values(self) -> dict[str, Any]:
        """What it knows, for a checkpoint."""
        from_step, *stays = self._values.numpy()
        return {"from_step": int(from_step), "positions": np.flatnonzero(np.equal(stays, 0)).tolist()}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Know that again."""
        self.leave(values["positions"], values["from_step"] - self.ahead)

    def of(self, order: Any, first_step: Any) -> Any:
        """In the graph: those of the rows of a pass that stay, by the step that it begins at."""
        stays = tf.gather(self._values[1:], order) > 0
        return tf.boolean_mask(order, stays | (first_step < self._values[0]))


@dataclass(frozen=True)
class HeldBack:
    """Rows that are not trained on at first.

    Args:
        positions: Which ones.
        joins_from: The step from which they are, beginning with the next pass.
    """

    positions: NDArray[np.int64]
    joins_from: int


def training_batches(
    rows: Rows,
    *,
    steps_per_pass: int,
    seed: int,
    shuffle: bool,
    start_step: Any,
    changes: Changes | None = None,
    held_back: HeldBack | None = None,
    leaving: Leaving | None = None,
) -> Any:
    """An endless stream of training batches, pass after pass over the rows.

    The batches of a pass differ by at most one row: a last batch of one row would be poison for batch norm. A pass that
    rows have left makes as many batches, smaller ones.

    Args:
        rows: What to train on.
        steps_per_pass: How many batches one pass over all rows makes.
        seed: Decides every order and every change, whatever runs beside it.
        shuffle: Whether each pass has an order of its own.
        start_step: A `tf.Variable` with the number of the step the stream begins at, read when it begins.
        changes: How to change rows, if at all.
        held_back: Which rows come in later passes only.
        leaving: Which rows come in earlier passes only.

    Returns:
        A `tf.data.Dataset` of `(x, y)` or `(x, y, sample_weight)`.
    """
    tensors = _tensors(rows)
    passes = _Passes(len(rows), steps_per_pass, held_back)

    def batches_of_pass(number: Any) -> Any:
        number = number + passes.number(start_step)
        order, steps, first_step = passes.order(number), passes.steps(number), passes.first_step(number)
        if leaving is not None:
            order = leaving.of(order, first_step)
        count = tf.size(order, tf.int64)
        if shuffle:
            order = tf.random.experimental.stateless_shuffle(order, seed=tf.stack([seed, number]))

        def numbered_batch(position: Any) -> Any:
            first, after = position * count // steps, (position + 1) * count // steps
            return first_step + position, order[first:after]

        return tf.data.Dataset.range(tf.maximum(start_step - first_step, 0), steps).map(numbered_batch)

    def batch(step: Any, indices: Any) -> Any:
        x, *rest = (tf.gather(tensor, indices) for tensor in tensors)
        if changes is not None:
            x = _changed(changes, x, step, seed)
        return x, *rest

    numbered = tf.data.Dataset.counter().flat_map(batches_of_pass)
    return _steady(numbered.map(batch, num_parallel_calls=_WORKERS, deterministic=True))


def plain_batches(*arrays: Any, batch_size: int) -> Any:
    """One pass over arrays in the order they have, for predicting and evaluating.

    Args:
        arrays: Arrays with as many rows each.
        batch_size: Rows in a batch; the last one may hold fewer.
    """
    tensors = [_on_cpu(array) for array in arrays]
    count = len(arrays[0])

    def batch(number: Any) -> Any:
        part = slice(number * batch_size, tf.minimum((number + 1) * batch_size, count))
        return tuple(tensor[part] for tensor in tensors)

    numbers = tf.data.Dataset.range(-(-count // batch_size))
    return _steady(numbers.map(batch, num_parallel_calls=_WORKERS, deterministic=True))


def evaluation_batches(rows: Rows, *, batch_size: int) -> Any:
    """`plain_batches` of rows with their labels and weights."""
    arrays = (rows.x, rows.y) if rows.weights is None else (rows.x, rows.y, rows.weights)
    return plain_batches(*arrays, batch_size=batch_size)


class _Passes:
    """Which rows each pass goes over and at which step it begins; in the graph, from the number of the pass."""

    def __init__(self, rows: int, steps_per_pass: int, held_back: HeldBack | None) -> None:
        kept = np.arange(rows, dtype=np.int64)
        if held_back is not None:
            kept = np.setdiff1d(kept, held_back.positions)
        self._orders = (_on_cpu(kept), tf.range(rows, dtype=tf.int64))
        self._steps = (math.ceil(len(kept) * steps_per_pass / rows), steps_per_pass)
        self._passes_before = math.ceil(held_back.joins_from / self._steps[0]) if held_back is not None else 0
        self._steps_before = self._passes_before * self._steps[0]

    def number(self, step: Any) -> Any:
        """The pass that a step is in."""
        after = self._passes_before + (step - self._steps_before) // self._steps[1]
        return tf.where(step < self._steps_before, step // self._steps[0], after)

    def order(self, number: Any) -> Any:
        """The rows of a pass, unshuffled."""
        return tf.cond(number < self._passes_before, lambda: self._orders[0], lambda: self._orders[1])

    def steps(self, number: Any) -> Any:
        """How many batches a pass makes."""
        return tf.where(number < self._passes_before, *(tf.constant(each, tf.int64) for each in self._steps))

    def first_step(self, number: Any) -> Any:
        """The step that a pass begins at."""
        after = self._steps_before + (number - self._passes_before) * self._steps[1]
        return tf.where(number < self._passes_before, number * self._steps[0], after)


def _changed(changes: Changes, x: Any, step: Any, seed: int) -> Any:
    strength, mirrors = changes.strength.at(step)
    seeds = tf.stack([tf.constant(seed, tf.int64), step])
    shape = x.shape
    if changes.may_mirror:
        x = tf.cond(mirrors > 0, lambda: mirrored_images(x, mirrors, seeds + 3), lambda: x)
    x = tf.cond(strength > 0, lambda: changes.augmentation(x, strength, seeds), lambda: x)
    return tf.ensure_shape(x, shape)


def _tensors(rows: Rows) -> list[Any]:
    return [_on_cpu(array) for array in (rows.x, rows.y, rows.weights) if array is not None]


def _on_cpu(array: Any) -> Any:
    with tf.device("CPU:0"):
        return tf.constant(np.ascontiguousarray(array))


def _steady(dataset: Any) -> Any:
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return dataset.prefetch(_AHEAD).with_options(options)
