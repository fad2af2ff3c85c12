"""The matrices by which many small trees are evaluated at once, without walking any. Pure, NumPy only."""

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.tables.trees import Trees


class Paths:
    """Trees in the form of the GEMM strategy of Hummingbird (Nakandala and others, OSDI 2020).

    A leaf is reached just when as many of its path's turns to the right are taken as it has, and none of its turns to
    the left is missed. All trees are padded to the largest.

    Args:
        features: The column of each inner node, `(trees, nodes)`.
        thresholds: What it compares with, `(trees, nodes)`.
        turns: 1 where a leaf lies right of a node, -1 where left, else 0, `(trees, leaves, nodes)`.
        rights: How many turns to the right lead to a leaf, `(trees, leaves)`; -1 where there is no leaf.
        values: What a leaf adds, `(trees, leaves)`.
        answers: 1 where a tree adds to an answer, `(answers, trees)`.
    """

    def __init__(self, count: int, nodes: int, leaves: int, answers: int) -> None:
        self.features = np.zeros((count, nodes), np.int32)
        self.thresholds = np.zeros((count, nodes), np.float32)
        self.turns = np.zeros((count, leaves, nodes), np.float32)
        self.rights = np.full((count, leaves), -1.0, np.float32)
        self.values = np.zeros((count, leaves), np.float32)
        self.answers = np.zeros((answers, count), np.float32)

    @classmethod
    def of(cls, trees: Trees) -> "Paths":
        """The form of these trees."""
        ends = np.append(trees.roots[1:], len(trees.features))
        parts = [slice(first, after) for first, after in zip(trees.roots, ends, strict=True)]
        inner = [trees.features[part] >= 0 for part in parts]
        paths = cls(
            len(trees),
            max(max(int(each.sum()) for each in inner), 1),
            max(int((~each).sum()) for each in inner),
            len(trees.base),
        )
        for number, (part, is_inner) in enumerate(zip(parts, inner, strict=True)):
            paths._add(number, trees, part, is_inner)
            paths.answers[trees.answers[number], number] = 1.0
        return paths

    def _add(self, number: int, trees: Trees, part: slice, is_inner: NDArray[np.bool_]) -> None:
        count = int(is_inner.sum())
        self.features[number, :count] = trees.features[part][is_inner]
        self.thresholds[number, :count] = trees.thresholds[part][is_inner]
        place = np.cumsum(is_inner) - 1  # of an inner node among the inner ones
        left, right, values = trees.left[part], trees.right[part], trees.values[part]
        path = np.zeros((len(is_inner), count), np.float32)
        leaf = 0
        waiting = [0]
        while waiting:
            node = waiting.pop()
            if is_inner[node]:
                for child, turn in ((left[node], -1.0), (right[node], 1.0)):
                    path[child] = path[node]
                    path[child, place[node]] = turn
                    waiting.append(int(child))
                continue
            self.turns[number, leaf, :count] = path[node]
            self.rights[number, leaf] = (path[node] > 0).sum()
            self.values[number, leaf] = values[node]
            leaf += 1
