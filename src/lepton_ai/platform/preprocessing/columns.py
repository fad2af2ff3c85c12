"""Rows of named values as checked columns, the form of a table that training and serving share; NumPy only."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.column import Column, Kind, alike
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.values import as_moment, date_of, missing_numbers, stands_for_missing, text_of

Columns = Mapping[str, NDArray[Any]]
"""A table by column name, each `(batch,)`.

Numbers are float64 with NaN for a missing one, categories and texts are objects `str | None`, dates are
`datetime64[us]` in UTC with NaT for a missing one.
"""

MOST_MISFITS = 20


@dataclass(frozen=True)
class Misfit:
    """One cell that does not fit the schema.

    Args:
        row: The number of its row, from 0.
        column: The name of its column.
        expected: What the schema allows.
        got: What stands there.
    """

    row: int
    column: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column!r}: must be {self.expected}, got {self.got}"


def columns_of_rows(schema: Schema, rows: Sequence[Mapping[str, Any]], *, field: str = "rows") -> Columns:
    """The features of rows that came as JSON, checked cell by cell. Nothing is cast in silence.

    A number must come as a number, a date as ISO text or as the schema says, a text as text. A category may come as
    text, number or true/false, and is known by its text; an unknown one is taken unless the column is closed. A value
    may be missing (null, or left out) where the schema says so. Columns of the schema that are no features may be
    there and are passed over; other names are mistakes.

    Args:
        schema: What the rows must fit.
        rows: One mapping from column name to value per row.
        field: The name to use in messages.

    Raises:
        InvalidInput: The cells that do not fit, the first 20 of them in `errors`, and how many there are.

    Example:

        >>> schema = Schema.infer({"age": [31, 47], "sex": ["f", "m"]})
        >>> columns_of_rows(schema, [{"age": 52, "sex": "m"}])["age"]
        array([52.])
        >>> columns_of_rows(schema, [{"age": "52", "sex": "m"}])
        Traceback (most recent call last):
            ...
        lepton_ai.core.errors.InvalidInput: `rows` must fit the schema; row 0, column 'age': must be a number, got '52'
    """
    _check_form(rows, field)
    misfits: list[Misfit] = []
    columns: dict[str, NDArray[Any]] = {}
    known = {column.name for column in schema.columns}
    for position, row in enumerate(rows):
        if not row.keys() <= known:
            misfits += [
                Misfit(position, str(name), f"a column of the schema{alike(str(name), list(known))}", shown(value))
                for name, value in row.items()
                if name not in known
            ]
    for column in schema.features:
        read = _READERS[column.kind](column)
        values = []
        for position, row in enumerate(rows):
            try:
                value = read(row.get(column.name))
            except _UnfitError as unfit:
                misfits.append(Misfit(position, column.name, unfit.expected, unfit.got))
                value = None
            else:
                if value is None and not column.may_be_missing:
                    misfits.append(Misfit(position, column.name, _WANTED[column.kind], "nothing"))
            values.append(value)
        columns[column.name] = _array(column.kind, values)
    if misfits:
        misfits.sort(key=lambda misfit: misfit.row)
        raise misfits_error(misfits, len(misfits), field)
    return columns


def findings(schema: Schema, columns: Columns) -> tuple[Misfit, ...]:
    """What can be predicted from but was not met in training: unknown categories, and missing values where none were.

    An unknown category counts as unknown, and a missing number as the median of the training rows.

    Example:

        >>> schema = Schema.infer({"sex": ["f", "m"]})
        >>> [str(finding) for finding in findings(schema, columns_of_rows(schema, [{"sex": "x"}]))]
        ["row 0, column 'sex': must be one of 'f', 'm', got 'x'"]
    """
    found: list[Misfit] = []
    for column in schema.features:
        values = columns[column.name]
        missing = is_missing(values)
        if not column.may_be_missing:
            found += [Misfit(int(row), column.name, _WANTED[column.kind], "nothing") for row in np.flatnonzero(missing)]
        if column.kind is Kind.CATEGORY:
            known = frozenset(column.categories or ())
            found += [
                Misfit(row, column.name, _one_of(column), shown(value))
                for row, value in enumerate(values)
                if value is not None and value not in known
            ]
    return tuple(sorted(found, key=lambda misfit: misfit.row))


def is_missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a column has no value, `(batch,)`. An infinite number is none."""
    if values.dtype.kind == "f":
        return np.asarray(~np.isfinite(values))
    if values.dtype.kind == "M":
        return np.asarray(np.isnat(values))
    return np.fromiter((value is None for value in values), dtype=bool, count=len(values))


