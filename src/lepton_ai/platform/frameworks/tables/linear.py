"""The linear member: logistic or ridge regression on scaled numbers and one-hot codes, its strength chosen by folds."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.tables.truth import Truth

# The penalty for one unit of weight, squared and halved, in units of one row's loss. 1 is scikit-learn's default.
_PENALTIES = (1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)
_FEWER_PENALTIES = (1000.0, 30.0, 1.0)
_RIDGE_PENALTIES = tuple(10.0**power for power in np.arange(-2, 5.5, 0.5))
_MANY_NUMBERS = 4_000_000
# Newton's method builds a matrix of this many rows and columns at most.
_LARGEST_HESSIAN = 400


@dataclass(frozen=True)
class Linear:
    """Weights `(features, answers)` and bias `(answers,)` of one line per answer, and the penalty they were found with.

    A classifier answers logits.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    penalty: float


def fit_linear(features: NDArray[np.float32], truth: Truth, folds: NDArray[np.int64]) -> tuple[Linear, NDArray[Any]]:
    """Fit once without each fold and once on all rows.

    Args:
        features: Scaled numbers and one-hot codes `(batch, features)`.
        truth: What the rows should be answered with.
        folds: The fold of each row.

    Returns:
        The line for all rows, and the answers to each row of the line that did not see it, `(batch, answers)`.
    """
    penalties = _penalties(features, truth)
    out_of_fold = np.zeros((len(penalties), len(features), truth.width))
    for fold in np.unique(folds):
        inside, outside = folds != fold, folds == fold
        for number, line in enumerate(_path(features[inside], truth.take(inside), penalties)):
            out_of_fold[number, outside] = _answers(line, features[outside])
    scores = [truth.mean_loss(answers) for answers in out_of_fold]
    best = int(np.argmin(scores))
    *_, line = _path(features, truth, penalties[: best + 1])
    return line, out_of_fold[best]


def _penalties(features: NDArray[np.float32], truth: Truth) -> tuple[float, ...]:
    if not truth.classes:
        return _RIDGE_PENALTIES[::-1]
    return _FEWER_PENALTIES if features.size * truth.width > _MANY_NUMBERS else _PENALTIES


def _path(features: NDArray[np.float32], truth: Truth, penalties: tuple[float, ...]) -> list[Linear]:
    """A line for each penalty, from the strongest down, each starting from the one before."""
    return _logistic_path(features, truth, penalties) if truth.classes else _ridge_path(features, truth, penalties)


def _logistic_path(features: NDArray[np.float32], truth: Truth, penalties: tuple[float, ...]) -> list[Linear]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(truth.values).astype(np.int64)
    if len(present) < 2:
        zeros = np.zeros((features.shape[1], truth.width), np.float32)
        return [Linear(zeros, truth.prior.astype(np.float32), penalty) for penalty in penalties]
    hessian = features.shape[1] * (len(present) if len(present) > 2 else 1)
    estimator = LogisticRegression(
        solver="newton-cholesky" if hessian <= _LARGEST_HESSIAN else "lbfgs",
        max_iter=300,
        warm_start=True,
    )
    lines = []
    for penalty in penalties:
        estimator.set_params(C=1 / penalty)
        with warnings.catch_warnings():
            # Near enough is good enough: the folds judge what came out.
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.fit(features.astype(np.float64), truth.values.astype(np.int64), truth.weights)
        weights = np.zeros((features.shape[1], truth.width), np.float32)
        # A class that no row has is as likely as its prior says.
        bias = truth.prior.astype(np.float32)
        if len(present) == 2:
            weights[:, present[1]] = estimator.coef_[0]
            bias[present] = 0.0, estimator.intercept_[0]
            bias[present] -= np.logaddexp(0.0, estimator.intercept_[0])
        else:
            weights[:, present] = estimator.coef_.T
            bias[present] = estimator.intercept_
            bias[present] -= np.logaddexp.reduce(estimator.intercept_)
        lines.append(Linear(weights, bias, penalty))
    return lines


def _ridge_path(features: NDArray[np.float32], truth: Truth, penalties: tuple[float, ...]) -> list[Linear]:
    """Ridge regression in closed form: one decomposition serves every penalty."""
    weights = truth.weights if truth.weights is not None else np.ones(len(features))
    total = weights.sum() or 1.0
    centre = weights @ features / total
    mean = float(weights @ truth.values / total)
    roots = np.sqrt(weights)[:, None]
    left, sizes, right = np.linalg.svd((features - centre) * roots, full_matrices=False)
    projected = left.T @ ((truth.values - mean) * roots[:, 0])
    lines = []
    for penalty in penalties:
        slopes = right.T @ (projected * sizes / (sizes**2 + penalty))
        lines.append(
            Linear(slopes[:, None].astype(np.float32), np.array([mean - centre @ slopes], np.float32), penalty)
        )
    return lines


def _answers(line: Linear, features: NDArray[np.float32]) -> NDArray[np.float64]:
    return features.astype(np.float64) @ line.weights + line.bias
