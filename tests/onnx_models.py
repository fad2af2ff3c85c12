"""Small ONNX models, made by hand: a test knows what each must answer, and none needs TensorFlow."""

import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec

IMAGE_LABELS = ("dark", "middle", "bright")
IMAGE_SIGNATURE = Signature(
    Task.CLASSIFICATION,
    (TensorSpec("images", "float32", (None, 28, 28, 1)),),
    (TensorSpec("probabilities", "float32", (None, 3)),),
    labels=IMAGE_LABELS,
)
NUMBERS_SIGNATURE = Signature(
    Task.REGRESSION,
    (TensorSpec("numbers", "float32", (None, 4)),),
    (TensorSpec("value", "float32", (None, 1)),),
)


def write_artifact(folder: Path, model: onnx.ModelProto, signature: Signature) -> Path:
    """Write the two files that a model server reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "signature.json").write_text(json.dumps(signature.to_json()))
    return folder


def image_artifact(folder: Path) -> Path:
    """A classifier of (28, 28, 1) images in three classes by their mean: dark, middle, bright."""
    return write_artifact(folder, image_model(), IMAGE_SIGNATURE)


def numbers_artifact(folder: Path) -> Path:
    """A regressor of four numbers: 1·a + 2·b + 3·c + 4·d + 0.5."""
    return write_artifact(folder, numbers_model(), NUMBERS_SIGNATURE)


def image_model() -> onnx.ModelProto:
    """The mean of the image, then three lines through it, then softmax. See `image_answer`."""
    return _model(
        [
            helper.make_node("Flatten", ["images"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        IMAGE_SIGNATURE,
        weights=np.outer(np.full(784, 1 / 784), _SLOPES).astype(np.float32),
        bias=_OFFSETS,
    )


def image_answer(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probabilities that the image model must give for one image, by NumPy."""
    logits = _SLOPES * np.mean(image) + _OFFSETS
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def numbers_model() -> onnx.ModelProto:
    """One line: 1·a + 2·b + 3·c + 4·d + 0.5."""
    return _model(
        [helper.make_node("Gemm", ["numbers", "weights", "bias"], ["value"])],
        NUMBERS_SIGNATURE,
        weights=np.arange(1, 5, dtype=np.float32).reshape(4, 1),
        bias=np.array([0.5], np.float32),
    )


def slow_model(rounds: int) -> onnx.ModelProto:
    """The line of `numbers_model`, after `rounds` products of a 256 x 256 matrix that change nothing.

    A round takes a third of a millisecond or so of one core: a test holds the model busy for as long as it needs.
    """
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["before", "identity"], ["after"]),
            helper.make_node("Identity", ["condition_in"], ["condition_out"]),
        ],
        "round",
        [
            helper.make_tensor_value_info("round_number", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, [256, 256]),
        ],
        [
            helper.make_tensor_value_info("condition_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, [256, 256]),
        ],
    )
    return _model(
        [
            # Zeros are answered at once, so that the warm-up run does not make the start slow.
            helper.make_node("ReduceMax", ["numbers"], ["largest"], keepdims=0),
            helper.make_node("Greater", ["largest", "zero"], ["is_slow"]),
            helper.make_node("Loop", ["rounds", "is_slow", "identity"], ["same"], body=body),
            helper.make_node("ReduceMean", ["same"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
            helper.make_node("Gemm", ["numbers", "weights", "bias"], ["line"]),
            helper.make_node("Add", ["line", "nothing"], ["value"]),
        ],
        NUMBERS_SIGNATURE,
        weights=np.arange(1, 5, dtype=np.float32).reshape(4, 1),
        bias=np.array([0.5], np.float32),
        identity=np.eye(256, dtype=np.float32),
        rounds=np.array(rounds, np.int64),
        zero=np.array(0, np.float32),
    )


def overflowing_model() -> onnx.ModelProto:
    """A regressor of four numbers whose answer, a square, is infinite for large ones."""
    return _model(
        [
            helper.make_node("Mul", ["numbers", "numbers"], ["squares"]),
            helper.make_node("ReduceSum", ["squares", "axes"], ["value"], keepdims=1),
        ],
        NUMBERS_SIGNATURE,
        axes=np.array([1], np.int64),
    )


def row_dropping_model(keep: str) -> onnx.ModelProto:
    """The line of `numbers_model`, which forgets to answer rows: `keep` is `Less` or `Greater`, than a hundred."""
    return _model(
        [
            helper.make_node("Gemm", ["numbers", "weights", "bias"], ["line"]),
            helper.make_node(keep, ["line", "hundred"], ["kept"]),
            helper.make_node("Squeeze", ["kept", "axes"], ["kept_rows"]),
            helper.make_node("Compress", ["line", "kept_rows"], ["value"], axis=0),
        ],
        NUMBERS_SIGNATURE,
        weights=np.arange(1, 5, dtype=np.float32).reshape(4, 1),
        bias=np.array([0.5], np.float32),
        hundred=np.array(100, np.float32),
        axes=np.array([1], np.int64),
    )


_SLOPES = np.array([-10, 0, 10], np.float32)
_OFFSETS = np.array([4, 1, -6], np.float32)


def _model(nodes: list[onnx.NodeProto], signature: Signature, **constants: NDArray) -> onnx.ModelProto:
    def tensors(specs: tuple[TensorSpec, ...]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, ["batch", *spec.shape[1:]]) for spec in specs
        ]

    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "model", tensors(signature.inputs), tensors(signature.outputs), initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model
