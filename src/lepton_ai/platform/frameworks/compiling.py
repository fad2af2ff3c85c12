"""Checks of what a user compiles a model with: optimizer, loss and metrics; tried out before any row is trained on."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.keras_errors import keras_errors, user_errors
from lepton_ai.platform.frameworks.losses import LabelNeed, is_built_in, is_of_keras, loss_name
from lepton_ai.platform.preprocessing.column import alike


def check_optimizer(optimizer: Any) -> None:
    """Refuse what is no optimizer, and one whose learning rate leads nowhere.

    Raises:
        InvalidInput: It is a class, a misspelt name or something else, or its rate is negative or not finite.
    """
    if isinstance(optimizer, type) and issubclass(optimizer, keras.optimizers.Optimizer):
        raise InvalidInput(
            f"`optimizer` must be an optimizer, got the class {optimizer.__name__}",
            hint=f"Write keras.optimizers.{optimizer.__name__}().",
        )
    names = [name.lower() for name, each in vars(keras.optimizers).items() if isinstance(each, type)]
    if isinstance(optimizer, str) and not _is_known(keras.optimizers.get, optimizer):
        raise InvalidInput(
            f"`optimizer` must be one of Keras' optimizers, got {optimizer!r}{alike(optimizer.lower(), names)}",
            hint='Write compile("adam"), or compile(keras.optimizers.Adam(1e-3)).',
        )
    if not isinstance(optimizer, str | Mapping | keras.optimizers.Optimizer):
        raise InvalidInput(
            f"`optimizer` must be an optimizer or the name of one, got {type(optimizer).__name__}",
            hint='Write compile("adam"), or compile(keras.optimizers.Adam(1e-3)).',
        )
    rate = getattr(optimizer, "learning_rate", None)
    if isinstance(rate, keras.Variable) and not 0 <= float(rate) < math.inf:
        raise InvalidInput(
            f"the learning rate of `optimizer` must be 0 or more, got {float(rate):g}",
            hint="Write keras.optimizers.Adam(1e-3).",
        )


def check_loss(loss: Any) -> None:
    """Refuse a loss that Keras does not know.

    Raises:
        InvalidInput: It is a misspelt name, or neither a function nor a `Loss`.
    """
    if isinstance(loss, str):
        names = [name for name in vars(keras.losses) if not name.startswith("_")]
        if loss not in ("crossentropy", "ce") and not _is_known(keras.losses.get, loss):
            raise InvalidInput(
                f"`loss` must be one of Keras' losses or 'half_squared_error', got {loss!r}{alike(loss, names)}",
                hint="Leave it out for the task's usual one.",
            )
    elif loss is not None and not callable(loss) and not isinstance(loss, Mapping | list | tuple):
        raise InvalidInput(
            f"`loss` must be a name, a function or a Loss, got {type(loss).__name__}",
            hint="A function takes (y_true, y_pred) and returns one number per row.",
        )


@dataclass(frozen=True)
class Metrics:
    """The metrics that a user gave, in a box: Keras takes what stands in a list of a model for a part of it.

    Args:
        each: One after the other.
    """

    each: tuple[Any, ...] = ()

    @classmethod
    def of(cls, *given: Any) -> Self:
        """Of metrics as Keras allows them, in lists and dictionaries.

        Raises:
            InvalidInput: They are no list, or one is a misspelt name, or neither a function nor a `Metric`.
        """
        for metrics in given:
            _check_metrics(metrics)
        return cls(tuple(each for metrics in given for each in _listed(metrics)))


def metric_need(metric: Any) -> LabelNeed:
    """The form of a classifier's labels that a metric of Keras can compare; either for a function of the user's own.

    Example:

        >>> metric_need("accuracy").value, metric_need(keras.metrics.AUC()).value
        ('either', 'one_hot')
        >>> metric_need("sparse_categorical_accuracy").value
        'numbers'
    """
    if isinstance(metric, str) and metric in _EITHER:
        return LabelNeed.EITHER
    if not isinstance(metric, str) and not is_of_keras(metric):
        return LabelNeed.EITHER
    name = (metric if isinstance(metric, str) else type(metric).__name__).lower()
    if isinstance(metric, type):
        name = metric.__name__.lower()
    if name.startswith("sparse"):
        return LabelNeed.NUMBERS
    return LabelNeed.EITHER if name in _UNJUDGED else LabelNeed.ONE_HOT


def try_function(function: Any, role: str, labels: Any, width: int, *, one_axis: bool = False) -> None:
    """Run a user's loss or metric on symbols, as Keras will, and look at what it returns.

    Args:
        function: A plain function or a `Loss` of the user's own; what is Keras' is known to work.
        role: "loss" or "metric".
        labels: The labels as they reach it, a Keras tensor.
        width: How many numbers the model answers for a row.
        one_axis: Whether several numbers for a row are wrong, because rows have weights; else Keras takes their mean.

    Raises:
        InvalidInput: It raises something, or returns anything but a number, or one for each row.
    """
    if is_built_in(function) or isinstance(function, type | keras.metrics.Metric) or not callable(function):
        return
    name, call = loss_name(function), function.call if isinstance(function, keras.losses.Loss) else function
    answers = keras.KerasTensor((None, width))
    with user_errors(
        f"the {role} {name!r} must make one number per row of labels {labels.shape} and answers {answers.shape}",
        hint=f"A {role} is a function of (y_true, y_pred) in the operations of keras.ops or tf.",
    ):
        value = _Called(call)(labels, answers)
    shape = getattr(value, "shape", None)
    is_number = isinstance(value, keras.KerasTensor) and "float" in str(value.dtype)
    if not is_number or (shape and (shape[0] is not None or (one_axis and len(shape) > 1))):
        came = type(value).__name__ if shape is None else f"{value.dtype} of shape {tuple(shape)}"
        raise InvalidInput(
            f"the {role} {name!r} must return one float per row, (batch,), or one for all, got {came}",
            hint="Take the mean over the last axis: keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1).",
        )


def compiling() -> Any:
    """Run Keras' own `compile`, whose errors become ours."""
    return keras_errors(
        "`compile` must get arguments that Keras takes", hint="help(keras.Model.compile) explains each."
    )


