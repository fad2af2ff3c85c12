"""Texts as rows of hashed words: their average and a narrow convolution, beside a linear model on all of the row."""

from typing import Any

from lepton_ai.platform.frameworks.architectures.architecture import Architecture, Seeds
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.text_layers import HashedCompanion, HashedVectors, SumOfVectors
from lepton_ai.platform.preprocessing.text import sections

_BUCKETS = 2**15
_SIZE = 48
_FILTERS = 96
_DROPOUT_OF_WORDS, _DROPOUT = 0.2, 0.5


def features(rows: Any, seeds: Seeds) -> Any:
    """Vectors of words: summed, those of pairs with them, and the strongest answers of filters over three words."""
    parts = sections(rows.shape[1])
    assert parts is not None
    words, pairs = (
        HashedVectors(part.start, part.stop, _BUCKETS, _SIZE, seed=seeds.next(), name=name)(rows)
        for name, part in (("words", parts.words), ("pairs", parts.pairs))
    )
    summed = SumOfVectors(name="sum")(keras.layers.Concatenate(axis=1, name="words_and_pairs")([words, pairs]))
    hidden = keras.layers.SpatialDropout1D(_DROPOUT_OF_WORDS, seed=seeds.next(), name="words_dropout")(words)
    initializer = keras.initializers.GlorotUniform(seed=seeds.next())
    hidden = keras.layers.Conv1D(
        _FILTERS, 3, padding="same", activation="relu", kernel_initializer=initializer, name="filters"
    )(hidden)
    highest = keras.layers.GlobalMaxPooling1D(name="highest")(hidden)
    joined = keras.layers.Concatenate(name="summary")([summed, highest])
    return keras.layers.Dropout(_DROPOUT, seed=seeds.next(), name="dropout")(joined)


def companion(rows: Any, answers: Any, seeds: Seeds, *, classifies: bool, name: str) -> Any:  # noqa: ARG001
    """A linear model on all words, pairs and runs of characters, which nothing needs to be drawn for."""
    return HashedCompanion(classifies, name=name, dtype="float32", autocast=False)([answers, rows])


def _accepts(row_shape: tuple[int, ...]) -> str | None:
    if sections(row_shape[0]) is None:
        return "rows of text must be a multiple of 16 wide, as TextRows makes them"
    return None


TEXT = Architecture(
    "text",
    axes=("tokens",),
    family="hashed word vectors and convolutions beside a linear model on hashed words and characters",
    features=features,
    accepts=_accepts,
    companion=companion,
    is_scaled=False,
)
