"""Layers that take an encoded row apart: its numbers, its codes one-hot, and numbers as piecewise linear steps."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.backend import keras

# In deviations of a column: a step narrower than this is a jump.
_NARROWEST = 1e-4
# A step of fewer rows is learned by heart. With 24 steps for each number the net was worse than without any on 200 and
# 500 rows, and much better on 7,000.
_ROWS_IN_STEP = 100


@keras.saving.register_keras_serializable(package="lepton_ai")
class Pick(keras.layers.Layer):
    """Some columns of a row, `(batch, columns)` to `(batch, picked)`.

    Args:
        columns: Their positions.
    """

    def __init__(self, columns: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.columns = [int(column) for column in columns]

    def call(self, inputs: Any) -> Any:
        return keras.ops.take(inputs, np.array(self.columns, np.int32), axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], len(self.columns))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "columns": self.columns}


@keras.saving.register_keras_serializable(package="lepton_ai")
class OneHotCodes(keras.layers.Layer):
    """The codes of a row as ones and zeros, `(batch, columns)` to `(batch, all levels)`.

    Args:
        columns: The positions of the codes.
        levels: How many codes each column knows, from 0.
    """

    def __init__(self, columns: Sequence[int], levels: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.columns = [int(column) for column in columns]
        self.levels = [int(count) for count in levels]

    def call(self, inputs: Any) -> Any:
        # One gather and one comparison for all columns, however many there are.
        column = np.repeat(np.array(self.columns, np.int32), self.levels)
        code = np.concatenate([np.arange(count, dtype=np.float32) for count in self.levels])
        repeated = keras.ops.take(inputs, column, axis=1)
        return keras.ops.cast(keras.ops.equal(repeated, keras.ops.cast(code, inputs.dtype)), inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], sum(self.levels))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "columns": self.columns, "levels": self.levels}


@keras.saving.register_keras_serializable(package="lepton_ai")
class PiecewiseLinear(keras.layers.Layer):
    """Numbers as steps between quantiles of the training rows, `(batch, numbers)` to `(batch, numbers * steps)`.

    A step is 0 below it, 1 above it, and linear within (Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical
    Features in Tabular Deep Learning", 2022). A net can then bend at each quantile as a tree splits there, and numbers
    far outside of what was trained on change nothing.

    Args:
        steps: How many steps each number gets.
    """

    def __init__(self, steps: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = steps

    def build(self, input_shape: tuple[Any, ...]) -> None:
        shape = (input_shape[-1], self.steps)
        self.start = self.add_weight(name="start", shape=shape, initializer=_unlearned, trainable=False)
        self.length = self.add_weight(
            name="length", shape=shape, initializer=keras.initializers.Constant(4 / self.steps), trainable=False
        )

    def call(self, inputs: Any) -> Any:
        steps = (keras.ops.expand_dims(inputs, -1) - self.start) / self.length
        return keras.ops.reshape(keras.ops.clip(steps, 0.0, 1.0), (-1, inputs.shape[-1] * self.steps))

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (input_shape[0], input_shape[-1] * self.steps)

    @property
    def has_learned(self) -> bool:
        """Whether its steps lie between quantiles of rows, and no longer where they were put without knowing any."""
        return not np.array_equal(self.start.numpy(), _unlearned(self.start.shape))

    def learn(self, numbers: NDArray[np.float32]) -> Self:
        """Put the steps between quantiles of numbers, `(batch, numbers)`: fewer steps where there are few rows."""
        steps = min(max(len(numbers) // _ROWS_IN_STEP, 1), self.steps)
        edges = np.stack([_edges(column, steps, self.steps) for column in np.asarray(numbers, np.float64).T])
        self.start.assign(edges[:, :-1])
        self.length.assign(np.maximum(np.diff(edges, axis=1), _NARROWEST))
        return self

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": self.steps}


def _unlearned(shape: tuple[int, ...], dtype: Any = "float32") -> Any:
    """Steps of equal length from -2 to 2, `(numbers, steps)`: numbers behind `Standardize` are mostly there."""
    return np.tile(np.linspace(-2, 2, shape[1], endpoint=False, dtype=dtype), (shape[0], 1))


def _edges(values: NDArray[np.float64], steps: int, room: int) -> NDArray[np.float64]:
    """Edges of `steps` steps: quantiles, or each of few values; the last is repeated for the rest of the `room`."""
    unique = np.unique(values)
    edges = unique if len(unique) <= steps + 1 else np.unique(np.quantile(values, np.linspace(0, 1, steps + 1)))
    return np.concatenate([edges, np.full(room + 1 - len(edges), edges[-1])])
