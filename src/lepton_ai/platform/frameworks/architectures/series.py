"""Series: convolutions along time, pooled over all of it, beside a linear model on random kernels."""

from typing import Any

from lepton_ai.platform.frameworks.architectures.architecture import Architecture, Seeds, normalized
from lepton_ai.platform.frameworks.augmentation import varied_series
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.companion import RidgeCompanion
from lepton_ai.platform.frameworks.series_layers import Levels, RandomKernels


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


def companion(rows: Any, answers: Any, seeds: Seeds, *, classifies: bool, name: str) -> Any:
    """A ridge regression on how often random patterns occur, and on the level of each channel over time."""
    patterns = RandomKernels(seeds.next(), name="patterns", dtype="float32")(rows)
    levels = Levels(name="levels", dtype="float32")(rows)
    seen = keras.layers.Concatenate(name="patterns_and_levels", dtype="float32")([patterns, levels])
    return RidgeCompanion(classifies, name=name, dtype="float32")([answers, seen])


SERIES = Architecture(
    "series",
    axes=("time", "features"),
    family="one-dimensional convolutional network beside random kernels",
    features=features,
    augmentation=varied_series,
    companion=companion,
)
