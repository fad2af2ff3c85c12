"""A whole fit: what was read, the race, the choice, and the band around it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.log import Decision, DecisionLog
from lepton_ai.platform.frameworks.forecasting.candidates import Family, Task
from lepton_ai.platform.frameworks.forecasting.folds import folds_of
from lepton_ai.platform.frameworks.forecasting.methods import Method, Plainly
from lepton_ai.platform.frameworks.forecasting.naive import Naive, Rule
from lepton_ai.platform.frameworks.forecasting.panel import Numbers, Panel
from lepton_ai.platform.frameworks.forecasting.race import blended_forecast, choose, fit_all, race
from lepton_ai.platform.frameworks.forecasting.reading import Roles
from lepton_ai.platform.frameworks.forecasting.spread import Spread, fit_spread


@dataclass(frozen=True)
class Fitted:
    """Everything that a fit leaves behind.

    Args:
        panel: The history, with gaps.
        roles: Which column is what.
        seasons: Season lengths in steps, shortest first.
        method: What forecasts.
        spread: How far the truth lies from it.
        naive: The best naive forecast of the race.
        log: What was tried and chosen.
    """

    panel: Panel
    roles: Roles
    seasons: tuple[int, ...]
    method: Method
    spread: Spread
    naive: Naive
    log: DecisionLog

    @property
    def season(self) -> int:
        """The shortest season; 1 for none."""
        return self.seasons[0] if self.seasons else 1


def fit(panel: Panel, roles: Roles, task: Task, levels: tuple[float, ...]) -> Fitted:
    """Race, choose, fit on the whole history, and learn the band from the errors beyond the cuts.

    Args:
        panel: The history, with gaps.
        roles: Which column is what.
        task: What is to be forecast.
        levels: The levels of the quantiles.
    """
    filled, there = panel.filled(task.season), np.isfinite(panel.values)
    log = DecisionLog().with_decision(_what_was_read(panel, there, task))
    folds = folds_of(panel.steps, task.horizon, task.seasons, panel.rows)
    low = np.where(filled.values.min(axis=1) >= 0, 0.0, -np.inf)
    if not folds:
        naive = Naive(Rule.SEASON, task.season) if task.seasons else Naive(Rule.LAST)
        why = f"{panel.steps} steps are too few to hold {task.horizon} back"
        log = log.with_decision(Decision("race", "forecast", {}, naive.name, why))
        origins = np.arange(naive.needs, panel.steps)
        truth = _ahead(np.where(there, filled.values, np.nan), origins, task.horizon)
        forecasts = naive.predict(filled.values, origins, task.horizon)
        # These few errors are not told which way to point: each counts both ways.
        both = np.concatenate([truth, 2 * forecasts - truth], axis=1)
        twice = np.concatenate([forecasts, forecasts], axis=1)
        spread = fit_spread(both, twice, _unit(filled.values), levels, low)
        return Fitted(panel, roles, task.seasons, Plainly(naive), spread, naive, log)
    trial, candidates = race(filled, there, folds, task)
    weights, log = choose(trial, {name: each.family for name, each in candidates.items()}, log)
    method = fit_all(filled, candidates, weights)
    spread = fit_spread(trial.truth, blended_forecast(trial, weights), trial.unit, levels, low)
    naives = [name for name, each in candidates.items() if each.family is Family.NAIVE and name in trial.forecasts]
    best = min(naives, key=lambda name: float(trial.losses(trial.forecasts[name]).mean()))
    plain = candidates[best].fit(filled)
    assert isinstance(plain, Plainly)
    return Fitted(panel, roles, task.seasons, method, spread, plain.naive, log)


def _what_was_read(panel: Panel, there: NDArray[np.bool_], task: Task) -> Decision:
    measured = {
        "steps": panel.steps,
        "series": len(panel.series),
        "targets": len(panel.targets),
        "values missing": int((~there).sum()),
    }
    chosen = " and ".join(map(str, task.seasons)) or "none"
    why = "as the times suggest or the values show" if task.seasons else "nothing repeats that the history holds twice"
    return Decision("read", "seasons in steps", measured, chosen, why)


def _ahead(values: Numbers, origins: NDArray[np.int64], horizon: int) -> Numbers:
    """What came after each origin, `(rows, origins, horizon)`; NaN beyond the end."""
    padded = np.concatenate([values, np.full((len(values), horizon), np.nan)], axis=1)
    return np.asarray(padded[:, origins[:, np.newaxis] + np.arange(horizon)])


def _unit(values: Numbers) -> Numbers:
    spread = values.std(axis=1)
    return np.where(spread > 0, spread, 1.0)
