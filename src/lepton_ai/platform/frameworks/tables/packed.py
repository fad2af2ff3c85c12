"""Many small nets side by side in one layer: an ensemble at the price of one wide net."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.backend import keras


@keras.saving.register_keras_serializable(package="lepton_ai")
class PackedNet(keras.layers.Layer):
    """Independent multi-layer perceptrons that share nothing but their input.

    Input shape `(batch, features)`, output shape `(batch, members, answers)`.

    In the manner of TabM (Gorishniy, Kotelnikov and Babenko, "TabM: Advancing Tabular Deep Learning with
    Parameter-Efficient Ensembling", 2024), whose packed form this is: every member has its own loss. Members share no
    weights here, so that one that does not learn from a row knows nothing of it.

    Args:
        members: How many nets.
        units: The width of each hidden layer.
        answers: How many numbers each answers.
        dropout: The share of hidden units left out in each training step.
        seed: Decides initial weights and dropout.
    """

    def __init__(
        self,
        members: int,
        units: Sequence[int],
        answers: int,
        *,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.members, self.units, self.answers = members, [int(each) for each in units], answers
        self.dropout, self.seed = dropout, seed
        self._noise = keras.random.SeedGenerator(seed)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        widths = [input_shape[-1], *self.units, self.answers]
        self.kernels, self.biases = [], []
        for number, (before, after) in enumerate(pairwise(widths)):
            last = number == len(self.units)
            seed = None if self.seed is None else self.seed + number
            # Fans by hand: Keras would count the axis of members among them.
            deviation = (0.1 if last else 1.0) * (2.0 / before) ** 0.5
            self.kernels.append(
                self.add_weight(
                    name=f"kernel_{number}",
                    shape=(self.members, before, after),
                    initializer=keras.initializers.RandomNormal(stddev=deviation, seed=seed),
                )
            )
            self.biases.append(
                self.add_weight(name=f"bias_{number}", shape=(self.members, 1, after), initializer="zeros")
            )

    def call(self, inputs: Any, training: bool = False) -> Any:
        ops = keras.ops
        hidden = ops.expand_dims(inputs, 0)  # (1, batch, features), and (members, batch, units) from the first layer on
        for kernel, bias in zip(self.kernels[:-1], self.biases[:-1], strict=True):
            hidden = keras.activations.relu(ops.matmul(hidden, kernel) + bias)
            if training and self.dropout:
                hidden = keras.random.dropout(hidden, self.dropout, seed=self._noise)
        answers = ops.matmul(hidden, self.kernels[-1]) + self.biases[-1]
        return ops.transpose(answers, (1, 0, 2))

    def begin_at(self, answer: NDArray[np.float64]) -> None:
        """Let nets that have not learned yet answer every row with this, `(answers,)`: the prior, say."""
        if not np.any(self.biases[-1].numpy()):
            self.biases[-1].assign(np.broadcast_to(answer, self.biases[-1].shape))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.members, self.answers)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("members", "units", "answers", "dropout", "seed")}
        return {**super().get_config(), **own}
