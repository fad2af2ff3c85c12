"""One fit: the recipe around Keras' own loop, undone if it fails, written down when it ends."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lepton_ai.platform.frameworks.architectures.registry import ARCHITECTURES
from lepton_ai.platform.frameworks.backend import keras, tf
from lepton_ai.platform.frameworks.callbacks import AveragedWeights, FirstEpoch, OneCycleRate
from lepton_ai.platform.frameworks.checks import check_count
from lepton_ai.platform.frameworks.data import Shift, evaluation_batches, training_batches
from lepton_ai.platform.frameworks.facts import TrainingFacts, fingerprint
from lepton_ai.platform.frameworks.intake import Intake, Rows, batches_in, is_stream
from lepton_ai.platform.frameworks.layers import Rescale, Standardize
from lepton_ai.platform.frameworks.recipe import Plan
from lepton_ai.platform.preprocessing.signature import Task

BATCH_SIZE = 32

_SAMPLE_ROWS = 100


@dataclass(frozen=True)
class Fit:
    """The user's wishes for one fit; the fields are `Model.fit`'s arguments.

    Raises:
        InvalidInput: A count is not a whole number, or too small.
    """

    batch_size: int | None
    epochs: int
    verbose: Any
    callbacks: Any
    validation_split: float
    validation_data: Any
    shuffle: Any
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None
    validation_freq: Any
    adaptive: bool

    def __post_init__(self) -> None:
        check_count(self.epochs, "epochs", least=0)
        check_count(self.initial_epoch, "initial_epoch", least=0)
        for name in ("batch_size", "steps_per_epoch", "validation_steps", "validation_batch_size"):
            if getattr(self, name) is not None:
                check_count(getattr(self, name), name)

    def run(self, model: Any, keras_fit: Callable[..., Any], intake: Intake | None, data: dict[str, Any]) -> Any:
        """Train.

        Args:
            model: The `Model` to train, compiled.
            keras_fit: Keras' own `fit` of that model.
            intake: What checks its data; None for a net whose data cannot be checked.
            data: `x`, `y`, `sample_weight` and `class_weight` as they came.

        Returns:
            Keras' `History`.
        """
        if intake is None or is_stream(data["x"]):
            return self._run_stream(model, keras_fit, intake, data)
        held_out_is_given = self.validation_data is not None
        rows, held_out = intake.training(**data, validation_split=0.0 if held_out_is_given else self.validation_split)
        if held_out_is_given and not is_stream(self.validation_data):
            held_out = intake.held_out(self.validation_data)
        model.forget()
        run = self._run_recipe if self.adaptive else self._run_plain
        return run(model, keras_fit, rows, held_out)

    def _run_recipe(self, model: Any, keras_fit: Callable[..., Any], rows: Rows, held_out: Rows | None) -> Any:
        plan = Plan(self.steps_per_epoch or self._steps_per_pass(rows), self.epochs)
        seed = _seed(model)
        shift = Shift(plan.shifts_until) if _may_shift(model) else None
        start_step = tf.Variable(self.initial_epoch * plan.steps_per_epoch, dtype=tf.int64, trainable=False)
        batches = training_batches(
            rows,
            steps_per_pass=self._steps_per_pass(rows),
            # A later fit with the same seed goes on to other orders.
            seed=seed * 1_000_003 + int(model.optimizer.iterations),
            shuffle=self.shuffle is True,
            start_step=start_step,
            shift=shift,
        )
        validation = self.validation_data
        if held_out is not None:
            size = self.validation_batch_size or self.batch_size or BATCH_SIZE
            validation = evaluation_batches(held_out, batch_size=size)
        scaled = _learn_scales(model, rows)
        recipe = _recipe(model, plan)
        history = _guarded(
            keras_fit,
            recipe,
            x=batches,
            shuffle=False,
            steps_per_epoch=plan.steps_per_epoch,
            validation_data=validation,
            **self._common([FirstEpoch(start_step, plan), *recipe]),
        )
        parts = {"standardized inputs": scaled, **{part.name: True for part in recipe}, "shift of one pixel": shift}
        self._remember(model, history, rows, tuple(name for name, is_on in parts.items() if is_on), seed)
        return history

    def _run_plain(self, model: Any, keras_fit: Callable[..., Any], rows: Rows, held_out: Rows | None) -> Any:
        history = keras_fit(
            x=rows.x,
            y=rows.y,
            sample_weight=rows.weights,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            steps_per_epoch=self.steps_per_epoch,
            validation_data=self.validation_data if held_out is None else held_out.as_tuple(),
            **self._common([]),
        )
        self._remember(model, history, rows, (), None)
        return history

    def _run_stream(
        self, model: Any, keras_fit: Callable[..., Any], intake: Intake | None, data: dict[str, Any]
    ) -> Any:
        """What cannot be checked goes to Keras as it is; rate and average come along if the steps can be counted."""
        validation = self.validation_data
        if intake is not None and validation is not None and not is_stream(validation):
            validation = intake.held_out(validation).as_tuple()
        steps = self.steps_per_epoch or batches_in(data["x"])
        recipe = _recipe(model, Plan(steps, self.epochs)) if self.adaptive and steps else []
        model.forget()
        history = _guarded(
            keras_fit,
            recipe,
            **data,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            steps_per_epoch=self.steps_per_epoch,
            validation_split=self.validation_split,
            validation_data=validation,
            **self._common(recipe),
        )
        self._remember(model, history, None, tuple(part.name for part in recipe), None)
        return history

    def _size(self, rows: Rows) -> int:
        if self.batch_size is not None:
            return self.batch_size
        return math.ceil(len(rows) / self.steps_per_epoch) if self.steps_per_epoch else BATCH_SIZE

    def _steps_per_pass(self, rows: Rows) -> int:
        return math.ceil(len(rows) / self._size(rows))

    def _common(self, ours: list[Any]) -> dict[str, Any]:
        """What Keras gets in every case. Our callbacks come first, so that the user's see what we put in place."""
        users = self.callbacks
        if isinstance(users, keras.callbacks.CallbackList):
            users = users.callbacks
        return {
            "callbacks": [*ours, *keras.tree.flatten(users if users is not None else [])],
            "epochs": self.epochs,
            "initial_epoch": self.initial_epoch,
            "verbose": self.verbose,
            "validation_steps": self.validation_steps,
            "validation_batch_size": self.validation_batch_size,
            "validation_freq": self.validation_freq,
        }

    def _remember(self, model: Any, history: Any, rows: Rows | None, recipe: tuple[str, ...], seed: int | None) -> None:
        steps = self.steps_per_epoch or (self._steps_per_pass(rows) if rows is not None else None)
        facts = TrainingFacts(
            rows=None if rows is None else len(rows),
            x_shape=None if rows is None else rows.x.shape[1:],
            y_shape=None if rows is None else rows.y.shape[1:],
            fingerprint=None if rows is None else fingerprint(rows.x, rows.y),
            epochs=len(history.epoch),
            steps=None if steps is None else steps * len(history.epoch),
            batch_size=self.batch_size if rows is None else self._size(rows),
            recipe=recipe,
            seed=seed,
            logs={name: float(values[-1]) for name, values in history.history.items() if values},
        )
        if rows is None:
            model.remember(facts, None)
            return
        # Spread over the rows, which may come sorted by class; a copy, so that the training set can be freed.
        picks = np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE_ROWS)).astype(int)
        model.remember(facts, rows.x[picks])


