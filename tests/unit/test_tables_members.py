"""The members of a table's blend that learn in closed form or by growing: folds, lines, trees."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

from lepton_ai.platform.frameworks.tables.folds import folds_of
from lepton_ai.platform.frameworks.tables.linear import fit_linear
from lepton_ai.platform.frameworks.tables.tree_paths import Paths
from lepton_ai.platform.frameworks.tables.trees import Growth, Trees, fit_trees, trees_of
from lepton_ai.platform.frameworks.tables.truth import Truth

GROWTH = Growth(0.1, 20, 7, 5)


def table(rows: int = 200, columns: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def walked(trees: Trees, rows: np.ndarray) -> np.ndarray:
    """The answers of trees, one row and one node at a time."""
    answers = np.tile(trees.base.astype(np.float64), (len(rows), 1))
    for number, row in enumerate(rows):
        for root, answer in zip(trees.roots, trees.answers, strict=True):
            node = root
            while trees.features[node] >= 0:
                goes_left = row[trees.features[node]] <= trees.thresholds[node]
                node = root + (trees.left[node] if goes_left else trees.right[node])
            answers[number, answer] += trees.values[node]
    return answers


def multiplied(trees: Trees, rows: np.ndarray) -> np.ndarray:
    """The same by the matrices of `Paths`."""
    paths = Paths.of(trees)
    right = (rows[:, paths.features] > paths.thresholds).astype(np.float32)  # (batch, trees, nodes)
    hits = np.einsum("tln,btn->btl", paths.turns, right)
    return trees.base + ((hits == paths.rights) * paths.values).sum(axis=2) @ paths.answers.T


@given(st.integers(2, 8), st.integers(10, 80), st.integers(0, 2**31))
def test_folds_are_even_in_every_class(count: int, rows: int, seed: int) -> None:
    x = table(rows)
    y = np.arange(rows) % 2
    folds = folds_of(x, y.astype(float), classes=2, count=count, seed=seed)
    for number in (0, 1):
        sizes = np.bincount(folds[y == number], minlength=count)
        assert sizes.max() - sizes.min() <= 1


@given(st.permutations(range(40)))
def test_folds_follow_the_rows_wherever_they_stand(order: list[int]) -> None:
    x, y = table(40), np.arange(40.0)
    folds = folds_of(x, y, classes=None, count=4)
    assert np.array_equal(folds_of(x[order], y[order], classes=None, count=4), folds[order])


def test_equal_rows_and_rows_of_one_group_share_a_fold() -> None:
    x = np.concatenate([table(50), table(50)])
    assert np.array_equal(*np.split(folds_of(x, np.zeros(100), classes=2, count=5), 2))
    groups = np.repeat(np.arange(20), 5)
    folds = folds_of(x, np.zeros(100), classes=2, count=5, groups=groups)
    assert all(len(set(folds[groups == group])) == 1 for group in range(20))


def test_rows_that_are_all_equal_still_fill_every_fold() -> None:
    folds = folds_of(np.zeros((12, 3), np.float32), np.zeros(12), classes=2, count=4)
    assert np.bincount(folds).tolist() == [3, 3, 3, 3]


def test_line_of_a_regression_is_ridge_regression() -> None:
    x, y = load_diabetes(return_X_y=True)
    x = (x / x.std(axis=0)).astype(np.float32)
    truth = Truth(y, None)
    line, answers = fit_linear(x, truth, folds_of(x, y, classes=None, count=5))
    ridge = Ridge(alpha=line.penalty).fit(x.astype(np.float64), y)
    assert np.allclose(line.weights[:, 0], ridge.coef_, atol=1e-3)
    assert np.allclose(line.bias, ridge.intercept_, atol=1e-3)
    assert truth.mean_loss(answers) < 0.6 * y.var()


@pytest.mark.parametrize("weighted", [False, True])
def test_line_of_a_classifier_tells_wines_apart(weighted: bool) -> None:
    x, y = load_wine(return_X_y=True)
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    truth = Truth(y.astype(float), 3, np.where(y == 0, 2.0, 0.5) if weighted else None)
    line, answers = fit_linear(x, truth, folds_of(x, y, classes=3, count=5))
    assert (answers.argmax(axis=1) == y).mean() > 0.95
    assert (x @ line.weights + line.bias).argmax(axis=1).tolist() == y.tolist()


def test_class_that_a_fold_or_the_whole_table_lacks_is_merely_unlikely() -> None:
    x = table(30)
    y = np.array([0] * 20 + [1] * 9 + [2])
    truth = Truth(y.astype(float), 4)  # of class 2 there is one row, of class 3 there is none
    folds = folds_of(x, truth.values, classes=4, count=5)
    line, of_line = fit_linear(x, truth, folds)
    trees, of_trees, _ = fit_trees(x, truth, folds, GROWTH, seed=0)
    for answers in (of_line, of_trees, x @ line.weights + line.bias, walked(trees, x)):
        assert np.isfinite(answers).all()
        assert (answers.argmax(axis=1) < 2).mean() > 0.9


def test_table_of_one_class_is_answered_with_it() -> None:
    x, truth = table(10), Truth(np.ones(10), 2)
    folds = folds_of(x, truth.values, classes=2, count=2)
    line, of_line = fit_linear(x, truth, folds)
    trees, of_trees, _ = fit_trees(x, truth, folds, GROWTH, seed=0)
    assert not len(trees)
    for answers in (of_line, of_trees, line.bias, trees.base):
        assert (np.asarray(answers).argmax(axis=-1) == 1).all()


@pytest.mark.parametrize("rows", [2, 3])
@pytest.mark.parametrize("classes", [None, 2])
def test_two_or_three_rows_are_enough_to_answer(rows: int, classes: int | None) -> None:
    x, truth = table(rows, columns=20), Truth(np.arange(rows) % 2.0, classes)
    folds = folds_of(x, truth.values, classes=classes, count=2)
    assert np.isfinite(fit_linear(x, truth, folds)[1]).all()
    assert np.isfinite(fit_trees(x, truth, folds, GROWTH, seed=0)[1]).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([None, 2, 3]))
def test_trees_answer_as_those_of_scikit_learn(seed: int, classes: int | None) -> None:
    x = table(300, seed=seed)
    x[:, 1] = np.round(x[:, 1], 1)  # many equal numbers, some of them just on a threshold
    y = x[:, 0] + x[:, 1] ** 2 if classes is None else np.digitize(x[:, 0] * x[:, 1], [0, 0.5][: classes - 1])
    truth = Truth(np.asarray(y, np.float64), classes)
    estimator = (HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor)(max_iter=10)
    estimator.fit(x, y)
    trees = trees_of(estimator, truth, 10)
    rows = table(200, seed=seed + 1)
    rows[:, 1] = np.round(rows[:, 1], 1)
    expected = estimator.decision_function(rows) if classes else estimator.predict(rows)
    answers = walked(trees, rows)
    answers = answers[:, 1] - answers[:, 0] if classes == 2 else answers.reshape(expected.shape)
    assert np.allclose(answers, expected, atol=1e-5)
    assert np.allclose(multiplied(trees, rows), walked(trees, rows), atol=1e-5)


def test_numbers_on_a_threshold_turn_as_they_do_in_double_precision() -> None:
    # The threshold of float32 neighbours lies between them only in double precision.
    low = np.float32(0.1)
    high = np.nextafter(low, np.float32(1))
    x = np.repeat([[low], [high]], 50, axis=0).astype(np.float32)
    y = np.repeat([0.0, 1.0], 50)
    truth = Truth(y, None)
    trees = trees_of(HistGradientBoostingRegressor(max_iter=1, learning_rate=1.0).fit(x, y), truth, 1)
    assert walked(trees, x)[:, 0].round(3).tolist() == y.tolist()


def test_trees_stop_growing_where_unseen_rows_say_so() -> None:
    x = table(300)
    truth = Truth((table(300, seed=5)[:, 0] > 0).astype(float), 2)  # nothing to learn
    folds = folds_of(x, truth.values, classes=2, count=5)
    trees, answers, rounds = fit_trees(x, truth, folds, Growth(0.3, 60, 31, 5), seed=0)
    assert rounds < 20
    assert len(trees) == 5 * rounds
    assert truth.mean_loss(answers) < 0.9


def test_many_rounds_are_grown_again_on_all_rows_and_few_are_averaged() -> None:
    x = table(400)
    noise = np.random.default_rng(3).normal(size=400)
    counts = []
    for target, rounds in ((x[:, 0] + 3 * noise, 40), (np.sin(3 * x[:, 0]) * x[:, 1], 400)):
        truth = Truth(target, None)
        folds = folds_of(x, target, classes=None, count=8)
        trees, answers, best = fit_trees(x, truth, folds, Growth(0.05, rounds, 7, 10), seed=0)
        assert truth.mean_loss(answers) < 1.05 * target.var()
        counts.append(len(trees) / best)
    assert counts == [8, 1]
