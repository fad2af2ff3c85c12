"""What came before each row of a table in time: the means of its last values, and where they are heading.

A machine's sensors, a patient's visits, a shop's weeks: one row alone says little of what comes next, its past says
much. Nothing of a later row, and nothing of another group, gets into a row.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.readers import read_table

if TYPE_CHECKING:
    import polars as pl

ROWS_BEFORE = "rows_before"
"""The column that counts the earlier rows of a row's group."""


def with_history(
    frame: Any, columns: Sequence[str], *, time: str, group: str | None = None, windows: Sequence[int] = (5, 15, 30)
) -> "pl.DataFrame":
    """Add to each row what the rows before it say, its own value included.

    For each column and window its mean over the last so many rows, `temperature_mean_5`; over the longest window its
    standard deviation, `temperature_deviation`, and its trend, the slope of the line of least squares for each row,
    `temperature_trend`; and how many rows came before, `rows_before`. Where there are fewer rows than a window, those
    that there are count; of one row alone deviation and trend are 0.

    Args:
        frame: A table, as `read_table` takes it.
        columns: Columns of numbers.
        time: The column that says which rows come first; no two rows of a group at the same time.
        group: The column that tells histories apart, such as the machine; None if there is one history.
        windows: How many rows to look back.

    Returns:
        The table with these columns added, its rows in the order they came in.

    Raises:
        InvalidInput: A column is not there or holds no numbers, a window is no whole number above 0, or two rows of a
            group have the same time.

    Example:

        >>> table = {"machine": ["a", "a", "b"], "hour": [2, 1, 1], "heat": [4.0, 2.0, 9.0]}
        >>> with_history(table, ["heat"], time="hour", group="machine", windows=[2, 3])["heat_mean_2"].to_list()
        [3.0, 2.0, 9.0]
    """
    import polars as pl

    table = read_table(frame)
    needed = [*columns, time, *([] if group is None else [group])]
    if missing := [name for name in needed if name not in table.columns]:
        raise InvalidInput(f"the table must have the column {missing[0]!r}, got {', '.join(map(repr, table.columns))}")
    if texts := [name for name in columns if not table[name].dtype.is_numeric()]:
        raise InvalidInput(
            f"`columns` must hold numbers, got {texts[0]!r} of type {table[texts[0]].dtype}",
            hint="Only numbers have a mean.",
        )
    if not windows or any(not isinstance(window, int) or window < 1 for window in windows):
        raise InvalidInput(f"`windows` must be whole numbers above 0, got {list(windows)}")
    keys = [time] if group is None else [group, time]
    if table.select(keys).is_duplicated().any():
        raise InvalidInput(
            f"`{time}` must tell the rows of a history apart, got two rows at the same time",
            hint="Name the column that tells histories apart as `group`." if group is None else None,
        )
    place, longest = "__place", max(windows)
    ordered = table.with_row_index(place).sort(keys)
    at = pl.int_range(pl.len()).cast(pl.Float64)
    added = [at.cast(pl.Int64).alias(ROWS_BEFORE)]
    for name in columns:
        value = pl.col(name).cast(pl.Float64)
        added += [
            value.rolling_mean(window, min_samples=1).alias(f"{name}_mean_{window}") for window in sorted(set(windows))
        ]
        deviation, trend = value.rolling_std(longest, min_samples=2), _slope(value, at, longest)
        added += [deviation.fill_null(0).alias(f"{name}_deviation"), trend.fill_null(0).alias(f"{name}_trend")]
    return ordered.with_columns([each if group is None else each.over(group) for each in added]).sort(place).drop(place)


def _slope(value: "pl.Expr", at: "pl.Expr", window: int) -> "pl.Expr":
    """The slope of the line of least squares through the last values."""

    def mean(of: "pl.Expr") -> "pl.Expr":
        return of.rolling_mean(window, min_samples=2)

    return (mean(value * at) - mean(value) * mean(at)) / (mean(at * at) - mean(at) * mean(at))
