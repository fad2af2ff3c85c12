"""Time series from wherever they are: arrays, or a table with a column of times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.forecasting.grid import Grid, Unit, grid_of
from lepton_ai.platform.frameworks.forecasting.panel import Name, Numbers, Panel, bridged, carried_on
from lepton_ai.platform.frameworks.time_column import moments_in
from lepton_ai.platform.preprocessing.column import names_of, unknown_column
from lepton_ai.platform.preprocessing.readers import read_table

_MOST_CELLS = 50_000_000
_MOST_STEPS_PER_MOMENT = 50
_LARGEST = 1e150  # whose square a float64 holds


@dataclass(frozen=True)
class Roles:
    """Which column is what.

    Args:
        time: The column of times; None for plain arrays.
        series: The column that tells series apart; None for a single one.
        targets: What to forecast; None for every column that has no other role.
        known_ahead: What is known of future steps too: calendar, prices set, a weather forecast.
        observed: What is known up to the present only.
    """

    time: str | None
    series: str | None
    targets: tuple[str, ...] | None
    known_ahead: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that has a role."""
        single = tuple(name for name in (self.time, self.series) if name is not None)
        return (*single, *(self.targets or ()), *self.known_ahead, *self.observed)


def is_array(data: Any) -> bool:
    """Whether data is a plain array of numbers, without names and times."""
    if isinstance(data, list | tuple):
        return not any(isinstance(each, Mapping) for each in data)
    return isinstance(data, np.ndarray) and data.dtype.names is None


def panel_of_array(data: Any) -> Panel:
    """One series from an array `(time,)`, or several values of it from `(time, features)`."""
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise InvalidInput(f"an array of a series must have one shape, got {error}") from error
    if array.dtype == object or array.dtype.kind not in "fiub":
        raise InvalidInput(
            f"an array of a series must hold numbers, got {array.dtype}",
            hint="Write numpy.nan for a value that is missing.",
        )
    if isinstance(data, np.ma.MaskedArray):
        array = np.asarray(np.ma.filled(data.astype(np.float64), np.nan))
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or not array.size:
        raise InvalidInput(
            f"an array must have shape (time,) or (time, features), got {np.shape(data)}",
            hint="Pass several series as a table with a column that tells them apart.",
        )
    names = ("value",) if array.shape[1] == 1 else tuple(f"x{place}" for place in range(array.shape[1]))
    values = np.ascontiguousarray(array.T.astype(np.float64))
    nothing = np.zeros((1, len(array), 0))
    return _checked(Panel(Grid(Unit.POSITION), ("",), names, values, (), nothing, (), nothing))


def panel_of_table(data: Any, roles: Roles, grid: Grid | None = None, series: Sequence[Name] | None = None) -> Panel:
    """Series from a table, one row for each series and moment.

    Rows after the last value of any target are taken for the future: what is known ahead stands in them.
    A moment that is missing leaves a gap. The same moment twice is passed over where the rows are equal.

    Args:
        data: Whatever `read_table` takes.
        roles: Which column is what.
        grid: The grid that the moments must lie on; found from them if left out.
        series: The series to take, in this order; all of them if left out.

    Raises:
        InvalidInput: Columns or times are missing, times lie on no grid, a moment has two different rows, or a value
            is no number.
    """
    frame = read_table(data)
    roles = _completed(frame, roles)
    times = moments_in(frame[str(roles.time)])
    is_later = grid is not None
    grid = grid_of(times) if grid is None else grid
    table = _Laid(frame, roles, grid, times, series)
    targets = table.columns(roles.targets or ())
    has_value = np.isfinite(targets).any(axis=(0, 2))
    end = int(np.flatnonzero(has_value)[-1]) + 1 if has_value.any() else 0
    if not end:
        raise InvalidInput(
            f"the table must have values of {', '.join(map(repr, roles.targets or ()))}, got none",
            hint="Its times must not lie before those that were learned from." if is_later else None,
        )
    values = targets[:, :end].transpose(0, 2, 1).reshape(-1, end)
    known = bridged(table.columns(roles.known_ahead))
    observed = carried_on(table.columns(roles.observed)[:, :end])
    panel = Panel(grid, table.names, roles.targets or (), values, roles.known_ahead, known, roles.observed, observed)
    return _checked(panel).trimmed()


def future_of_table(panel: Panel, data: Any, roles: Roles) -> Panel:
    """The panel with what a table of coming steps says of them.

    Raises:
        InvalidInput: A column or time is missing, or the table says nothing of some series.
    """
    frame = read_table(data)
    roles = _completed(frame, Roles(roles.time, roles.series, (), roles.known_ahead))
    times = moments_in(frame[str(roles.time)])
    said = _Laid(frame, roles, panel.grid, times, panel.series).columns(roles.known_ahead)
    end = max(said.shape[1], panel.known.shape[1])
    known = np.full((len(panel.series), end, len(roles.known_ahead)), np.nan)
    known[:, : panel.known.shape[1]] = panel.known
    known[:, : said.shape[1]] = np.where(np.isfinite(said), said, known[:, : said.shape[1]])
    return replace(panel, known=bridged(known))


