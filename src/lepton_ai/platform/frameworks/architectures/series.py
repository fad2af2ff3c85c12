"""Series: convolutions along time, pooled over all of it."""

from typing import Any

from lepton_ai.platform.frameworks.architectures.architecture import Architecture, Seeds, normalized
from lepton_ai.platform.frameworks.backend import keras


def features(rows: Any, seeds: Seeds) -> Any:
    """Three convolutions, then the mean and the highest answer of each filter over time.

    The mean tells how much of a pattern there is, the maximum whether it occurs at all.
    """
    hidden = rows  # (batch, time, features)
    for number, (filters, kernel_size) in enumerate(((48, 7), (96, 5), (96, 3)), start=1):
        hidden = normalized(
            keras.layers.Conv1D, hidden, number, seeds, filters=filters, kernel_size=kernel_size, padding="same"
        )
        if number < 3 and hidden.shape[1] >= 16:
            hidden = keras.layers.MaxPooling1D(2, name=f"pool_{number}")(hidden)
    average = keras.layers.GlobalAveragePooling1D(name="average")(hidden)
    highest = keras.layers.GlobalMaxPooling1D(name="highest")(hidden)
    return keras.layers.Concatenate(name="summary")([average, highest])


SERIES = Architecture(
    "series", axes=("time", "features"), family="one-dimensional convolutional network", features=features
)
