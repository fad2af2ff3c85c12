"""`AnswerRule`: what is answered once a model has spoken: which label from which probability on, and how far it may be.

The document `decision.json` of a model version. NumPy and the standard library only: a model server loads this module.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.arrays import Classes, Flags, Floats
from lepton_ai.platform.evaluation.conformal import interval_around, label_sets
from lepton_ai.platform.evaluation.threshold import cheapest, cost_matrix

VERSION = 1


@dataclass(frozen=True)
class AnswerRule:
    """How a model's outputs become answers.

    Args:
        threshold: Two classes: from which probability of the second on it is answered. None answers the likeliest.
        coverage: How often the set of labels, or the interval, is to hold the truth.
        quantile: What keeps that promise: how much probability the other classes may have, or half the width of an
            interval. None where nothing is promised, because nobody asked or rows were too few.
        costs: What each answer costs, `costs[true class][answered class]`: what costs least is answered. With two
            classes the threshold says the same.

    Raises:
        InvalidInput: A value is out of its range.

    Example:

        >>> rule = AnswerRule(threshold=0.3, coverage=0.9, quantile=0.8)
        >>> shares = np.array([[0.65, 0.35], [0.95, 0.05]])
        >>> rule.classes(shares).tolist(), rule.label_sets(shares).tolist()
        ([1, 0], [[True, True], [True, False]])
        >>> AnswerRule.from_json(rule.to_json()) == rule
        True
    """

    threshold: float | None = None
    coverage: float | None = None
    quantile: float | None = None
    costs: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        for name in ("threshold", "coverage", "quantile"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
                raise InvalidInput(f"`{name}` must be a finite number, got {name}={value!r}")
            object.__setattr__(self, name, float(value))
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InvalidInput(f"`threshold` must be from 0 to 1, got threshold={self.threshold}")
        if self.coverage is not None and not 0 < self.coverage < 1:
            raise InvalidInput(f"`coverage` must be between 0 and 1, got coverage={self.coverage}")
        if self.quantile is not None and (self.quantile < 0 or self.coverage is None):
            raise InvalidInput(
                f"`quantile` must be 0 or more and goes with a coverage, got quantile={self.quantile} and "
                f"coverage={self.coverage}"
            )
        if self.costs is not None:
            matrix = cost_matrix(self.costs, len(self.costs))
            object.__setattr__(self, "costs", tuple(tuple(float(cost) for cost in row) for row in matrix))

    def classes(self, probabilities: NDArray[Any]) -> Classes:
        """The class that is answered for each row, `(rows,)`."""
        if self.threshold is not None:
            return (probabilities[:, 1] >= self.threshold).astype(np.int64)
        if self.costs is not None:
            return cheapest(probabilities, self.costs)
        answers: Classes = probabilities.argmax(axis=1)
        return answers

    def label_sets(self, probabilities: NDArray[Any]) -> Flags | None:
        """Which classes each row may have, `(rows, classes)`, what is answered always among them; None for no promise.

        Adding the answer to a conformal set can only raise its coverage.
        """
        if self.quantile is None:
            return None
        possible = label_sets(probabilities, self.quantile)
        possible[np.arange(len(possible)), self.classes(probabilities)] = True
        return possible

    def intervals(self, numbers: NDArray[Any]) -> Floats | None:
        """The interval around each number, `(rows, 2)`; None for no promise."""
        return None if self.quantile is None else interval_around(numbers, self.quantile)

    def check_fits(self, classes: int | None) -> None:
        """Refuse a threshold for anything but two classes, and costs of other classes.

        Raises:
            InvalidInput: The rule belongs to another model.
        """
        if self.costs is not None and len(self.costs) != classes:
            told = "a regression" if classes is None else f"{classes} classes"
            raise InvalidInput(f"costs of {len(self.costs)} classes were given for {told}")
        if self.threshold is not None and classes != 2:
            told = "a regression" if classes is None else f"{classes} classes"
            raise InvalidInput(f"a threshold is for two classes, got threshold={self.threshold} for {told}")

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            InvalidInput: It is something else, or of a later version.
        """
        if not isinstance(value, Mapping) or value.get("version") != VERSION:
            got = value.get("version") if isinstance(value, Mapping) else type(value).__name__
            raise InvalidInput(
                f"a decision must be an object of version {VERSION}, got {got!r}",
                hint="`AnswerRule.to_json` writes it; a newer lepton-ai may have written this one.",
            )
        return cls(*(value.get(name) for name in ("threshold", "coverage", "quantile", "costs")))
