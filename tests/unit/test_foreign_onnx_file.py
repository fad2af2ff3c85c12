"""An ONNX file of any origin becomes a version, or is refused by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import onnx_models
from lepton_ai.core.errors import InvalidInput, LeptonError, NotSupported
from lepton_ai.platform.frameworks.foreign.export import export_foreign
from lepton_ai.platform.model_management.serving.engine import Engine
from lepton_ai.platform.preprocessing.signature import Task

FLOAT, DOUBLE, TEXT, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.STRING, TensorProto.INT64


def written(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[tuple[str, int, Sequence[Any]]],
    outputs: Sequence[tuple[str, int, Sequence[Any]]],
    *,
    opset: int = 17,
    **constants: NDArray[Any],
) -> Path:
    """An ONNX file made by hand."""
    graph = helper.make_graph(
        list(nodes),
        "model",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*each) for each in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    path = folder / "given.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
    return path


def linear(folder: Path, weights: Any, *, opset: int = 17, batch: Any = "batch", element: int = FLOAT) -> Path:
    """Rows times weights."""
    kernel = np.asarray(weights, np.float64 if element == DOUBLE else np.float32)
    given, answered = ("rows", element, [batch, kernel.shape[0]]), ("scores", element, [batch, kernel.shape[1]])
    node = helper.make_node("MatMul", ["rows", "kernel"], ["scores"])
    return written(folder, [node], [given], [answered], opset=opset, kernel=kernel)


def saved(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "given.onnx"
    onnx.save(model, path)
    return path


def test_file_whose_answers_are_probabilities_classifies(tmp_path: Path) -> None:
    path = saved(tmp_path, onnx_models.image_model())
    folder = export_foreign(path, tmp_path / "artifact", labels=onnx_models.IMAGE_LABELS)
    signature = Engine.load(folder).signature
    assert signature == onnx_models.IMAGE_SIGNATURE
    assert (folder / "model.onnx").read_bytes() == path.read_bytes()


def test_file_whose_answers_are_any_numbers_is_a_regression(tmp_path: Path) -> None:
    folder = export_foreign(saved(tmp_path, onnx_models.numbers_model()), tmp_path / "artifact")
    assert Engine.load(folder).signature == onnx_models.NUMBERS_SIGNATURE


def test_scores_of_a_classifier_become_probabilities(tmp_path: Path) -> None:
    path = linear(tmp_path, [[1, 2, 3], [3, 2, -1]])
    assert Engine.load(export_foreign(path, tmp_path / "scores")).signature.task is Task.REGRESSION
    engine = Engine.load(export_foreign(path, tmp_path / "classes", task="classification", labels=["a", "b", "c"]))
    assert engine.signature.task is Task.CLASSIFICATION
    scores = np.exp([4.0, 4.0, 2.0])
    assert np.allclose(engine.run(np.ones((1, 2), np.float32)), scores / scores.sum(), atol=1e-6)


def test_label_beside_the_probabilities_is_left_aside(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Softmax", ["rows"], ["chances"]),
        helper.make_node("ArgMax", ["chances"], ["label"], axis=1, keepdims=0),
    ]
    outputs = [("label", INT64, ["batch"]), ("chances", FLOAT, ["batch", 2])]
    path = written(tmp_path, nodes, [("rows", FLOAT, ["batch", 2])], outputs)
    signature = Engine.load(export_foreign(path, tmp_path / "artifact")).signature
    assert signature.outputs[0].name == "chances"
    assert signature.labels == (0, 1)


def test_sizes_that_the_file_leaves_open_in_its_answer_are_found_out(tmp_path: Path) -> None:
    node = helper.make_node("Softmax", ["rows"], ["chances"])
    path = written(tmp_path, [node], [("rows", FLOAT, [None, 3])], [("chances", FLOAT, [None, "classes"])])
    assert Engine.load(export_foreign(path, tmp_path / "artifact")).signature.outputs[0].shape == (None, 3)


def relu(folder: Path, shape: Sequence[Any], element: int = FLOAT) -> Path:
    node = helper.make_node("Identity", ["rows"], ["same"])
    return written(folder, [node], [("rows", element, shape)], [("same", element, shape)])


def several_inputs(folder: Path) -> Path:
    node = helper.make_node("Add", ["left", "right"], ["sum"])
    inputs = [("left", FLOAT, ["batch", 2]), ("right", FLOAT, ["batch", 2])]
    return written(folder, [node], inputs, [("sum", FLOAT, ["batch", 2])])


def several_outputs(folder: Path) -> Path:
    nodes = [helper.make_node("Relu", ["rows"], ["positive"]), helper.make_node("Neg", ["rows"], ["negative"])]
    outputs = [(name, FLOAT, ["batch", 2]) for name in ("positive", "negative")]
    return written(folder, nodes, [("rows", FLOAT, ["batch", 2])], outputs)


def maps_by_label(folder: Path) -> Path:
    node = helper.make_node("ZipMap", ["rows"], ["maps"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"])
    path = written(folder, [node], [("rows", FLOAT, ["batch", 2])], [("maps", FLOAT, ["batch"])])
    model = onnx.load(path)
    element = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(FLOAT, []))
    model.graph.output[0].type.CopyFrom(helper.make_sequence_type_proto(element))
    return saved(folder, model)


def one_answer_for_all_rows(folder: Path) -> Path:
    node = helper.make_node("ReduceMean", ["rows"], ["mean"], axes=[0], keepdims=1)
    return written(folder, [node], [("rows", FLOAT, ["batch", 2])], [("mean", FLOAT, ["one", 2])])


def numbers_in_another_file(folder: Path) -> Path:
    model = onnx.load(linear(folder, np.ones((64, 64))))
    path = folder / "split.onnx"
    onnx.save(model, path, save_as_external_data=True, location="numbers.bin", size_threshold=0)
    return path


def no_onnx(folder: Path) -> Path:
    path = folder / "noise.onnx"
    path.write_bytes(b"\x80\x04noise")
    return path


def newer_than_onnxruntime(folder: Path) -> Path:
    return linear(folder, np.ones((2, 2)), opset=99)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (several_inputs, NotSupported, r"one input, got 2: left tensor\(float\) \['batch', 2\], right"),
        (several_outputs, NotSupported, r"one output of floating numbers, got positive tensor\(float\).*, negative"),
        (maps_by_label, NotSupported, r"one output of floating numbers, got maps seq\(map\(string"),
        (lambda folder: relu(folder, ["batch"], TEXT), NotSupported, r"input of float32, got rows tensor\(string\)"),
        (lambda folder: relu(folder, ["batch", 2], INT64), NotSupported, r"got rows tensor\(int64\) \['batch', 2\]"),
        (
            lambda folder: linear(folder, np.ones((2, 2)), element=DOUBLE),
            NotSupported,
            r"input of float32, got rows tensor\(double\)",
        ),
        (
            lambda folder: relu(folder, ["batch", "width", 3]),
            NotSupported,
            r"have a fixed size, got rows tensor\(float\) \['batch', 'width', 3\]",
        ),
        (
            lambda folder: linear(folder, np.ones((2, 2)), batch=1),
            NotSupported,
            r"first axis, the batch, is free, got rows tensor\(float\) \[1, 2\]",
        ),
        (one_answer_for_all_rows, NotSupported, r"answers each row by itself, got answers of shape \(1, 2\)"),
        (newer_than_onnxruntime, InvalidInput, "made for a newer onnxruntime than .*, got Opset 99"),
        (numbers_in_another_file, InvalidInput, "keeps its numbers in a second file"),
        (no_onnx, InvalidInput, "not a model that onnxruntime can load"),
        (lambda folder: folder / "absent.onnx", InvalidInput, "absent.onnx' cannot be read: No such file"),
        (lambda folder: folder / "model.pkl", InvalidInput, "the path of an .onnx file, got 'model.pkl'"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(
    make: Any, error: type[LeptonError], message: str, tmp_path: Path
) -> None:
    path = make(tmp_path)
    with pytest.raises(error, match=message) as caught:
        export_foreign(path, tmp_path / "artifact")
    assert "Traceback" not in str(caught.value)
    assert not list((tmp_path / "artifact").iterdir())


def test_task_and_labels_must_fit_the_answers(tmp_path: Path) -> None:
    path = saved(tmp_path, onnx_models.numbers_model())
    with pytest.raises(NotSupported, match=r"one answer per class, .*got answers of shape \(100, 1\)"):
        export_foreign(path, tmp_path / "a", task="classification")
    with pytest.raises(InvalidInput, match="got labels for a regression"):
        export_foreign(path, tmp_path / "a", task="regression", labels=["a"])
    image = saved(tmp_path, onnx_models.image_model())
    with pytest.raises(InvalidInput, match="must name each of 3 classes once"):
        export_foreign(image, tmp_path / "a", labels=["dark", "bright"])
