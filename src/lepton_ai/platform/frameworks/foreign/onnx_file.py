"""An ONNX file as a stranger sees it: what it takes, what it gives, and whether a replica can serve it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput, NotSupported
from lepton_ai.platform.frameworks.foreign.conversion import Conversion, first_line
from lepton_ai.platform.preprocessing.onnx_runtime import onnxruntime
from lepton_ai.platform.preprocessing.signature import TensorSpec

_FLOATS = ("tensor(float16)", "tensor(float)", "tensor(double)")
_NEWER = re.compile(r"Opset \d+|Unsupported model IR version: \d+")
_FATAL = 4  # what goes wrong is raised, and told once


def read_onnx_file(path: Path) -> Conversion:
    """An ONNX file that is there already.

    Raises:
        InvalidInput: There is no such file.
    """
    try:
        graph = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} cannot be read: {error.strerror}") from error
    return Conversion(graph, "ONNX file", "ONNX graph")


@dataclass(frozen=True)
class OnnxFile:
    """A file that a replica can run: one input of float32 rows, one output of numbers.

    Args:
        input: The input, its first axis free.
        output_name: The output that answers.
        output_shape: Its shape by the file, with names or None for free axes.
    """

    input: TensorSpec
    output_name: str
    output_shape: tuple[int | str | None, ...]
    _session: onnxruntime.InferenceSession

    @classmethod
    def open(cls, path: Path) -> "OnnxFile":
        """Look at a file.

        Raises:
            InvalidInput: It is no ONNX file, or needs a newer onnxruntime, or numbers that lie in another file.
            NotSupported: It cannot be served; the message names what was found.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise _unreadable(str(error)) from error
        taken, given = _input_of(session.get_inputs()), _output_of(session.get_outputs())
        return cls(taken, given.name, tuple(given.shape or ()), session)

    def answers(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        """What it answers to rows `(batch, *row_shape)`: `(batch, *answer_shape)`.

        Raises:
            InvalidInput: It does not run on them.
        """
        try:
            (answers,) = self._session.run([self.output_name], {self.input.name: rows})
        except Exception as error:
            raise InvalidInput(
                f"the model does not run on {len(rows)} rows of shape {rows.shape[1:]}: {first_line(error)}",
                hint="Check its sizes: a row must have the shape of its input without the first axis.",
            ) from error
        return np.asarray(answers)


def _unreadable(reason: str) -> InvalidInput:
    text = " ".join(reason.split())
    if newer := _NEWER.search(text):
        return InvalidInput(
            f"the file is made for a newer onnxruntime than {onnxruntime.__version__}, got {newer[0]}",
            hint="Export it with a lower opset, such as 17.",
        )
    if "external data" in text.lower() or "External" in text:
        return InvalidInput(
            "the file keeps its numbers in a second file, which a version does not hold",
            hint="Put them together: onnx.save(onnx.load('model.onnx'), 'whole.onnx').",
        )
    return InvalidInput(f"this is not a model that onnxruntime can load: {text[:300]}")


def _input_of(inputs: Sequence[Any]) -> TensorSpec:
    if len(inputs) != 1:
        raise NotSupported(
            f"a version needs one input, got {len(inputs)}: {_listed(inputs)}",
            hint="Concatenate them inside the model.",
        )
    tensor = inputs[0]
    if tensor.type != "tensor(float)":
        raise NotSupported(
            f"a version needs an input of float32, got {_listed(inputs)}",
            hint="Turn text and whole numbers into float32 before the model, or cast inside of it.",
        )
    if not tensor.shape or isinstance(tensor.shape[0], int):
        raise NotSupported(
            f"a version needs an input whose first axis, the batch, is free, got {_listed(inputs)}",
            hint="Export with a dynamic first axis.",
        )
    if any(not isinstance(size, int) or size < 1 for size in tensor.shape[1:]):
        raise NotSupported(
            f"a version needs an input whose axes after the first have a fixed size, got {_listed(inputs)}",
            hint="Export with sizes for them; only the batch axis may be free.",
        )
    return TensorSpec(tensor.name, "float32", (None, *tensor.shape[1:]))


def _output_of(outputs: Sequence[Any]) -> Any:
    """The one output of floating numbers. Some converters give the label, text or a whole number, beside it."""
    numbers = [tensor for tensor in outputs if tensor.type in _FLOATS]
    if len(numbers) == 1:
        return numbers[0]
    hint = "Keep one of them."
    if any(tensor.type.startswith("seq(map") for tensor in outputs):
        hint = "Convert with options={'zipmap': False}, or push the scikit-learn estimator itself."
    raise NotSupported(f"a version needs one output of floating numbers, got {_listed(outputs)}", hint=hint)


def _listed(tensors: Sequence[Any]) -> str:
    return ", ".join(f"{tensor.name} {tensor.type} {list(tensor.shape or [])}" for tensor in tensors) or "none"
