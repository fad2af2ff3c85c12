"""Whether the order of rows in time matters: which column tells it, and how alike neighbours are."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.preprocessing.column import Column, Kind
from lepton_ai.platform.preprocessing.columns import Columns, is_missing
from lepton_ai.platform.preprocessing.copies import codes_of
from lepton_ai.platform.preprocessing.schema import Schema

_FEWEST = 50
# Rows put in the order of the target, be it within a few blocks, hardly ever step back; what happens in time does.
_SORTED = 0.9
_BLOCKS = 3
_CALLED_YEAR = re.compile(r"(?i)(^|[_ .-])year$")
# When somebody was born is not when the row happened.
_CALLED_BIRTH = re.compile(r"(?i)birth|born|(^|[_ .-])dob$|built")
_YEARS = (1900, 2100)


def tells_when(schema: Schema, columns: Columns) -> Column | None:
    """The first feature that seems to say when a row happened: a date, or a year. None if there is none."""
    for column in schema.features:
        if _CALLED_BIRTH.search(column.name):
            continue
        if column.kind is Kind.DATE:
            return column
        if _CALLED_YEAR.search(column.name) and _are_years(columns[column.name]):
            return column
    return None


def likeness_of_neighbours(target: NDArray[Any], *, classes: bool, by: NDArray[Any] | None) -> float:
    """How far the targets of rows that follow each other agree, beyond chance.

    Args:
        target: The target of each row, `(rows,)`.
        classes: Whether it is a class rather than a number.
        by: What orders the rows, `(rows,)`; None for the order in which they stand.

    Returns:
        For classes Cohen's kappa of each row and the next, for numbers the correlation of their ranks: about 0 where
        the order says nothing, up to 1. Also 0 for few rows, and for rows that stand sorted by the target.

    Example:

        >>> season = np.sin(np.arange(500) / 20)
        >>> likeness_of_neighbours(season, classes=False, by=None) > 0.99
        True
    """
    there = ~is_missing(target)
    if by is not None:
        there &= ~is_missing(by)
    values = target[there]
    if len(values) < _FEWEST:
        return 0.0
    if by is not None:
        order = np.array([float(text) for text in by[there]]) if by.dtype.kind == "O" else by[there]
        values = values[np.argsort(order, kind="stable")]
    codes = codes_of(values) if classes else np.unique(values, return_inverse=True)[1].reshape(-1)
    changes = int((codes[1:] != codes[:-1]).sum())
    if classes:
        counts = np.bincount(codes)
        if by is None and changes < _BLOCKS * len(counts):
            return 0.0
        by_chance = float(((counts / len(codes)) ** 2).sum())
        return max(0.0, (1 - changes / (len(codes) - 1) - by_chance) / (1 - by_chance))
    steps = np.diff(codes)
    rising, falling = (steps > 0).sum(), (steps < 0).sum()
    if by is None and max(rising, falling) >= _SORTED * (rising + falling):
        return 0.0
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64)
    return max(0.0, float(np.corrcoef(ranks[1:], ranks[:-1])[0, 1]))


def _are_years(values: NDArray[Any]) -> bool:
    known = values[~is_missing(values)].tolist()
    try:
        years = np.array([float(value) for value in known])
    except ValueError:
        return False
    low, high = _YEARS
    return len(years) > 0 and bool(((years >= low) & (years <= high) & (years == np.floor(years))).all())
