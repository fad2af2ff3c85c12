"""Exponential smoothing: a level, a trend that dies down, and a season, each following the values at its own pace.

Holt 1957, Winters 1960, damped by Gardner and McKenzie 1985; additive, so that on logarithms it is the multiplicative
form. The paces are taken from a grid, for each line the ones with the smallest error one step ahead.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.forecasting.panel import Numbers

_LEVELS = (0.05, 0.15, 0.3, 0.5, 0.8)
_TRENDS = (0.0, 0.02, 0.1)
_SEASONS = (0.05, 0.2, 0.5)
_DAMPINGS = (0.9, 0.98, 1.0)
_SEASONS_TO_SETTLE = 2
_STEPS_TO_FIT = 2000
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Smoothing:
    """The paces of each line.

    Args:
        season: Steps in a season; 1 for none.
        level: How fast the level follows `(rows,)`.
        trend: How fast the trend follows.
        seasonal: How fast the season follows.
        damping: What is left of the trend one step on; 1 for a trend that goes on.
    """

    season: int
    level: Numbers
    trend: Numbers
    seasonal: Numbers
    damping: Numbers

    @property
    def needs(self) -> int:
        """How many steps of history it needs."""
        return 2 * self.season if self.season > 1 else 4

    def predict(self, values: Numbers, origins: NDArray[np.int64], horizon: int) -> Numbers:
        """Forecast from each origin: values `(rows, time)` without gaps to `(rows, origins, horizon)`."""
        paces = (self.level, self.trend, self.seasonal, self.damping)
        columns = tuple(pace[:, np.newaxis] for pace in paces)
        return _filtered(values, self.season, columns, origins, horizon)[1]


def fit_smoothing(values: Numbers, season: int) -> Smoothing:
    """Find the paces of each line.

    Args:
        values: The lines `(rows, time)` without gaps; of long ones the last few thousand steps are looked at.
        season: Steps in a season; 1 for none.
    """
    seasonal = _SEASONS if season > 1 else (0.0,)
    every = product(_LEVELS, _TRENDS, seasonal, _DAMPINGS)
    # A trend that does not move has nothing to damp.
    grid = np.array([paces for paces in every if paces[1] > 0 or paces[3] == _DAMPINGS[-1]])
    recent = values[:, -(_STEPS_TO_FIT + _SEASONS_TO_SETTLE * season) :]
    best = []
    for start in range(0, len(values), _ROWS_AT_ONCE):
        errors, _ = _filtered(recent[start : start + _ROWS_AT_ONCE], season, tuple(grid.T[:, np.newaxis]), None, 0)
        best.append(grid[np.argmin(errors, axis=1)])
    return Smoothing(season, *(np.ascontiguousarray(column) for column in np.concatenate(best).T))


def _filtered(
    values: Numbers,
    season: int,
    paces: tuple[Numbers, ...],
    origins: NDArray[np.int64] | None,
    horizon: int,
) -> tuple[Numbers, Numbers]:
    """Run through the values once, with one or several sets of paces.

    Args:
        values: The lines `(rows, time)`.
        season: Steps in a season.
        paces: Level, trend, season and damping, each `(rows or 1, sets)`.
        origins: Where to forecast from; only for one set.
        horizon: How many steps ahead.

    Returns:
        The mean squared error one step ahead after the first seasons `(rows, sets)`, and the forecasts.
    """
    alpha, beta, gamma, phi = paces
    rows, steps = values.shape
    shape = (rows, alpha.shape[1])
    first = values[:, :season].T[:, :, np.newaxis]  # (season, rows, 1)
    level, trend = np.broadcast_to(first.mean(axis=0), shape), np.zeros(shape)
    if steps >= 2 * season and season > 1:
        trend = trend + (values[:, season : 2 * season].mean(axis=1)[:, np.newaxis] - level) / season
    pattern = np.array(np.broadcast_to(first - level, (season, *shape)))
    squares, counted = np.zeros(shape), 0
    wanted = {} if origins is None else {int(origin): place for place, origin in enumerate(origins)}
    forecasts = np.zeros((rows, len(wanted), horizon))
    ahead = np.arange(1, horizon + 1)
    for step in range(season, steps + 1):
        if step in wanted:
            # What the trend adds up to after h steps: phi + phi^2 + ... + phi^h.
            added = np.cumsum(np.broadcast_to(phi, (rows, 1)) ** ahead, axis=1) * trend
            phases = (step + ahead - 1) % season
            forecasts[:, wanted[step]] = level + added + pattern[phases, :, 0].T
        if step == steps:
            break
        phase = step % season
        expected = level + phi * trend
        error = values[:, step, np.newaxis] - expected - pattern[phase]
        if step >= _SEASONS_TO_SETTLE * season:
            squares += error * error
            counted += 1
        level = expected + alpha * error
        trend = phi * trend + alpha * beta * error
        if season > 1:
            pattern[phase] += gamma * (1.0 - alpha) * error
    return squares / max(counted, 1), forecasts
