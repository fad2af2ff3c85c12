"""Checks that bring a user's arrays to one shape and one type before Keras sees them; NumPy only."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.signature import check_rows, refuse_masked, unreadable

__all__ = [
    "check_class_labels",
    "check_class_weights",
    "check_count",
    "check_one_label_form",
    "check_row_weights",
    "check_rows",
    "check_same_length",
    "check_targets",
    "check_validation_split",
]

_WEIGHTS_HINT = "A row that is not to count weighs 0; the more a row is to count, the larger its weight."
_LARGEST = float(np.finfo(np.float32).max)


def check_class_labels(values: Any, num_classes: int, *, field: str = "y") -> NDArray[Any]:
    """Labels of a classifier as class numbers `(batch,)` int32 or as one number per class `(batch, classes)` float32.

    Args:
        values: Whole numbers from 0 to `num_classes - 1`, `(batch,)` or `(batch, 1)`, of any numeric type; or one-hot
            or soft labels `(batch, num_classes)`.
        num_classes: How many classes the model knows.
        field: The name to use in messages.

    Raises:
        InvalidInput: Anything else.

    Example:

        >>> check_class_labels([[3.0], [0.0]], 10)
        array([3, 0], dtype=int32)
    """
    array = _numbers(values, field, hint="Number the classes: classes, y = np.unique(names, return_inverse=True).")
    if array.ndim == 2 and array.shape[1] == num_classes:
        return _floats(array, field)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InvalidInput(
            f"`{field}` must have shape (batch,), (batch, 1) or (batch, {num_classes}), got {array.shape}",
            hint=f"Give one class number per row, or one-hot rows of {num_classes}.",
        )
    return _class_numbers(_finite(array, field), num_classes, field)


def check_one_label_form(labels: NDArray[Any], *, one_hot: bool, num_classes: int, field: str = "y") -> NDArray[Any]:
    """Checked labels in the form asked for: one-hot rows or class numbers.

    Raises:
        InvalidInput: Soft labels, which no class number can express, where class numbers are needed.

    Example:

        >>> check_one_label_form(np.array([1]), one_hot=True, num_classes=3)
        array([[0., 1., 0.]], dtype=float32)
    """
    if one_hot:
        return labels if labels.ndim == 2 else np.eye(num_classes, dtype=np.float32)[labels]
    if labels.ndim == 1:
        return labels
    exact = ((labels == 0) | (labels == 1)).all(axis=1) & (labels.sum(axis=1) == 1)
    if not exact.all():
        position = int(np.argmin(exact))
        raise InvalidInput(
            f"`{field}` must hold class numbers or one-hot rows, "
            f"got {labels[position].tolist()} at position {position}",
            hint="Soft labels need a loss that compares one number per class, such as 'categorical_crossentropy'.",
        )
    return labels.argmax(axis=1).astype(np.int32)


def check_targets(values: Any, width: int, *, strict: bool = True, field: str = "y") -> NDArray[Any]:
    """Targets of a regression as `(batch, width)` float32.

    Args:
        values: Numbers `(batch, width)`, or `(batch,)` where the width is 1.
        width: How many numbers the model answers for a row.
        strict: Whether other shapes are wrong. A net that the user built may have a loss that takes something else.
        field: The name to use in messages.

    Raises:
        InvalidInput: Not numbers, not finite, or the wrong shape.

    Example:

        >>> check_targets([1, 2], 1)
        array([[1.],
               [2.]], dtype=float32)
    """
    array = _numbers(values, field, hint="Give one number per row.")
    _floats(array, field)
    if array.ndim == 1 and width == 1:
        array = array[:, np.newaxis]
    if array.ndim == 2 and array.shape[1] == width:
        return array.astype(np.float32)
    if strict:
        wanted = "(batch,) or (batch, 1)" if width == 1 else f"(batch, {width})"
        raise InvalidInput(
            f"`{field}` must have shape {wanted}, got {array.shape}", hint=f"The model answers {width} per row."
        )
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def check_same_length(rows: NDArray[Any], others: NDArray[Any], *, rows_field: str = "x", field: str = "y") -> None:
    """Refuse arrays that disagree on the number of rows."""
    if len(rows) != len(others):
        raise InvalidInput(
            f"`{rows_field}` and `{field}` must have as many rows, got {len(rows)} and {len(others)}",
            hint="Each row needs exactly one label; look for a filter that was applied to one of them only.",
        )


def check_row_weights(values: Any, *, field: str = "sample_weight") -> NDArray[np.float32]:
    """One weight per row as `(batch,)` float32: 0 or more, and more for some row."""
    array = _floats(_numbers(values, field, hint="Give one number per row."), field, hint=_WEIGHTS_HINT)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InvalidInput(f"`{field}` must have shape (batch,), got {array.shape}", hint="Give one number per row.")
    if (array < 0).any():
        position = int(np.argmax(array < 0))
        raise InvalidInput(
            f"`{field}` must hold weights of 0 or more, got {array[position]:g} at position {position}",
            hint=_WEIGHTS_HINT,
        )
    _refuse_no_weight(array, field)
    return array


def check_class_weights(weights: Any, labels: NDArray[Any], num_classes: int) -> NDArray[np.float32]:
    """A weight for each row from a weight for each class; classes left out weigh 1.

    Args:
        weights: What the user gave.
        labels: Checked labels.
        num_classes: How many classes there are.

    Example:

        >>> check_class_weights({1: 3.0}, np.array([0, 1, 1]), 2)
        array([1., 3., 3.], dtype=float32)
    """
    numbers = labels.argmax(axis=1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.reshape(-1).astype(np.int64)
    if not isinstance(weights, Mapping):
        raise InvalidInput(
            f"`class_weight` must be a dictionary of class number to weight, got {type(weights).__name__}",
            hint="Write class_weight={0: 1.0, 1: 5.0}.",
        )
    by_row = np.ones(len(numbers), np.float32)
    for number, weight in weights.items():
        is_class = isinstance(number, int | np.integer) and not isinstance(number, bool) and 0 <= number < num_classes
        if not is_class or isinstance(weight, bool) or not _is_finite_number(weight) or not 0 <= weight <= _LARGEST:
            raise InvalidInput(
                f"`class_weight` must map class numbers from 0 to {num_classes - 1} to numbers of 0 or more, "
                f"got {number!r}: {weight!r}",
                hint="Write class_weight={0: 1.0, 1: 5.0}.",
            )
        by_row[numbers == number] = weight
    _refuse_no_weight(by_row, "class_weight")
    return by_row


def check_count(value: Any, field: str, *, least: int = 1) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InvalidInput(f"`{field}` must be a whole number of {least} or more, got {field}={value!r}")
    return int(value)


def check_validation_split(share: Any, rows: int) -> int:
    """How many of the first rows stay for training when `share` of them, the last ones, are held out.

    Example:

        >>> check_validation_split(0.2, 10)
        8
    """
    if isinstance(share, bool) or not _is_finite_number(share) or not 0 <= share < 1:
        raise InvalidInput(f"`validation_split` must be from 0 to below 1, got validation_split={share!r}")
    kept = int(rows * (1 - share))
    if kept == 0 or (share and kept == rows):
        raise InvalidInput(
            f"`validation_split` must leave rows on both sides, got validation_split={share} for {rows} rows",
            hint="Give more rows, or pass validation_data instead.",
        )
    return kept


def _class_numbers(array: NDArray[Any], num_classes: int, field: str) -> NDArray[np.int32]:
    if array.dtype.kind == "f":
        broken = array != np.floor(array)
        if broken.any():
            position = int(np.argmax(broken))
            raise InvalidInput(
                f"`{field}` must hold class numbers, got {array[position]} at position {position}",
                hint="Class numbers are whole. For regression leave num_classes out.",
            )
    outside = (array < 0) | (array >= num_classes)
    if outside.any():
        position = int(np.argmax(outside))
        value = array[position]
        counts_from_one = value == num_classes and array.min() >= 1
        hint = "Count classes from 0."
        if value >= num_classes and not counts_from_one:
            hint = "Number the classes: classes, y = np.unique(y, return_inverse=True); or raise num_classes."
        shown = f"{value:g}" if array.dtype.kind == "f" else str(value)
        raise InvalidInput(
            f"`{field}` must hold class numbers from 0 to {num_classes - 1}, got {shown} at position {position}",
            hint=hint,
        )
    return array.astype(np.int32)


def _numbers(values: Any, field: str, *, hint: str) -> NDArray[Any]:
    if values is None:
        raise InvalidInput(f"`{field}` is missing", hint=f"Pass `{field}` as an array with one entry per row.")
    refuse_masked(values, field)
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(f"`{field}` must be numbers of one shape, got rows of unequal shape", hint=hint) from error
    except Exception as error:
        raise unreadable(values, field, error) from error
    if array.dtype.kind == "b":
        array = array.astype(np.int32)
    if array.ndim == 0:
        raise InvalidInput(f"`{field}` must hold one entry per row, got {type(values).__name__}", hint=hint)
    if array.size == 0:
        raise InvalidInput(f"`{field}` must hold at least one entry, got none", hint=hint)
    if array.dtype.kind not in "fiu":
        kinds = {"U": "text", "S": "bytes", "O": "mixed values", "M": "dates", "c": "complex numbers"}
        raise InvalidInput(f"`{field}` must hold numbers, got {kinds.get(array.dtype.kind, array.dtype)}", hint=hint)
    return array


def _floats(
    array: NDArray[Any], field: str, *, hint: str = "Drop rows without a label, or fill them in."
) -> NDArray[Any]:
    """As float32, in which a number that it cannot hold would be infinite."""
    with np.errstate(over="ignore"):
        floats = array.astype(np.float32)
    finite = np.isfinite(floats)
    if not finite.all():
        position = tuple(int(index) for index in np.argwhere(~finite)[0])
        raise InvalidInput(
            f"`{field}` must hold finite numbers, got {array[position]} at position {position}",
            hint=hint,
        )
    return floats


def _refuse_no_weight(weights: NDArray[np.float32], field: str) -> None:
    if not weights.any():
        raise InvalidInput(
            f"`{field}` must let some row count, got 0 for all {len(weights)} rows",
            hint="Leave it out to count all alike.",
        )


def _finite(array: NDArray[Any], field: str) -> NDArray[Any]:
    finite = np.isfinite(array)
    if not finite.all():
        position = tuple(int(index) for index in np.argwhere(~finite)[0])
        raise InvalidInput(
            f"`{field}` must hold finite numbers, got {array[position]} at position {position}",
            hint="Drop rows without a label, or fill them in.",
        )
    return array


def _is_finite_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))
