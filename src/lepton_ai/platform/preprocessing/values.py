"""One cell of a table: what its text is, when it is missing, and which date or number is written in it."""

import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from lepton_ai.platform.preprocessing.column import Column, Kind

_TRUTH_VALUES = frozenset({"True", "TRUE", "False", "FALSE"})
_MISSING_WORDS = frozenset({"?", "na", "n/a", "#n/a", "<na>", "nan", "null"})
_NOT_A_NUMBER_EITHER = frozenset({"none", "nil", "-", "--", ".", "nat"})


def text_of(value: Any) -> str | None:
    """A category as text, None if there is no value; the same for a value whichever way it came.

    Example:

        >>> [text_of(value) for value in (3, 3.0, "3", " 3.0 ", True, "TRUE", 2.5, "", None, math.nan)]
        ['3', '3', '3', '3', 'true', 'true', '2.5', None, None, None]
    """
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if text in _TRUTH_VALUES:
            return text.lower()
        whole = text.endswith(".0") and text[:-2].removeprefix("-").isdecimal()
        return (text[:-2] if whole else text) or None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isnan(number):
            return None
        return str(int(number)) if number.is_integer() else str(number)
    if isinstance(value, date | np.datetime64):
        return None if value != value else str(value)
    raise TypeError(f"{type(value).__name__} is not a value of a cell")


def number_of(text: str) -> float | None:
    """The number that a text spells in full, None if it does not. A decimal point, and no signs between thousands.

    Example:

        >>> [number_of(text) for text in ("12", "-1.5e3", ".5", "1,5", "1_000", "twelve", "nan")]
        [12.0, -1500.0, 0.5, None, None, None, None]
    """
    if "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def date_of(text: str, date_format: str | None) -> datetime | None:
    """The date that a text spells, None if it does not; one with an offset from UTC is brought to UTC.

    Args:
        text: In `date_format`, or in ISO 8601.
        date_format: In the words of `datetime.strptime`.

    Example:

        >>> str(date_of("31.12.2020", "%d.%m.%Y")), str(date_of("2020-12-31T23:30:00-01:00", None))
        ('2020-12-31 00:00:00', '2021-01-01 00:30:00')
    """
    if date_format is not None:
        try:
            return _without_offset(datetime.strptime(text, date_format))  # noqa: DTZ007 - most tables know no offset
        except ValueError:
            pass
    # Python reads 20240131 and 2024W05 as ISO dates too; in a table such a thing is a number or a code.
    if len(text) < 8 or text[4:5] != "-":
        return None
    try:
        return _without_offset(datetime.fromisoformat(text.removesuffix(" UTC")))
    except ValueError:
        return None


def as_moment(value: date | np.datetime64) -> np.datetime64:
    """A date in the form that columns hold: to the microsecond, in UTC, without saying so."""
    if isinstance(value, np.datetime64):
        moment: np.datetime64 = value.astype("datetime64[us]")
        return moment
    return np.datetime64(_without_offset(value) if isinstance(value, datetime) else value, "us")


def is_missing_word(text: str, kind: Kind) -> bool:
    """Whether a text is one of those that stand for a missing value in any table.

    Where numbers or dates are expected they are more: `none` and `-` may well be categories.

    Example:

        >>> [is_missing_word(text, Kind.CATEGORY) for text in ("?", "N/A", "none")], is_missing_word("none", Kind.DATE)
        ([True, True, False], True)
    """
    words = _MISSING_WORDS if kind in (Kind.CATEGORY, Kind.TEXT) else _MISSING_WORDS | _NOT_A_NUMBER_EITHER
    return text.lower() in words


def stands_for_missing(text: str, column: Column) -> bool:
    """Whether a text, stripped, says that this column has no value here: it is empty, one of the column's codes, or
    one of the usual words where a number or a date is expected."""
    if not text or text in column.missing_codes:
        return True
    return column.kind in (Kind.NUMBER, Kind.DATE) and is_missing_word(text, column.kind)


def missing_numbers(column: Column) -> frozenset[float]:
    """The missing codes of a column that are numbers."""
    if column.kind is not Kind.NUMBER:
        return frozenset()
    numbers = (number_of(code) for code in column.missing_codes)
    return frozenset(number for number in numbers if number is not None)


def _without_offset(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo is not None else moment
