"""What one column is, judged by its values: the rules by which a schema is inferred."""

from collections import Counter
from dataclasses import replace
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.column import Kind
from lepton_ai.platform.preprocessing.guess_category import ROWS_TO_JUDGE, Guess, guess_category, some
from lepton_ai.platform.preprocessing.guess_number import guess_number
from lepton_ai.platform.preprocessing.guess_text import guess_text
from lepton_ai.platform.preprocessing.values import text_of


def guess(cells: Any, *, target: bool, kind: Kind | None, codes: tuple[str, ...]) -> Guess:
    """Judge one column.

    Args:
        cells: Its values, as a series of `read_table`.
        target: Whether it is to be predicted.
        kind: Its kind, if that is known.
        codes: What is known to stand for a missing value.

    Raises:
        InvalidInput: Its values cannot be of that kind, or cannot be predicted.
    """
    import polars as pl

    name = cells.name
    values = cells.drop_nulls()
    if cells.dtype == pl.Categorical:
        kind = kind or Kind.CATEGORY
        cells, values = cells.cast(pl.String), values.cast(pl.String)
    if cells.dtype == pl.Boolean:
        counts = Counter({str(text_of(value)): int(times) for value, times in values.value_counts().iter_rows()})
        found = guess_category(counts, cells.len(), codes, target=target)
    elif cells.dtype.is_temporal():
        has_time = bool(values.len()) and bool((values != values.dt.truncate("1d")).any())
        found = Guess(Kind.DATE, cells.null_count(), codes, has_time=has_time)
    elif cells.dtype.is_numeric():
        found = guess_number(values, cells.len(), codes, name, target=target, kind=kind)
    else:
        times = dict(values.value_counts().iter_rows())
        # In the order in which they first came, by which the order of day and month may be told.
        counts = Counter({text: times[text] for text in values.unique(maintain_order=True).to_list()})
        found = guess_text(counts, cells.len(), codes, name, target=target, kind=kind)
    if kind is not None and found.kind is not kind:
        raise InvalidInput(
            f"column {name!r} cannot be a {kind.value}: its values are {some(values.unique(maintain_order=True)[:3])}",
            hint="Correct the values first, or leave its kind to be found.",
        )
    if target and found.missing == cells.len():
        raise InvalidInput(f"the target {name!r} must have values, got none in {cells.len()} rows")
    return _judged(found, values, cells.len())


def _judged(found: Guess, values: Any, rows: int) -> Guess:
    """With the reason added why a column cannot help, if there is one."""
    if found.missing == rows:
        return replace(found, says_nothing="has no values")
    constant = rows >= ROWS_TO_JUDGE and not found.missing and values.n_unique() == 1
    return replace(found, says_nothing="has the same value in all rows") if constant else found
