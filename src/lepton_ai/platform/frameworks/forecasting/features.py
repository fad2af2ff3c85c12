"""What a forecast by trees looks at: calendar, values of like moments, recent levels, and what is known ahead."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.forecasting.grid import Unit
from lepton_ai.platform.frameworks.forecasting.panel import Numbers, Panel

_DAY = np.timedelta64(1, "D")
_SEASONS_BACK = 4


@dataclass(frozen=True)
class View:
    """How a panel is looked at.

    Args:
        seasons: Season lengths, shortest first.
        span: How many steps the level of a moment is the mean of.
        by_ratio: Whether values are measured as a multiple of the level, or else as a distance from it.
        unit: The unit of distances for each line `(rows,)`.
    """

    seasons: tuple[int, ...]
    span: int
    by_ratio: bool
    unit: Numbers

    @property
    def needs(self) -> int:
        """How many steps of history it needs."""
        return max(self.span, 2)

    def level(self, values: Numbers, origins: NDArray[np.int64]) -> Numbers:
        """The level before each origin, `(rows, origins, 1)`."""
        return _mean(values, origins, self.span)[..., np.newaxis]

    def measured(self, found: Numbers, level: Numbers) -> Numbers:
        """Values `(rows, origins, …)` as a multiple of the level `(rows, origins, 1)`, or in units from it."""
        unit = self.unit[:, np.newaxis, np.newaxis]
        return np.asarray(found / level if self.by_ratio else (found - level) / unit)

    def restored(self, measured: Numbers, level: Numbers) -> Numbers:
        """What `measured` was given."""
        unit = self.unit[:, np.newaxis, np.newaxis]
        return np.asarray(measured * level if self.by_ratio else measured * unit + level)


def view_of(panel: Panel, seasons: tuple[int, ...], steps: int) -> View:
    """The view that suits a filled panel, of which the shortest part to learn from has so many steps."""
    spans = [season * count for season in seasons for count in (1, 2, 4) if season * count <= 0.4 * steps]
    span = max(spans, default=max(min(steps // 4, 28), 1))
    values = panel.values
    smallest_level = min(
        float(_mean(values, np.arange(span, panel.steps + 1), span).min()), float(values.mean(1).min())
    )
    spread = values.std(axis=1)
    unit = np.where(spread > 0, spread, 1.0)
    by_ratio = bool(values.min() >= 0 and smallest_level > 0)
    return View(seasons, span, by_ratio, unit)


def features_of(panel: Panel, view: View, origins: NDArray[np.int64], horizon: int) -> NDArray[np.float32]:
    """What is to be seen from each origin for each step ahead.

    Args:
        panel: The series, filled.
        view: How to look at them.
        origins: The first step not known, `(origins,)`.
        horizon: How many steps ahead.

    Returns:
        The features `(rows, origins, horizon, features)`, NaN where history does not reach back so far.
    """
    rows, values = panel.rows, panel.values
    ahead = np.arange(horizon)
    at = origins[:, np.newaxis] + ahead  # (origins, horizon)
    shape = (rows, len(origins), horizon)
    level = view.level(values, origins)

    def value_at(places: NDArray[np.int64]) -> Numbers:
        found = values[:, np.maximum(places, 0)]
        return np.where(places >= 0, view.measured(found, level), np.nan)

    def spread_out(each: Numbers) -> Numbers:
        return np.broadcast_to(each, shape)

    columns = [spread_out(ahead.astype(np.float64) + 1.0)]
    columns += [spread_out(each) for each in _calendar(panel, at)]
    for season in view.seasons:
        back = season * (ahead // season + 1)
        like = [value_at(at - back - season * count) for count in range(_SEASONS_BACK)]
        columns += [*like[:2], np.mean(like, axis=0)]
        columns.append(spread_out(view.measured(_mean(values, origins, season)[..., np.newaxis], level)))
        # How the last value stands to its like: what is unusual now goes on for a while.
        now = origins[:, np.newaxis] - 1
        usual = np.mean([value_at(now - season * count) for count in range(1, _SEASONS_BACK + 1)], axis=0)
        columns.append(spread_out(value_at(now) - usual))
    last, before = values[:, origins - 1, np.newaxis], values[:, origins - 2, np.newaxis]
    columns += [spread_out(view.measured(each, level)) for each in (last, before)]
    series = np.repeat(np.arange(len(panel.series)), len(panel.targets))
    columns += [panel.known[:, :, place][series][:, at] for place in range(panel.known.shape[2])]
    for place in range(panel.observed.shape[2]):
        columns.append(spread_out(panel.observed[:, :, place][series][:, origins - 1, np.newaxis]))
    return np.stack(columns, axis=-1).astype(np.float32)


def _calendar(panel: Panel, at: NDArray[np.int64]) -> list[Numbers]:
    """Where each moment is in its day, week and year; nothing where there are no times."""
    if panel.grid.unit is Unit.POSITION:
        return []
    first, end = int(at.min()), int(at.max()) + 1
    moments = panel.grid.times(first, end)[at - first]
    days = moments.astype("datetime64[D]")
    step = np.diff(panel.grid.times(0, 2))[0]
    found = []
    if step < _DAY:
        found.append((moments - days).astype(np.float64) / 3.6e9)
    if step < 7 * _DAY:
        found.append(((days.astype(np.int64) + 3) % 7).astype(np.float64))
    found.append((days - days.astype("datetime64[Y]")).astype(np.float64))
    return found


def _mean(values: Numbers, ends: NDArray[np.int64], span: int) -> Numbers:
    """The mean of up to `span` values before each end, `(rows, ends)`."""
    sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    ends = np.maximum(ends, 1)
    begins = np.maximum(ends - span, 0)
    return np.asarray((sums[:, ends] - sums[:, begins]) / (ends - begins))