def _check_metrics(metrics: Any) -> None:
    if isinstance(metrics, str):
        raise InvalidInput(f"`metrics` must be a list, got {metrics!r}", hint=f"Write metrics=[{metrics!r}].")
    for metric in _listed(metrics):
        if isinstance(metric, str) and metric not in _EITHER and not _is_known(keras.metrics.get, metric):
            names = [*_EITHER, *(name for name in vars(keras.metrics) if not name.startswith("_"))]
            raise InvalidInput(
                f"`metrics` must be metrics of Keras, got {metric!r}{alike(metric, names)}",
                hint="Write metrics=['accuracy'].",
            )
        if not isinstance(metric, str) and not callable(metric):
            raise InvalidInput(
                f"`metrics` must be names, functions or Metrics, got {type(metric).__name__}",
                hint="Write metrics=['accuracy'].",
            )


def _is_known(get: Callable[[str], Any], name: str) -> bool:
    try:
        return get(name) is not None
    except ValueError:
        return False


def _listed(metrics: Any) -> list[Any]:
    return [] if metrics is None else [each for each in keras.tree.flatten(metrics) if each is not None]


def given_to_compile(*args: Any, **kwargs: Any) -> Mapping[str, Any]:
    """The arguments of Keras' `compile` by name.

    Raises:
        InvalidInput: One has a name that Keras does not know, or there are too many.
    """
    try:
        return _COMPILE.bind_partial(*args, **kwargs).arguments
    except TypeError as error:
        raise InvalidInput(f"compile{_COMPILE}: {error}", hint="help(keras.Model.compile) explains each.") from None


class _Called(keras.layers.Layer):
    """A function as a layer: Keras runs it on symbols then, on any backend."""

    def __init__(self, function: Any) -> None:
        super().__init__(name="loss")
        self._function = function

    def call(self, labels: Any, answers: Any) -> Any:
        return self._function(labels, answers)


_COMPILE = inspect.signature(keras.Model.compile)
# Keras makes these of what the labels look like.
_EITHER = ("accuracy", "acc", "crossentropy", "ce")
# They say by an argument what they compare, or compare nothing.
_UNJUDGED = ("mean", "sum", "meanmetricwrapper", "iou", "meaniou", "binaryiou", "onehotiou", "onehotmeaniou", "metric")