def roles_in(
    time: str | None,
    series: str | None,
    target: str | Sequence[str] | None,
    known_ahead: Sequence[str],
    observed: Sequence[str],
) -> Roles:
    """The roles as a user names them.

    Raises:
        InvalidInput: A column has two roles.
    """
    for field, name in (("time", time), ("series", series)):
        if name is not None and not isinstance(name, str):
            raise InvalidInput(f"`{field}` must be the name of a column, got {name!r}")
    targets = None if target is None else tuple(names_of(target, "target"))
    if targets == ():
        raise InvalidInput(
            "`target` must name a column, got none", hint="Leave it out for all that have no other role."
        )
    ahead, seen = tuple(names_of(known_ahead, "known_ahead")), tuple(names_of(observed, "observed"))
    roles = Roles(time, series, targets, ahead, seen)
    doubled = sorted({name for name in roles.names if roles.names.count(name) > 1})
    if doubled:
        raise InvalidInput(f"a column must have one role, got two for {', '.join(map(repr, doubled))}")
    return roles


class _Laid:
    """The rows of a table, each at its series and step."""

    def __init__(
        self, frame: Any, roles: Roles, grid: Grid, times: NDArray[np.datetime64], series: Sequence[Name] | None
    ) -> None:
        places = np.round(grid.places(times), 6)
        off = places != np.round(places)
        if off.any():
            row = int(np.argmax(off))
            raise InvalidInput(f"times must lie on the steps of the others, got {times[row]} in row {row}")
        self.names, number = _series_numbers(frame, roles.series, series)
        place = places.astype(np.int64)
        self._kept = np.flatnonzero((number >= 0) & (place >= 0))
        self._place, self._number, self._frame = place[self._kept], number[self._kept], frame
        self._steps = int(self._place.max(initial=-1)) + 1
        moments = len(np.unique(self._place))
        if self._steps > _MOST_STEPS_PER_MOMENT * (moments + 20) or self._steps * len(self.names) > _MOST_CELLS:
            raise InvalidInput(
                f"the times must not lie so far apart, got {self._steps} steps with {moments} moments among them",
                hint="Is a time wrong?",
            )
        self._refuse_contradictions(roles, grid)

    def columns(self, names: Sequence[str]) -> Numbers:
        """Columns on the grid, `(series, time, columns)`."""
        laid = np.full((len(self.names), self._steps, len(names)), np.nan)
        for position, name in enumerate(names):
            laid[self._number, self._place, position] = _numbers(self._frame[name])[self._kept]
        return laid

    def _refuse_contradictions(self, roles: Roles, grid: Grid) -> None:
        """A moment may come twice only if the rows are equal."""
        key = self._number * self._steps + self._place
        order = np.argsort(key, kind="stable")
        same = np.flatnonzero(np.diff(key[order]) == 0)
        if not len(same):
            return
        columns = self._frame.select(roles.names)
        for at in same:
            first, second = int(self._kept[order[at]]), int(self._kept[order[at + 1]])
            if columns.row(first) != columns.row(second):
                place = int(self._place[order[at]])
                whose = f" of {self.names[self._number[order[at]]]!r}" if len(self.names) > 1 else ""
                raise InvalidInput(
                    f"a moment must come once, got {grid.times(place, place + 1)[0]}{whose} in rows {first} and "
                    f"{second} with other values",
                    hint="Add them up or take their mean first; or name the column that tells the series apart.",
                )


def _completed(frame: Any, roles: Roles) -> Roles:
    """The roles with every target named, all of them columns of the frame."""
    if roles.time is None:
        raise InvalidInput(
            "a table needs a column of times, got none", hint="Name it: Forecaster(horizon, time='date', …)."
        )
    for name in roles.names:
        if name not in frame.columns:
            raise unknown_column(name, list(frame.columns))
    if roles.targets is not None:
        return roles
    targets = tuple(name for name in frame.columns if name not in roles.names)
    if not targets:
        raise InvalidInput("there must be a column to forecast, got none without another role")
    return replace(roles, targets=targets)


def _checked(panel: Panel) -> Panel:
    too_large = np.abs(panel.values) > _LARGEST  # False where a value is missing
    if too_large.any():
        row = int(np.argmax(too_large.any(axis=1)))
        came = panel.values[row, np.argmax(too_large[row])]
        raise InvalidInput(
            f"values must be finite or missing, of a size below {_LARGEST:g}, got {came:g} in {panel.row_names[row]!r}",
            hint="Leave out infinite values, and choose a larger unit for large ones.",
        )
    counts = np.isfinite(panel.values).sum(axis=1)
    if not panel.values.size or counts.min() == 0:
        empty = panel.row_names[int(np.argmin(counts))] if panel.values.size else "it"
        raise InvalidInput(f"every series must have values, got none in {empty!r}", hint="Leave it out.")
    return panel


def _series_numbers(
    frame: Any, column: str | None, series: Sequence[Name] | None
) -> tuple[tuple[Name, ...], NDArray[np.int64]]:
    if column is None:
        return ("",), np.zeros(frame.height, np.int64)
    cells = frame[column]
    if cells.is_null().any():
        raise InvalidInput(
            f"`{column}` must name the series in every row, got an empty cell in row {int(cells.is_null().arg_max())}"
        )
    names = cells.to_list() if cells.dtype.is_integer() else [str(cell) for cell in cells.to_list()]
    order = sorted(set(names)) if series is None else list(series)
    numbers = {name: place for place, name in enumerate(order)}
    return tuple(order), np.array([numbers.get(name, -1) for name in names], np.int64)


def _numbers(column: Any) -> Numbers:
    # A column without any value comes as text.
    if column.null_count() == column.len():
        return np.full(column.len(), np.nan)
    if not (column.dtype.is_numeric() or str(column.dtype) == "Boolean"):
        raise InvalidInput(
            f"`{column.name}` must hold numbers, got {column.drop_nulls()[0]!r}", hint="Convert the column first."
        )
    return column.cast(float).fill_null(np.nan).to_numpy().astype(np.float64)
