"""Several time series on one grid: values, and what is known beside them."""

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.forecasting.grid import Grid

Name = int | str
Numbers = NDArray[np.float64]

NOT_SAVED = MappingProxyType({"saved": False})
"""Marks a field of a record that is left out of files."""

_FEW_VALUES = 10


@dataclass(frozen=True)
class Panel:
    """Series side by side; those that begin late or end early have NaN there.

    Args:
        grid: The moments of the steps.
        series: The name of each series.
        targets: The name of each value of a series.
        values: The values, `(series x targets, time)`; NaN where there is none.
        known_names: What is known ahead.
        known: That, for the steps of the values and as many more as are known, `(series, time + ahead, known)`.
        observed_names: What is known up to the present.
        observed: That, `(series, time, observed)`.
    """

    grid: Grid
    series: tuple[Name, ...]
    targets: tuple[str, ...]
    values: Numbers
    known_names: tuple[str, ...]
    known: Numbers
    observed_names: tuple[str, ...]
    observed: Numbers

    @property
    def rows(self) -> int:
        """How many lines of values there are: one for each target of each series."""
        return len(self.values)

    @property
    def steps(self) -> int:
        """How many steps have values."""
        return int(self.values.shape[1])

    @property
    def row_names(self) -> tuple[str, ...]:
        """What to call each line of values."""
        if len(self.series) == 1:
            return self.targets
        if len(self.targets) == 1:
            return tuple(str(name) for name in self.series)
        return tuple(f"{name} {target}" for name in self.series for target in self.targets)

    @property
    def begins(self) -> NDArray[np.int64]:
        """The first step at which each line has a value, `(rows,)`."""
        return np.argmax(np.isfinite(self.values), axis=1)

    def until(self, step: int) -> "Panel":
        """The panel as it was before a step; what is known ahead stays."""
        return replace(self, values=self.values[:, :step], observed=self.observed[:, :step])

    def filled(self, season: int) -> "Panel":
        """The panel with every value filled in, each from what came before it.

        A missing value is what stood there a season before, or else the last value. Before a line begins, its first
        season is repeated backwards; after it ended, its last one forwards.

        Args:
            season: The number of steps in a season; 1 for none.
        """
        return replace(self, values=np.stack([_filled(line, season) for line in self.values]))

    def trimmed(self) -> "Panel":
        """The panel from the first step at which any line has a value."""
        first = int(self.begins.min())
        if not first:
            return self
        grid = self.grid
        if grid.start:
            grid = replace(grid, start=str(grid.times(first, first + 1)[0]))
        values, observed = self.values[:, first:], self.observed[:, first:]
        return replace(self, grid=grid, values=values, known=self.known[:, first:], observed=observed)


def bridged(covariates: Numbers) -> Numbers:
    """Covariates known ahead, `(series, time, names)`, without gaps; 0 if all is missing.

    Gaps are bridged by straight lines and ends carried on; what has but a few values, such as a flag or a code, keeps
    the last one instead.
    """
    filled = covariates.copy()
    for name in range(covariates.shape[2]):
        values = covariates[:, :, name]
        several = len(np.unique(values[np.isfinite(values)])) > _FEW_VALUES
        for series, line in enumerate(values):
            filled[series, :, name] = _bridged_line(line) if several else _carried_line(line)
    return filled


def carried_on(covariates: Numbers) -> Numbers:
    """Covariates observed, `(series, time, names)`, the last value carried on through gaps; 0 if all is missing."""
    filled = covariates.copy()
    for series, name in np.ndindex(covariates.shape[0], covariates.shape[2]):
        filled[series, :, name] = _carried_line(covariates[series, :, name])
    return filled


def _bridged_line(line: Numbers) -> Numbers:
    there = np.isfinite(line)
    if not there.any():
        return np.zeros_like(line)
    places = np.arange(len(line))
    return np.interp(places, places[there], line[there])


def _carried_line(line: Numbers) -> Numbers:
    return _filled(line, 1) if np.isfinite(line).any() else np.zeros_like(line)


def _filled(line: Numbers, season: int) -> Numbers:
    there = np.isfinite(line)
    if there.all():
        return line
    filled, first = line.copy(), int(np.argmax(there))
    for step in (np.flatnonzero(~there[first:]) + first).tolist():
        filled[step] = filled[step - season if step - season >= first else step - 1]
    for step in range(first - 1, -1, -1):
        filled[step] = filled[step + season if step + season < len(line) else step + 1]
    return filled
