"""What candidates forecast beyond the cuts, beside what came, and how far it was off."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.forecasting.folds import Fold
from lepton_ai.platform.frameworks.forecasting.methods import Method
from lepton_ai.platform.frameworks.forecasting.panel import Numbers, Panel

_MOST_BLOCKS = 24


@dataclass(frozen=True)
class Trial:
    """The origins of all folds, one after another.

    Args:
        truth: What came, `(rows, origins, horizon)`; NaN where there is none.
        fold: The fold of each origin `(origins,)`.
        origins: The origins.
        unit: What errors are measured in, for each line `(rows,)`.
        forecasts: The forecasts of each candidate, as the truth.
    """

    truth: Numbers
    fold: NDArray[np.int64]
    origins: NDArray[np.int64]
    unit: Numbers
    forecasts: Mapping[str, Numbers] = field(default_factory=dict)

    def errors(self, forecast: Numbers) -> Numbers:
        """Errors in units of the line's spread, 0 where there is no truth: `(rows, origins, horizon)`."""
        return np.nan_to_num((forecast - self.truth) / self.unit[:, np.newaxis, np.newaxis])

    def losses(self, forecast: Numbers) -> Numbers:
        """The mean squared error of each block of origins; blocks are as long as the horizon, and at most 24."""
        squares = np.square(self.errors(forecast)).sum(axis=(0, 2))
        counts = np.isfinite(self.truth).sum(axis=(0, 2))
        width = max(self.truth.shape[2], -(-int(self.origins[-1] - self.origins[0] + 1) // _MOST_BLOCKS))
        block = np.unique((self.origins - self.origins[0]) // width, return_inverse=True)[1]
        return np.asarray(np.bincount(block, squares) / np.maximum(np.bincount(block, counts), 1))

    def loss(self, forecast: Numbers | None) -> float:
        """The sum of squared errors; infinite for no forecast."""
        return float("inf") if forecast is None else float(np.square(self.errors(forecast)).sum())

    def of_fold(self, fold: int) -> "Trial":
        """The origins of one fold, without forecasts."""
        mine = self.fold == fold
        return replace(self, truth=self.truth[:, mine], fold=self.fold[mine], origins=self.origins[mine], forecasts={})


def trial_of(panel: Panel, there: NDArray[np.bool_], folds: Sequence[Fold], horizon: int) -> Trial:
    """What came beyond the cuts of a filled panel, without forecasts yet."""
    origins = np.concatenate([fold.origins for fold in folds])
    fold = np.repeat(np.arange(len(folds)), [len(each.origins) for each in folds])
    places = origins[:, np.newaxis] + np.arange(horizon)
    truth = np.where(there[:, places], panel.values[:, places], np.nan)
    spread = panel.values[:, : folds[0].cut].std(axis=1)
    return Trial(truth, fold, origins, np.where(spread > 0, spread, 1.0))


def forecasts_beyond(
    panel: Panel, folds: Sequence[Fold], fit: Callable[[Panel], Method | None], horizon: int
) -> Numbers | None:
    """The forecasts of one candidate, fitted up to each cut, `(rows, origins, horizon)`; None if one is too short."""
    parts = []
    for fold in folds:
        method = fit(panel.until(fold.cut))
        if method is None or method.needs > fold.cut:
            return None
        parts.append(method.predict(panel, fold.origins, horizon))
    return np.concatenate(parts, axis=1)
