"""The boosted trees of the blend: scikit-learn's histogram gradient boosting, kept as plain arrays.

The arrays are all that stays: they are evaluated in the Keras graph, saved with the model, and written as ONNX's own
tree operator.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.tables.truth import Truth

_FIRST_ROUNDS = 50
_CHECKS = 10
_MOST_TREES_TO_KEEP = 2000
_STILL_GAINING = 0.9
_MANY_NUMBERS = 500_000  # of a table, from which on all threads are worth waiting for each other
_BEYOND_DOUBT = 4.0  # standard errors
_SOLVED = 0.03  # of the loss of a naive answer: classes are told apart, and more rounds only raise probabilities


@dataclass(frozen=True)
class Trees:
    """Many binary trees as arrays over all their nodes. A row goes left where its number is at most the threshold.

    Args:
        roots: The first node of each tree, `(trees,)`; its nodes run from there to the next root.
        answers: The answer that each tree adds to, `(trees,)`.
        features: The column that a node looks at, `(nodes,)`; -1 for a leaf.
        thresholds: What it compares the number with, `(nodes,)`.
        left: The node for numbers up to the threshold, counted from the tree's root, `(nodes,)`.
        right: The node for larger ones.
        values: What a leaf adds, `(nodes,)`.
        base: What every row's answer begins with, `(width,)`.
    """

    roots: NDArray[np.int32]
    answers: NDArray[np.int32]
    features: NDArray[np.int32]
    thresholds: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    values: NDArray[np.float32]
    base: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.roots)

    @classmethod
    def mean(cls, parts: Sequence[Self]) -> Self:
        """All trees of some ensembles, which answer with the mean of what those answer."""
        sizes = np.concatenate([[0], np.cumsum([len(each.features) for each in parts])[:-1]])
        joined = {
            name: np.concatenate([getattr(each, name) for each in parts])
            for name in ("answers", "features", "thresholds", "left", "right")
        }
        return cls(
            **joined,
            roots=np.concatenate([each.roots + size for each, size in zip(parts, sizes, strict=True)]).astype(np.int32),
            values=(np.concatenate([each.values for each in parts]) / len(parts)).astype(np.float32),
            base=np.stack([each.base for each in parts]).mean(axis=0),
        )

    @classmethod
    def none(cls, base: NDArray[Any]) -> Self:
        """No trees: every row is answered with the base."""
        return cls(**_joined([]), base=base.astype(np.float32))


@dataclass(frozen=True)
class Growth:
    """How trees are grown.

    Args:
        rate: How much of each tree's answer is added.
        rounds: The most rounds; the folds say how many of them help.
        leaves: The most leaves of a tree.
        rows_per_leaf: The fewest rows in a leaf.
        columns: The share of the columns that each split chooses from.
    """

    rate: float
    rounds: int
    leaves: int
    rows_per_leaf: int
    columns: float = 1.0


def fit_trees(
    rows: NDArray[np.float32],
    truth: Truth,
    folds: NDArray[np.int64],
    growth: Growth,
    seed: int,
    may_go_on: Callable[[], bool] = lambda: True,
    rival: NDArray[np.float64] | None = None,
) -> tuple[Trees, NDArray[np.float64], int]:
    """Grow trees once without each fold, to the number of rounds that was best on unseen rows.

    Growing begins with few rounds and goes on, twice as far each time, while the last ones still help: a few hundred
    rows are done after a moment. Where few rounds were best, the rows are noisy, and the mean of the trees of all folds
    answers better than trees of all rows do. Where many were, it would be slow, and trees are grown on all rows.

    Args:
        rows: Encoded rows `(batch, columns)`.
        truth: What they should be answered with.
        folds: The fold of each row.
        growth: How the trees are grown.
        seed: Decides which columns splits choose from.
        may_go_on: Whether there is time to grow twice as many; asked each time.
        rival: What another member answers to rows that it did not see, `(batch, width)`. Where trees are so far behind
            it that growing on cannot make up for it, they stop.

    Returns:
        The trees, the answers `(batch, width)` to each row of those that did not see it, and the rounds.
    """
    parts = [(folds != fold, folds == fold) for fold in np.unique(folds)]
    estimators = [_unfitted(truth.take(inside), growth, seed) for inside, _ in parts]
    naive_loss = loss_before = truth.mean_loss(np.tile(truth.prior, (len(rows), 1)))
    best_loss, best_rounds, best_answers = np.inf, 0, np.zeros((len(rows), truth.width), np.float32)
    done, rounds = 0, min(_FIRST_ROUNDS, growth.rounds)
    while done < rounds:
        checks = np.unique(np.linspace(done, rounds, _CHECKS + 1).astype(int))[1:]
        answers = np.zeros((len(checks), len(rows), truth.width), np.float32)
        _at_once(partial(_grow_and_ask, rows, truth, rounds, checks, answers), estimators, parts)
        for number, each in zip(checks, answers, strict=True):
            loss = truth.mean_loss(each)
            if loss < best_loss:
                best_loss, best_rounds, best_answers = loss, int(number), each
        done = rounds
        is_solved = truth.classes is not None and best_loss < _SOLVED * naive_loss
        is_beaten = rival is not None and _is_beaten(truth, best_answers, rival, loss_before - best_loss)
        if best_rounds > _STILL_GAINING * done and not is_solved and not is_beaten and may_go_on():
            rounds, loss_before = min(2 * rounds, growth.rounds), best_loss
    if len(parts) * best_rounds * len(_present(truth)) <= _MOST_TREES_TO_KEEP:
        pairs = zip(estimators, parts, strict=True)
        trees = Trees.mean([trees_of(grown, truth.take(inside), best_rounds) for grown, (inside, _) in pairs])
    else:
        whole = _unfitted(truth, growth, seed)
        if rows.size < _MANY_NUMBERS:
            _at_once(lambda estimator, _: _grow(estimator, rows, truth, best_rounds), [whole], [None])
        else:
            _grow(whole, rows, truth, best_rounds)
        trees = trees_of(whole, truth, best_rounds)
    return trees, best_answers.astype(np.float64), best_rounds


def _is_beaten(truth: Truth, answers: NDArray[Any], rival: NDArray[np.float64], gained: float) -> bool:
    """Whether the rival is better beyond doubt, by more than twice what the last rounds gained."""
    behind = truth.losses(answers) - truth.losses(rival)
    gap = float(np.average(behind, weights=truth.weights))
    return gap > _BEYOND_DOUBT * behind.std() / np.sqrt(len(behind)) and gap > 2 * gained


def trees_of(estimator: Any, truth: Truth, rounds: int) -> Trees:
    """The first rounds of a fitted scikit-learn estimator as arrays; None stands for one that had nothing to learn."""
    present = _present(truth)
    base = truth.prior.copy()
    own = present[-1:] if len(present) == 2 else present
    if estimator is None:
        return Trees.none(base)
    base[present] = 0.0
    base[own] = estimator._baseline_prediction.ravel()
    trees = [(tree.nodes, own[place]) for each in estimator._predictors[:rounds] for place, tree in enumerate(each)]
    return Trees(**_joined(trees), base=base.astype(np.float32))


def _unfitted(truth: Truth, growth: Growth, seed: int) -> Any:
    """A new estimator, or None where there is nothing to learn: one class only."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if truth.classes and len(_present(truth)) < 2:
        return None
    return (HistGradientBoostingClassifier if truth.classes else HistGradientBoostingRegressor)(
        learning_rate=growth.rate,
        max_leaf_nodes=growth.leaves,
        min_samples_leaf=growth.rows_per_leaf,
        max_features=growth.columns,
        categorical_features=None,
        early_stopping=False,
        warm_start=True,
        random_state=seed,
    )


