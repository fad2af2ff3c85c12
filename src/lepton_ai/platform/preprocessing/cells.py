"""The cells of one column of a frame, read as its schema says."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.preprocessing.column import Column, Kind
from lepton_ai.platform.preprocessing.values import date_of, missing_numbers, number_of, stands_for_missing, text_of

WANTED = {
    Kind.NUMBER: "a number",
    Kind.CATEGORY: "one of the categories",
    Kind.DATE: "a date",
    Kind.TEXT: "a text",
}
"""What to call a cell that fits, in a message."""

Read = tuple[NDArray[Any], list[int]]
"""The values of a column, and the rows whose cells do not fit."""


def read_cells(column: Column, cells: Any) -> Read:
    """The values of one column of a frame, as `Columns` holds them.

    Args:
        column: What the schema says of it.
        cells: The polars series, as `read_table` gives it.
    """
    import polars as pl

    return _READERS[column.kind](column, cells.cast(pl.String) if cells.dtype == pl.Categorical else cells)


def _numbers(column: Column, cells: Any) -> Read:
    import polars as pl

    if cells.dtype == pl.String:
        numbers: dict[str | None, float | None] = {}
        for text in cells.unique().to_list():
            numbers[text] = np.nan if text is None or stands_for_missing(text, column) else number_of(text)
        read = [numbers[text] for text in cells.to_list()]
        unfit = [row for row, number in enumerate(read) if number is None]
        values = np.array(read, dtype=np.float64)
    elif cells.dtype.is_numeric():
        unfit, values = [], cells.cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
    else:
        unfit, values = _all_that_are(cells), np.full(cells.len(), np.nan)
    for code in missing_numbers(column):
        values[values == code] = np.nan
    return values, unfit


def _categories(column: Column, cells: Any) -> Read:
    texts = _texts_by_cell(column, cells)
    values = _objects(cells, texts)
    if not column.closed:
        return values, []
    known = {*(column.categories or ()), None}
    return values, [row for row, value in enumerate(values) if value not in known]


def _dates(column: Column, cells: Any) -> Read:
    import polars as pl

    if cells.dtype == pl.String:
        dates: dict[str | None, Any] = {}
        for text in cells.unique().to_list():
            missing = text is None or stands_for_missing(text, column)
            dates[text] = np.datetime64("NaT") if missing else date_of(text, column.date_format)
        read = [dates[text] for text in cells.to_list()]
        return np.array(read, dtype="datetime64[us]"), [row for row, value in enumerate(read) if value is None]
    if cells.dtype.is_temporal():
        return cells.cast(pl.Datetime("us")).to_numpy().astype("datetime64[us]"), []
    return np.full(cells.len(), np.datetime64("NaT"), dtype="datetime64[us]"), _all_that_are(cells)


def _texts(column: Column, cells: Any) -> Read:
    import polars as pl

    if cells.dtype == pl.String:
        kept = {
            text: None if text is None or stands_for_missing(text.strip(), column) else text.strip()
            for text in cells.unique().to_list()
        }
        return _objects(cells, kept), []
    return _objects(cells, _texts_by_cell(column, cells)), []


def _texts_by_cell(column: Column, cells: Any) -> dict[Any, str | None]:
    texts = {cell: text_of(cell) for cell in cells.unique().to_list()}
    return {cell: None if text is None or stands_for_missing(text, column) else text for cell, text in texts.items()}


def _objects(cells: Any, texts: Mapping[Any, str | None]) -> NDArray[Any]:
    values = np.empty(cells.len(), dtype=object)
    # NaN is not equal to itself, and may be another object in each cell: it is null by now (`plain_frame`).
    values[:] = [texts[cell] for cell in cells.to_list()]
    return values


def _all_that_are(cells: Any) -> list[int]:
    return [int(row) for row in np.flatnonzero(cells.is_not_null().to_numpy())]


_READERS: dict[Kind, Callable[[Column, Any], Read]] = {
    Kind.NUMBER: _numbers,
    Kind.CATEGORY: _categories,
    Kind.DATE: _dates,
    Kind.TEXT: _texts,
}