def misfits_error(misfits: Iterable[Misfit], count: int, field: str) -> InvalidInput:
    """The error that lists cells that do not fit the schema.

    Args:
        misfits: The first of them.
        count: How many there are in all.
        field: The name of what holds the rows.
    """
    shown_misfits = list(misfits)[:MOST_MISFITS]
    more = "" if count == 1 else f" (and {count - 1} more cells)"
    return InvalidInput(
        f"`{field}` must fit the schema; {shown_misfits[0]}{more}",
        hint="Correct the cells, or the schema: `schema.with_column` changes what a column may hold.",
        errors=[
            {
                "field": f"{field}[{misfit.row}].{misfit.column}",
                "message": f"must be {misfit.expected}, got {misfit.got}",
                **asdict(misfit),
            }
            for misfit in shown_misfits
        ],
    )


def shown(value: Any) -> str:
    """A value as a message shows it: with its type where that is the point, and not at length."""
    if isinstance(value, str):
        return _short(repr(value))
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float | np.integer | np.floating):
        return _short(str(value))
    return f"{type(value).__name__} {_short(str(value))}"


class _UnfitError(Exception):
    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got


def _check_form(rows: Any, field: str) -> None:
    if isinstance(rows, str | Mapping) or not isinstance(rows, Sequence):
        raise InvalidInput(
            f"`{field}` must be a list of rows, each a mapping from column to value, got {type(rows).__name__}",
            hint='Send [{"age": 52, "sex": "m"}], also for a single row.',
        )
    if not rows:
        raise InvalidInput(f"`{field}` must hold at least one row, got none")
    for position, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InvalidInput(
                f"`{field}[{position}]` must be a mapping from column to value, got {type(row).__name__}",
                hint='Send [{"age": 52, "sex": "m"}].',
            )


def _number(column: Column) -> Callable[[Any], float | None]:
    codes = missing_numbers(column)

    def read(value: Any) -> float | None:
        if value is None or (isinstance(value, str) and stands_for_missing(value.strip(), column)):
            return None
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
            raise _UnfitError("a number", shown(value))
        try:
            number = float(value)
        except OverflowError:
            raise _UnfitError("a finite number", shown(value)) from None
        if math.isnan(number) or number in codes:
            return None
        if math.isinf(number):
            raise _UnfitError("a finite number", shown(value))
        if column.low is not None and number < column.low:
            raise _UnfitError(f"at least {column.low:g}", shown(value))
        if column.high is not None and number > column.high:
            raise _UnfitError(f"at most {column.high:g}", shown(value))
        return number

    return read


def _category(column: Column) -> Callable[[Any], str | None]:
    known = frozenset(column.categories or ())

    def read(value: Any) -> str | None:
        try:
            text = text_of(value)
        except TypeError:
            raise _UnfitError("a category", shown(value)) from None
        if text is None or stands_for_missing(text, column):
            return None
        if column.closed and text not in known:
            raise _UnfitError(_one_of(column), shown(value))
        return text

    return read


def _date(column: Column) -> Callable[[Any], np.datetime64 | None]:
    wanted = "an ISO date" + (f" or one written as {column.date_format}" if column.date_format else "")

    def read(value: Any) -> np.datetime64 | None:
        if value is None or (isinstance(value, str) and stands_for_missing(value.strip(), column)):
            return None
        if isinstance(value, date | np.datetime64):
            moment = as_moment(value)
            return None if np.isnat(moment) else moment
        found = date_of(value.strip(), column.date_format) if isinstance(value, str) else None
        if found is None:
            raise _UnfitError(wanted, shown(value))
        return as_moment(found)

    return read


def _text(column: Column) -> Callable[[Any], str | None]:
    def read(value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            raise _UnfitError("a text", shown(value))
        text = value.strip()
        return None if stands_for_missing(text, column) else text

    return read


def _array(kind: Kind, values: list[Any]) -> NDArray[Any]:
    if kind is Kind.NUMBER:
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    if kind is Kind.DATE:
        return np.array([np.datetime64("NaT") if value is None else value for value in values], dtype="datetime64[us]")
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _one_of(column: Column) -> str:
    categories = column.categories or ()
    named = ", ".join(map(repr, categories[:10]))
    return f"one of {named}" + (f" and {len(categories) - 10} more" if len(categories) > 10 else "")


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


_READERS: dict[Kind, Callable[[Column], Callable[[Any], Any]]] = {
    Kind.NUMBER: _number,
    Kind.CATEGORY: _category,
    Kind.DATE: _date,
    Kind.TEXT: _text,
}
_WANTED = {Kind.NUMBER: "a number", Kind.CATEGORY: "a category", Kind.DATE: "a date", Kind.TEXT: "a text"}
