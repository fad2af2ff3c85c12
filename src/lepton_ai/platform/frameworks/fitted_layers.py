"""What layers learn from training rows before the first step, such as scales: once, and never by gradients."""

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


def _reaching(model: Any, layer: Any, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    if layer.input is model.input:
        return rows
    before = keras.Model(model.input, layer.input)
    parts = [
        np.asarray(before(rows[start : start + _BATCH_SIZE], training=False))
        for start in range(0, len(rows), _BATCH_SIZE)
    ]
    return np.concatenate(parts)
