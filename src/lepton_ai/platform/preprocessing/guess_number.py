"""What a column of numbers is: numbers, an id, or the classes of a target."""

import re
from collections import Counter
from dataclasses import replace
from typing import Any

from lepton_ai.platform.preprocessing.column import Kind
from lepton_ai.platform.preprocessing.guess_category import ROWS_TO_JUDGE, Guess, guess_category, noted
from lepton_ai.platform.preprocessing.values import number_of, text_of

DISTINCT_OF_AN_ID = 0.95
"""The share of values that differ, from which a column may name its rows."""

_MOST_CLASSES = 12
_ROWS_PER_CLASS = 10

_ID_NAME = re.compile(r"(?i)^(id|uuid|guid|index|unnamed: ?0|rowid|row[ _]?(id|number|nr|no))$|[ _.-](id|uuid|guid)$")


def guess_number(
    values: Any, rows: int, codes: tuple[str, ...], name: str, *, target: bool, kind: Kind | None
) -> Guess:
    """Judge a column of numbers.

    Args:
        values: Its values, as a polars series without null.
        rows: How many rows there are.
        codes: What is known to stand for a missing value.
        name: Its name.
        target: Whether the column is to be predicted.
        kind: The kind that the user said.
    """
    import polars as pl

    numbers = values.filter(values.is_finite()) if values.dtype.is_float() else values
    code_numbers = [number for number in map(number_of, codes) if number is not None]
    if code_numbers:
        numbers = numbers.filter(~numbers.cast(pl.Float64).is_in(code_numbers))
    few = target and kind is None and _is_few(numbers)
    if kind is Kind.CATEGORY or few:
        counts = Counter({str(text_of(value)): int(times) for value, times in numbers.value_counts().iter_rows()})
        found = guess_category(counts, rows, codes, target=target)
        note = f"has {len(counts)} whole values, so each is a class; as a number it would be a regression"
        return noted(found, note) if few and len(counts) > 2 else found
    if kind is Kind.TEXT:
        return Guess(Kind.TEXT, rows - numbers.len(), codes)
    found = Guess(Kind.NUMBER, rows - numbers.len(), codes)
    infinite = values.len() - numbers.len() if values.dtype.is_float() and not code_numbers else 0
    if infinite:
        return noted(found, f"is infinite in {infinite} rows, which count as missing")
    return found if kind is Kind.NUMBER else _id_by_number(found, numbers, name)


def _is_few(numbers: Any) -> bool:
    """Whether numbers to predict are classes: whole, few, and each with rows to learn from; or just two values."""
    distinct = numbers.n_unique()
    if distinct <= 2:
        return True
    few = distinct <= _MOST_CLASSES and distinct * _ROWS_PER_CLASS <= numbers.len()
    return bool(few and _all_whole(numbers))


def _id_by_number(found: Guess, numbers: Any, name: str) -> Guess:
    """Whether whole numbers count the rows, or are called an id and nearly all differ."""
    count = numbers.len()
    if count < ROWS_TO_JUDGE or not _all_whole(numbers):
        return found
    distinct, low, high = numbers.n_unique(), numbers.min(), numbers.max()
    if distinct == count and 0 <= low <= 1 + 0.05 * count and high <= 3 * count:
        return replace(found, names_rows="counts the rows")
    if _is_called_id(name):
        if distinct >= DISTINCT_OF_AN_ID * count:
            return replace(found, names_rows="is called an id, and differs in nearly all rows")
        return noted(found, f'is called an id: if rows of one value belong together, say group="{name}"')
    return found


def _is_called_id(name: str) -> bool:
    # customerId and CustomerID, and not "Paid" or "Grid".
    return bool(_ID_NAME.search(name)) or bool(re.search(r"[a-z]I[dD]$", name))


def _all_whole(numbers: Any) -> bool:
    return not numbers.dtype.is_float() or bool((numbers == numbers.round()).all())
