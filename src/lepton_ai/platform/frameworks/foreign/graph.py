"""Small changes to an ONNX graph: cut an output, join inputs, end in a softmax. Needs the package onnx."""

from collections.abc import Sequence
from typing import Any

from lepton_ai.core.errors import MissingPackage


def with_softmax(graph: bytes, output: str, name: str) -> bytes:
    """The graph with a softmax over the last axis of an output, which takes its place.

    Args:
        graph: An ONNX file.
        output: The output to replace, `(batch, classes)`.
        name: What to call the new one; an underscore is added where the graph has that name already.
    """
    onnx = _onnx()
    model = onnx.load_from_string(graph)
    name = _free_name(model.graph, name)
    kept = next(each for each in model.graph.output if each.name == output)
    element, sizes = kept.type.tensor_type.elem_type, kept.type.tensor_type.shape.dim
    shape = [size.dim_value or size.dim_param or None for size in sizes] or None
    model.graph.node.append(onnx.helper.make_node("Softmax", [output], [name], axis=-1))
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, element, shape))
    return _written(model)


def with_only_output(model: Any, tensor: str, name: str, *, never_negative: bool) -> Any:
    """The graph without what does not lead to a tensor, which becomes its one output of float32 numbers.

    Args:
        model: An `onnx.ModelProto`; it is changed.
        tensor: The tensor to give.
        name: What to call it.
        never_negative: Whether what is below zero becomes zero.
    """
    onnx = _onnx()
    tensor = _make_free(model.graph, name, tensor)
    needed, kept = {tensor}, []
    for node in reversed(model.graph.node):  # every node stands behind those that it takes from
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
    # Relu for probabilities below zero: sums over trees end at -1e-8. Identity for the rest.
    model.graph.node.append(onnx.helper.make_node("Relu" if never_negative else "Identity", [tensor], [name]))
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", None]))
    used = [each for each in model.graph.initializer if each.name in needed]
    del model.graph.initializer[:]
    model.graph.initializer.extend(used)
    del model.graph.value_info[:]
    return model


def with_one_input(model: Any, names: Sequence[str], name: str) -> Any:
    """The graph with one input of rows in the place of an input for each column.

    Args:
        model: An `onnx.ModelProto`; it is changed.
        names: The inputs `(batch, 1)`, in the order of the columns; the graph may have dropped some.
        name: What to call the new one.
    """
    onnx = _onnx()
    name = _free_name(model.graph, name)
    places = [
        onnx.helper.make_tensor(_free_name(model.graph, f"place_{place}"), onnx.TensorProto.INT64, [1], [place])
        for place in range(len(names))
    ]
    # One Gather a column: Split takes its sizes in another way before opset 13.
    columns = [
        onnx.helper.make_node("Gather", [name, place.name], [column], axis=1)
        for column, place in zip(names, places, strict=True)
    ]
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*columns, *rest])
    model.graph.initializer.extend(places)
    del model.graph.input[:]
    shape = ["batch", len(names)]
    model.graph.input.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    return model


def _make_free(graph: Any, name: str, tensor: str) -> str:
    """Call a tensor that has a name already by another one; returns what `tensor` is called afterwards."""
    other = _free_name(graph, name)
    for node in graph.node:
        node.input[:] = [other if each == name else each for each in node.input]
        node.output[:] = [other if each == name else each for each in node.output]
    return other if tensor == name else tensor


def _free_name(graph: Any, name: str) -> str:
    taken = {each for node in graph.node for each in (*node.input, *node.output)}
    taken.update(each.name for each in (*graph.input, *graph.output, *graph.initializer))
    while name in taken:
        name += "_"
    return name


def _written(model: Any) -> bytes:
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise MissingPackage(
            f"changing an ONNX graph needs onnx, got: {error}", hint="Install it: pip install onnx"
        ) from error
    return onnx
