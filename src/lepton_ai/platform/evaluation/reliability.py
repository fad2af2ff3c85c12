"""Reliability: how often what was given a probability came true, in bins of equally many rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation.arrays import Floats, generator
from lepton_ai.platform.evaluation.intervals import share_interval
from lepton_ai.platform.evaluation.metrics import (
    BINS,
    bin_of,
    expected_calibration_error,
    one_per_class,
    stated_and_happened,
)

_BINS = 15
_FEWEST_ROWS_IN_BIN = 20
_IMAGINED = 100
_NUMBERS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows with nearly the same stated probability.

    Args:
        rows: How many.
        stated: Their mean stated probability.
        happened: The share of them for which it came true.
        low: The lower end of that share's 95 % interval (Wilson).
        high: The upper end.
    """

    rows: int
    stated: float
    happened: float
    low: float
    high: float


@dataclass(frozen=True)
class Reliability:
    """Whether probabilities mean what they say.

    Args:
        of: What the probability is of: "class 1" with two classes, "likeliest class" with more.
        bins: From the lowest stated probability to the highest.
        error: The expected calibration error, over 15 bins of equal width.
        error_by_chance: What this error would be, on average, for the same probabilities if they were all true: with
            few rows it is not near zero (consistency resampling, Bröcker and Smith, 2007).
    """

    of: str
    bins: tuple[ReliabilityBin, ...]
    error: float
    error_by_chance: float


def reliability(truth: NDArray[Any], probabilities: NDArray[Any], *, seed: int = 0) -> Reliability:
    """Compare stated probabilities `(rows, classes)` with the class numbers `(rows,)` that came true."""
    stated, happened = stated_and_happened(truth, probabilities)
    order = np.argsort(stated, kind="stable")
    parts = np.array_split(order, int(np.clip(len(order) // _FEWEST_ROWS_IN_BIN, 1, _BINS)))
    bins = []
    for part in parts:
        low, high = share_interval(happened[part].sum(), len(part))
        bins.append(ReliabilityBin(len(part), float(stated[part].mean()), float(happened[part].mean()), low, high))
    return Reliability(
        of="class 1" if probabilities.shape[1] == 2 else "likeliest class",
        bins=tuple(bins),
        error=expected_calibration_error(truth, probabilities),
        error_by_chance=_error_by_chance(stated, seed),
    )


def _error_by_chance(stated: Floats, seed: int) -> float:
    random = generator(seed)
    in_bin = one_per_class(bin_of(stated), BINS)  # (rows, bins)
    at_once = max(1, _NUMBERS_AT_ONCE // len(stated))
    errors: list[float] = []
    while len(errors) < _IMAGINED:
        imagined = random.random((min(at_once, _IMAGINED - len(errors)), len(stated))) < stated
        errors += (np.abs((imagined - stated) @ in_bin).sum(axis=1) / len(stated)).tolist()
    return float(np.mean(errors))