def _at_once(work: Callable[[Any, Any], None], estimators: Sequence[Any], parts: Sequence[Any]) -> None:
    """Work on all folds, or on one estimator, side by side, each on one thread.

    scikit-learn would split every step of one fold over all threads, which then wait for each other: no faster, and
    on a busy machine slower by far (35 s instead of 0.4 s for 200 rows).
    """

    def on_one_thread(estimator: Any, part: Any) -> None:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        with threadpool_limits(1, user_api="openmp"):
            work(estimator, part)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(on_one_thread, estimators, parts))


def _grow_and_ask(
    rows: NDArray[np.float32],
    truth: Truth,
    rounds: int,
    checks: NDArray[np.int64],
    answers: NDArray[np.float32],
    estimator: Any,
    part: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> None:
    """Grow one fold's trees, and put what they answer to the rows they did not see into `answers`."""
    inside, outside = part
    _grow(estimator, rows[inside], truth.take(inside), rounds)
    answers[:, outside] = _staged(estimator, rows[outside], truth.take(inside), checks)


def _grow(estimator: Any, rows: NDArray[np.float32], truth: Truth, rounds: int) -> None:
    """Grow trees up to a number of rounds, from where they are."""
    if estimator is not None:
        values = truth.values.astype(np.int64) if truth.classes else truth.values
        estimator.set_params(max_iter=rounds).fit(rows, values, truth.weights)


def _staged(estimator: Any, rows: NDArray[np.float32], truth: Truth, checks: NDArray[np.int64]) -> NDArray[np.float32]:
    """The answers after each of some numbers of rounds, `(checks, batch, width)`; `truth` is what it learned from."""
    answers = np.tile(truth.prior.astype(np.float32), (len(checks), len(rows), 1))
    if estimator is None:
        return answers
    present, wanted = _present(truth), set(checks.tolist())
    stages = estimator.staged_decision_function(rows) if truth.classes else estimator.staged_predict(rows)
    kept = [raw.reshape(len(rows), -1) for done, raw in enumerate(stages, start=1) if done in wanted]
    for place, raw in enumerate(kept):
        if len(present) == 2:
            raw = np.concatenate([np.zeros_like(raw), raw], axis=1)
        answers[place][:, present] = raw
    return answers


def _present(truth: Truth) -> NDArray[np.int64]:
    """The answers that the rows can teach: the classes that occur, or the one number of a regression."""
    return np.unique(truth.values).astype(np.int64) if truth.classes else np.zeros(1, np.int64)


def _joined(trees: list[tuple[Any, int]]) -> dict[str, NDArray[Any]]:
    """The arrays of `Trees` but the base, from scikit-learn's nodes of each tree and the answer it adds to."""
    if not trees:
        whole = ("roots", "answers", "features", "left", "right")
        empty = {name: np.zeros(0, np.int32) for name in whole}
        return {**empty, "thresholds": np.zeros(0, np.float32), "values": np.zeros(0, np.float32)}
    nodes = np.concatenate([nodes for nodes, _ in trees])
    leaf = nodes["is_leaf"].astype(bool)
    return {
        "roots": np.concatenate([[0], np.cumsum([len(nodes) for nodes, _ in trees])[:-1]]).astype(np.int32),
        "answers": np.array([answer for _, answer in trees], np.int32),
        "features": np.where(leaf, -1, nodes["feature_idx"]).astype(np.int32),
        "thresholds": np.where(leaf, 0.0, _rounded_down(nodes["num_threshold"])).astype(np.float32),
        "left": np.where(leaf, 0, nodes["left"]).astype(np.int32),
        "right": np.where(leaf, 0, nodes["right"]).astype(np.int32),
        "values": np.where(leaf, nodes["value"], 0.0).astype(np.float32),
    }


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 up to each threshold: float32 rows then turn at it just as they would at the threshold."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
