"""The race for the learning rate: who takes part, for how many steps, and who wins. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from numpy.typing import ArrayLike

from lepton_ai.platform.frameworks.adaptive.choose import Verdict, compare

# Each candidate gets 2 % of the budget and at least 200 steps, all of them together at most a quarter.
_SHARE, _MOST_SHARE = 0.02, 0.25
_FEWEST_STEPS = 200
# Where the user's rate is far from the usual, fewer steps tell them apart, so that small budgets can race too.
_FAR, _FEWEST_STEPS_WHEN_FAR = 8.0, 40
# Rates closer than this are one candidate.
_NEAR = 1.5
_PRESET = (1.0, 0.25, 4.0)


@dataclass(frozen=True)
class Race:
    """Which rates run, one after the other from the same weights, for how many steps each.

    Args:
        rates: The candidates' learning rates; the user's first.
        steps: How many steps each gets.
    """

    rates: tuple[float, ...]
    steps: int

    @property
    def all_steps(self) -> int:
        """The steps of all candidates together."""
        return len(self.rates) * self.steps

    def runner(self, step: int) -> int:
        """Which candidate runs at a step of the race.

        Example:

            >>> [Race((0.1, 0.01), steps=200).runner(step) for step in (0, 199, 200, 399)]
            [0, 0, 1, 1]
        """
        return min(step // self.steps, len(self.rates) - 1)

    def winner(self, scores: Mapping[str, ArrayLike]) -> Verdict:
        """Who goes on, by `compare` over each candidate's losses on the rows held back."""
        return compare(scores)


def race(steps: int, users_rate: float, usual_rate: float | None) -> Race | None:
    """Set up the race, or None where the budget is too small for one, or there is nobody to race against.

    Args:
        steps: The budget.
        users_rate: The rate that the user's optimizer came with.
        usual_rate: What is usual for that optimizer; None if nobody knows.

    Example:

        >>> race(18_750, users_rate=0.001, usual_rate=0.001)
        Race(rates=(0.001, 0.00025, 0.004), steps=375)
        >>> race(300, users_rate=0.001, usual_rate=0.001) is None
        True
        >>> race(600, users_rate=0.03, usual_rate=0.001)
        Race(rates=(0.03, 0.001, 0.00025), steps=50)
    """
    rates = candidates(users_rate, usual_rate)
    far = usual_rate is not None and not 1 / _FAR < users_rate / usual_rate < _FAR
    fewest = _FEWEST_STEPS_WHEN_FAR if far else _FEWEST_STEPS
    room = steps * _MOST_SHARE
    count = min(len(rates), math.floor(room / fewest))
    # With a usual rate, two would be the user's and one that is lower: that says nothing about a higher one.
    if count < (2 if far else 3):
        return None
    each = max(math.floor(steps * _SHARE), min(_FEWEST_STEPS, math.floor(room / count)))
    return Race(rates[:count], each)


def candidates(users_rate: float, usual_rate: float | None) -> tuple[float, ...]:
    """The rates worth a try: the user's first, then the usual one and a quarter and four times of it.

    Example:

        >>> candidates(0.01, None)
        (0.01, 0.0025, 0.04)
        >>> candidates(0.0012, 0.001)
        (0.0012, 0.00025, 0.004)
    """
    middle = users_rate if usual_rate is None else usual_rate
    rates = [users_rate]
    for factor in _PRESET:
        rate = middle * factor
        if all(not 1 / _NEAR < rate / other < _NEAR for other in rates):
            rates.append(rate)
    return tuple(rates)
