"""Boosted trees as a Keras layer: arrays that no optimizer touches, evaluated by matrix products."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.tables.tree_paths import Paths
from lepton_ai.platform.frameworks.tables.trees import Trees


@keras.saving.register_keras_serializable(package="lepton_ai")
class BoostedTrees(keras.layers.Layer):
    """What boosted trees answer, `(batch, columns)` to `(batch, answers)`; zeros as built.

    The trees are plain arrays and no weights: no optimizer, average or count of parameters sees them. They are saved
    with the layer. A compiled function has them built in, so whoever changes them drops the model's functions.

    Args:
        answers: How many numbers answer a row.
    """

    def __init__(self, answers: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.answers = answers
        self.trees = Trees.none(np.zeros(answers, np.float32))

    def call(self, inputs: Any) -> Any:
        ops, trees = keras.ops, self.trees
        base = ops.zeros_like(inputs[:, :1]) + trees.base  # (batch, answers)
        if not len(trees):
            return base
        paths = Paths.of(trees)
        count, nodes = paths.features.shape
        # Rows lie along the last axis: a gather then copies whole runs, and each product is a plain matrix product.
        numbers = ops.take(ops.transpose(inputs), paths.features.reshape(-1), axis=0)
        right = ops.cast(numbers > paths.thresholds.reshape(-1, 1), "float32")
        hits = ops.matmul(paths.turns, ops.reshape(right, (count, nodes, -1)))  # (trees, leaves, batch)
        reached = ops.cast(ops.equal(hits, paths.rights[:, :, None]), "float32")
        values = ops.sum(reached * paths.values[:, :, None], axis=1)  # (trees, batch)
        return base + ops.transpose(ops.matmul(paths.answers, values))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.answers)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "answers": self.answers}

    def save_own_variables(self, store: Any) -> None:
        """Keras' place for what a layer learned."""
        for name, array in asdict(self.trees).items():
            store[name] = array

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Read what `save_own_variables` wrote."""
        self.trees = Trees(**{name: np.asarray(store[name]) for name in asdict(self.trees)})
