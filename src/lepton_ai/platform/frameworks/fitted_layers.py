"""What layers learn from training rows before the first step, such as scales: once, and never by gradients."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.intake import Rows
from lepton_ai.platform.frameworks.layers import Rescale, Standardize

_BATCH_SIZE = 256


def learn_layers(model: Any, rows: Rows) -> bool:
    """Let each layer that can learn from rows do so, at the model's first fit.

    A layer that has a method `learn(values)` and a property `has_learned` gets the values that reach it; `Rescale`, the
    targets. Later fits leave them alone: later rows must meet the scale that the weights know.

    Returns:
        Whether the net scales its inputs.
    """
    for layer in model.layers:
        if not hasattr(layer, "learn") or layer.has_learned:
            continue
        layer.learn(rows.y if isinstance(layer, Rescale) else _reaching(model, layer, rows.x))
    return any(isinstance(layer, Standardize) for layer in model.layers)


@contextmanager
def unlearned_if_nothing_was_trained(model: Any) -> Iterator[None]:
    """Let layers forget what they learn within, if training ends in an error before its first step is kept.

    Otherwise rows that were refused would decide the scale of a model for good.
    """
    learning = [layer for layer in model.layers if hasattr(layer, "learn") and not layer.has_learned]
    before = [layer.get_weights() for layer in learning]
    steps = int(model.optimizer.iterations)
    try:
        yield
    except BaseException:
        if int(model.optimizer.iterations) == steps:
            for layer, weights in zip(learning, before, strict=True):
                layer.set_weights(weights)
        raise


def _reaching(model: Any, layer: Any, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    if layer.input is model.input:
        return rows
    before = keras.Model(model.input, layer.input)
    parts = [
        np.asarray(before(rows[start : start + _BATCH_SIZE], training=False))
        for start in range(0, len(rows), _BATCH_SIZE)
    ]
    return np.concatenate(parts)
