"""Two layers that scale numbers inside the net, so that a saved or exported model carries its scaling."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.backend import keras

_CHUNK_ROWS = 4096


class _Scale(keras.layers.Layer):
    """A mean and a deviation for each channel, learned once from rows and never by gradients.

    As built the mean is 0 and the deviation 1, so the layer changes nothing until `learn` is called.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = (input_shape[-1],)
        self.mean = self.add_weight(name="mean", shape=channels, initializer="zeros", trainable=False)
        self.deviation = self.add_weight(name="deviation", shape=channels, initializer="ones", trainable=False)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    @property
    def has_learned(self) -> bool:
        """Whether it does anything: a net that was loaded, or trained before, keeps the scale its weights know."""
        untouched = not np.any(self.mean.numpy()) and bool(np.all(self.deviation.numpy() == 1))
        return not untouched

    def learn(self, rows: NDArray[np.float32]) -> Self:
        """Take mean and deviation of each channel, `(..., channels)`. A constant channel keeps a deviation of 1."""
        mean, deviation = _mean_and_deviation(rows)
        self.mean.assign(mean)
        self.deviation.assign(deviation)
        return self


@keras.saving.register_keras_serializable(package="lepton_ai")
class Standardize(_Scale):
    """Bring inputs to mean 0 and deviation 1 in each channel.

    Images in 0..255 and in 0..1 train alike behind it. The statistics are non-trainable weights: saved with the model,
    exported with it, and never learned from validation or test rows.

    Input and output shape: `(batch, ..., channels)`.
    """

    def call(self, inputs: Any) -> Any:
        return (inputs - keras.ops.cast(self.mean, inputs.dtype)) / keras.ops.cast(self.deviation, inputs.dtype)


@keras.saving.register_keras_serializable(package="lepton_ai")
class Rescale(_Scale):
    """Bring the last layer's numbers, around 0, to the mean and deviation of the training targets.

    Without it a net spends its epochs on finding out that a price is around 250,000.

    Input and output shape: `(batch, targets)`.
    """

    def call(self, inputs: Any) -> Any:
        return inputs * keras.ops.cast(self.deviation, inputs.dtype) + keras.ops.cast(self.mean, inputs.dtype)


def _mean_and_deviation(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """By channel, in two passes and in chunks: exact for large means, and no second copy of a large array."""
    axes = tuple(range(rows.ndim - 1))
    mean = rows.mean(axis=axes, dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(rows), _CHUNK_ROWS):
        squares += np.square(rows[start : start + _CHUNK_ROWS] - mean).sum(axis=axes)
    deviation = np.sqrt(squares / (rows.size / rows.shape[-1]))
    # float32 rounding leaves a constant column with a deviation of about 1e-8 of its value: that is no information.
    constant = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-30)
    return mean.astype(np.float32), np.where(constant, 1.0, deviation).astype(np.float32)
