"""What a fit on a table does, by its size: folds, how trees grow, what each member counts at first. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from lepton_ai.platform.frameworks.tables.trees import Growth

TREES, CAUTIOUS_TREES = "trees", "cautious_trees"
_MANY_ROWS = 20_000
_FOLDS, _FEWER_FOLDS = 8, 4
# Each round grows a tree for each of more than two classes.
_MOST_TREES = 4000


@dataclass(frozen=True)
class TablePlan:
    """The settings of one fit.

    Args:
        folds: How many parts the rows are dealt into.
        growths: How trees are grown, by the name of the member.
        prior: The share of each member before anything is measured.
    """

    folds: int
    growths: Mapping[str, Growth]
    prior: Mapping[str, float]


def table_plan(rows: int, answers: int) -> TablePlan:
    """The plan for a table of this size.

    Example:

        >>> table_plan(300, 2).folds, table_plan(50_000, 2).folds
        (8, 4)
    """
    few = rows < _MANY_ROWS
    most = max(_MOST_TREES // answers if answers > 2 else _MOST_TREES, 20)
    growths = {
        TREES: Growth(0.1, min(400 if few else 200, most), 31, 20),
        CAUTIOUS_TREES: Growth(0.03 if few else 0.05, min(800 if few else 300, most), 15, 30, 0.5),
    }
    prior = {"net": 1 / 3, "linear": 1 / 3} | dict.fromkeys(growths, 1 / (3 * len(growths)))
    return TablePlan(min(_FOLDS if few else _FEWER_FOLDS, max(rows, 2)), growths, prior)
