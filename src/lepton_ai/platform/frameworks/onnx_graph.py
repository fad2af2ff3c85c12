"""A Keras model as an ONNX file: quiet, with names of its own, and checked against Keras row by row."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import MissingPackage, NotSupported
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.export_failed import TOLERANCE, ExportFailed
from lepton_ai.platform.frameworks.quiet import quiet_tensorflow
from lepton_ai.platform.frameworks.tables.onnx_trees import splice_trees, trees_in_use
from lepton_ai.platform.preprocessing.onnx_runtime import onnxruntime

INPUT_NAME = "inputs"


def write_onnx(model: Any, path: Path, *, output_name: str) -> None:
    """Write a model with one input and one output as ONNX.

    The same net with the same weights gives the same bytes: names that carry counters are replaced.

    Args:
        model: A Keras model.
        path: The file to write.
        output_name: What to call the output; the input is called "inputs".

    Raises:
        NotSupported: Keras' backend is another one than TensorFlow.
        MissingPackage: onnx or tf2onnx is not installed.
        ExportFailed: A layer has no counterpart in ONNX.
    """
    if keras.backend.backend() != "tensorflow":
        raise NotSupported(
            f"exporting to ONNX needs TensorFlow as Keras' backend, got {keras.backend.backend()!r}",
            hint="Save the model and push the file: KERAS_BACKEND=tensorflow lepton model push model.keras NAME",
        )
    try:
        import onnx
        import tf2onnx  # noqa: F401  (Keras looks for it only half-way through)
    except ImportError as error:
        raise MissingPackage(
            f"exporting to ONNX needs onnx and tf2onnx, got: {error}",
            hint="Install them: pip install 'lepton-ai[tensorflow]'",
        ) from error
    try:
        with _quiet():
            graph = _exported(model, path)
        _rename(graph.graph, output_name)
        onnx.checker.check_model(graph)
    except Exception as error:
        path.unlink(missing_ok=True)
        raise ExportFailed(
            f"the model cannot be exported to ONNX: {type(error).__name__}: {_first_line(error)}",
            hint="Replace the layer it names by one made of Keras' own layers and operations.",
        ) from error
    path.write_bytes(graph.SerializeToString(deterministic=True))


def check_agreement(model: Any, path: Path, rows: NDArray[np.float32]) -> float:
    """Compare the ONNX file with the model on rows.

    Returns:
        The largest difference, relative where the answers, or half of them, are larger than 1.

    Raises:
        ExportFailed: They differ by more than 1e-4, or one of them answers with something that is no number.
    """
    expected = keras.ops.convert_to_numpy(model(rows, training=False))
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (answers,) = session.run(None, {INPUT_NAME: rows})
    except Exception as error:
        raise ExportFailed(
            f"onnxruntime cannot run the exported model: {type(error).__name__}: {_first_line(error)}",
            hint="Replace the layer it names by one made of Keras' own layers and operations.",
        ) from error
    if not np.isfinite(expected).all():
        raise ExportFailed(
            "the model must answer finite numbers, got NaN or infinity",
            hint="Training diverged: lower the learning rate and fit a new model.",
        )
    # A small answer may be the difference of large numbers: it is as exact as those are.
    scale = np.maximum(np.abs(expected), max(1.0, float(np.median(np.abs(expected)))))
    difference = float((np.abs(answers - expected) / scale).max())
    if not difference <= TOLERANCE:
        raise ExportFailed(
            f"ONNX and Keras must agree to {TOLERANCE:g} on {len(rows)} rows, got a difference of {difference:.3g}",
            hint="Look for a layer that behaves at random, or differently, outside of training.",
        )
    return difference


def _exported(model: Any, path: Path) -> Any:
    """The graph as the converter leaves it; boosted trees are not converted but become ONNX's own operator."""
    import onnx

    trees = trees_in_use(model)
    rest = _answering_from_scores(model, trees) if trees else model
    signature = [
        keras.InputSpec(shape=(None, *tensor.shape[1:]), dtype=tensor.dtype, name=name)
        for name, tensor in zip([INPUT_NAME, *trees], rest.inputs, strict=True)
    ]
    rest.export(str(path), format="onnx", verbose=False, input_signature=[signature] if trees else signature)
    graph = onnx.load(str(path))
    splice_trees(graph, INPUT_NAME, trees)
    return graph


def _answering_from_scores(model: Any, trees: Mapping[str, Any]) -> Any:
    """The same model, but with what its trees answer as further inputs.

    Built on inputs of its own: where inner tensors become inputs, Keras rewires the model that they are from, which
    then cannot be saved.
    """
    blend = model.layers[-1]
    by_member = dict(zip(blend.members, blend.input, strict=True))
    rows = keras.Input(model.input_shape[1:], name=INPUT_NAME)
    scores = {name: keras.Input(by_member[name].shape[1:], name=name) for name in trees}
    others = [name for name in blend.members if name not in scores]
    answers = keras.Model(model.input, [by_member[name] for name in others])(rows)
    found = {**scores, **dict(zip(others, answers, strict=True))}
    return keras.Model([rows, *scores.values()], blend([found[name] for name in blend.members]))


def _rename(graph: Any, output_name: str) -> None:
    """Give every tensor and node a name by its position; the interpreter of a graph looks at nothing else."""
    names = {"": "", graph.input[0].name: INPUT_NAME, graph.output[0].name: output_name}
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    _rename_within(graph, names)
    graph.name, graph.doc_string = "lepton", ""  # the converter leaves a temporary path there


def _rename_within(graph: Any, names: dict[str, str]) -> None:
    def new_name(old: str) -> str:
        return names.setdefault(old, f"tensor_{len(names)}")

    for value in graph.input:
        value.name = new_name(value.name)
    for position, node in enumerate(graph.node):
        node.name = f"node_{position}"
        node.doc_string = ""
        node.input[:] = [new_name(name) for name in node.input]
        node.output[:] = [new_name(name) for name in node.output]
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                _rename_within(inner, names)
    for value in graph.output:
        value.name = new_name(value.name)
    for tensor in graph.initializer:
        tensor.name = new_name(tensor.name)
    ordered = sorted(graph.initializer, key=lambda tensor: int(tensor.name.rpartition("_")[2]))
    del graph.initializer[:]
    graph.initializer.extend(ordered)
    del graph.value_info[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what TensorFlow and tf2onnx say while they work."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with quiet_tensorflow(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"
