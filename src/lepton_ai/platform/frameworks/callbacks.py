# ruff: noqa: ARG002  (Keras passes every argument by name)
"""The recipe's hands on Keras' training loop: the rate before each step, the average of the weights after it."""

import math
from typing import Any

import numpy as np

from lepton_ai.platform.frameworks.backend import keras, tf
from lepton_ai.platform.frameworks.recipe import STEPS_BETWEEN_AVERAGES, Plan, average_share


class FirstEpoch(keras.callbacks.Callback):
    """Tells the stream of batches the first epoch, which `BackupAndRestore` may have moved after fit was called."""

    def __init__(self, start_step: Any, plan: Plan) -> None:
        super().__init__()
        self._start_step: Any = start_step
        self._plan = plan

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._start_step is not None:
            self._start_step.assign(epoch * self._plan.steps_per_epoch)
            self._start_step = None


class OneCycleRate(keras.callbacks.Callback):
    """Sets the optimizer's rate before each step, and gives the user's back after each epoch.

    It steps aside where the rate is a schedule already, and from the moment another callback changes it.
    """

    name = "one-cycle rate"

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self._variable: Any = None
        self._users_rate = 0.0
        self._epoch_start = 0

    def on_train_begin(self, logs: Any = None) -> None:
        rate = self.model.optimizer.learning_rate
        if isinstance(rate, keras.Variable):
            self._variable = rate
            self._users_rate = float(rate)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch_start = epoch * self._plan.steps_per_epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._variable is None:
            return
        if batch == 0 and not math.isclose(float(self._variable), self._users_rate, rel_tol=1e-6):
            self._variable = None  # another callback steers
            return
        self._variable.assign(self._users_rate * self._plan.rate(self._epoch_start + batch))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        # Before the user's callbacks run: a checkpoint they save must hold the user's rate, not this step's.
        self.undo()

    def on_train_end(self, logs: Any = None) -> None:
        self._variable = None  # what a callback made of the rate after the last epoch stays

    def undo(self) -> None:
        """Put the user's rate back."""
        if self._variable is not None:
            self._variable.assign(self._users_rate)


class AveragedWeights(keras.callbacks.Callback):
    """Keeps a running average of the weights: it is what validates, what callbacks see between epochs, and what stays.

    Training itself goes on from the raw weights.
    """

    name = "averaged weights"

    def __init__(self) -> None:
        super().__init__()
        self._pairs: list[tuple[Any, Any]] = []  # each weight and its average
        self._raw: list[Any] | None = None  # the raw weights while the averages are in their place
        self._updates = 0
        self._last_step = 0
        self._update: Any = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._put_raw_back(keep_changes=True)
        self._last_step = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if not self._pairs:
            self._begin()
        if batch - self._last_step >= STEPS_BETWEEN_AVERAGES:
            self._take_in(batch)

    def on_test_begin(self, logs: Any = None) -> None:
        self._put_averages_in()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._put_averages_in()

    def on_train_end(self, logs: Any = None) -> None:
        self._raw = None  # the averages stay

    def undo(self) -> None:
        """Put the raw weights back where training ended in an error."""
        self._put_raw_back(keep_changes=False)

    def _begin(self) -> None:
        weights = [weight for weight in self.model.weights if keras.backend.is_float_dtype(weight.dtype)]
        self._pairs = [(weight, tf.Variable(weight.value, trainable=False)) for weight in weights]

        def update(share: Any) -> None:
            for weight, average in self._pairs:
                average.assign_sub(tf.cast(share, average.dtype) * (average - weight.value))

        self._update = tf.function(update)

    def _take_in(self, step: int) -> None:
        self._update(tf.constant(average_share(self._updates, step - self._last_step), tf.float32))
        self._updates += 1
        self._last_step = step

    def _put_averages_in(self) -> None:
        if self._raw is not None or not self._pairs:
            return
        self._take_in(self._last_step + STEPS_BETWEEN_AVERAGES)
        self._raw = [weight.numpy() for weight, _ in self._pairs]
        for weight, average in self._pairs:
            weight.assign(average)

    def _put_raw_back(self, *, keep_changes: bool) -> None:
        if self._raw is None:
            return
        for (weight, average), raw in zip(self._pairs, self._raw, strict=True):
            if keep_changes and not np.array_equal(weight.numpy(), average.numpy()):
                average.assign(weight.value)  # a callback set weights between epochs: go on from those
            else:
                weight.assign(raw)
        self._raw = None
