"""How a compiled loss wants its labels: decided by the kind of loss, never by looking at the labels."""

from enum import StrEnum
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.preprocessing.signature import Task


class LabelEncoding(StrEnum):
    """What a plain function given as the loss receives for labels that are class numbers."""

    AUTO = "auto"  # one-hot float32 rows, so that it can subtract them from the probabilities
    INTEGER = "integer"  # the class numbers themselves


class LabelNeed(StrEnum):
    """The form of labels that a loss can work with."""

    NUMBERS = "numbers"  # class numbers
    ONE_HOT = "one_hot"  # one number per class
    EITHER = "either"


@keras.saving.register_keras_serializable(package="lepton_ai")
class HalfSquaredError(keras.losses.Loss):
    """Half the sum of squared errors of a row, the mean of it over rows: its slope by an answer is just the error.

    `compile(loss="half_squared_error")` makes one. Class numbers reach it as one-hot rows.

    Example:

        >>> float(HalfSquaredError()([[1.0, 0.0]], [[0.5, 0.5]]))
        0.25
    """

    def __init__(self, name: str = "half_squared_error", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        answers = keras.ops.convert_to_tensor(y_pred)
        error = answers - keras.ops.cast(y_true, answers.dtype)
        return 0.5 * keras.ops.sum(keras.ops.square(error), axis=-1)


def named_loss(loss: Any) -> Any:
    """A loss of ours by its name; anything else as it is."""
    return HalfSquaredError() if loss == "half_squared_error" else loss


def usual_loss(task: Task | None) -> str | None:
    """What a model is trained with where the user names no loss; None where nobody knows its task."""
    if task is Task.CLASSIFICATION:
        return "sparse_categorical_crossentropy"
    return "mean_squared_error" if task is Task.REGRESSION else None


def holds_class_numbers(labels: Any) -> bool:
    """Whether labels, as they reach a loss, are one whole number per row."""
    shape = getattr(labels, "shape", None)
    if shape is None or keras.backend.is_float_dtype(keras.backend.standardize_dtype(labels.dtype)):
        return False
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def checked_label_encoding(value: Any) -> LabelEncoding:
    """`label_encoding` as a member of `LabelEncoding`."""
    try:
        return LabelEncoding(value)
    except ValueError:
        raise InvalidInput(f"`label_encoding` must be 'auto' or 'integer', got label_encoding={value!r}") from None


def single_loss(loss: Any) -> Any:
    """The loss of a model with one output, taken out of the list or dictionary that Keras also allows."""
    flat = keras.tree.flatten(loss)
    return flat[0] if len(flat) == 1 else loss


def compares_one_hot(loss: Any) -> bool:
    """Whether class numbers reach it as one-hot rows: a user's plain function, or a loss of ours.

    A plain function is not a name, not a `Loss`, and not one of Keras' own functions.
    """
    if isinstance(loss, HalfSquaredError):
        return True
    return callable(loss) and not isinstance(loss, keras.losses.Loss | type) and not is_of_keras(loss)


def label_need(loss: Any) -> LabelNeed:
    """The form of labels for a classifier that this loss needs.

    Example:

        >>> label_need("sparse_categorical_crossentropy"), label_need("mse")
        (<LabelNeed.NUMBERS: 'numbers'>, <LabelNeed.ONE_HOT: 'one_hot'>)
    """
    name = loss_name(loss)
    if name in ("crossentropy", "ce"):  # Keras looks at the labels and takes the crossentropy that fits.
        return LabelNeed.EITHER
    if isinstance(loss, str) or is_of_keras(loss):
        return LabelNeed.NUMBERS if name.lower().startswith("sparse") else LabelNeed.ONE_HOT
    return LabelNeed.EITHER


def loss_name(loss: Any) -> str:
    """What to call a loss in a message."""
    if isinstance(loss, str):
        return loss
    return str(getattr(loss, "__name__", type(loss).__name__))


def is_class_loss(loss: Any) -> bool:
    """Whether a loss only makes sense for a classifier with one output per class."""
    name = loss_name(loss).lower().replace("_", "")
    return "categorical" in name and (isinstance(loss, str) or is_of_keras(loss))


def is_built_in(loss: Any) -> bool:
    """Whether a loss is Keras' own or ours, so that a number in it that is not finite comes from what it was given."""
    return isinstance(loss, str | HalfSquaredError) or is_of_keras(loss)


def takes_logits(loss: Any) -> bool:
    """Whether a loss was made with `from_logits=True`."""
    if not isinstance(loss, keras.losses.Loss) or not is_of_keras(loss):
        return False
    return bool(loss.get_config().get("from_logits"))


def is_of_keras(loss: Any) -> bool:
    """Whether a loss or a metric is Keras' own: a function, a class or an object of one."""
    owner = loss if hasattr(loss, "__module__") and hasattr(loss, "__name__") else type(loss)
    return str(getattr(owner, "__module__", "")).split(".")[0] == "keras"
