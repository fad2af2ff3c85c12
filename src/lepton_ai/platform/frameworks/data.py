"""Batches for Keras: tf.data sets that never stall, shuffled and shifted by seed alone.

Keras' own path for arrays leaves tf.data's autotuner on, and dropping an iterator then waits for that thread's next
wake-up: up to 20 s between epochs, on a CPU that does nothing (seen with TensorFlow 2.21). Here the autotuner is off,
and one iterator serves the whole fit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lepton_ai.platform.frameworks.backend import tf
from lepton_ai.platform.frameworks.intake import Rows

_WORKERS = 2
_AHEAD = 4


@dataclass(frozen=True)
class Shift:
    """A move of all images of a batch by -1, 0 or 1 pixels each way, drawn anew for each batch.

    Args:
        until_step: The first step that sees the images as they are, and all after it do.
    """

    until_step: int


def training_batches(
    rows: Rows, *, steps_per_pass: int, seed: int, shuffle: bool, start_step: Any, shift: Shift | None = None
) -> Any:
    """An endless stream of training batches, pass after pass over the rows.

    The batches of a pass differ by at most one row: a last batch of one row would be poison for batch norm.

    Args:
        rows: What to train on.
        steps_per_pass: How many batches one pass makes.
        seed: Decides every order and every shift, whatever runs beside it.
        shuffle: Whether each pass has an order of its own.
        start_step: A `tf.Variable` with the number of the step the stream begins at, read when it begins.
        shift: Whether and how long to shift images.

    Returns:
        A `tf.data.Dataset` of `(x, y)` or `(x, y, sample_weight)`.
    """
    tensors = _tensors(rows)
    count = len(rows)

    def batches_of_pass(number: Any) -> Any:
        number = number + start_step // steps_per_pass
        order = tf.range(count, dtype=tf.int64)
        if shuffle:
            order = tf.random.experimental.stateless_shuffle(order, seed=tf.stack([seed, number]))

        def numbered_batch(position: Any) -> Any:
            first, after = position * count // steps_per_pass, (position + 1) * count // steps_per_pass
            return number * steps_per_pass + position, order[first:after]

        return tf.data.Dataset.range(steps_per_pass).map(numbered_batch)

    def batch(step: Any, indices: Any) -> Any:
        x, *rest = (tf.gather(tensor, indices) for tensor in tensors)
        if shift is not None:
            x = tf.cond(step < shift.until_step, lambda: _shifted(x, tf.stack([seed, step])), lambda: x)
        return x, *rest

    passes = tf.data.Dataset.counter().flat_map(batches_of_pass)
    return _steady(passes.map(batch, num_parallel_calls=_WORKERS, deterministic=True))


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


def _shifted(images: Any, seed: Any) -> Any:
    """(batch, height, width, channels) moved by a pixel at most; the border is repeated, so that no edge appears."""
    height, width = images.shape[1], images.shape[2]
    top, left = tf.unstack(tf.random.stateless_uniform([2], seed, minval=0, maxval=3, dtype=tf.int32))
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    return tf.ensure_shape(padded[:, top : top + height, left : left + width], images.shape)


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
