"""Boosted trees as ONNX's own operator: onnxruntime walks them, and the rest of the graph takes their answers."""

from typing import Any

import numpy as np

from lepton_ai.platform.frameworks.tables.blend_layer import Blend
from lepton_ai.platform.frameworks.tables.trees import Trees
from lepton_ai.platform.frameworks.tables.trees_layer import BoostedTrees

_DOMAIN, _VERSION = "ai.onnx.ml", 3


def trees_in_use(model: Any) -> dict[str, Trees]:
    """The trees that a model's answer needs, by the name of their layer."""
    shares = model.layers[-1].shares if isinstance(model.layers[-1], Blend) else None
    return {
        layer.name: layer.trees
        for layer in model.layers
        if isinstance(layer, BoostedTrees) and (shares is None or shares.get(layer.name))
    }


def splice_trees(model: Any, rows: str, trees_by_input: dict[str, Trees]) -> None:
    """Compute some inputs of an ONNX model by trees, so that they are inputs no longer.

    Args:
        model: An `onnx.ModelProto`; it is changed.
        rows: The name of the input that the trees look at.
        trees_by_input: The trees that answer for each of the other inputs.
    """
    from onnx import helper

    if not trees_by_input:
        return
    nodes = [_node(trees, rows, name) for name, trees in trees_by_input.items()]
    rest, kept = list(model.graph.node), [each for each in model.graph.input if each.name not in trees_by_input]
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    del model.graph.input[:]
    model.graph.input.extend(kept)
    if all(each.domain != _DOMAIN for each in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_DOMAIN, _VERSION))


def _node(trees: Trees, rows: str, output: str) -> Any:
    """One operator for all trees; thresholds are float32, as rows are, and so route each row as Keras does."""
    from onnx import helper

    sizes = np.diff(np.append(trees.roots, len(trees.features)))
    tree = np.repeat(np.arange(len(trees)), sizes)
    node = np.arange(len(trees.features)) - np.repeat(trees.roots, sizes)
    leaf = trees.features < 0
    return helper.make_node(
        "TreeEnsembleRegressor",
        [rows],
        [output],
        domain=_DOMAIN,
        nodes_treeids=tree.tolist(),
        nodes_nodeids=node.tolist(),
        nodes_featureids=np.where(leaf, 0, trees.features).tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_values=trees.thresholds.tolist(),
        nodes_truenodeids=trees.left.tolist(),
        nodes_falsenodeids=trees.right.tolist(),
        target_treeids=tree[leaf].tolist(),
        target_nodeids=node[leaf].tolist(),
        target_ids=trees.answers[tree[leaf]].tolist(),
        target_weights=trees.values[leaf].tolist(),
        n_targets=len(trees.base),
        base_values=trees.base.tolist(),
    )
