"""Scores of predictions: AUC, Brier score and calibration error for classes, RMSE for numbers. Pure, NumPy only."""

import numpy as np


def scores(truth: np.ndarray, predictions: np.ndarray, *, is_regression: bool) -> dict[str, float]:
    """All scores of one part. `auc` is higher for better, all others lower."""
    if is_regression:
        return {"rmse": float(np.sqrt(np.mean((truth - predictions) ** 2)))}
    positive = predictions[:, 1]
    return {
        "auc": auc(truth, positive),
        "brier": float(np.mean((positive - truth) ** 2)),
        "ece": calibration_error(truth, positive),
    }


def auc(truth: np.ndarray, score: np.ndarray) -> float:
    """The share of (positive, negative) pairs in the right order, ties half."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    positives = truth == 1
    count = int(positives.sum())
    return float((ranks[positives].sum() - count * (count + 1) / 2) / (count * (len(truth) - count)))


def calibration_error(truth: np.ndarray, score: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error over bins of equal width (Guo et al. 2017)."""
    number = np.minimum((score * bins).astype(int), bins - 1)
    gaps = np.abs(np.bincount(number, truth, bins) - np.bincount(number, score, bins))
    return float(gaps.sum() / len(truth))
