"""The JSON of `/predict`: request bodies into arrays, outputs into answers. Pure functions."""

from collections.abc import Collection
from itertools import chain
from math import prod
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.model_management.serving.answers import answers_of
from lepton_ai.platform.model_management.serving.served_model import ServedModel
from lepton_ai.platform.preprocessing.columns import columns_of_rows
from lepton_ai.platform.preprocessing.preprocessing import Preprocessing

_MAX_AXES = 32
_TYPE_NAMES = {
    bool: "true or false",
    type(None): "null",
    str: "text",
    dict: "an object",
    list: "a list",
    int: "a number",
    float: "a number",
}


def parse_json(body: bytes, served: ServedModel) -> Any:
    """A request body as plain JSON values.

    Args:
        body: The bytes of the body.
        served: The model that it is for. A body with more values than its largest request is refused unread: small as
            bytes, `[],[],[],…` takes thirty times its size as Python objects.

    Raises:
        InvalidInput: It is empty, not UTF-8 or not JSON, or holds too much; NaN and Infinity are not JSON.
    """
    if not body:
        raise InvalidInput("the body must be a JSON object, got an empty body")
    if body.count(b",") + body.count(b"[") + body.count(b"{") > _most_values(served):
        raise InvalidInput(
            f"the body may hold at most {served.max_rows} rows of shape {served.signature.row_shape}, "
            "got more values than that",
            hint="Send them in smaller batches.",
        )
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"the body must be JSON: {error}", hint="Numbers must be finite: NaN and Infinity are not JSON."
        ) from error


def decode_predict(value: Any, served: ServedModel) -> NDArray[np.float32]:
    """The rows of a `/predict` request, `{"inputs": [...]}`: lists of numbers, or objects with a value by column.

    Args:
        value: The body as JSON values, as `parse_json` gives them.
        served: The model that they are for.

    Returns:
        `(batch, *row_shape)`, finite, C-contiguous.

    Raises:
        InvalidInput: Anything else than such a request; the message says what was expected and what came.
    """
    body = read_object(value, "the body", required=("inputs",))
    rows = body["inputs"]
    check_row_count(rows, "inputs", served.max_rows)
    if served.preprocessing is not None:
        return _encoded(rows, served.preprocessing)
    hint = f"Each row must have shape {served.signature.row_shape}."
    shape, numbers = flatten(rows, "inputs", hint=hint)
    return served.signature.check(as_array(shape, numbers, "inputs"))


def encode_predict(outputs: NDArray[Any], served: ServedModel) -> bytes:
    """The answer to a `/predict` request.

    Args:
        outputs: The model's output, `(batch, *output_shape)`.
        served: The model that gave it.

    Returns:
        JSON: what `answers_of` says, and which model said it.

    Raises:
        InvalidInput: The model has no finite answer for a row.

    Example:

        >>> from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec
        >>> signature = Signature(
        ...     Task.CLASSIFICATION,
        ...     (TensorSpec("inputs", "float32", (None, 4)),),
        ...     (TensorSpec("probabilities", "float32", (None, 2)),),
        ...     labels=("no", "yes"),
        ... )
        >>> encode_predict(np.float32([[0.25, 0.75]]), ServedModel("churn", "3", signature)).decode()
        '{"outputs":[{"label":"yes","probability":0.75,"probabilities":[0.25,0.75]}],"model":"churn","version":"3"}'
    """
    check_outputs(outputs)
    return dump_json({**answers_of(outputs, served), "model": served.name, "version": served.version})


