"""What a model takes and gives, and the check that brings rows to that shape; NumPy only, for training and serving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput


class Task(StrEnum):
    """What the model answers."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


@dataclass(frozen=True)
class TensorSpec:
    """One input or output: its name, NumPy dtype, and shape with the free batch axis first as None."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Signature:
    """The inputs, outputs and labels of a model version; stored as `signature.json` in its artifact.

    Args:
        task: What the model answers.
        inputs: The tensors it takes. Each shape begins with None, the batch axis.
        outputs: The tensors it gives.
        labels: For a classifier, the label of each class in the order of the output's last axis.

    Example:

        >>> signature = Signature(
        ...     Task.CLASSIFICATION,
        ...     (TensorSpec("inputs", "float32", (None, 28, 28, 1)),),
        ...     (TensorSpec("probabilities", "float32", (None, 10)),),
        ...     labels=tuple(range(10)),
        ... )
        >>> Signature.from_json(signature.to_json()) == signature
        True
        >>> signature.check(np.zeros((2, 28, 28)).tolist()).shape
        (2, 28, 28, 1)
    """

    task: Task
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    labels: tuple[int | str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "task": self.task.value,
            "inputs": [_spec_to_json(spec) for spec in self.inputs],
            "outputs": [_spec_to_json(spec) for spec in self.outputs],
            "labels": list(self.labels) if self.labels is not None else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Signature":
        """Read what `to_json` wrote.

        Raises:
            InvalidInput: It is not a signature; the message says what is missing or wrong.
        """
        try:
            labels = value.get("labels")
            signature = cls(
                Task(value["task"]),
                tuple(_spec_from_json(spec) for spec in value["inputs"]),
                tuple(_spec_from_json(spec) for spec in value["outputs"]),
                tuple(labels) if labels is not None else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(
                f"not a model signature: {type(error).__name__} {error}",
                hint="A signature has `task`, `inputs`, `outputs` and `labels`; `model.push` writes it.",
            ) from error
        if not signature.inputs or not signature.outputs:
            raise InvalidInput("a model signature needs at least one input and one output")
        return signature

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row of the first input, without the batch axis."""
        return tuple(int(size) for size in self.inputs[0].shape[1:] if size is not None)

    def check(self, values: Any, *, field: str = "inputs", max_rows: int | None = None) -> NDArray[np.float32]:
        """Bring rows to the shape and type the model takes, or say what is wrong with them.

        Args:
            values: Rows as nested lists or an array, `(batch, *row_shape)`. Images may leave out a channel axis of one.
            field: The name to use in messages.
            max_rows: The most rows allowed.

        Returns:
            A contiguous array `(batch, *row_shape)`.

        Raises:
            InvalidInput: Wrong shape or type, no rows, or a value that is not finite.
        """
        return check_rows(values, self.row_shape, field=field, max_rows=max_rows)


def check_rows(
    values: Any, row_shape: Sequence[int], *, field: str = "inputs", max_rows: int | None = None
) -> NDArray[np.float32]:
    """Bring rows to `(batch, *row_shape)` float32, or say what is wrong with them.

    See `Signature.check`, which calls it with the model's own shape.

    Example:

        >>> check_rows([[1, 2], [3, 4]], (2,))
        array([[1., 2.],
               [3., 4.]], dtype=float32)
        >>> check_rows([[1, 2, 3]], (2,))
        Traceback (most recent call last):
            ...
        lepton_ai.core.errors.InvalidInput: `inputs` must have shape (batch, 2), got (1, 3)
    """
    wanted = tuple(row_shape)
    array = _as_array(values, field, wanted)
    if array.shape[1:] != wanted and wanted and wanted[-1] == 1 and array.shape[1:] == wanted[:-1]:
        array = array[..., np.newaxis]
    if array.size == 0 or array.shape[0] == 0:
        raise InvalidInput(
            f"`{field}` must hold at least one row, got none", hint=f"Send a list of rows of shape {_shape(wanted)}."
        )
    if array.shape[1:] != wanted:
        hint = None
        if array.shape == wanted or (wanted and wanted[-1] == 1 and array.shape == wanted[:-1]):
            hint = "That is one row: put it into a list."
        raise InvalidInput(
            f"`{field}` must have shape {_batch_shape(wanted)}, got {tuple(array.shape)}",
            hint=hint or f"Each row must have shape {_shape(wanted)}.",
        )
    if max_rows is not None and array.shape[0] > max_rows:
        raise InvalidInput(
            f"`{field}` may hold at most {max_rows} rows, got {array.shape[0]}", hint="Send them in smaller batches."
        )
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(floats)
    if not finite.all():
        position = tuple(int(index) for index in np.argwhere(~finite)[0])
        raise InvalidInput(
            f"`{field}` must hold finite numbers, got {array[position]} at position {position}",
            hint="Replace missing and infinite values before sending.",
        )
    return floats


