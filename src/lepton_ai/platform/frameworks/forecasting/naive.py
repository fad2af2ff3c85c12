"""Forecasts that need no learning: what any other must beat, and what the others start from."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.forecasting.panel import Numbers


class Rule(StrEnum):
    """How a naive forecast is made."""

    LAST = "last value"
    MEAN = "mean of the last"
    DRIFT = "drift"
    SEASON = "last season"
    SEASON_MEAN = "mean of the last seasons"
    GROWN = "last season with growth"


@dataclass(frozen=True)
class Naive:
    """One naive forecast.

    Args:
        rule: How it is made.
        season: Steps in a season, for the rules that have one.
        span: Steps or seasons that it looks back on: to average, or to measure growth on.
        by_ratio: Whether growth is a ratio, for values that are all positive, or else a difference.
    """

    rule: Rule
    season: int = 1
    span: int = 1
    by_ratio: bool = False

    @property
    def name(self) -> str:
        """What the log calls it."""
        match self.rule:
            case Rule.LAST:
                return "last value"
            case Rule.MEAN:
                return f"mean of the last {self.span}"
            case Rule.DRIFT:
                return f"drift of the last {self.span}"
            case Rule.SEASON:
                return f"last season ({self.season})"
            case Rule.SEASON_MEAN:
                return f"mean of {self.span} seasons ({self.season})"
            case Rule.GROWN:
                return f"last season ({self.season}) with growth of {self.span}"

    @property
    def needs(self) -> int:
        """How many steps of history it needs."""
        match self.rule:
            case Rule.LAST:
                return 1
            case Rule.MEAN:
                return self.span
            case Rule.DRIFT:
                return self.span + 1
            case Rule.SEASON:
                return self.season
            case Rule.SEASON_MEAN:
                return self.season * self.span
            case Rule.GROWN:
                return self.season + self.span

    def predict(self, values: Numbers, origins: NDArray[np.int64], horizon: int) -> Numbers:
        """Forecast from each origin, the first step not known.

        Args:
            values: The lines `(rows, time)`, without gaps.
            origins: The origins `(origins,)`.
            horizon: How many steps ahead.

        Returns:
            The forecasts `(rows, origins, horizon)`.

        Example:

            >>> Naive(Rule.SEASON, season=2).predict(np.array([[1.0, 5.0, 2.0, 6.0]]), np.array([4]), 3).tolist()
            [[[2.0, 6.0, 2.0]]]
        """
        ahead = np.arange(horizon)
        if self.rule in (Rule.LAST, Rule.MEAN, Rule.DRIFT):
            span = 1 if self.rule is Rule.DRIFT else self.span
            level = _mean_before(values, origins, span)[..., np.newaxis]
            if self.rule is not Rule.DRIFT:
                return np.repeat(level, horizon, axis=2)
            slope = (values[:, origins - 1] - values[:, origins - 1 - self.span]) / self.span
            return level + slope[..., np.newaxis] * (ahead + 1)
        same_phase = origins[:, np.newaxis] - self.season + ahead % self.season
        if self.rule is Rule.SEASON_MEAN:
            seasons = [values[:, same_phase - back * self.season] for back in range(self.span)]
            return sum(seasons[1:], seasons[0]) / self.span
        forecast = values[:, same_phase]
        if self.rule is Rule.SEASON:
            return forecast
        now = _mean_before(values, origins, self.span)[..., np.newaxis]
        before = _mean_before(values, origins - self.season, self.span)[..., np.newaxis]
        return forecast * (now / before) if self.by_ratio else forecast + (now - before)


def naive_candidates(seasons: tuple[int, ...], horizon: int, steps: int, all_positive: bool) -> tuple[Naive, ...]:
    """The naive forecasts to try, the simplest first.

    Args:
        seasons: Season lengths, shortest first.
        horizon: How many steps ahead.
        steps: How many steps of history the shortest part to learn from has; what needs more is left out.
        all_positive: Whether every value is above zero, so that growth can be a ratio.
    """
    usual = seasons[0] if seasons else min(max(horizon, 4), 12)
    found = [Naive(Rule.LAST), *(Naive(Rule.SEASON, season) for season in seasons)]
    found += [Naive(Rule.MEAN, span=span) for span in (max(usual // 6, 2), usual)] + [Naive(Rule.DRIFT, span=usual)]
    for season in seasons:
        found += [Naive(Rule.SEASON_MEAN, season, span) for span in (2, 4, 8)]
        spans = sorted({max(season // 12, 1), max(season // 4, 1), max(season // 2, 1)})
        found += [Naive(Rule.GROWN, season, span, all_positive) for span in spans]
    return tuple(naive for naive in found if naive.needs <= steps)


def _mean_before(values: Numbers, origins: NDArray[np.int64], span: int) -> Numbers:
    """The mean of the last `span` values before each origin, `(rows, origins)`."""
    sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    return np.asarray((sums[:, origins] - sums[:, origins - span]) / span)
