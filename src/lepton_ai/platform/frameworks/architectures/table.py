"""Tables: a packed net, a linear model and boosted trees side by side, of which a fit finds the best mixture."""

from typing import Any

from lepton_ai.platform.frameworks.architectures.architecture import Architecture, Seeds
from lepton_ai.platform.frameworks.tables.graph import build_table
from lepton_ai.platform.preprocessing.layout import Block


def whole(
    row_shape: tuple[int, ...], num_classes: int | None, layout: tuple[Block, ...] | None, seeds: Seeds
) -> tuple[Any, Any]:
    """The blend of `tables/graph.py` for rows of `(columns,)` numbers."""
    return build_table(row_shape[0], num_classes, layout=layout, seed=seeds.next())


TABLE = Architecture(
    "table",
    axes=("columns",),
    family="blend of packed multi-layer perceptrons, a linear model and boosted trees",
    whole=whole,
)