def dump_json(value: Any) -> bytes:
    """JSON from plain values and NumPy arrays; a float32 gets the few digits that it needs, not those of a double."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def read_object(value: Any, where: str, *, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """A JSON object that has the fields it must have and no unknown ones.

    Raises:
        InvalidInput: It is something else; the message says what.
    """
    if not isinstance(value, dict):
        raise InvalidInput(f"{where} must be an object with {_names(required)}, got {type_name(value)}")
    if unknown := [name for name in value if name not in required and name not in optional]:
        raise InvalidInput(
            f"{where} has unknown fields: {_names(unknown)}",
            hint=f"The fields are {_names([*required, *optional])}.",
        )
    if missing := [name for name in required if name not in value]:
        raise InvalidInput(f"{where} must have {_names(missing)}, got {_names(value) or 'no fields'}")
    return value


def check_row_count(rows: Any, field: str, max_rows: int) -> None:
    """Refuse what is no list, or too long a one, before anything is made from it."""
    if not isinstance(rows, list):
        raise InvalidInput(f"`{field}` must be a list of rows, got {type_name(rows)}")
    if len(rows) > max_rows:
        raise InvalidInput(
            f"`{field}` may hold at most {max_rows} rows, got {len(rows)}", hint="Send them in smaller batches."
        )


def flatten(value: list[Any], field: str, *, hint: str | None = None) -> tuple[tuple[int, ...], list[int | float]]:
    """The shape of nested lists of numbers, and the numbers in row-major order.

    Written out rather than left to NumPy, which takes true for 1, and sizes text by its longest member: one long string
    among many short ones would take all memory.

    Raises:
        InvalidInput: Lists of unequal length, or anything in them that is not a number.

    Example:

        >>> flatten([[1, 2.5], [3, 4]], "inputs")
        ((2, 2), [1, 2.5, 3, 4])
    """
    shape = [len(value)]
    items = value
    while (kinds := set(map(type, items))) == {list}:
        lengths = set(map(len, items))
        if len(lengths) > 1:
            raise InvalidInput(
                f"`{field}` must be lists of equal length, got lengths {min(lengths)} and {max(lengths)} "
                f"at depth {len(shape)}",
                hint=hint,
            )
        if len(shape) == _MAX_AXES:
            raise InvalidInput(f"`{field}` may be nested at most {_MAX_AXES} deep", hint=hint)
        shape.append(lengths.pop())
        items = list(chain.from_iterable(items))
    if not kinds <= {int, float}:
        index = next(index for index, item in enumerate(items) if type(item) not in (int, float))
        position = "".join(f"[{axis}]" for axis in np.unravel_index(index, shape))
        raise InvalidInput(
            f"`{field}` must hold numbers, got {type_name(items[index])} at {field}{position}", hint=hint
        )
    return tuple(shape), items


def as_array(shape: tuple[int, ...], numbers: list[int | float], field: str) -> NDArray[np.float64]:
    """Numbers in row-major order as an array of that shape.

    Raises:
        InvalidInput: A whole number beyond what a double can hold.
    """
    try:
        return np.array(numbers, np.float64).reshape(shape)
    except OverflowError as error:
        raise InvalidInput(f"`{field}` must hold finite numbers, got a whole number that is too large") from error


def check_outputs(outputs: NDArray[Any]) -> None:
    """Refuse an output that JSON cannot carry: the row that caused it lies far outside of the model's world.

    Raises:
        InvalidInput: A value is not finite; the message names the row.
    """
    if outputs.dtype.kind == "f" and not (finite := np.isfinite(outputs)).all():
        row = int(np.argwhere(~finite)[0][0])
        raise InvalidInput(
            f"the model has no finite answer for row {row} of `inputs`",
            hint="Check the size of its values: they are far from those that the model was trained on.",
        )


def type_name(value: Any) -> str:
    """What a JSON value is, in words for a message."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def _encoded(rows: list[Any], preprocessing: Preprocessing) -> NDArray[np.float32]:
    if not rows:
        raise InvalidInput("`inputs` must hold at least one row, got none")
    for position, row in enumerate(rows):
        if not isinstance(row, dict):
            names = [column.name for column in preprocessing.schema.features]
            raise InvalidInput(
                f"`inputs` must hold objects with a value for each column, got {type_name(row)} at inputs[{position}]",
                hint=f"The columns are {_names(names)}.",
            )
    columns = columns_of_rows(preprocessing.schema, rows, field="inputs")
    return np.ascontiguousarray(preprocessing.apply(columns))


def _most_values(served: ServedModel) -> int:
    """Commas and brackets in the largest request: numbers and lists of every row, and some for the rest around them."""
    if served.preprocessing is not None:  # a text may hold any number of commas: the size of the body is the limit
        return served.max_body_bytes
    shape = served.signature.row_shape
    per_row = prod(shape) + sum(prod(shape[:axis]) for axis in range(len(shape)))
    return served.max_rows * (per_row + 1) + 1024


def _names(names: Collection[str]) -> str:
    shown = [f"`{name[:40]}`" for name in list(names)[:5]]
    return ", ".join([*shown, f"and {len(names) - 5} more"] if len(names) > 5 else shown)
