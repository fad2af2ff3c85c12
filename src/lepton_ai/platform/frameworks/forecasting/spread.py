"""Quantiles around a forecast, from errors that were made beyond the cuts: split conformal, scaled to the moment.

Vovk and others, Algorithmic Learning in a Random World, 2005. Errors grow with the size of what is forecast and with
the steps ahead; measured in units of that growth their quantiles hold for every moment.
"""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.forecasting.panel import Numbers


@dataclass(frozen=True)
class Spread:
    """How far the truth lies from a forecast.

    Args:
        levels: The levels of the quantiles, ascending.
        unit: The unit of each line `(rows,)`.
        fixed: How much the errors are of that unit.
        relative: How much they are of the size of the forecast.
        by_step: How they grow with the steps ahead `(horizon,)`.
        quantiles: The quantiles of the errors measured so `(levels,)`.
        low: The least value that is believed, for each line `(rows,)`.
    """

    levels: tuple[float, ...]
    unit: Numbers
    fixed: float
    relative: float
    by_step: Numbers
    quantiles: Numbers
    low: Numbers

    def around(self, forecasts: Numbers) -> Numbers:
        """Quantiles around forecasts `(rows, origins, horizon)`: `(rows, origins, horizon, levels)`."""
        width = _width(forecasts, self.unit, self.fixed, self.relative) * self.by_step
        bounds = forecasts[..., np.newaxis] + width[..., np.newaxis] * self.quantiles
        return np.maximum(bounds, self.low[:, np.newaxis, np.newaxis, np.newaxis])


def fit_spread(truth: Numbers, forecasts: Numbers, unit: Numbers, levels: tuple[float, ...], low: Numbers) -> Spread:
    """Learn how far the truth lies from forecasts.

    Args:
        truth: What came `(rows, origins, horizon)`, NaN where there is none.
        forecasts: What was forecast, by a fit that did not see it.
        unit: The unit of each line `(rows,)`.
        levels: The levels of the quantiles, ascending.
        low: The least value that is believed, for each line `(rows,)`.

    Raises:
        InvalidInput: There is no truth to compare with.
    """
    errors = truth - forecasts
    there = np.isfinite(errors)
    if not there.any():
        raise InvalidInput(
            "the later part of the history must have values to judge forecasts by, got none",
            hint="Leave out what comes after the last value.",
        )
    units = np.broadcast_to(unit[:, np.newaxis, np.newaxis], errors.shape)
    fixed, relative = _growth((np.abs(errors) / units)[there], (np.abs(forecasts) / units)[there])
    scaled = np.where(there, errors / _width(forecasts, unit, fixed, relative), np.nan)
    counts = there.sum(axis=(0, 1))
    by_step = _smooth(np.where(counts > 0, np.nansum(np.abs(scaled), axis=(0, 1)) / np.maximum(counts, 1), 1.0))
    scaled = scaled / by_step
    # Steps of one forecast err together: forecasts are counted, not steps.
    count = int(there.any(axis=2).sum())
    quantiles = [np.quantile(scaled[there], _level(level, count)) for level in levels]
    return Spread(levels, unit, fixed, relative, by_step, np.array(quantiles), low)


def _width(forecasts: Numbers, unit: Numbers, fixed: float, relative: float) -> Numbers:
    return np.asarray(fixed * unit[:, np.newaxis, np.newaxis] + relative * np.abs(forecasts))


def _growth(errors: Numbers, sizes: Numbers) -> tuple[float, float]:
    """The two parts, none below zero, of a line through sizes of errors over sizes of forecasts."""
    if not len(errors) or not errors.any():
        return 1e-9, 0.0
    mean_error, mean_size = float(errors.mean()), float(sizes.mean())
    centred = sizes - mean_size
    slope = float(centred @ errors / max(float(centred @ centred), 1e-300))
    slope = min(max(slope, 0.0), mean_error / max(mean_size, 1e-300))
    return max(mean_error - slope * mean_size, 0.02 * mean_error), slope


def _smooth(by_step: Numbers) -> Numbers:
    """A moving mean over a quarter of the steps, none of them zero."""
    half = len(by_step) // 8
    padded = np.pad(by_step, half, mode="edge")
    smooth = np.convolve(padded, np.full(2 * half + 1, 1.0 / (2 * half + 1)), mode="valid")
    return np.maximum(smooth, 1e-9)


def _level(level: float, count: int) -> float:
    """The level in a finite sample that keeps its promise for the next one: a little further out."""
    if level == 0.5:
        return level
    rank = ceil((count + 1) * level) if level > 0.5 else floor((count + 1) * level)
    return float(np.clip((rank - 0.5) / count, 0.0, 1.0)) if count else level
