"""Dealing rows into parts, so that each part has its share of every class and no unit is torn apart. NumPy only."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Sums of shares such as 1/3 end a little beside the whole number that they mean.
_ROUNDING = 1e-9


def deal(
    shares: Sequence[float],
    strata: NDArray[np.int64],
    units: NDArray[np.int64],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Deal rows into parts at random.

    Args:
        shares: What each part is to get of the rows; they add up to 1.
        strata: The class of each row, numbered from 0, `(rows,)`. Each part gets its share of each.
        units: The unit of each row, numbered from 0, `(rows,)`. Rows of one unit go to the same part.
        generator: Where chance comes from.

    Returns:
        The part of each row, `(rows,)`. Where every row is a unit of its own, the rows of a class in the last part are
        within one of its share, and with equal shares those of any two parts are within one of each other. With larger
        units and one class, two parts of equal share differ by no more rows than the largest unit has.

    Example:

        >>> parts = deal([0.5, 0.5], np.array([0, 0, 1, 1]), np.arange(4), np.random.default_rng(0))
        >>> sorted(parts[:2].tolist()), sorted(parts[2:].tolist())
        ([0, 1], [0, 1])
    """
    rows_in_unit = np.bincount(units)
    alone = rows_in_unit[units] == 1
    classes = int(strata.max()) + 1
    filled = np.zeros((len(shares), classes))
    parts = np.zeros(len(strata), dtype=np.int64)
    if not alone.all():
        part_of_unit = _deal_units(shares, strata, units, ~alone, generator)
        parts[~alone] = part_of_unit[units[~alone]]
        np.add.at(filled, (parts[~alone], strata[~alone]), 1)
    _deal_rows(shares, strata, np.flatnonzero(alone), filled, parts, generator)
    return _none_empty(len(shares), units, parts)


def spare_rare_classes(
    parts: NDArray[np.int64], strata: NDArray[np.int64], units: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """See that the first part has every class, and the second one every class of at least two rows, where it can be.

    Only rows that are a unit of their own are moved.

    Args:
        parts: 0 or 1 for each row, as `deal` gave them.
        strata: The class of each row.
        units: The unit of each row.
        generator: Where chance comes from.
    """
    parts = parts.copy()
    alone = np.bincount(units)[units] == 1
    counts = np.zeros((2, int(strata.max()) + 1), dtype=np.int64)
    np.add.at(counts, (parts, strata), 1)
    for part in (0, 1):
        needed = (counts[part] == 0) & (counts[1 - part] > part)
        for stratum in np.flatnonzero(needed):
            movable = np.flatnonzero((strata == stratum) & alone)
            if len(movable):
                parts[generator.choice(movable)] = part
    return _none_empty(2, units, parts)


def _deal_units(
    shares: Sequence[float],
    strata: NDArray[np.int64],
    units: NDArray[np.int64],
    chosen: NDArray[np.bool_],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """The part of each unit of several rows: large ones first, each to the part that its rows leave least overfull.

    Overfull is meant relative to what a part is to get, as in Sainte-Laguë's way of giving out seats; counted in rows,
    a small part would get none but the smallest units.
    """
    numbers, positions = np.unique(units[chosen], return_inverse=True)
    counts = np.zeros((len(numbers), int(strata.max()) + 1))
    np.add.at(counts, (positions.reshape(-1), strata[chosen]), 1)
    sizes = counts.sum(axis=1)
    # The last column is all rows: a part is to have its share of each class, and its share of rows.
    counts = np.column_stack([counts, sizes])
    totals = np.append(np.bincount(strata), len(strata)).astype(np.float64)
    wanted = np.outer(shares, totals)
    filled = np.zeros_like(wanted)
    chance = generator.random(len(numbers))
    part_of_unit = np.zeros(int(units.max()) + 1, dtype=np.int64)
    # Units of about the same size come in random order, so that the largest is not bound to one part by a row or two.
    for unit in np.lexsort((chance, -np.floor(np.log2(sizes)))):
        brought = counts[unit]
        present = np.flatnonzero(brought)
        fullness = brought[present] * (2 * (filled[:, present] - wanted[:, present]) + brought[present])
        part = int((fullness / np.maximum(wanted[:, present], 1)).sum(axis=1).argmin())
        filled[part] += brought
        part_of_unit[numbers[unit]] = part
    return part_of_unit


def _deal_rows(
    shares: Sequence[float],
    strata: NDArray[np.int64],
    rows: NDArray[np.int64],
    filled: NDArray[np.float64],
    parts: NDArray[np.int64],
    generator: np.random.Generator,
) -> None:
    """Deal single rows, part by part from the last, to what the units left open; part 0 gets the rest.

    Within the rows, sorted by class and else in random order, a part takes a row whenever the sum of its shares so far
    passes a whole number. So the count in any class, and in all, is its share rounded up or down.
    """
    left = rows[np.lexsort((generator.random(len(rows)), strata[rows]))]
    for part in range(len(shares) - 1, 0, -1):
        in_class = np.bincount(strata[left], minlength=filled.shape[1])
        share = shares[part] / sum(shares[: part + 1])
        wanted = share * (in_class + filled[: part + 1].sum(axis=0)) - filled[part]
        rates = np.clip(wanted / np.maximum(in_class, 1), 0, 1)
        passed = np.floor(np.cumsum(rates[strata[left]]) + _ROUNDING)
        taken = np.diff(passed, prepend=0) > 0
        parts[left[taken]] = part
        left = left[~taken]


def _none_empty(count: int, units: NDArray[np.int64], parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give an empty part the smallest unit of the part that has the most units."""
    sizes = np.bincount(units)
    for part in np.setdiff1d(np.arange(count), parts):
        units_in = [np.unique(units[parts == other]) for other in range(count)]
        richest = max(units_in, key=len)
        parts[units == richest[sizes[richest].argmin()]] = part
    return parts
