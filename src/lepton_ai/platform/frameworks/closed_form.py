"""A linear model in closed form, with its answers to each row as if it had not seen it. Pure, NumPy only."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRENGTHS = np.logspace(-6, 2, 25)
_CHUNK_ROWS = 2048
_ROUNDS = 30
_PENALTY = 1e-3


@dataclass(frozen=True)
class Ridge:
    """Ridge regression of one or several targets.

    Args:
        kernel: `(features, targets)`, for features as they came.
        bias: `(targets,)`.
        strength: The penalty, as a multiple of the mean squared length of a standardised row.
        left_out: What each row would have been answered with by a model fitted without it, `(batch, targets)`.
    """

    kernel: NDArray[np.float64]
    bias: NDArray[np.float64]
    strength: float
    left_out: NDArray[np.float64]


def ridge(features: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None = None) -> Ridge:
    """Fit a ridge regression; its strength is the one with the least squared error on rows left out one by one.

    Leaving out costs nothing: the error of each row is its residual over what the row does not decide itself (Allen
    1974). The smaller of the two square matrices is taken apart, of rows or of features.

    Args:
        features: `(batch, features)`. Standardised here; a constant feature counts for nothing.
        targets: `(batch, targets)`.
        weights: What each row counts, `(batch,)`.

    Example:

        >>> x = np.arange(20.0)[:, None]
        >>> fitted = ridge(x, 3 * x + 1)
        >>> bool(np.allclose(x @ fitted.kernel + fitted.bias, 3 * x + 1, atol=1e-3))
        True
    """
    share = np.ones(len(features)) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum()
    mean = share @ features
    deviation = np.sqrt(np.maximum(share @ np.square(features - mean, dtype=np.float64), 0))
    is_constant = deviation <= 1e-6 * np.maximum(np.abs(mean), 1)
    scale = np.where(is_constant, 0, 1 / np.where(is_constant, 1, deviation)) / np.sqrt(max((~is_constant).sum(), 1))
    centre = share @ targets
    root = np.sqrt(share * len(share))[:, None]
    rows = (np.asarray(features, np.float32) - mean.astype(np.float32)) * scale.astype(np.float32)
    rows *= root.astype(np.float32)
    wanted = (targets - centre) * root
    directions, lengths, back = _taken_apart(rows)
    along = directions.T @ wanted  # (directions, targets)
    own = np.square(directions)
    best: tuple[float, float, NDArray[np.float64]] | None = None
    for strength in _STRENGTHS:
        kept = lengths / (lengths + strength)
        residuals = wanted - directions @ (kept[:, None] * along)
        errors = residuals / np.maximum(1 - own @ kept - share, 1e-9)[:, None]
        score = float(np.square(errors).sum())
        if best is None or score < best[0]:
            best = (score, float(strength), errors)
    assert best is not None
    _, strength, errors = best
    kernel = scale[:, None] * (back @ (along * (np.sqrt(lengths) / (lengths + strength))[:, None]))
    left_out = targets - errors / np.maximum(root, 1e-9)
    return Ridge(kernel, centre - mean @ kernel, strength, left_out)


def calibrated(
    scores: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[Any] | None = None
) -> tuple[float, NDArray[np.float64]]:
    """The slope and the biases that make logits of scores: `slope * scores + biases` with the least log loss.

    By Newton's method, on labels a little less than certain, as by one more row of each class (Platt 1999): scores that
    tell all rows right would otherwise make answers without any doubt.

    Args:
        scores: Answers to rows not seen, `(batch, classes)`.
        labels: The classes, `(batch,)`.
        weights: What each row counts, `(batch,)`.
    """
    count, classes = scores.shape
    share = np.full(count, 1 / count) if weights is None else np.asarray(weights, np.float64) / np.sum(weights)
    doubts = 1 / (np.bincount(labels, minlength=classes)[labels] + 2)
    truth = np.repeat(doubts[:, None] / max(classes - 1, 1), classes, axis=1)
    truth[np.arange(count), labels] = 1 - doubts
    parameters = np.concatenate([[1.0], np.zeros(classes)])
    value = _log_loss(parameters, scores, truth, share)
    for _ in range(_ROUNDS):
        slope, curvature = _slope_and_curvature(parameters, scores, truth, share)
        move = np.linalg.solve(curvature, slope)
        size = 1.0
        while size > 1e-4 and _log_loss(parameters - size * move, scores, truth, share) > value:
            size /= 2
        parameters = parameters - size * move
        before, value = value, _log_loss(parameters, scores, truth, share)
        if before - value < 1e-9:
            break
    return float(parameters[0]), parameters[1:]


def _taken_apart(
    rows: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The singular value decomposition: left vectors, squared singular values, and right vectors."""
    count, width = rows.shape
    if count <= width:
        # Exactly, because where features outnumber rows, errors of rows left out are quotients of tiny numbers.
        exact = rows.astype(np.float64)
        lengths, left = _significant(*np.linalg.eigh(exact @ exact.T))
        return left, lengths, (exact.T @ left) / np.sqrt(lengths)
    moments = np.zeros((width, width))
    for start in range(0, count, _CHUNK_ROWS):
        part = rows[start : start + _CHUNK_ROWS]
        moments += part.T @ part
    lengths, right = _significant(*np.linalg.eigh(moments))
    return (rows @ right.astype(np.float32)).astype(np.float64) / np.sqrt(lengths), lengths, right


def _significant(
    lengths: NDArray[np.float64], vectors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Without the directions that are nothing but rounding."""
    kept = lengths > 1e-7 * max(float(lengths[-1]), 1e-30)
    kept[-1] = True
    return np.maximum(lengths[kept], 1e-30), vectors[:, kept]


def _logits(parameters: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    logits = parameters[0] * scores + parameters[1:]
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def _log_loss(
    parameters: NDArray[np.float64], scores: NDArray[np.float64], truth: NDArray[np.float64], share: NDArray[np.float64]
) -> float:
    loss = -share @ (truth * _logits(parameters, scores)).sum(axis=1)
    return float(loss + _PENALTY * np.square(parameters[1:]).sum() / 2)


def _slope_and_curvature(
    parameters: NDArray[np.float64], scores: NDArray[np.float64], truth: NDArray[np.float64], share: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    answers = np.exp(_logits(parameters, scores))
    off = (answers - truth) * share[:, None]
    slope = np.concatenate([[(off * scores).sum()], off.sum(axis=0) + _PENALTY * parameters[1:]])
    expected = (answers * scores).sum(axis=1, keepdims=True)
    weighted = answers * share[:, None]
    curvature = np.zeros((len(parameters),) * 2)
    curvature[0, 0] = (weighted * np.square(scores - expected)).sum() + 1e-9
    curvature[0, 1:] = curvature[1:, 0] = (weighted * (scores - expected)).sum(axis=0)
    curvature[1:, 1:] = np.diag(weighted.sum(axis=0) + _PENALTY) - weighted.T @ answers
    return slope, curvature
