"""Weights and optimizer variables, kept and put back in place: neither the net nor the optimizer is ever copied."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from lepton_ai.platform.frameworks.backend import keras, tf


class Snapshot:
    """A copy of the values of variables.

    Args:
        variables: Keras or TensorFlow variables; they must exist already.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        values = [each.value if isinstance(each, keras.Variable) else each for each in variables]
        self._pairs = [(value, tf.Variable(value, trainable=False)) for value in values]
        self._take = tf.function(lambda: [kept.assign(value) for value, kept in self._pairs], autograph=False)
        self._check = tf.function(
            lambda: tf.reduce_all([_all_finite(value) for value, _ in self._pairs]), autograph=False
        )
        self._put_back = tf.function(lambda: [value.assign(kept) for value, kept in self._pairs], autograph=False)

    def take(self) -> None:
        """Keep the values that the variables have now."""
        self._take()

    def is_finite(self) -> bool:
        """Whether all numbers that the variables have now are finite."""
        return bool(self._check())

    def put_back(self) -> None:
        """Give the variables the values that were kept."""
        self._put_back()

    def values(self) -> list[NDArray[Any]]:
        """The values that were kept, for a checkpoint."""
        return [kept.numpy() for _, kept in self._pairs]

    def restore(self, values: Sequence[NDArray[Any]]) -> None:
        """Keep these values instead."""
        for (_, kept), value in zip(self._pairs, values, strict=True):
            kept.assign(value)


def _all_finite(value: Any) -> Any:
    return tf.reduce_all(tf.math.is_finite(value)) if value.dtype.is_floating else tf.constant(True)