def _as_array(values: Any, field: str, wanted: tuple[int, ...]) -> NDArray[Any]:
    refuse_masked(values, field)
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(
            f"`{field}` must be a list of numbers of shape {_batch_shape(wanted)}, got rows of unequal shape",
            hint=f"Each row must have shape {_shape(wanted)}.",
        ) from error
    except Exception as error:
        raise unreadable(values, field, error) from error
    if array.ndim == 0:
        raise InvalidInput(
            f"`{field}` must be a list of rows of shape {_shape(wanted)}, got {type(values).__name__}",
            hint="Pass x.toarray()." if hasattr(values, "toarray") else None,
        )
    if array.size and array.dtype.kind not in "fiu":
        raise InvalidInput(
            f"`{field}` must hold numbers, got {_kind(array)}",
            hint="Turn them into numbers first: x.astype('float32'), if they are some.",
        )
    return array


def refuse_masked(values: Any, field: str) -> None:
    """Refuse masked entries: what lies under a mask would be taken for a value.

    Example:

        >>> refuse_masked(np.ma.masked_array([1.0, 2.0], mask=[False, True]), "x")
        Traceback (most recent call last):
            ...
        lepton_ai.core.errors.InvalidInput: `x` must hold a number in every place, got a masked one at position (1,)
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        position = tuple(int(index) for index in np.argwhere(np.ma.getmaskarray(values))[0])
        raise InvalidInput(
            f"`{field}` must hold a number in every place, got a masked one at position {position}",
            hint="Fill them in first: x.filled(0.0).",
        )


def unreadable(values: Any, field: str, error: Exception) -> InvalidInput:
    """The error for an object that will not turn into an array, such as a tensor that still wants its gradient."""
    return InvalidInput(
        f"`{field}` must be an array or lists of numbers, got {type(values).__name__}, which says: {error}",
        hint="Turn it into a NumPy array first.",
    )


def _kind(array: NDArray[Any]) -> str:
    names = {
        "b": "true/false values",
        "U": "text",
        "S": "bytes",
        "O": "mixed values",
        "M": "dates",
        "c": "complex numbers",
    }
    return names.get(array.dtype.kind, str(array.dtype))


def _batch_shape(row: tuple[int, ...]) -> str:
    return f"({', '.join(['batch', *map(str, row)])})" if row else "(batch,)"


def _shape(row: tuple[int, ...]) -> str:
    return str(tuple(row))


def _spec_to_json(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}


def _spec_from_json(value: Mapping[str, Any]) -> TensorSpec:
    shape = tuple(None if size is None else int(size) for size in value["shape"])
    if not shape or shape[0] is not None or any(size is None or size < 1 for size in shape[1:]):
        raise ValueError(f"shape {list(shape)} must begin with null (the batch) and go on with sizes of 1 or more")
    dtype = str(value["dtype"])
    if np.dtype(dtype).kind not in "biuf":
        raise ValueError(f"dtype {dtype!r} is not one of numbers")
    return TensorSpec(str(value["name"]), dtype, shape)
