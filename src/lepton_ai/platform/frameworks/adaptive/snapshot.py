"""Weights and optimizer variables, kept and put back in place: neither the net nor the optimizer is ever copied."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.values import copy, copy_of, graph
from lepton_ai.platform.frameworks.backend import keras


class Snapshot:
    """A copy of the values of variables.

    Args:
        variables: Keras' variables; they must exist already.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        pairs = self._pairs = [(variable, copy_of(variable)) for variable in variables]
        floats = [each for each in variables if keras.backend.is_float_dtype(each.dtype)]

        def take() -> None:
            for variable, kept in pairs:
                copy(variable, kept)

        def put_back() -> None:
            for variable, kept in pairs:
                copy(kept, variable)

        self._take, self._put_back = graph(take), graph(put_back)
        self._check = graph(
            lambda: keras.ops.all(keras.ops.stack([keras.ops.all(keras.ops.isfinite(each.value)) for each in floats]))
        )

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
