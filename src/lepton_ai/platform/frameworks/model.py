"""`Model`: a functional Keras model that builds its own net, checks its data, and trains by a good recipe."""

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.adaptive.log import DecisionLog
from lepton_ai.platform.frameworks.architectures.registry import build, choose
from lepton_ai.platform.frameworks.augmentation import Augmentation
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.callbacks import checked_callbacks
from lepton_ai.platform.frameworks.checks import check_count
from lepton_ai.platform.frameworks.compiling import (
    Metrics,
    check_loss,
    check_optimizer,
    compiling,
    given_to_compile,
    try_function,
)
from lepton_ai.platform.frameworks.data import evaluation_batches, plain_batches
from lepton_ai.platform.frameworks.device import precision_for
from lepton_ai.platform.frameworks.facts import Memory
from lepton_ai.platform.frameworks.intake import Intake
from lepton_ai.platform.frameworks.keras_errors import keras_errors
from lepton_ai.platform.frameworks.losses import (
    LabelEncoding,
    checked_label_encoding,
    compares_one_hot,
    holds_class_numbers,
    is_class_loss,
    loss_name,
    named_loss,
    single_loss,
    takes_logits,
    usual_loss,
)
from lepton_ai.platform.frameworks.measured import MeasuredModel
from lepton_ai.platform.frameworks.precision import gpus, training_precision
from lepton_ai.platform.frameworks.specification import (
    FUNCTIONAL_SIGNATURE,
    SIGNATURE,
    Specification,
    bound,
    checked_name,
    checked_num_classes,
    checked_row_shape,
    checked_seed,
    checked_task,
    is_functional,
    of_schema,
)
from lepton_ai.platform.frameworks.streams import is_stream
from lepton_ai.platform.frameworks.table_intake import TableIntake
from lepton_ai.platform.frameworks.tables.blend_layer import Blend
from lepton_ai.platform.frameworks.training import BATCH_SIZE, Fit
from lepton_ai.platform.preprocessing.preprocessing import Preprocessing
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.signature import Task


