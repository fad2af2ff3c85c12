"""The closed-form linear model: its answers to rows left out are those of models that were fitted without them."""

import numpy as np
import pytest

from lepton_ai.platform.frameworks.closed_form import calibrated, ridge


def data(rows: int, features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features)).astype("float32") * random.uniform(0.1, 30, features) + 5
    y = x[:, :2] @ [[0.3, 0.0], [0.1, -1.0]] + random.normal(size=(rows, 2))
    return x, y


def solved(x: np.ndarray, y: np.ndarray, strength: float, weights: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Ridge regression by its normal equations, with a bias that is not penalised: `(1 + features, targets)`."""
    scaled = np.concatenate([np.ones((len(x), 1)), x * scale], axis=1)
    penalty = strength * np.eye(scaled.shape[1])
    penalty[0, 0] = 0
    return np.linalg.solve(scaled.T @ (weights[:, None] * scaled) + penalty, scaled.T @ (weights[:, None] * y))


@pytest.mark.parametrize(("rows", "features"), [(40, 12), (25, 60)])
def test_left_out_answers_are_those_of_a_model_without_the_row(rows: int, features: int) -> None:
    x, y = data(rows, features)
    fitted = ridge(x, y)
    scale = 1 / x.astype(float).std(axis=0) / np.sqrt(features)
    for row in (0, 7, rows - 1):
        others = np.arange(rows) != row
        beta = solved(x[others].astype(float), y[others], fitted.strength, np.ones(rows - 1), scale)
        assert np.allclose(np.concatenate([[1], x[row] * scale]) @ beta, fitted.left_out[row], atol=1e-2)


def test_weights_count_in_the_fit_and_may_be_zero() -> None:
    x, y = data(30, 4)
    weights = np.where(np.arange(30) < 5, 2.0, 1.0)
    weights /= weights.mean()
    fitted = ridge(x, y, weights)
    mean = np.average(x, axis=0, weights=weights)
    scale = 1 / np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weights)) / 2
    beta = solved(x.astype(float), y, fitted.strength, weights, scale)
    assert np.allclose(beta[0], fitted.bias, atol=1e-3)
    assert np.allclose(beta[1:] * scale[:, None], fitted.kernel, atol=1e-4)
    assert np.isfinite(ridge(x, y, np.where(np.arange(30) < 5, 0.0, 1.0)).left_out).all()


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows_and_constant_features_give_finite_answers(rows: int) -> None:
    x = np.concatenate([np.ones((rows, 3)), np.arange(rows)[:, None]], axis=1).astype("float32")
    fitted = ridge(x, np.arange(rows)[:, None].astype(float))
    assert np.isfinite(fitted.kernel).all()
    assert np.isfinite(fitted.left_out).all()
    assert not fitted.kernel[:3].any()


def test_noise_is_penalised_more_than_a_signal() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 40)).astype("float32")
    assert ridge(x, x[:, :1].astype(float)).strength < ridge(x, random.normal(size=(60, 1))).strength


def test_calibrated_scores_are_as_sure_as_they_are_right() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 3000)
    scores = np.eye(3)[np.where(random.random(3000) < 0.8, labels, random.integers(0, 3, 3000))]
    slope, biases = calibrated(scores, labels)
    answers = np.exp(slope * scores + biases)
    answers /= answers.sum(axis=1, keepdims=True)
    right = np.mean(scores.argmax(axis=1) == labels)
    assert abs(answers.max(axis=1).mean() - right) < 0.01


def test_scores_that_tell_all_rows_right_leave_some_doubt() -> None:
    labels = np.arange(100) % 2
    slope, biases = calibrated(np.eye(2)[labels], labels)
    assert 0 < slope < 10
    assert np.isfinite(biases).all()


def test_class_without_rows_is_calibrated_too() -> None:
    labels = np.arange(50) % 2
    slope, biases = calibrated(np.eye(3)[labels] * 0.5, labels)
    assert np.isfinite([slope, *biases]).all()
