"""The linear baseline of a report: what a line answers to the rows that a model is measured on.

Tables and texts have a fitted line in their own graph. For images, series and nets of the user's own one is fitted here
in closed form, on training rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.closed_form import calibrated, ridge
from lepton_ai.platform.frameworks.companion import companion_of
from lepton_ai.platform.frameworks.data import plain_batches
from lepton_ai.platform.frameworks.facts import class_numbers
from lepton_ai.platform.frameworks.intake import Rows
from lepton_ai.platform.frameworks.tables.fit import is_table
from lepton_ai.platform.frameworks.tables.graph import LINEAR
from lepton_ai.platform.frameworks.text_layers import HashedCompanion

_BATCH_SIZE = 256
# A line on more numbers or more rows takes minutes, and 32 by 32 pixels are enough for what a line can see.
_MOST_PLACES = 1024
_MOST_FEATURES = 3072
_MOST_ROWS = 20_000


def linear_answers(model: Any, rows: NDArray[np.float32], classes: int | None, training: Rows | None) -> NDArray[Any]:
    """What a line answers: probabilities `(batch, classes)`, or numbers `(batch,)`.

    Args:
        model: A fitted `Model`.
        rows: The rows to answer, `(batch, *row_shape)`.
        classes: How many classes there are; None for a regression.
        training: Rows to fit a line on, for a model that has none of its own.

    Raises:
        InvalidInput: The model has no line of its own, and there are no rows to fit one on.
    """
    own = _own_line(model)
    if own is not None:
        answers = np.asarray(own.predict(plain_batches(rows, batch_size=_BATCH_SIZE), verbose=0), np.float64)
        return softmax(answers) if classes else answers[:, 0]
    if isinstance(companion_of(model), HashedCompanion):
        raise InvalidInput(
            "a report on texts needs the linear model that adaptive training leaves in the net, got a net without",
            hint="Call fit without adaptive=False.",
        )
    if training is None:
        raise InvalidInput(
            "a report on this model needs rows to fit its linear baseline on, got training=None",
            hint="Pass the rows that it was trained on: model.report(x_test, y_test, training=(x_train, y_train)).",
        )
    return fitted_line(training, rows, classes)


def fitted_line(training: Rows, rows: NDArray[np.float32], classes: int | None) -> NDArray[np.float64]:
    """Fit a ridge regression on training rows, and answer others with it; see `linear_answers`.

    Images and series are averaged down first, and of very many rows some at equal distances are taken.

    Example:

        >>> x = np.arange(40, dtype=np.float32)[:, None]
        >>> fitted_line(Rows(x, 3 * x[:, 0] + 1), x[:3], None).round(1)
        array([1., 4., 7.])
    """
    picks = np.linspace(0, len(training) - 1, min(len(training), _MOST_ROWS)).astype(np.int64)
    features, labels = averaged_down(training.x[picks]), training.y[picks]
    if classes is None:
        line = ridge(features, labels.reshape(len(labels), 1).astype(np.float64))
        return np.asarray((averaged_down(rows) @ line.kernel + line.bias)[:, 0])
    numbers = class_numbers(labels)
    line = ridge(features, np.eye(classes)[numbers])
    slope, biases = calibrated(line.left_out, numbers)
    return softmax(slope * (averaged_down(rows) @ line.kernel + line.bias) + biases)


def averaged_down(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows as a few thousand features, `(batch, features)`: neighbours in space or time are averaged.

    Example:

        >>> averaged_down(np.ones((2, 28, 28, 1), np.float32)).shape
        (2, 784)
        >>> averaged_down(np.ones((2, 224, 224, 3), np.float32)).shape
        (2, 3072)
    """
    axes = rows.ndim - 2  # the batch comes first, the channels last
    if axes > 0:
        places = min(_MOST_PLACES, max(_MOST_FEATURES // rows.shape[-1], 1))
        side = int(places ** (1 / axes) + 1e-9)
        for axis in range(1, axes + 1):
            rows = _averaged_along(rows, axis, side)
    return rows.reshape(len(rows), -1)


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities from logits, `(batch, classes)`."""
    powers = np.exp(np.asarray(logits, np.float64) - np.max(logits, axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _averaged_along(rows: NDArray[np.float32], axis: int, most: int) -> NDArray[np.float32]:
    length = rows.shape[axis]
    if length <= most:
        return rows
    edges = np.linspace(0, length, most + 1).astype(np.int64)
    counts = np.diff(edges).reshape([-1 if each == axis else 1 for each in range(rows.ndim)])
    return np.asarray(np.add.reduceat(rows, edges[:-1], axis=axis) / counts, np.float32)


def _own_line(model: Any) -> Any:
    """The part of the graph that answers as a line, if there is one and it has been fitted."""
    if is_table(model):
        layer = model.get_layer(LINEAR)
        return keras.Model(model.input, layer.output) if _is_fitted(layer) else None
    companion = companion_of(model)
    if not isinstance(companion, HashedCompanion) or not _is_fitted(companion):
        return None
    answers = _Alone(companion)(companion.input[1])
    if not companion.classifies:
        answers = model.layers[-1](answers)  # to the unit of the targets
    return keras.Model(model.input, answers)


def _is_fitted(layer: Any) -> bool:
    return any(np.any(weight) for weight in layer.get_weights())


class _Alone(keras.layers.Layer):
    """What a companion answers without the net beside it."""

    def __init__(self, companion: HashedCompanion) -> None:
        super().__init__(dtype="float32", autocast=False)
        self._companion = companion

    def call(self, inputs: Any) -> Any:
        return self._companion.answers(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], int(self._companion.bias.shape[0]))
