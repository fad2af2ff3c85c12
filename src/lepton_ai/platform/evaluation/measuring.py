"""Metrics with intervals, of a model beside its baselines, all on the same draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation.arrays import Floats, Statistic
from lepton_ai.platform.evaluation.intervals import Resampling, bootstrap, share_interval
from lepton_ai.platform.evaluation.metrics import Metric
from lepton_ai.platform.evaluation.report_parts import Estimate, Measured

MODEL = "model"

_SHARES = ("accuracy", "coverage")


@dataclass(frozen=True)
class Draws:
    """What all intervals of a report are made with.

    Args:
        resampling: What is drawn.
        replicates: How many draws.
        seed: What they come from.
    """

    resampling: Resampling
    replicates: int
    seed: int

    def of(self, statistics: Mapping[str, Statistic]) -> Mapping[str, Floats]:
        """Every statistic in every draw."""
        return bootstrap(statistics, self.resampling, replicates=self.replicates, seed=self.seed)

    def estimate(self, value: float, drawn: Floats) -> Estimate:
        """A value with the interval of what it was in the draws."""
        low, high = self.resampling.interval(drawn)
        return Estimate(finite(value), finite(low), finite(high))


def measured(
    metrics: Sequence[Metric],
    truth: NDArray[Any],
    predictions: Mapping[str, Mapping[str, NDArray[Any]]],
    draws: Draws,
) -> tuple[Measured, ...]:
    """Each metric of the model and of each baseline, with the paired differences.

    Args:
        metrics: What to measure.
        truth: `(rows,)`.
        predictions: For each metric's name, what the model (`MODEL`) and each baseline predict, in the metric's form.
        draws: What the intervals are made with.
    """
    statistics = {
        (metric.name, who): metric.statistic(truth, given)
        for metric in metrics
        for who, given in predictions[metric.name].items()
    }
    drawn = draws.of({f"{name} {who}": statistic for (name, who), statistic in statistics.items()})
    once = np.ones((1, len(truth)))
    found = []
    for metric in metrics:
        values = {who: float(statistics[metric.name, who](once)[0]) for who in predictions[metric.name]}
        in_draws = {who: drawn[f"{metric.name} {who}"] for who in values}
        baselines = [who for who in values if who != MODEL]
        found.append(
            Measured(
                name=metric.name,
                title=metric.title,
                better=metric.better,
                model=_estimate(metric, values[MODEL], in_draws[MODEL], draws),
                baselines={who: _estimate(metric, values[who], in_draws[who], draws) for who in baselines},
                differences={
                    who: draws.estimate(values[MODEL] - values[who], in_draws[MODEL] - in_draws[who])
                    for who in baselines
                },
            )
        )
    return tuple(found)


def finite(value: float) -> float | None:
    """A number as JSON has it: null where it is none."""
    return float(value) if np.isfinite(value) else None


def _estimate(metric: Metric, value: float, drawn: Floats, draws: Draws) -> Estimate:
    if metric.name in _SHARES and value in (0.0, 1.0):  # all rows alike: draws of them cannot differ
        units = draws.resampling.units // draws.resampling.block
        return Estimate(value, *share_interval(value * units, units))
    return draws.estimate(value, drawn)
