"""Measures weights: the model's own loss on rows it does not train on, in chunks, so that the error is known too."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.values import answers_of, constant, each_of
from lepton_ai.platform.frameworks.backend import keras
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
        tensors = [constant(each) for each in (rows.x, rows.y, _by_row(rows.weights)) if each is not None]
        ops, answer_rows = keras.ops, answers_of(model)

        def part(number: Any) -> list[Any]:
            return [each[number * count // chunks : (number + 1) * count // chunks] for each in tensors]

        def loss(number: Any, answer: Any = None) -> Any:
            x, y, *weights = part(number)
            answers = answer_rows(x)
            if answer is not None:
                answers = ops.zeros_like(answers) + ops.cast(answer, answers.dtype)
            whole = model.compute_loss(x, y, answers, weights[0] if weights else None, training=False)
            return ops.cast(whole - sum(model.losses), "float32")

        def right(number: Any) -> Any:
            x, y, *_ = part(number)
            told = ops.argmax(answer_rows(x), axis=-1)
            true = ops.argmax(y, axis=-1) if len(y.shape) == 2 else ops.cast(y, told.dtype)
            return ops.sum(ops.cast(told == true, "float32"))

        self._count = count
        self._losses = each_of(chunks, loss)
        self._right = each_of(chunks, right)
        self._losses_of: Callable[[Any], Any] = lambda answer: each_of(chunks, lambda number: loss(number, answer))()

    def losses(self) -> NDArray[np.float64]:
        """The loss of each chunk, `(chunks,)`, with the weights as they are now."""
        return keras.ops.convert_to_numpy(self._losses()).astype(np.float64)

    def right(self) -> float:
        """The share of rows that a classifier tells right."""
        return float(keras.ops.sum(self._right())) / self._count

    def losses_of(self, answer: NDArray[np.float32]) -> NDArray[np.float64]:
        """The loss of each chunk if every row got the same answer, `(width,)`."""
        return keras.ops.convert_to_numpy(self._losses_of(answer)).astype(np.float64)


def _by_row(weights: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """One weight for each row, where packed nets have one each."""
    return weights if weights is None or weights.ndim == 1 else weights.mean(axis=1)
