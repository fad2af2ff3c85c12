"""Where a model does worst: rows with one or two conditions in common, and how far to trust that they stand out.

Thousands of slices are looked at, so some look bad by chance. Losses are compared by their ranks, which a few extreme
rows cannot carry; the p-value is multiplied by the number of slices looked at (Bonferroni), which holds however much
slices overlap.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation.arrays import Classes, Flags, Floats
from lepton_ai.platform.evaluation.conditions import Condition, conditions
from lepton_ai.platform.evaluation.measuring import Draws
from lepton_ai.platform.evaluation.report_parts import Slice, Slices
from lepton_ai.platform.evaluation.shares import inside_and_elsewhere, mean_of

_FEWEST_ROWS = 30
_SMALLEST_SHARE = 0.01
_MOST_CONDITIONS = 300  # of those with most rows, also pairs are looked at
_LOOKED_AT_CLOSELY = 30
_SHOWN = 10
_SAME = 0.8


@dataclass(frozen=True)
class _Candidate:
    conditions: tuple[Condition, ...]
    rows: Flags
    rank: float
    z: float


def slices(
    columns: Mapping[str, NDArray[Any]], loss: Floats, linear_loss: Floats, offset: Floats | None, draws: Draws
) -> Slices:
    """The slices whose rows have the highest losses, the clearest first.

    Args:
        columns: The columns to look for conditions in, `(rows,)` each.
        loss: The model's loss of each row.
        linear_loss: That of the linear baseline.
        offset: Predicted minus happened, for each row; None with more than two classes.
        draws: What the intervals are made with.
    """
    rows = len(loss)
    fewest = max(_FEWEST_ROWS, math.ceil(_SMALLEST_SHARE * rows))
    ranks = _ranks(loss)
    parts = [
        part
        for name, values in columns.items()
        for part in conditions(name, values)
        if fewest <= part.rows.sum() <= rows - fewest
    ]
    alone = [_candidate((part,), ranks) for part in parts]
    pairs, pairs_looked_at = _pairs(parts, alone, ranks, fewest)
    looked_at = len(alone) + pairs_looked_at
    ordered = sorted([*alone, *pairs], key=lambda candidate: -candidate.z)
    kept = list(_distinct(ordered))[:_LOOKED_AT_CLOSELY]
    worst = sorted(_measured(kept, ranks, loss, linear_loss, offset, looked_at, draws), key=lambda found: found.chance)
    return Slices(looked_at, fewest, tuple(worst[:_SHOWN]))


def _pairs(
    parts: Sequence[Condition], alone: Sequence[_Candidate], ranks: Floats, fewest: int
) -> tuple[list[_Candidate], int]:
    """Pairs of conditions on two columns that are worse than either alone, and how many pairs were looked at."""
    chosen = sorted(range(len(parts)), key=lambda place: -int(parts[place].rows.sum()))[:_MOST_CONDITIONS]
    if len(chosen) < 2:
        return [], 0
    flags = np.stack([parts[place].rows for place in chosen], axis=1).astype(np.float32)  # (rows, conditions)
    together = flags.T @ flags
    sums = flags.T @ (flags * ranks[:, None].astype(np.float32))
    spread = float(ranks.std())
    looked_at, found = 0, []
    for first, second in combinations(range(len(chosen)), 2):
        count = together[first, second]
        one, other = chosen[first], chosen[second]
        if count < fewest or parts[one].column == parts[other].column:
            continue
        looked_at += 1
        error = spread / math.sqrt(count)
        if sums[first, second] / count > max(alone[one].rank, alone[other].rank, 0.0) + error:
            found.append((one, other, float(sums[first, second] / count) / error))
    found.sort(key=lambda pair: -pair[2])
    return [
        _candidate((parts[one], parts[other]), ranks) for one, other, _ in found[: 5 * _LOOKED_AT_CLOSELY]
    ], looked_at


def _candidate(parts: tuple[Condition, ...], ranks: Floats) -> _Candidate:
    rows = np.logical_and.reduce([part.rows for part in parts])
    inside, count = float(ranks[rows].mean()), int(rows.sum())
    gap = inside * len(ranks) / (len(ranks) - count)  # ranks have mean 0, so this is inside minus elsewhere
    error = float(ranks.std()) * math.sqrt(1 / count + 1 / (len(ranks) - count))
    return _Candidate(parts, rows, inside, gap / error if error > 0 else 0.0)


def _ranks(loss: Floats) -> Floats:
    """Ranks of the losses, ties sharing theirs, from -0.5 to 0.5 with mean 0."""
    _, numbers, counts = np.unique(loss, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks: Floats = middle[numbers] / len(loss)
    ranks -= ranks.mean()
    return ranks


def _distinct(ordered: Sequence[_Candidate]) -> Iterator[_Candidate]:
    """Candidates that are worse than the rest, each of which has rows of its own."""
    kept: list[Flags] = []
    for candidate in ordered:
        if candidate.z <= 0:
            return
        if all(_overlap(candidate.rows, rows) < _SAME for rows in kept):
            kept.append(candidate.rows)
            yield candidate
        if len(kept) == _LOOKED_AT_CLOSELY:
            return


def _overlap(one: Flags, other: Flags) -> float:
    return float((one & other).sum() / (one | other).sum())


def _measured(
    kept: Sequence[_Candidate],
    ranks: Floats,
    loss: Floats,
    linear_loss: Floats,
    offset: Floats | None,
    looked_at: int,
    draws: Draws,
) -> Iterator[Slice]:
    if not kept:
        return
    flags = np.stack([candidate.rows for candidate in kept], axis=1).astype(np.float64)
    gains = loss - linear_loss
    drawn = draws.of(
        {
            "loss": inside_and_elsewhere(mean_of("loss", loss), flags),
            "gain": inside_and_elsewhere(mean_of("gain", gains), flags),
        }
    )
    for place, candidate in enumerate(kept):
        yield Slice(
            conditions=tuple(str(part) for part in candidate.conditions),
            rows=int(candidate.rows.sum()),
            loss=draws.estimate(float(loss[candidate.rows].mean()), drawn["loss"][:, place]),
            loss_elsewhere=float(loss[~candidate.rows].mean()),
            against_linear=draws.estimate(float(gains[candidate.rows].mean()), drawn["gain"][:, place]),
            offset=None if offset is None else float(offset[candidate.rows].mean()),
            chance=min(1.0, looked_at * _p_value(candidate, ranks, draws.resampling.dependent)),
        )


def _p_value(candidate: _Candidate, ranks: Floats, dependent: Classes | None) -> float:
    """How likely the rows have ranks as high if they are like the rest.

    The spread is that of all rows: rows chosen for their high ranks have a small one of their own. (Judged by their
    own spread, one report in five on pure noise called a slice clear, where one in twenty was meant.) Where rows
    depend on each other, sums over the parts that do not replace it, if they spread more.
    """
    z = candidate.z
    if dependent is not None:
        inside = int(candidate.rows.sum())
        shares = np.where(candidate.rows, 1 / inside, -1 / (len(ranks) - inside))
        error = float(np.sqrt(np.square(np.bincount(dependent, weights=shares * ranks)).sum()))
        freedom = len(np.unique(dependent[candidate.rows])) - 1
        if freedom < 1:
            return 1.0
        gap = float((shares * ranks).sum())
        z = min(z, _as_normal(gap / error, freedom)) if error > 0 else 0.0
    return math.erfc(z / math.sqrt(2)) / 2


def _as_normal(t: float, freedom: int) -> float:
    """The normal deviate that is as unlikely as a t: Wallace's approximation (1959)."""
    return (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
