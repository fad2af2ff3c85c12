"""Conditions on one column that split rows into readable parts: a category, a quarter of the numbers, missing."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation.arrays import Flags

_MOST_LEVELS = 20
_FEW_NUMBERS = 6
_PARTS = 4


@dataclass(frozen=True)
class Condition:
    """Some rows of a table.

    Args:
        column: The column that tells.
        text: Which values, as people say it.
        rows: Whether it holds, for each row.
    """

    column: str
    text: str
    rows: Flags

    def __str__(self) -> str:
        return f"{self.column}: {self.text}"


def conditions(column: str, values: NDArray[Any]) -> tuple[Condition, ...]:
    """The parts of a column; every row is in just one of them.

    Args:
        column: Its name.
        values: Numbers (NaN is missing), dates (NaT is missing), or text (None is missing), `(rows,)`.

    Numbers and dates are split at their quartiles, or by value where they take at most six; text is split by value, the
    twenty most frequent ones and the others.

    Example:

        >>> [str(part) for part in conditions("age", np.array([20.0, 31.0, 44.0, 57.0, 60.0, 71.0, 80.0, np.nan]))]
        ['age: up to 37.5', 'age: 37.5 to 57', 'age: 57 to 65.5', 'age: above 65.5', 'age: missing']
    """
    missing = _is_missing(values)
    parts = _by_value(values, missing) if values.dtype.kind in "OUSb" else _by_size(values, missing)
    parts.append(("missing", missing))
    return tuple(Condition(column, text, rows) for text, rows in parts if rows.any())


def _is_missing(values: NDArray[Any]) -> Flags:
    if values.dtype.kind == "O":
        return np.array([value is None or value != value for value in values], bool)
    if values.dtype.kind == "M":
        return np.asarray(np.isnat(values), bool)
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)


def _by_value(values: NDArray[Any], missing: Flags) -> list[tuple[str, Flags]]:
    texts = np.array([str(value) for value in values[~missing]], dtype=object)
    levels, numbers, counts = np.unique(texts, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    kept = order if len(order) <= _MOST_LEVELS else order[: _MOST_LEVELS - 1]
    parts = [(str(levels[number]), _spread(numbers == number, missing)) for number in kept]
    others = ~np.isin(numbers, kept)
    if others.any():
        parts.append((f"any of {len(order) - len(kept)} others", _spread(others, missing)))
    return parts


def _by_size(values: NDArray[Any], missing: Flags) -> list[tuple[str, Flags]]:
    present = values[~missing]
    distinct = np.unique(present)
    if len(distinct) <= _FEW_NUMBERS:
        return [(show(value), _spread(present == value, missing)) for value in distinct]
    ordered = np.sort(present)
    if values.dtype.kind == "M":  # no halfway between dates: the date at the quartile itself
        cuts = np.unique(ordered[[len(ordered) * part // _PARTS for part in range(1, _PARTS)]])
    else:
        cuts = np.unique(np.quantile(ordered, [part / _PARTS for part in range(1, _PARTS)]))
    cuts = cuts[cuts < ordered[-1]]  # what is above the last cut must be something
    part_of_row = np.searchsorted(cuts, present, side="left")
    texts = [f"up to {show(cuts[0])}"] if len(cuts) else ["any"]
    texts += [f"{show(low)} to {show(high)}" for low, high in pairwise(cuts)]
    texts += [f"above {show(cuts[-1])}"] if len(cuts) else []
    return [(text, _spread(part_of_row == number, missing)) for number, text in enumerate(texts)]


def show(value: Any) -> str:
    """A number or date as people write it."""
    if isinstance(value, np.datetime64):
        text = np.datetime_as_string(value, unit="s")
        return text.removesuffix("T00:00:00").replace("T", " ")
    return f"{float(value):.4g}" if abs(float(value)) < 1e4 or abs(float(value)) >= 1e9 else f"{float(value):,.0f}"


def _spread(present: Flags, missing: Flags) -> Flags:
    """Flags of the rows that have a value, as flags of all rows."""
    rows = np.zeros(len(missing), bool)
    rows[~missing] = present
    return rows
