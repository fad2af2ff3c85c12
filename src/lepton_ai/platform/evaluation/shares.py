"""Numbers of parts of the rows (groups, periods, slices) that are a sum over a sum, for all parts and draws at once."""

from dataclasses import dataclass

import numpy as np

from lepton_ai.platform.evaluation.arrays import Flags, Floats, Statistic
from lepton_ai.platform.evaluation.ranking import share


@dataclass(frozen=True)
class Ratio:
    """A number that is one sum over rows, divided by another.

    Args:
        name: What it is called.
        part: What is added up above, `(rows,)`.
        whole: What is added up below, `(rows,)`; ones make the number a mean.
        is_share: Whether it is the share of rows for which something holds.
    """

    name: str
    part: Floats
    whole: Floats
    is_share: bool = False


def mean_of(name: str, values: Floats) -> Ratio:
    """The mean of one number per row."""
    return Ratio(name, values, np.ones(len(values)))


def share_of(name: str, holds: Flags, among: Flags | None = None) -> Ratio:
    """The share of rows for which something holds, among all or among some."""
    some = np.ones(len(holds), bool) if among is None else among
    return Ratio(name, (holds & some).astype(np.float64), some.astype(np.float64), is_share=True)


def inside_and_elsewhere(ratio: Ratio, parts: Floats) -> Statistic:
    """A ratio in each part, then among all other rows: `(replicates, 2 * parts)` from weights `(replicates, rows)`.

    Args:
        ratio: The number.
        parts: Ones where a row is in a part, `(rows, parts)`.
    """
    above, below = parts * ratio.part[:, None], parts * ratio.whole[:, None]

    def statistic(weights: Floats) -> Floats:
        inside_above, inside_below = weights @ above, weights @ below
        elsewhere_above = (weights @ ratio.part)[:, None] - inside_above
        elsewhere_below = (weights @ ratio.whole)[:, None] - inside_below
        # Sums that should be zero may be off by rounding.
        elsewhere_below = np.where(elsewhere_below > 1e-9 * len(ratio.whole), elsewhere_below, 0.0)
        return np.concatenate([_each(inside_above, inside_below), _each(elsewhere_above, elsewhere_below)], axis=1)

    return statistic


def _each(above: Floats, below: Floats) -> Floats:
    return np.stack([share(above[:, part], below[:, part]) for part in range(above.shape[1])], axis=1)
