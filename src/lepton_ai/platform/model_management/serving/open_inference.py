"""The Open Inference Protocol, version 2, in JSON: requests into arrays, outputs into answers. Pure functions."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.model_management.serving.served_model import ServedModel
from lepton_ai.platform.model_management.serving.wire import (
    as_array,
    check_outputs,
    dump_json,
    flatten,
    read_object,
    type_name,
)
from lepton_ai.platform.preprocessing.signature import TensorSpec

_DATATYPES = {
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "int32": "INT32",
    "int64": "INT64",
}
_WHOLE_NUMBERS = {
    name.upper(): np.iinfo(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
}
_ACCEPTED = ("FP32", "FP64", *_WHOLE_NUMBERS)
# Extensions that change the form of request or answer. To ignore them would be to answer something else than was asked.
_UNSUPPORTED = ("binary_data", "binary_data_output", "binary_data_size", "classification", "shared_memory_region")


@dataclass(frozen=True)
class InferRequest:
    """What an inference request asks for.

    Args:
        rows: `(batch, *row_shape)`, finite, C-contiguous.
        id: The caller's own name for the request, which the answer repeats.
    """

    rows: NDArray[np.float32]
    id: str | None = None


def read_infer(value: Any, served: ServedModel) -> InferRequest:
    """Read the body of `…/infer`.

    Args:
        value: The body as JSON values.
        served: The model that it is for.

    Raises:
        InvalidInput: Anything else than an inference request for this model; the message says what was expected.
    """
    body = read_object(value, "the body", required=("inputs",), optional=("id", "parameters", "outputs"))
    request_id = body.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise InvalidInput(f"`id` must be text, got {type_name(request_id)}")
    _check_parameters(body, "the body")
    _check_outputs_asked(body.get("outputs", []), served.signature.outputs[0])
    inputs = body["inputs"]
    if not isinstance(inputs, list) or len(inputs) != 1:
        came = f"{len(inputs)} tensors" if isinstance(inputs, list) else type_name(inputs)
        raise InvalidInput(f"`inputs` must be a list of one tensor, got {came}")
    return InferRequest(_read_tensor(inputs[0], served), request_id)


def write_infer(outputs: NDArray[Any], request: InferRequest, served: ServedModel) -> bytes:
    """The answer of `…/infer`.

    Args:
        outputs: The model's output, `(batch, *output_shape)`.
        request: What was asked.
        served: The model that answered.

    Raises:
        InvalidInput: The model has no finite answer for a row.
    """
    check_outputs(outputs)
    spec = served.signature.outputs[0]
    answer: dict[str, Any] = {"model_name": served.name, "model_version": served.version}
    if request.id is not None:
        answer["id"] = request.id
    answer["outputs"] = [
        {
            "name": spec.name,
            "datatype": _DATATYPES[spec.dtype],
            "shape": list(outputs.shape),
            "data": np.ascontiguousarray(outputs).reshape(-1),
        }
    ]
    return dump_json(answer)


def model_metadata(served: ServedModel) -> dict[str, Any]:
    """What `GET /v2/models/<name>` answers."""
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": "onnx_onnxv1",
        "inputs": [_tensor_metadata(spec) for spec in served.signature.inputs],
        "outputs": [_tensor_metadata(spec) for spec in served.signature.outputs],
    }


def _tensor_metadata(spec: TensorSpec) -> dict[str, Any]:
    shape = [-1 if size is None else size for size in spec.shape]
    return {"name": spec.name, "datatype": _DATATYPES[spec.dtype], "shape": shape}


def _check_outputs_asked(outputs: Any, spec: TensorSpec) -> None:
    if not isinstance(outputs, list):
        raise InvalidInput(f"`outputs` must be a list, got {type_name(outputs)}")
    if len(outputs) > 1:
        raise InvalidInput(f"`outputs` may name the model's one output `{spec.name}`, got {len(outputs)} names")
    for output in outputs:
        asked = read_object(output, "`outputs[0]`", required=("name",), optional=("parameters",))
        if asked["name"] != spec.name:
            raise InvalidInput(f"`outputs[0].name` must be `{spec.name}`, got {_shown(asked['name'])}")
        _check_parameters(asked, "`outputs[0]`")


def _check_parameters(holder: dict[str, Any], where: str) -> None:
    parameters = holder.get("parameters", {})
    if not isinstance(parameters, dict):
        raise InvalidInput(f"`parameters` of {where} must be an object, got {type_name(parameters)}")
    for name in _UNSUPPORTED:
        if parameters.get(name):
            raise InvalidInput(
                f"`parameters` of {where} asks for `{name}`, which this server does not have",
                hint="It takes and gives tensors as JSON (in tritonclient: `binary_data=False`).",
            )


def _read_tensor(value: Any, served: ServedModel) -> NDArray[np.float32]:
    spec = served.signature.inputs[0]
    tensor = read_object(value, "`inputs[0]`", required=("name", "shape", "datatype", "data"), optional=("parameters",))
    if tensor["name"] != spec.name:
        raise InvalidInput(f"`inputs[0].name` must be `{spec.name}`, got {_shown(tensor['name'])}")
    _check_parameters(tensor, "`inputs[0]`")
    datatype = tensor["datatype"]
    if datatype not in _ACCEPTED:
        raise InvalidInput(f"`inputs[0].datatype` must be one of {', '.join(_ACCEPTED)}, got {_shown(datatype)}")
    shape = _read_shape(tensor["shape"], served)
    field = "inputs[0].data"
    data = tensor["data"]
    if not isinstance(data, list):
        raise InvalidInput(f"`{field}` must be a list of numbers, got {type_name(data)}")
    data_shape, numbers = flatten(data, field)
    if data_shape != shape and data_shape != (prod(shape),):
        raise InvalidInput(
            f"`{field}` must be a flat list of {prod(shape)} numbers or have the shape {list(shape)}, "
            f"got {list(data_shape)}"
        )
    if limits := _WHOLE_NUMBERS.get(datatype):
        _check_whole_numbers(numbers, limits, datatype)
    return served.signature.check(as_array(shape, numbers, field), field="inputs[0]")


def _read_shape(value: Any, served: ServedModel) -> tuple[int, ...]:
    allowed = [["batch", *row] for row in served.row_shapes]
    if not isinstance(value, list) or not all(type(size) is int for size in value) or not value:
        raise InvalidInput(f"`inputs[0].shape` must be a list of whole numbers, got {_shown(value)}")
    shape = tuple(value)
    if shape[1:] not in served.row_shapes or shape[0] < 1:
        wanted = " or ".join(f"[{', '.join(map(str, shape))}]" for shape in allowed)
        raise InvalidInput(f"`inputs[0].shape` must be {wanted} with at least one row, got {_shown(value)}")
    if shape[0] > served.max_rows:
        raise InvalidInput(
            f"`inputs[0]` may hold at most {served.max_rows} rows, got {_shown(shape[0])}",
            hint="Send them in smaller batches.",
        )
    return shape


def _check_whole_numbers(numbers: list[int | float], limits: "np.iinfo[Any]", datatype: str) -> None:
    if float in set(map(type, numbers)):
        raise InvalidInput(f"`inputs[0].data` of datatype {datatype} must hold whole numbers, got one with a point")
    for number in (min(numbers), max(numbers)):
        if not limits.min <= number <= limits.max:
            raise InvalidInput(
                f"`inputs[0].data` of datatype {datatype} must lie in {limits.min} to {limits.max}, "
                f"got {_shown(number)}"
            )


def _shown(value: Any) -> str:
    try:
        return type_name(value) if isinstance(value, dict) else repr(value)[:60]
    except (ValueError, RecursionError):  # Python refuses to write out a whole number of thousands of digits
        return type_name(value)
