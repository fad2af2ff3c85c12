"""What takes part in the race of forecasts, from simple to rich, and how each is fitted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.forecasting.boosted import fit_boosted
from lepton_ai.platform.frameworks.forecasting.features import view_of
from lepton_ai.platform.frameworks.forecasting.folds import Fold
from lepton_ai.platform.frameworks.forecasting.linear import PENALTIES, Shape, decompose, look_backs
from lepton_ai.platform.frameworks.forecasting.methods import Method, Plainly, scale_of
from lepton_ai.platform.frameworks.forecasting.naive import naive_candidates
from lepton_ai.platform.frameworks.forecasting.panel import Panel
from lepton_ai.platform.frameworks.forecasting.smoothing import fit_smoothing
from lepton_ai.platform.frameworks.forecasting.trial import Trial, trial_of

Fit = Callable[[Panel], Method | None]


class Family(StrEnum):
    """Kinds of forecasts, from simple to rich."""

    NAIVE = "naive"
    SMOOTHING = "smoothing"
    LINEAR = "linear"
    BOOSTED = "boosted"


@dataclass(frozen=True)
class Candidate:
    """One way to forecast that takes part: how to fit it to a filled panel; None where the history is too short."""

    name: str
    family: Family
    fit: Fit


@dataclass(frozen=True)
class Task:
    """What is to be forecast.

    Args:
        horizon: How many steps ahead.
        seasons: Season lengths, shortest first.
        families: Which families take part; naive forecasts always do.
        seed: Decides what is drawn.
    """

    horizon: int
    seasons: tuple[int, ...]
    families: tuple[Family, ...]
    seed: int

    @property
    def season(self) -> int:
        """The shortest season; 1 for none."""
        return self.seasons[0] if self.seasons else 1


def candidates_for(panel: Panel, there: NDArray[np.bool_], folds: Sequence[Fold], task: Task) -> Iterator[Candidate]:
    """Everything that takes part, the simplest first.

    Args:
        panel: The history, filled.
        there: Which of its values were really there `(rows, time)`.
        folds: The cuts to fit up to.
        task: What is to be forecast.
    """
    steps = folds[0].cut
    all_positive = bool(panel.values.min() > 0)
    scales = (False, True) if all_positive else (False,)
    naives = naive_candidates(task.seasons, task.horizon, steps - 1, all_positive)
    for naive in naives:
        yield Candidate(naive.name, Family.NAIVE, _always(Plainly(naive)))
    if Family.SMOOTHING in task.families:
        for season in (season for season in (*task.seasons, 1) if 2 * season + 2 <= steps):
            for logs in scales:
                kind = f"season {season}" if season > 1 else "no season"
                yield Candidate(_named(f"smoothing, {kind}", logs), Family.SMOOTHING, _smoothing(season, logs))
    if Family.LINEAR in task.families:
        trial, begins = trial_of(panel, there, folds, task.horizon), np.argmax(there, axis=1)
        for shape in _shapes(task, steps):
            for logs in scales:
                fit = _linear(panel, begins, folds, trial, shape, logs)
                if fit is not None:
                    yield Candidate(_named(shape.name, logs), Family.LINEAR, fit)
    if Family.BOOSTED in task.families:
        yield Candidate("boosted trees", Family.BOOSTED, _boosted(there, task, steps))


def _named(name: str, logs: bool) -> str:
    return f"{name}, logarithms" if logs else name


def _shapes(task: Task, steps: int) -> list[Shape]:
    lengths = look_backs(task.season, task.horizon, steps)
    shapes = [Shape(length, task.season, False) for length in lengths]
    if task.season >= 4:
        shapes += [Shape(length, task.season, True) for length in lengths[-1:] if length >= 4 * task.season]
    return shapes


def _always(method: Method) -> Fit:
    return lambda _: method


def _smoothing(season: int, logs: bool) -> Fit:
    def fit(panel: Panel) -> Method:
        scale = scale_of(panel, logs)
        return scale.method(fit_smoothing(scale.apply(panel.values), season))

    return fit


def _linear(
    panel: Panel, begins: NDArray[np.int64], folds: Sequence[Fold], trial: Trial, shape: Shape, logs: bool
) -> Fit | None:
    """A ridge regression with the penalty of the least error beyond the cuts.

    One decomposition at each cut serves every penalty, and what was fitted there is not fitted again.
    """
    horizon = trial.truth.shape[2]
    errors, by_cut = np.zeros(len(PENALTIES)), {}
    for place, fold in enumerate(folds):
        before = panel.until(fold.cut)
        scale = scale_of(before, logs)
        ridge = decompose(scale.apply(before.values), begins, shape, horizon)
        if ridge is None or shape.look_back > fold.cut:
            return None
        by_cut[fold.cut] = [scale.method(ridge.solve(penalty)) for penalty in PENALTIES]
        part = trial.of_fold(place)
        errors += [part.loss(method.predict(panel, fold.origins, horizon)) for method in by_cut[fold.cut]]
    best = int(np.argmin(errors))

    def fit(panel: Panel) -> Method | None:
        if panel.steps in by_cut:
            return by_cut[panel.steps][best]
        scale = scale_of(panel, logs)
        ridge = decompose(scale.apply(panel.values), begins, shape, horizon)
        return None if ridge is None else scale.method(ridge.solve(PENALTIES[best]))

    return fit


def _boosted(there: NDArray[np.bool_], task: Task, steps: int) -> Fit:
    def fit(panel: Panel) -> Method | None:
        view = view_of(panel, task.seasons, steps)
        return fit_boosted(panel, there[:, : panel.steps], view, task.horizon, task.seed)

    return fit