def _recipe(model: Any, plan: Plan) -> list[Any]:
    averages = plan.averages and not getattr(model.optimizer, "use_ema", False)
    return [OneCycleRate(plan), *([AveragedWeights()] if averages else [])]


def _guarded(keras_fit: Callable[..., Any], recipe: list[Any], **arguments: Any) -> Any:
    """Run Keras' loop; whatever ends it, the rate is the user's again and no weights are left swapped."""
    try:
        return keras_fit(**arguments)
    finally:
        for part in recipe:
            part.undo()


def _learn_scales(model: Any, rows: Rows) -> bool:
    """Learn the net's own scales at its first fit; later rows must meet the scale that the weights know.

    Returns:
        Whether the net scales its inputs.
    """
    inputs = [layer for layer in model.layers[1:2] if isinstance(layer, Standardize)]
    outputs = [layer for layer in model.layers[-1:] if isinstance(layer, Rescale)]
    for layer, values in (*((layer, rows.x) for layer in inputs), *((layer, rows.y) for layer in outputs)):
        if not layer.has_learned:
            layer.learn(values)
    return bool(inputs)


def _may_shift(model: Any) -> bool:
    architecture = ARCHITECTURES.get(model.architecture or "")
    return architecture is not None and architecture.shifts and model.task is Task.CLASSIFICATION


def _seed(model: Any) -> int:
    """What decides order and shifts: the model's seed, or one drawn from NumPy's generator, which Keras also seeds."""
    return model.seed if model.seed is not None else int(np.random.randint(2**31 - 1))
