"""Measures weights: the model's own loss on rows it does not train on, in chunks, so that the error is known too."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.backend import tf
from lepton_ai.platform.frameworks.intake import Rows

_CHUNKS, _FEWEST_ROWS_IN_CHUNK = 50, 3


class Judge:
    """The compiled loss of a model on fixed rows, chunk by chunk.

    Chunks, because a loss written as a plain function may answer one number for a whole batch; what regularisers add
    is left out, because it says nothing about rows.

    Args:
        model: The model, compiled and built.
        rows: What to judge by.
    """

    def __init__(self, model: Any, rows: Rows) -> None:
        count = len(rows)
        chunks = max(min(_CHUNKS, count // _FEWEST_ROWS_IN_CHUNK), 1)
        with tf.device("CPU:0"):
            tensors = [tf.constant(each) for each in (rows.x, rows.y, _by_row(rows.weights)) if each is not None]

        def loss(number: Any, answer: Any) -> Any:
            part = slice(number * count // chunks, (number + 1) * count // chunks)
            x, y, *weights = (tensor[part] for tensor in tensors)
            answers = model(x, training=False)
            if answer is not None:
                answers = tf.zeros_like(answers) + tf.cast(answer, answers.dtype)
            whole = model.compute_loss(x, y, answers, weights[0] if weights else None, training=False)
            return tf.cast(whole - sum(model.losses), tf.float32)

        def losses(answer: Any = None) -> Any:
            return tf.map_fn(lambda number: loss(number, answer), tf.range(chunks), fn_output_signature=tf.float32)

        def right(number: Any) -> Any:
            part = slice(number * count // chunks, (number + 1) * count // chunks)
            x, y = tensors[0][part], tensors[1][part]
            told = tf.argmax(model(x, training=False), axis=-1)
            true = tf.argmax(y, axis=-1) if len(y.shape) == 2 else tf.cast(y, told.dtype)
            return tf.reduce_sum(tf.cast(told == true, tf.float32))

        def share() -> Any:
            return tf.reduce_sum(tf.map_fn(right, tf.range(chunks), fn_output_signature=tf.float32)) / count

        self._losses = tf.function(losses, autograph=False)
        self._right = tf.function(share, autograph=False)

    def losses(self) -> NDArray[np.float64]:
        """The loss of each chunk, `(chunks,)`, with the weights as they are now."""
        return np.asarray(self._losses(), np.float64)

    def right(self) -> float:
        """The share of rows that a classifier tells right."""
        return float(self._right())

    def losses_of(self, answer: NDArray[np.float32]) -> NDArray[np.float64]:
        """The loss of each chunk if every row got the same answer, `(width,)`."""
        return np.asarray(self._losses(tf.constant(answer)), np.float64)


def _by_row(weights: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """One weight for each row, where packed nets have one each."""
    return weights if weights is None or weights.ndim == 1 else weights.mean(axis=1)
