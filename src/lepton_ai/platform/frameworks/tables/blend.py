"""How much each member of a blend counts: decided on answers to rows that the member did not see. Pure, NumPy only.

Members are mixed where they add up best: classifiers as logits, so that one that is sure weighs more where it is sure,
regressions as numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.tables.truth import Truth

# A member that counts less is left out: its part of the graph would cost more than it gives.
_LEAST_SHARE = 0.04
_BEYOND_DOUBT = 3.0  # standard errors
_ROUNDS = 200
_PRECISION = 1e-6
_MOST_NUMBERS = 4_000_000


@dataclass(frozen=True)
class Blended:
    """The shares of the members and what was measured to find them.

    Args:
        shares: The share of each member, none below zero, 1 together.
        losses: The mean loss of each member alone, on rows that it did not see.
        loss: The mean loss of the blend on the same rows.
    """

    shares: Mapping[str, float]
    losses: Mapping[str, float]
    loss: float


def blend(answers: Mapping[str, NDArray[Any]], truth: Truth, prior: Mapping[str, float]) -> Blended:
    """Choose the shares of the members.

    The mean loss is lowered from the prior shares on, held back by a penalty of about the standard error of what can be
    gained, and the less the surer that gain is. Few rows so leave the prior in place, and many do not; a member that is
    right where the others are not takes all.
    Holding back toward the best single member was tried too and was worse (docs/decisions/tables-blend.md).

    Args:
        answers: For each member its answers to rows that it did not see: normalised logits, or numbers,
            `(batch, answers)`.
        truth: What the rows should be answered with.
        prior: The shares to begin with, 1 together.

    Example:

        >>> truth = Truth(np.array([1.0, 2.0, 4.0] * 100), None)
        >>> good, bad = truth.values[:, None] + 0.1, truth.values[:, None] + 2.0
        >>> blended = blend({"good": good, "bad": bad}, truth, {"good": 0.5, "bad": 0.5})
        >>> {name: round(share, 2) for name, share in blended.shares.items()}
        {'good': 1.0}
    """
    names = [name for name in answers if np.isfinite(answers[name]).all()]
    start = np.array([prior[name] for name in names])
    shares = _kept(_shares(np.stack([answers[name] for name in names]), truth, start / start.sum()))
    chosen = {name: float(share) for name, share in zip(names, shares, strict=True) if share > 0}
    losses = {name: truth.mean_loss(answers[name]) for name in names}
    return Blended(chosen, losses, truth.mean_loss(mixed(answers, chosen)))


def mixed(answers: Mapping[str, NDArray[Any]], shares: Mapping[str, float]) -> NDArray[np.float64]:
    """The answers of a blend, `(batch, answers)`."""
    parts = [share * np.asarray(answers[name], np.float64) for name, share in shares.items()]
    return np.sum(parts, axis=0)


def log_probabilities(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Logits brought to a form in which those of different members can be compared, `(batch, classes)`."""
    logits = np.asarray(logits, np.float64)
    with np.errstate(invalid="ignore"):  # of a net that diverged
        return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def _shares(answers: NDArray[np.float64], truth: Truth, start: NDArray[np.float64]) -> NDArray[np.float64]:
    every = max(1, answers.size // _MOST_NUMBERS)
    answers, truth = answers[:, ::every], truth.take(slice(None, None, every))
    if not truth.classes:
        answers, truth = _standardised(answers, truth)
    free = _descended(answers, truth, start, penalty=0.0)
    gain, error = _gain(answers, truth, start, free)
    if error <= 0 or gain <= 0:
        return start
    held_back = _descended(answers, truth, start, penalty=error * error / (error + gain))
    gain, error = _gain(answers, truth, held_back, free)
    return free if gain > _BEYOND_DOUBT * error else held_back


def _gain(
    answers: NDArray[np.float64], truth: Truth, before: NDArray[np.float64], after: NDArray[np.float64]
) -> tuple[float, float]:
    """What other shares take off the mean loss, and the standard error of that."""
    gains = truth.losses(np.tensordot(before, answers, 1)) - truth.losses(np.tensordot(after, answers, 1))
    return float(np.average(gains, weights=truth.weights)), float(gains.std() / np.sqrt(len(gains)))


def _descended(
    answers: NDArray[np.float64], truth: Truth, start: NDArray[np.float64], penalty: float
) -> NDArray[np.float64]:
    """Projected gradient descent on the penalised mean loss, which is convex in the shares."""
    weights = np.ones(len(truth)) if truth.weights is None else truth.weights
    weights = weights / weights.sum()

    def value_and_slope(shares: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        together = np.tensordot(shares, answers, 1)
        distance = shares - start
        slope = np.einsum("n,nk,mnk->m", weights, truth.slopes(together), answers, optimize=True)
        value = float(weights @ truth.losses(together)) + penalty * float(distance @ distance)
        return value, slope + 2 * penalty * distance

    shares, step = start, 1.0
    value, slope = value_and_slope(shares)
    for _ in range(_ROUNDS):
        nearer = _on_simplex(shares - step * slope)
        moved = nearer - shares
        new_value, new_slope = value_and_slope(nearer)
        if new_value > value + float(slope @ moved) + float(moved @ moved) / (2 * step):
            step /= 2
            continue
        shares, value, slope, step = nearer, new_value, new_slope, step * 1.5
        if np.abs(moved).max() < _PRECISION:
            break
    return shares


def _standardised(answers: NDArray[np.float64], truth: Truth) -> tuple[NDArray[np.float64], Truth]:
    """Numbers in deviations of the targets, so that the unit of a target decides nothing."""
    centre, deviation = truth.values.mean(), truth.values.std() or 1.0
    return (answers - centre) / deviation, replace(truth, values=(truth.values - centre) / deviation)


def _on_simplex(point: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest shares, none below zero and 1 together (Duchi and others 2008)."""
    falling = np.sort(point)[::-1]
    excess = (np.cumsum(falling) - 1) / np.arange(1, len(point) + 1)
    return np.maximum(point - excess[falling > excess][-1], 0.0)


def _kept(shares: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    kept = np.where(np.asarray(shares) >= min(_LEAST_SHARE, max(shares)), shares, 0.0)
    return np.round(kept / kept.sum(), 6)
