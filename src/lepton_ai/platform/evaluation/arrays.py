"""The arrays of this room by name, and where its random numbers come from."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]
Flags = NDArray[np.bool_]
Statistic = Callable[[Floats], Floats]
"""Weights of the rows, `(replicates, rows)` -> one number for each weighting, `(replicates,)`."""

_APART = 0x6C65


def generator(seed: int) -> np.random.Generator:
    """Random numbers of a seed, apart from those that a user's own script draws from the same small seed.

    Data made with `default_rng(0)` and draws made with `default_rng(0)` would be the same numbers, not independent.
    """
    return np.random.default_rng((seed, _APART))