@keras.saving.register_keras_serializable(package="lepton_ai", name="frameworks.Model")
class Model(MeasuredModel):
    """A Keras model from the shape of a row and the number of classes; everything Keras users know works on it.

    Args:
        input_shape: The shape of one row: `(height, width, channels)` for images, `(time, features)` for series,
            `(columns,)` for numbers.
        num_classes: How many classes to tell apart. None means regression: one number per row.
        schema: Instead of both, the columns of a table with its target, such as `Schema.infer(frame, target="income")`;
            `fit`, `evaluate` and `predict` then take tables.
        task: "classification" or "regression"; follows from `num_classes` or the schema if left out.
        architecture: "image", "series", "table" or "text"; "auto" takes the one for the shape or the schema.
        seed: Makes initial weights, order of rows and augmentation reproducible.
        name: Keras' name of the model.

    `Model(inputs=..., outputs=...)` takes a net of your own, as `keras.Model` does; `task` and `seed` go with it.

    Classifiers answer one probability per class, whatever the loss. Labels may be class numbers `(batch,)` or
    `(batch, 1)`, or one-hot rows `(batch, classes)`. A loss written as a plain function gets class numbers as one-hot
    float32 rows (`compile(label_encoding="integer")` passes them as they are); built-in losses and `Loss` objects get
    what Keras gives them.

    Arrays and lists are checked before Keras sees them, and of a generator the first batch. `tf.data` sets and
    `PyDataset`s pass to Keras as they are, as does everything for a net with several inputs or outputs; what Keras
    refuses is told as `InvalidInput`. What your own callback, generator or data set raises comes through as it is.

    Raises:
        InvalidInput: An argument is wrong; the message says what was expected.

    Example:

        >>> import numpy as np
        >>> model = Model(input_shape=(4,), num_classes=3, seed=0)
        >>> history = model.fit(np.eye(4), [0, 1, 2, 2], epochs=1, verbose=0)
        >>> model.predict(np.eye(4), verbose=0).shape
        (4, 3)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Keras takes a class for functional, and so rebuilds it from inputs and outputs, if it has just this signature.
        if is_functional(args, kwargs):
            values = bound(FUNCTIONAL_SIGNATURE, args, kwargs)
            checked_name(values["name"])
            task, architecture, seed = checked_task(values.pop("task")), None, checked_seed(values.pop("seed"))
            schema = None
            with keras_errors("Keras must be able to build a model of `inputs` and `outputs`"):
                super().__init__(**values)
            if task is Task.CLASSIFICATION and not (self._has_one_answer and self.output_shape[-1] > 1):
                raise InvalidInput(
                    f"task='classification' needs one output per class, got output shape {self.output_shape}",
                    hint="End the net in Dense(num_classes, activation='softmax').",
                )
        else:
            values = bound(SIGNATURE, args, kwargs)
            checked_name(values["name"])
            task, seed = checked_task(values["task"]), checked_seed(values["seed"])
            schema = values["schema"]
            if schema is None:
                row_shape = checked_row_shape(values["input_shape"])
                num_classes = checked_num_classes(values["num_classes"], task)
                wanted = Specification(row_shape, num_classes, choose(row_shape, values["architecture"]).name, seed)
            else:
                wanted = of_schema(schema, values, seed)
                choose(wanted.row_shape, wanted.architecture)
            inputs, outputs = build(wanted)
            task = Task.CLASSIFICATION if wanted.num_classes else Task.REGRESSION
            architecture = wanted.architecture
            with keras_errors(f"architecture {architecture!r} must build a net from its rows"):
                super().__init__(inputs=inputs, outputs=outputs, name=values["name"])
        self._task = task
        self._architecture = architecture
        self._seed = seed
        self._schema: Schema | None = schema
        self._preprocessing: Preprocessing | None = None  # learned at the first fit
        self._label_encoding = LabelEncoding.AUTO
        # Keras' own `compiled` is true also for a loaded model whose compile arguments could not be found.
        self._was_compiled = False
        self._metrics_given = Metrics()
        self._is_free = False  # compiled by us, so that batch size, rate and epochs are ours to choose too
        self._intake: Intake | TableIntake | None = None
        self._memory = Memory()

    # What it is

    @property
    def task(self) -> Task | None:
        """What it answers; None for a net of the user's own whose last layer and loss do not tell."""
        if self._task is not None or not self._has_one_answer:
            return self._task
        last = self.layers[-1]
        activation = getattr(last, "activation", None)
        tells = activation is keras.activations.softmax or isinstance(last, keras.layers.Softmax)
        return Task.CLASSIFICATION if self.output_shape[-1] > 1 and (tells or is_class_loss(self._loss)) else None

    @property
    def architecture(self) -> str | None:
        """The name of its architecture; None for a net of the user's own."""
        return self._architecture

    @property
    def seed(self) -> int | None:
        """The seed it was made with."""
        return self._seed

    @property
    def schema(self) -> Schema | None:
        """The columns of its tables; None for a model of plain numbers."""
        return self._schema

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What turns rows of its schema into numbers; None before the first fit, and without a schema."""
        return self._preprocessing

    @property
    def labels(self) -> tuple[int | str, ...] | None:
        """What its classes are called, in the order of its answers; None where only their numbers are known."""
        target = None if self._schema is None else self._schema.target
        return target.labels if target is not None and self.task is Task.CLASSIFICATION else None

    def try_functions(self, labels: NDArray[Any], *, weighted: bool) -> None:
        """Run a loss and metrics of the user's own on symbols before any training; `fit` calls it.

        Args:
            labels: Checked labels.
            weighted: Whether rows have weights, which needs a loss for each.

        Raises:
            InvalidInput: One raises something, or returns anything but a number, or one for each row.
        """
        width = int(self.output_shape[-1])
        # Keras passes labels of one axis on with two, beside answers that have two.
        as_they_are = keras.KerasTensor((None, *(labels.shape[1:] or (1,))), str(labels.dtype))
        one_hot = self._loss_wants_one_hot and holds_class_numbers(labels)
        seen_by_loss = keras.KerasTensor((None, width), "float32") if one_hot else as_they_are
        one_axis = weighted or isinstance(self.layers[-1], Blend)
        try_function(self._loss, "loss", seen_by_loss, width, one_axis=one_axis)
        for metric in self._metrics_given.each:
            try_function(metric, "metric", as_they_are, width)

    # Keras' verbs, on checked data

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        *args: Any,
        label_encoding: LabelEncoding | str = LabelEncoding.AUTO,
        **kwargs: Any,
    ) -> None:
        """As in Keras; a loss left out is the task's usual one.

        Args:
            optimizer: As in Keras.
            loss: As in Keras, or "half_squared_error".
            args: Keras' further arguments.
            label_encoding: What a plain function as the loss gets for class numbers: "auto" for one-hot float32 rows,
                "integer" for the numbers.
            kwargs: Keras' further arguments.
        """
        self._label_encoding = checked_label_encoding(label_encoding)
        if loss is None and self._has_one_answer:
            loss = usual_loss(self.task)
        check_optimizer(optimizer)
        loss = named_loss(loss)
        single = single_loss(loss)
        check_loss(single)
        if self._architecture and self.task is Task.CLASSIFICATION and takes_logits(single):
            raise InvalidInput(
                f"`loss` must take probabilities, got {type(single).__name__}(from_logits=True)",
                hint="Leave from_logits out: the model's last layer is a softmax.",
            )
        with compiling():
            given = given_to_compile(self, optimizer, loss, *args, **kwargs)
            self._metrics_given = Metrics.of(given.get("metrics"), given.get("weighted_metrics"))
            super().compile(optimizer, loss, *args, **kwargs)
        self._was_compiled = True
        self._is_free = False
        self._intake = None

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        *,
        adaptive: bool = True,
        budget: str | float | None = None,
        plan: DecisionLog | None = None,
        select_on_validation: bool = False,
        augmentation: Augmentation | str | None = "auto",
    ) -> Any:
        """Train; adaptively, or as plain Keras does.

        Adaptive training uses the user's optimizer, loss and batch size as they are, and spends the budget well: layers
        learn their scales from the training rows (at the first fit), a short race finds the learning rate, which then
        falls to zero at the end, weights are averaged, images are moved a little and more where the net begins to know
        its rows by heart, and training that breaks goes back to its last good weights. `log` tells what was decided.

        Choices are made by rows held back from the training rows, which join them later on. Validation data are
        reported and decide nothing; they are evaluated on the averaged weights. Afterwards the averaged weights stay,
        and the rate is the user's again. The steps of a race count, and what is reported of its epoch has them in it.

        Args:
            x: Rows `(batch, *row_shape)`; images may leave out a channel axis of one. Or a stream of batches.
            y: Labels, see `Model`, or targets `(batch,)`.
            batch_size: The most rows in a batch; if left out 32, or what suits the rows where `compile` was left out.
            epochs: The epoch to stop before, which is the budget; if left out 1, or what suits the rows where
                `compile` was left out.
            verbose: As in Keras.
            callbacks: As in Keras. Between epochs they see the averaged weights and the user's rate.
            validation_split: The share of rows, from the end, to hold out.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, or a stream.
            shuffle: Whether each pass over the rows has an order of its own.
            class_weight: A dictionary of class number to weight.
            sample_weight: One weight per row.
            initial_epoch: The epoch to begin at. There is no race in a fit that begins later.
            steps_per_epoch: Batches in an epoch; the next epoch goes on where this one ends.
            validation_steps: As in Keras.
            validation_batch_size: As in Keras.
            validation_freq: As in Keras.
            adaptive: False is plain Keras on the checked arrays: constant rate, no scaling, averaging or augmentation.
            budget: Wall time instead of epochs, such as "3m" or seconds.
            plan: The log of another fit on the same data, to take its decisions instead of making them.
            select_on_validation: Whether choices are made by the validation data, and all rows trained on throughout.
                What is reported on them is too good then.
            augmentation: "auto" for what suits the architecture, None for none, or a function of one's own:
                `(rows, strength, seed)` to rows, in TensorFlow, see `Augmentation`.

        Returns:
            Keras' `History`.

        Raises:
            InvalidInput: The data are wrong, before anything is trained.
        """
        self._compile_if_needed()
        fit = Fit(
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
            adaptive=adaptive,
            budget=budget,
            plan=plan,
            select_on_validation=select_on_validation,
            augmentation=augmentation,
            is_free=self._is_free,
        )
        data = {"x": x, "y": y, "sample_weight": sample_weight, "class_weight": class_weight}
        with training_precision(self, precision_for(gpus())), self._told("fit"):
            return fit.run(self, super().fit, self._intake_if_any, data)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """As in Keras. The metrics are remembered and go into the artifact.

        Raises:
            InvalidInput: The data are wrong.
        """
        if kwargs.get("_use_cached_eval_dataset"):  # Keras' own call within fit
            return super().evaluate(
                x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict=return_dict, **kwargs
            )
        self._compile_if_needed()
        data = {"x": x, "y": y, "sample_weight": sample_weight, "batch_size": batch_size}
        if self._is_checked and not is_stream(x):
            rows = self._checked.labelled(x, y, sample_weight)
            data = {"x": evaluation_batches(rows, batch_size=_size(batch_size, steps, len(rows)))}
        kwargs |= {"verbose": verbose, "steps": steps, "callbacks": checked_callbacks(callbacks), "return_dict": True}
        with self._told("evaluate"):
            logs = super().evaluate(**data, **kwargs)
        self._memory = replace(self._memory, evaluation={name: float(value) for name, value in logs.items()})
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """As in Keras: `(batch, classes)` probabilities, or `(batch, 1)` numbers.

        Raises:
            InvalidInput: The data are wrong.
        """
        if self._is_checked and not is_stream(x):
            rows = self._checked.rows(x)
            x, batch_size = plain_batches(rows, batch_size=_size(batch_size, steps, len(rows))), None
        with self._told("predict"):
            return super().predict(x, batch_size, verbose, steps, checked_callbacks(callbacks))

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """As in Keras: one plain step, without the recipe."""
        self._compile_if_needed()
        self.forget()
        if self._is_checked:
            x, y, sample_weight = self._checked.labelled(x, y, sample_weight, class_weight).as_tuple()
            class_weight = None
        with self._told("train_on_batch"):
            return super().train_on_batch(x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """As in Keras."""
        self._compile_if_needed()
        if self._is_checked:
            x, y, sample_weight = self._checked.labelled(x, y, sample_weight).as_tuple()
        with self._told("test_on_batch"):
            return super().test_on_batch(x, y, sample_weight, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """As in Keras."""
        with self._told("predict_on_batch"):
            return super().predict_on_batch(self._checked.rows(x) if self._is_checked else x)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """As in Keras, but a plain function sees class numbers as one-hot rows, and packed nets have a loss each."""
        if training and isinstance(self.layers[-1], Blend):
            return self.layers[-1].loss_of_nets(
                lambda labels, answers, weights: self._loss_of(x, labels, answers, weights), y, sample_weight
            )
        return self._loss_of(x, y, y_pred, self._weights_of_rows(sample_weight), training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """As in Keras; a weight for each packed net counts with its mean."""
        return super().compute_metrics(x, y, y_pred, self._weights_of_rows(sample_weight))

    # Inside

    def _weights_of_rows(self, weights: Any) -> Any:
        """One weight for each row, also where each packed net has its own, `(batch, nets)`."""
        if weights is None or len(weights.shape) < 2 or not isinstance(self.layers[-1], Blend):
            return weights
        return keras.ops.mean(weights, axis=1)

    def _loss_of(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool = True) -> Any:
        if self._loss_wants_one_hot and holds_class_numbers(y):
            classes = y_pred.shape[-1]
            numbers = keras.ops.reshape(y, (-1,))
            y = keras.ops.one_hot(numbers, classes, dtype="float32")
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    @property
    def _loss(self) -> Any:
        return single_loss(self.loss) if self._was_compiled else None

    @property
    def _loss_wants_one_hot(self) -> bool:
        return (
            self._label_encoding is LabelEncoding.AUTO
            and self.task is Task.CLASSIFICATION
            and compares_one_hot(self._loss)
        )

    @property
    def _has_one_answer(self) -> bool:
        """Whether it answers one vector of known width per row."""
        return len(self.outputs) == 1 and len(self.outputs[0].shape) == 2 and self.outputs[0].shape[1] is not None

    @property
    def _is_checked(self) -> bool:
        """Whether its data can be checked: one input of known shape and of real numbers, one answer."""
        if len(self.inputs) != 1 or not self._has_one_answer or isinstance(self.input, dict):
            return False
        rows = self.inputs[0]
        return len(rows.shape) > 1 and None not in rows.shape[1:] and keras.backend.is_float_dtype(rows.dtype)

    @property
    def _intake_if_any(self) -> Intake | TableIntake | None:
        return self._checked if self._is_checked else None

    @property
    def _checked(self) -> Intake | TableIntake:
        if self._intake is None:
            task = self.task
            classifies = None if task is None else task is Task.CLASSIFICATION
            numbers = Intake(
                tuple(self.input_shape[1:]), self.output_shape[-1], classifies, self._loss, self._metrics_given.each
            )
            self._intake = numbers
            if self._schema is not None:
                self._intake = TableIntake(self._schema, self._preprocessing, self._learned, numbers)
        return self._intake

    def _told(self, verb: str) -> AbstractContextManager[None]:
        """What Keras says when it fails, told with the loss and the metrics that it was at."""
        loss_and_metrics = (*keras.tree.flatten(self._loss), *self._metrics_given.each)
        named = ", ".join(repr(loss_name(each)) for each in loss_and_metrics if each is not None)
        hint = f"Does each of {named} take labels and answers of this model?" if named else None
        return keras_errors(f"Keras must be able to {verb} with what it was given", hint=hint)

    def _learned(self, preprocessing: Preprocessing) -> None:
        self._preprocessing = preprocessing

    def _compile_if_needed(self) -> None:
        if not self._was_compiled:
            metrics = ["accuracy"] if self.task is Task.CLASSIFICATION else ["mae"]
            self.compile(keras.optimizers.Adam(1e-3), metrics=metrics)
            self._is_free = True


Model.__signature__ = SIGNATURE


def _size(batch_size: int | None, steps: int | None, rows: int) -> int:
    if batch_size is not None:
        return check_count(batch_size, "batch_size")
    return -(-rows // check_count(steps, "steps")) if steps is not None else BATCH_SIZE
