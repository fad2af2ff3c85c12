"""A running average of a model's weights: it is what is judged, what callbacks see between epochs, and what stays."""

from typing import Any

import numpy as np

from lepton_ai.platform.frameworks.adaptive.values import copy, copy_of, graph
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.checkpoint import Arrays, Facts, Kept
from lepton_ai.platform.frameworks.recipe import average_share


class Averages:
    """The average of the weights of a model. Training itself goes on from the raw weights.

    Args:
        model: A built model.
        window: How many steps the average is about.
        every: How many steps apart weights are taken in.
    """

    def __init__(self, model: Any, window: int, every: int = 4) -> None:
        self._window = window
        self._every = every
        weights = [weight for weight in model.weights if keras.backend.is_float_dtype(weight.dtype)]
        self._pairs = [(weight, copy_of(weight)) for weight in weights]
        self._raw: list[Any] | None = None  # the raw weights while the averages are in their place
        self._updates = 0
        self._last_step = 0

        def update(share: Any) -> None:
            for weight, average in self._pairs:
                step = keras.ops.cast(share, average.dtype) * (average.value - weight.value)
                average.assign(average.value - step)

        self._update = graph(update)

    @property
    def variables(self) -> list[Any]:
        """The averages."""
        return [average for _, average in self._pairs]

    @property
    def updates(self) -> int:
        """How often the weights were taken in."""
        return self._updates

    def restart(self, step: int, updates: int = 0) -> None:
        """Go on from the values that the averages have, as if they had been updated so often.

        With none they are forgotten with the next weights.
        """
        self._updates, self._last_step = updates, step

    def state(self) -> Kept:
        """All that a checkpoint needs of it, between two steps."""
        facts = {"updates": self._updates, "step": self._last_step}
        return [average.numpy() for average in self.variables], facts

    def restore(self, arrays: Arrays, facts: Facts) -> None:
        """Go on from a checkpoint."""
        for average, array in zip(self.variables, arrays, strict=True):
            average.assign(array)
        self.restart(facts["step"], facts["updates"])

    def follow(self, step: int) -> None:
        """Take the weights before a step in, every few steps."""
        if step - self._last_step >= self._every:
            self._take_in(step)

    def put_in(self, step: int) -> None:
        """Put the averages in the weights' place."""
        if self._raw is not None:
            return
        self._take_in(max(step, self._last_step + 1))
        self._raw = [weight.numpy() for weight, _ in self._pairs]
        for weight, average in self._pairs:
            copy(average, weight)

    def put_raw_back(self, *, keep_changes: bool) -> bool:
        """Put the raw weights back in their place.

        Args:
            keep_changes: Whether weights that were changed meanwhile stay, and are averaged from there.

        Returns:
            Whether any stayed.
        """
        if self._raw is None:
            return False
        changed = False
        for (weight, average), raw in zip(self._pairs, self._raw, strict=True):
            if keep_changes and not np.array_equal(weight.numpy(), average.numpy()):
                copy(weight, average)
                changed = True
            else:
                weight.assign(raw)
        self._raw = None
        return changed

    def stay(self) -> None:
        """Leave the weights as they are now."""
        self._raw = None

    def _take_in(self, step: int) -> None:
        share = average_share(self._updates, step - self._last_step, self._window)
        self._update(keras.ops.convert_to_tensor(share, "float32"))
        self._updates += 1
        self._last_step = step
