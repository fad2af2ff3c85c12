"""How a model does by group: of people whom it may treat differently, of machines, of places."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation.arrays import Classes, Flags, Floats, Statistic
from lepton_ai.platform.evaluation.conditions import Condition, conditions
from lepton_ai.platform.evaluation.intervals import share_interval
from lepton_ai.platform.evaluation.measuring import Draws
from lepton_ai.platform.evaluation.metrics import auc, log_losses
from lepton_ai.platform.evaluation.report_parts import Estimate, Group
from lepton_ai.platform.evaluation.shares import Ratio, inside_and_elsewhere, mean_of, share_of

_FEW_ROWS = 30
_FEW_OF_A_CLASS = 10


def groups(
    columns: Mapping[str, NDArray[Any]],
    ratios: Sequence[Ratio],
    draws: Draws,
    *,
    truth: Classes | None = None,
    probabilities: Floats | None = None,
) -> tuple[Group, ...]:
    """The ratios in every group of every column, each beside all other rows.

    Args:
        columns: Columns that tell groups, `(rows,)` each.
        ratios: What to measure.
        draws: What the intervals are made with.
        truth: Of two classes, the class numbers, and
        probabilities: what the model says, `(rows, 2)`: for the area under the curve, and to tell which groups have
            too few rows of a class.
    """
    return tuple(
        group
        for column, values in columns.items()
        for group in _of_column(conditions(column, values), ratios, draws, truth, probabilities)
    )


def class_ratios(truth: Classes, probabilities: Floats, answers: Classes) -> tuple[Ratio, ...]:
    """What to compare between groups where classes are answered.

    Of two classes: how often class 1 is answered, the share of class 1 that is found (sensitivity), the share of class
    0 that is alarmed (false alarms), and how far stated probabilities are above what happened (offset).
    """
    ratios = [
        share_of("accuracy", answers == truth),
        mean_of("log_loss", log_losses(truth, probabilities)),
    ]
    if probabilities.shape[1] != 2:
        return tuple(ratios)
    answered = answers == 1
    return (
        *ratios,
        share_of("answered", answered),
        share_of("sensitivity", answered, truth == 1),
        share_of("false_alarms", answered, truth == 0),
        mean_of("offset", probabilities[:, 1] - truth),
    )


def number_ratios(truth: Floats, numbers: Floats) -> tuple[Ratio, ...]:
    """What to compare between groups where numbers are predicted: the absolute error, and predictions above truth."""
    return (mean_of("absolute_error", np.abs(truth - numbers)), mean_of("offset", numbers - truth))


def _of_column(
    parts: Sequence[Condition],
    ratios: Sequence[Ratio],
    draws: Draws,
    truth: Classes | None,
    probabilities: Floats | None,
) -> Iterator[Group]:
    flags = np.stack([part.rows for part in parts], axis=1).astype(np.float64)  # (rows, parts)
    statistics = {ratio.name: inside_and_elsewhere(ratio, flags) for ratio in ratios}
    areas: list[Statistic] = []
    if truth is not None and probabilities is not None:
        areas = [_area_within(part, truth, probabilities) for part in parts]
    drawn = draws.of({**statistics, **{f"auc {place}": area for place, area in enumerate(areas)}})
    everything = np.ones((1, len(flags)))
    once = {name: statistic(everything)[0] for name, statistic in statistics.items()}
    for place, part in enumerate(parts):
        other = len(parts) + place
        measures = {}
        differences = {}
        for ratio in ratios:
            values, in_draws = once[ratio.name], drawn[ratio.name]
            sides = [
                _at_the_edge(draws.estimate(values[side], in_draws[:, side]), ratio, rows)
                for side, rows in ((place, part.rows), (other, ~part.rows))
            ]
            measures[ratio.name] = sides[0]
            if len(parts) > 1:
                difference = draws.estimate(values[place] - values[other], in_draws[:, place] - in_draws[:, other])
                differences[ratio.name] = _not_narrower(difference, *sides) if ratio.is_share else difference
        if areas:
            measures["auc"] = draws.estimate(float(areas[place](everything)[0]), drawn[f"auc {place}"])
        yield Group(part.column, part.text, int(part.rows.sum()), _is_small(part, truth), measures, differences)


def _at_the_edge(estimate: Estimate, ratio: Ratio, rows: Flags) -> Estimate:
    """The estimate; for a share of none or of all, of which no draw can differ, with Wilson's interval."""
    if not ratio.is_share or estimate.value not in (0.0, 1.0) or estimate.low != estimate.high:
        return estimate
    whole = float(ratio.whole[rows].sum())
    return Estimate(estimate.value, *share_interval(estimate.value * whole, whole))


def _not_narrower(difference: Estimate, inside: Estimate, elsewhere: Estimate) -> Estimate:
    """The difference, its interval no narrower than that of either side: Newcombe's way to put two intervals together.

    It matters where one side is a share of none or of all, which the draws take for certain.
    """
    ends = (inside.value, inside.low, inside.high, elsewhere.value, elsewhere.low, elsewhere.high)
    if difference.value is None or difference.low is None or difference.high is None or None in ends:
        return difference
    value, low, high, other, other_low, other_high = (float(end) for end in ends if end is not None)
    if {value, other}.isdisjoint({0.0, 1.0}):
        return difference
    below = math.hypot(value - low, other_high - other)
    above = math.hypot(high - value, other - other_low)
    return Estimate(
        difference.value,
        min(difference.low, difference.value - below),
        max(difference.high, difference.value + above),
    )


def _area_within(part: Condition, truth: Classes, probabilities: Floats) -> Statistic:
    rows = part.rows
    statistic = auc.statistic(truth[rows], probabilities[rows])
    return lambda weights: statistic(weights[:, rows])


def _is_small(part: Condition, truth: Classes | None) -> bool:
    """Whether the rows of the part, or all others, are too few to say something of."""
    for rows in (part.rows, ~part.rows):
        count = int(rows.sum())
        of_class = count if truth is None else int((truth[rows] == 1).sum())
        too_few = truth is not None and min(of_class, count - of_class) < _FEW_OF_A_CLASS
        if count > 0 and (count < _FEW_ROWS or too_few):
            return True
    return False
