"""Tables of numbers: two wide layers with batch norm."""

from typing import Any

from lepton_ai.platform.frameworks.architectures.architecture import Architecture, Seeds, normalized
from lepton_ai.platform.frameworks.backend import keras


def features(rows: Any, seeds: Seeds) -> Any:
    """Two layers of 128 units each."""
    hidden = normalized(keras.layers.Dense, rows, 1, seeds, units=128)  # (batch, columns) -> (batch, 128)
    return normalized(keras.layers.Dense, hidden, 2, seeds, units=128)


TABLE = Architecture("table", axes=("columns",), family="multi-layer perceptron", features=features)
