"""The regular steps of a time series: found from its times, counted forwards, and the seasons that such steps have."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput

Times = NDArray[np.datetime64]

_SECOND = 1_000_000
_MINUTE, _HOUR, _DAY = 60 * _SECOND, 3600 * _SECOND, 86_400 * _SECOND


class Unit(StrEnum):
    """What a step is measured in."""

    POSITION = "position"
    MICROSECOND = "microsecond"
    BUSINESS_DAY = "business day"
    MONTH = "month"


@dataclass(frozen=True)
class Grid:
    """Equal steps in time.

    Args:
        unit: What a step is measured in; positions for plain arrays, which have no times.
        step: How many of them.
        start: The first moment, ISO 8601; empty for positions.

    Example:

        >>> grid = Grid(Unit.MONTH, 1, "2020-01-31T00:00:00.000000")
        >>> grid.times(1, 3).astype("datetime64[D]").tolist()
        [datetime.date(2020, 2, 29), datetime.date(2020, 3, 31)]
    """

    unit: Unit
    step: int = 1
    start: str = ""

    def times(self, first: int, end: int) -> Times | NDArray[np.int64]:
        """The moments of steps from `first` up to `end`, `(end - first,)`; the numbers themselves without times."""
        steps = np.arange(first, end)
        if self.unit is Unit.POSITION:
            return steps
        begin = np.datetime64(self.start, "us")
        if self.unit is Unit.MICROSECOND:
            return np.asarray(begin + steps * np.timedelta64(self.step, "us"))
        if self.unit is Unit.BUSINESS_DAY:
            return np.busday_offset(begin.astype("datetime64[D]"), steps * self.step).astype("datetime64[us]")
        months = begin.astype("datetime64[M]") + steps * self.step
        into = begin - begin.astype("datetime64[M]").astype("datetime64[us]")
        # The last day of a month stays the last day; others are kept within shorter months.
        length = (months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")
        days, rest = np.divmod(into, np.timedelta64(1, "D"))
        last = length.astype(np.int64) - 1
        day = last if _is_last_day(begin) else np.minimum(int(days), last)
        return np.asarray(months.astype("datetime64[us]") + day * np.timedelta64(1, "D") + rest)

    def places(self, times: Times) -> NDArray[np.float64]:
        """How many steps after the start each moment is, `(times,)`; not whole where it is off the grid."""
        times, begin = times.astype("datetime64[us]"), np.datetime64(self.start, "us")
        if self.unit is Unit.MICROSECOND:
            return (times - begin).astype(np.int64) / self.step
        if self.unit is Unit.BUSINESS_DAY:
            days = times.astype("datetime64[D]")
            return np.where(np.is_busday(days), np.busday_count(begin.astype("datetime64[D]"), days), 0.5)
        whole = (times.astype("datetime64[M]") - begin.astype("datetime64[M]")).astype(np.int64) / self.step
        at = np.round(whole).astype(np.int64)
        first, end = int(at.min(initial=0)), int(at.max(initial=0)) + 1
        fits = self.times(first, end)[at - first] == times
        return np.where(fits, whole, whole + 0.5)

    @property
    def seasons(self) -> tuple[int, ...]:
        """How many steps the seasons that people and nature keep have: day and week, week, year; shortest first.

        Example:

            >>> Grid(Unit.MICROSECOND, 3600 * 1_000_000, "2020-01-01").seasons
            (24, 168)
        """
        if self.unit is Unit.MONTH:
            return (12 // self.step,) if 12 % self.step == 0 and self.step < 12 else ()
        if self.unit is Unit.BUSINESS_DAY:
            return (5, 261)
        if self.unit is Unit.POSITION:
            return ()
        if self.step >= 7 * _DAY:
            return (round(365.2425 * _DAY / self.step),) if self.step <= 92 * _DAY else ()
        lengths = {_DAY: self.step <= _DAY // 2, 7 * _DAY: True, 365 * _DAY: self.step >= _DAY}
        return tuple(length // self.step for length, fits in lengths.items() if fits and length % self.step == 0)


def grid_of(times: Times) -> Grid:
    """The grid on which moments lie.

    Args:
        times: The moments, in any order, repeats and gaps allowed.

    Raises:
        InvalidInput: Fewer than three, or no grid that all of them lie on.
    """
    moments = np.unique(times.astype("datetime64[us]"))
    if len(moments) < 3:
        raise InvalidInput(f"a series must have three moments or more, got {len(moments)}")
    start = str(moments[0])
    steps = np.diff(moments).astype(np.int64)
    candidates = []
    common, counts = np.unique(steps, return_counts=True)
    usual = int(common[np.argmax(counts)])
    if usual == _DAY and bool(np.is_busday(moments.astype("datetime64[D]")).all()) and len(moments) > 7:
        candidates.append(Grid(Unit.BUSINESS_DAY, 1, start))
    if usual >= 28 * _DAY:
        months = np.diff(moments.astype("datetime64[M]").astype(np.int64))
        candidates.append(Grid(Unit.MONTH, max(int(np.gcd.reduce(months)), 1), start))
    candidates.append(Grid(Unit.MICROSECOND, usual, start))
    for grid in candidates:
        places = grid.places(moments)
        if bool((np.abs(places - np.round(places)) < 1e-9).all()):
            return grid
    places = candidates[-1].places(moments)
    off = int(np.argmax(np.abs(places - np.round(places)) >= 1e-9))
    raise InvalidInput(
        f"times must lie on equal steps, got {moments[off - 1]} and then {moments[off]}, where most are "
        f"{_shown(usual)} apart",
        hint="Bring them to equal steps first, the sum or mean of each hour or day, say.",
    )


def _is_last_day(moment: Any) -> bool:
    day = moment.astype("datetime64[D]")
    return bool((day + 1).astype("datetime64[M]") != day.astype("datetime64[M]"))


def _shown(microseconds: int) -> str:
    for size, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes"), (_SECOND, "seconds")):
        if microseconds >= size:
            return f"{microseconds / size:g} {name}"
    return f"{microseconds} microseconds"
