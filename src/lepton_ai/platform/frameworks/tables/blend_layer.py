"""The last layer of a table's net: it answers with the net alone until a fit has given every member its share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lepton_ai.platform.frameworks.backend import keras

NET = "net"

# Of a probability whose logarithm is taken.
_LEAST = 1e-30


@keras.saving.register_keras_serializable(package="lepton_ai")
class Blend(keras.layers.Layer):
    """Mixes what the members answer: `[(batch, nets, answers), (batch, answers), ...]` to `(batch, answers)`.

    The first member is a packed net, whose nets are averaged as probabilities. Classifiers are then mixed as logits,
    divided by a temperature, and answered as probabilities; regressions as numbers. While training, the answer is the
    net's alone: the others do not learn by steps.

    Args:
        members: The names of the members, the net first.
        classifies: Whether the answers are classes.
    """

    def __init__(self, members: Sequence[str], classifies: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members, self.classifies = list(members), classifies
        self.shares: dict[str, float] = {NET: 1.0}
        self.temperature = 1.0
        self._nets: Any = None

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        if training:
            self._nets = inputs[0]
        shares = {NET: 1.0} if training else self.shares
        # In the order of the members, whatever that of the shares: sums of floats depend on it.
        parts = [
            shares[name] * self._comparable(answers, name)
            for name, answers in zip(self.members, inputs, strict=True)
            if shares.get(name)
        ]
        together = sum(parts[1:], start=parts[0])
        return keras.ops.softmax(together / self.temperature) if self.classifies else together

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return (input_shape[0][0], input_shape[0][-1])

    def set(self, shares: Mapping[str, float], temperature: float = 1.0) -> None:
        """Give every member its share; whoever does drops the model's compiled functions, which know the old ones."""
        self.shares, self.temperature = dict(shares), temperature

    def loss_of_nets(self, loss: Callable[[Any, Any, Any], Any], y: Any, sample_weight: Any) -> Any:
        """The mean of the losses of the single nets, of the batch that was answered last.

        Not the loss of their mean: each net must be good by itself, or they lean on each other and overfit together
        (TabM). The gradient is that of the sum, so that each net meets the learning rate as if it were alone.

        Args:
            loss: The compiled loss: labels, answers and weights to one number.
            y: Labels or targets `(batch, ...)`.
            sample_weight: None, `(batch,)`, or `(batch, nets)`. Where it is zero, nothing is learned from that row by
                that net, whatever the loss makes of weights.
        """
        ops, nets = keras.ops, self._nets
        self._nets = None
        count = nets.shape[1]
        weights = sample_weight
        if weights is not None:
            weights = ops.cast(
                ops.broadcast_to(ops.reshape(weights, (ops.shape(nets)[0], -1)), ops.shape(nets)[:2]), nets.dtype
            )
            nets = ops.where(ops.expand_dims(weights, -1) > 0, nets, ops.stop_gradient(nets))
            weights = ops.reshape(weights, (-1,))
        answers = ops.reshape(nets, (-1, nets.shape[-1]))
        value = loss(
            ops.repeat(y, count, axis=0), keras.activations.softmax(answers) if self.classifies else answers, weights
        )
        return value * count - ops.stop_gradient(value * (count - 1))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "members": self.members, "classifies": self.classifies}

    def save_own_variables(self, store: Any) -> None:
        """Keras' place for what a layer learned."""
        store["shares"] = np.array([self.shares.get(name, 0.0) for name in self.members])
        store["temperature"] = np.array(self.temperature)

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Read what `save_own_variables` wrote."""
        shares = zip(self.members, np.asarray(store["shares"]).tolist(), strict=True)
        self.set({name: share for name, share in shares if share}, float(np.asarray(store["temperature"])))

    def _comparable(self, answers: Any, name: str) -> Any:
        """Normalised logits, or numbers, `(batch, answers)`."""
        if not self.classifies:
            return keras.ops.mean(answers, axis=1) if name == NET else answers
        if name != NET:
            return keras.ops.log_softmax(answers)
        return keras.ops.log(keras.ops.maximum(keras.ops.mean(keras.ops.softmax(answers), axis=1), _LEAST))
