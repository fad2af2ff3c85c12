"""The graph of a table's model: a packed net, a linear member and boosted trees side by side, blended at the end."""

from collections.abc import Sequence
from typing import Any

from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.layers import Rescale, Standardize
from lepton_ai.platform.frameworks.tables.blend_layer import NET, Blend
from lepton_ai.platform.frameworks.tables.columns import OneHotCodes, Pick, PiecewiseLinear
from lepton_ai.platform.frameworks.tables.packed import PackedNet
from lepton_ai.platform.frameworks.tables.plan import CAUTIOUS_TREES, TREES
from lepton_ai.platform.frameworks.tables.trees_layer import BoostedTrees
from lepton_ai.platform.preprocessing.layout import Block, BlockKind

LINEAR = "linear"
LINEAR_FEATURES = "linear_features"

_NETS = 8
_UNITS = (128, 128)
_STEPS = 24
_DROPOUT = 0.2
# Codes of more levels count as numbers: they are ordered by the mean outcome, and a weight for each would be too many.
_MOST_LEVELS = 100


def build_table(
    width: int, num_classes: int | None, *, layout: Sequence[Block] | None = None, seed: int | None = None
) -> tuple[Any, Any]:
    """The symbolic input and output of a new net for encoded rows.

    As built it answers with the packed net alone; `fit_table` gives the other members their share.

    Args:
        width: How many numbers a row has.
        num_classes: How many classes there are, None for a regression.
        layout: What the numbers mean; all quantities, if left out.
        seed: Decides initial weights and dropout.

    Returns:
        `inputs` `(batch, width)`, and `probabilities` `(batch, classes)` or `outputs` `(batch, 1)`.
    """
    answers = num_classes or 1
    inputs = keras.Input((width,), name="inputs")
    numbers, codes = _parts(inputs, layout or (Block("", BlockKind.NUMBER, 0, width),))
    steps = [PiecewiseLinear(_STEPS, name="steps", dtype="float32")(each) for each in numbers]
    nets = _joined([*numbers, *steps, *codes], "net_features")
    nets = PackedNet(_NETS, _UNITS, answers, dropout=_DROPOUT, seed=seed, name=NET)(nets)
    if not num_classes:
        nets = Rescale(name="rescale", dtype="float32")(nets)
    line = keras.layers.Dense(answers, trainable=False, kernel_initializer="zeros", name=LINEAR, dtype="float32")
    members = {NET: nets, LINEAR: line(_joined([*numbers, *codes], LINEAR_FEATURES))}
    for name in (TREES, CAUTIOUS_TREES):
        members[name] = BoostedTrees(answers, name=name, dtype="float32")(inputs)
    name = "probabilities" if num_classes else "outputs"
    blend = Blend(list(members), classifies=num_classes is not None, name=name, dtype="float32")
    return inputs, blend(list(members.values()))


def _parts(inputs: Any, layout: Sequence[Block]) -> tuple[list[Any], list[Any]]:
    """The scaled numbers and the one-hot codes of a row; each a list of one tensor, or of none."""
    codes = [block for block in layout if block.kind is BlockKind.CODE and block.levels <= _MOST_LEVELS]
    numbers = [place for block in layout if block not in codes for place in range(block.slice.start, block.slice.stop)]
    return (
        [Standardize(name="standardize", dtype="float32")(Pick(numbers, name="numbers")(inputs))] if numbers else [],
        [OneHotCodes([b.first for b in codes], [b.levels for b in codes], name="codes")(inputs)] if codes else [],
    )


def _joined(parts: list[Any], name: str) -> Any:
    return keras.layers.Concatenate(name=name)(parts) if len(parts) > 1 else keras.layers.Identity(name=name)(parts[0])
