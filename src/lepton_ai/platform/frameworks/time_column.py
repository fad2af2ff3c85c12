"""A column of times, as people write them, as moments."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.cells import read_cells
from lepton_ai.platform.preprocessing.column import Column, Kind
from lepton_ai.platform.preprocessing.dates import date_format_of

_YEAR_AND_MONTH = r"^\d{4}-\d{2}$"


def moments_in(column: Any) -> NDArray[np.datetime64]:
    """The moments in a column of a frame, `(rows,)`: dates, or texts that are written in one form, also year and month.

    Args:
        column: The polars series, as `read_table` gives it.

    Raises:
        InvalidInput: It holds something else, day and month may both come first, or a cell is empty.
    """
    import polars as pl

    form = None
    if column.dtype == pl.String and column.str.contains(_YEAR_AND_MONTH).all():
        column = column + "-01"
    if column.dtype == pl.String:
        form = date_format_of(column.drop_nulls().unique(maintain_order=True).to_list())
        if form == "ambiguous":
            raise InvalidInput(
                f"`{column.name}` can be read with the day or the month first",
                hint="Write the dates as 2020-01-31, or convert the column first.",
            )
    if column.dtype.is_numeric() or (column.dtype == pl.String and form is None):
        raise InvalidInput(
            f"`{column.name}` must hold times, got {column[0]!r}",
            hint="Convert it to dates first; a plain array of values needs no times.",
        )
    times, unfit = read_cells(Column(column.name, Kind.DATE, date_format=form), column)
    missing = np.flatnonzero(np.isnat(times))
    if len(unfit) or len(missing):
        row = int(unfit[0]) if len(unfit) else int(missing[0])
        raise InvalidInput(f"`{column.name}` must hold a time in every row, got {column[row]!r} in row {row}")
    return times
