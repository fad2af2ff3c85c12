"""Repairs the columns of a table before training, and tells what was wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.column import Column, Kind, Role
from lepton_ai.platform.preprocessing.columns import Columns, is_missing
from lepton_ai.platform.preprocessing.schema import Schema

# Rows that are equal by chance are likely where no column tells rows apart, and are then no mistake.
_DISTINCT_TO_TELL_ROWS_APART = 0.5


@dataclass(frozen=True)
class CleaningReport:
    """What was wrong with a table, and what became of it.

    Args:
        rows: How many rows there were.
        kept: The numbers of the rows that were kept, in their order, `(batch,)`.
        without_target: Rows left out because they have no value for the target.
        duplicates: Rows that repeat an earlier one in every column.
        duplicates_dropped: Whether these were left out.
        impossible: Values outside a column's limits, by column; they count as missing now.
        infinite: Numbers that are infinite, by column; they count as missing now.
        missing: Missing values by column, in the rows that were kept, these included.
    """

    rows: int
    kept: NDArray[np.int64] = field(repr=False)
    without_target: int
    duplicates: int
    duplicates_dropped: bool
    impossible: Mapping[str, int]
    infinite: Mapping[str, int]
    missing: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, without the numbers of the rows."""
        return {
            "rows": self.rows,
            "rows_kept": len(self.kept),
            "without_target": self.without_target,
            "duplicates": self.duplicates,
            "duplicates_dropped": self.duplicates_dropped,
            "impossible": dict(self.impossible),
            "infinite": dict(self.infinite),
            "missing": dict(self.missing),
        }

    def __str__(self) -> str:
        lines = [f"{len(self.kept)} of {self.rows} rows kept"]
        if self.without_target:
            lines.append(f"rows without a target, left out: {self.without_target}")
        if self.duplicates:
            fate = "left out" if self.duplicates_dropped else "kept, as nothing tells equal rows from repeated ones"
            lines.append(f"rows that repeat an earlier one, {fate}: {self.duplicates}")
        for what, counts in (
            ("outside its limits, now missing", self.impossible),
            ("infinite, now missing", self.infinite),
            ("missing in all", self.missing),
        ):
            lines += [f"values of `{name}` {what}: {count}" for name, count in counts.items()]
        return "\n".join(lines)


def clean(schema: Schema, columns: Columns) -> tuple[Columns, CleaningReport]:
    """Repair training rows: drop what cannot be learned from, and take impossible values for missing ones.

    Left out are rows without a target, and rows that repeat an earlier one in every column, ids included, where the
    table has a column that tells rows apart. A target outside its limits or infinite counts as none.

    Args:
        schema: What the table fits.
        columns: The rows, as `to_columns` gives them.

    Returns:
        The repaired columns, and what was wrong.

    Raises:
        InvalidInput: No row has a value for the target.

    Example:

        >>> from lepton_ai.platform.preprocessing.readers import to_columns
        >>> frame = {"age": [31, 47, 310], "ill": ["no", "yes", None]}
        >>> schema = Schema.infer(frame, target="ill").with_column("age", low=0, high=120)
        >>> print(clean(schema, to_columns(schema, frame))[1])
        2 of 3 rows kept
        rows without a target, left out: 1
        values of `age` outside its limits, now missing: 1
    """
    repaired, impossible, infinite = _repaired(schema, columns)
    rows = len(next(iter(repaired.values())))
    keep = np.ones(rows, dtype=bool)
    target = schema.target
    if target is not None and target.name in repaired:
        keep = ~is_missing(repaired[target.name])
        if not keep.any():
            raise InvalidInput(f"the target {target.name!r} must have values, got none in {rows} rows")
    without_target = int(rows - keep.sum())
    repeats = repeated_rows(repaired) & keep
    dropped = bool(repeats.any()) and _tells_rows_apart(schema, repaired)
    if dropped:
        keep &= ~repeats
    cleaned = {name: values[keep] for name, values in repaired.items()}
    missing = {name: int(is_missing(values).sum()) for name, values in cleaned.items()}
    return cleaned, CleaningReport(
        rows=rows,
        kept=np.flatnonzero(keep),
        without_target=without_target,
        duplicates=int(repeats.sum()),
        duplicates_dropped=dropped,
        impossible=impossible,
        infinite=infinite,
        missing={name: count for name, count in missing.items() if count},
    )


def repair(schema: Schema, columns: Columns) -> Columns:
    """The same rows with impossible and infinite values taken for missing ones; for rows to be predicted or measured.

    Example:

        >>> schema = Schema.infer({"age": [31, 47]}).with_column("age", high=120)
        >>> repair(schema, {"age": np.array([52.0, 310.0])})["age"]
        array([52., nan])
    """
    return _repaired(schema, columns)[0]


def repeated_rows(columns: Columns) -> NDArray[np.bool_]:
    """Which rows equal an earlier one in every column, `(batch,)`; missing values equal each other.

    Example:

        >>> repeated_rows({"a": np.array([1.0, 1.0, 2.0]), "b": np.array(["x", "x", "x"], dtype=object)})
        array([False,  True, False])
    """
    marks: NDArray[np.uint64] = np.zeros(len(next(iter(columns.values()))), dtype=np.uint64)
    for values in columns.values():
        # The odd factor (Knuth's golden ratio) spreads what is added before over all bits.
        marks = (marks ^ (marks >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15) + _marks(values)
    _, first = np.unique(marks, return_index=True)
    repeated = np.ones(len(marks), dtype=bool)
    repeated[first] = False
    return repeated


def _repaired(schema: Schema, columns: Columns) -> tuple[dict[str, NDArray[Any]], dict[str, int], dict[str, int]]:
    repaired, impossible, infinite = dict(columns), {}, {}
    for name, values in columns.items():
        column = schema[name]
        if column.kind is not Kind.NUMBER:
            continue
        endless = np.isinf(values)
        outside = _outside(column, values) & ~endless
        if endless.any() or outside.any():
            repaired[name] = np.where(endless | outside, np.nan, values)
        if endless.any():
            infinite[name] = int(endless.sum())
        if outside.any():
            impossible[name] = int(outside.sum())
    return repaired, impossible, infinite


def _outside(column: Column, values: NDArray[Any]) -> NDArray[np.bool_]:
    outside = np.zeros(len(values), dtype=bool)
    if column.low is not None:
        outside |= values < column.low
    if column.high is not None:
        outside |= values > column.high
    return outside


def _tells_rows_apart(schema: Schema, columns: Columns) -> bool:
    for name, values in columns.items():
        column = schema[name]
        if column.is_a(Role.ID) or column.kind is Kind.TEXT:
            return True
        distinct = len(np.unique(_marks(values)))
        if distinct > _DISTINCT_TO_TELL_ROWS_APART * len(values):
            return True
    return False


def _marks(values: NDArray[Any]) -> NDArray[np.uint64]:
    """A number for each value, equal for equal values and hardly ever else, `(batch,)`."""
    if values.dtype.kind == "f":
        # Minus zero is zero, and there are many NaN.
        plain = np.where(np.isnan(values), np.nan, values + 0.0)
        return np.ascontiguousarray(plain).view(np.uint64)
    if values.dtype.kind == "M":
        return np.ascontiguousarray(values).view(np.uint64)
    return np.fromiter((hash(value) & 0xFFFFFFFFFFFFFFFF for value in values), dtype=np.uint64, count=len(values))
