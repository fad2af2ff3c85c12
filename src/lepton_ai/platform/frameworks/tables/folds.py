"""Which rows a member of the blend does not see: folds that follow from what is in a row, not from where it stands.

Equal rows share a fold, so that no member is asked about a row that it learned by heart elsewhere. And the same rows
get the same folds at the next fit of the same model: what a member of the net never saw, it will not see then either.
"""

import numpy as np
from numpy.typing import NDArray

_BINS = 10


def folds_of(
    rows: NDArray[np.float32],
    truth: NDArray[np.float64],
    *,
    classes: int | None,
    count: int,
    seed: int = 0,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """The fold of each row, from 0 to `count - 1`; every class, or every size of target, is spread evenly over them.

    Args:
        rows: Encoded rows `(batch, columns)`.
        truth: Class numbers or targets `(batch,)`.
        classes: How many classes there are, None for a regression.
        count: How many folds.
        seed: Another seed gives other folds.
        groups: A number for each row; rows of one group share a fold.

    Example:

        >>> rows = np.arange(12, dtype=np.float32).reshape(6, 2)
        >>> folds = folds_of(np.concatenate([rows, rows]), np.tile([0, 0, 0, 1, 1, 1], 2), classes=2, count=3)
        >>> bool(np.all(folds[:6] == folds[6:])), np.bincount(folds[:3]).tolist()
        (True, [1, 1, 1])
    """
    keys = _row_keys(rows, seed) if groups is None else _mixed(groups.astype(np.uint64) + np.uint64(seed))
    strata = truth.astype(np.int64) if classes else _bins(truth)
    if len(np.unique(keys)) < count:  # hardly anything to tell rows apart by
        keys = np.arange(len(keys), dtype=np.uint64)
    unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.lexsort((unique, strata[first]))
    fold_of_key = np.empty(len(unique), np.int64)
    fold_of_key[order] = np.arange(len(unique)) % count
    return fold_of_key[inverse]


def _bins(targets: NDArray[np.float64]) -> NDArray[np.int64]:
    edges = np.quantile(targets, np.linspace(0, 1, _BINS + 1)[1:-1])
    return np.searchsorted(edges, targets).astype(np.int64)


def _row_keys(rows: NDArray[np.float32], seed: int) -> NDArray[np.uint64]:
    """A 64-bit number for the content of each row."""
    # Adding zero turns -0.0 into 0.0, which is equal to it.
    bits = np.ascontiguousarray(rows + np.float32(0)).view(np.uint32).astype(np.uint64)
    factors = np.random.default_rng(seed).integers(0, 2**63, rows.shape[1], dtype=np.uint64) * 2 + 1
    return _mixed((_mixed(bits) * factors).sum(axis=1, dtype=np.uint64))


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): close numbers come out far apart."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
