"""Layers for rows of hashed text: trained vectors of words, and a linear companion on the whole row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.frameworks.adaptive.choose import compare
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.closed_form import calibrated
from lepton_ai.platform.frameworks.companion import Companion
from lepton_ai.platform.frameworks.tables.blend import log_probabilities
from lepton_ai.platform.frameworks.tables.truth import Truth
from lepton_ai.platform.preprocessing.text import sections

_FEW_ANSWERS = 4
_BUCKETS, _BUCKETS_FOR_MANY_ANSWERS = 2**18, 2**16
_STRENGTHS = (1.0, 10.0, 100.0)  # inverse penalties, the most cautious first
_ROWS_TO_CHOOSE_BY = 6000
_FOLDS = 3
_ROUNDS = 200


@keras.saving.register_keras_serializable(package="lepton_ai")
class HashedVectors(keras.layers.Layer):
    """A trained vector for each number in one section of a row of text; zeros where the text is over.

    Args:
        first: Where the section begins.
        after: Where it ends.
        buckets: How many vectors there are; numbers that fall together share one.
        size: How long a vector is.
        seed: Decides the initial vectors.

    Input shape: `(batch, tokens)`. Output shape: `(batch, after - first, size)`.
    """

    def __init__(self, first: int, after: int, buckets: int, size: int, seed: int | None = None, **kwargs: Any) -> None:
        # Numbers up to 2**20 are not exact in half precision.
        super().__init__(**{**kwargs, "autocast": False})
        self.first, self.after, self.buckets, self.size, self.seed = first, after, buckets, size, seed

    def build(self, _: tuple[int | None, ...]) -> None:
        initializer = keras.initializers.RandomNormal(stddev=0.1, seed=self.seed)
        self.vectors = self.add_weight(name="vectors", shape=(self.buckets, self.size), initializer=initializer)

    def call(self, inputs: Any) -> Any:
        ids = _ids(inputs[:, self.first : self.after], self.buckets)
        vectors = keras.ops.take(keras.ops.cast(self.vectors, self.compute_dtype), ids, axis=0)
        return vectors * keras.ops.cast(keras.ops.expand_dims(ids > 0, -1), vectors.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.after - self.first, self.size)

    def get_config(self) -> dict[str, Any]:
        config = {key: value for key, value in super().get_config().items() if key != "autocast"}
        own = {name: getattr(self, name) for name in ("first", "after", "buckets", "size", "seed")}
        return {**config, **own}


@keras.saving.register_keras_serializable(package="lepton_ai")
class SumOfVectors(keras.layers.Layer):
    """The sum of the vectors of a text over the root of their number, which keeps its spread for any length.

    Input shape: `(batch, tokens, size)`. Output shape: `(batch, size)`.
    """

    def call(self, inputs: Any) -> Any:
        ops = keras.ops
        present = ops.cast(ops.any(ops.not_equal(inputs, 0), axis=-1), inputs.dtype)
        count = ops.maximum(ops.sum(present, axis=1, keepdims=True), 1)
        return ops.sum(inputs, axis=1) / ops.sqrt(count)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], input_shape[2])


@keras.saving.register_keras_serializable(package="lepton_ai")
class HashedCompanion(Companion):
    """Logistic (or ridge) regression on TF-IDF of hashed words, word pairs and runs of characters.

    A row is two vectors of length one, words with pairs and runs of characters. The table holds, for each bucket, what
    it says for each answer and, last, the square of its rarity, by which the lengths are found.
    """

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:
        super().build(input_shape)
        answers, width = int(input_shape[0][-1] or 1), int(input_shape[1][-1] or 0)
        parts = sections(width)
        assert parts is not None
        self.groups = (slice(0, parts.pairs.stop), parts.characters)
        self.buckets = _BUCKETS if answers <= _FEW_ANSWERS else _BUCKETS_FOR_MANY_ANSWERS
        self.table = self.add_weight(
            name="table", shape=(self.buckets, answers + 1), initializer="zeros", trainable=False
        )
        self.bias = self.add_weight(name="bias", shape=(answers,), initializer="zeros", trainable=False)

    def answers(self, seen: Any) -> Any:
        ops, answers = keras.ops, self.bias
        for group in self.groups:
            found = ops.sum(ops.take(self.table, _ids(seen[:, group], self.buckets), axis=0), axis=1)
            answers = answers + found[:, :-1] / ops.sqrt(ops.maximum(found[:, -1:], 1e-12))
        return ops.log_softmax(answers) if self.classifies else answers

    def learn_answers(self, seen: NDArray[np.float32], truth: Truth, held: NDArray[np.int64]) -> NDArray[np.float64]:
        rarity = _rarity(seen, self.buckets)
        matrix = self._matrix(seen, rarity)
        strength, slope, biases = _strength(matrix, truth)
        coefficients, bias = _linear(matrix, truth, strength)
        table = np.zeros(self.table.shape, np.float32)
        table[:, :-1] = slope * coefficients * rarity[:, None]
        table[:, -1] = np.square(rarity)
        table[0] = 0
        self.table.assign(table)
        self.bias.assign(slope * bias + biases)
        if not len(held):
            return np.zeros((0, truth.width))
        others = np.setdiff1d(np.arange(len(truth)), held)
        coefficients, bias = _linear(matrix[others], truth.take(others), strength)
        unseen = slope * (matrix[held] @ coefficients + bias) + biases
        return log_probabilities(unseen) if truth.classes else unseen

    def _matrix(self, seen: NDArray[np.float32], rarity: NDArray[np.float64]) -> Any:
        """Rows of text as a sparse matrix, `(batch, buckets)`."""
        import scipy.sparse

        parts = []
        for group in self.groups:
            ids = _numpy_ids(seen[:, group], self.buckets)
            here = ids > 0
            columns = ids[here]
            rows = np.repeat(np.arange(len(ids)), here.sum(axis=1))
            lengths = np.sqrt(np.maximum(np.bincount(rows, np.square(rarity[columns]), len(ids)), 1e-12))
            values = (rarity[columns] / lengths[rows]).astype(np.float32)
            parts.append(scipy.sparse.csr_matrix((values, (rows, columns)), shape=(len(ids), self.buckets)))
        return parts[0] + parts[1]


def _ids(numbers: Any, buckets: int) -> Any:
    ops = keras.ops
    ids = ops.cast(numbers, "int32")
    return ops.where(ids > 0, 1 + ids % (buckets - 1), 0)


def _numpy_ids(numbers: NDArray[np.float32], buckets: int) -> NDArray[np.int64]:
    ids = numbers.astype(np.int64)
    return np.where(ids > 0, 1 + ids % (buckets - 1), 0)


def _rarity(seen: NDArray[np.float32], buckets: int) -> NDArray[np.float64]:
    """1 plus the logarithm of how few rows have a bucket, `(buckets,)`."""
    rows_with = np.zeros(buckets)
    for row in _numpy_ids(seen, buckets):
        rows_with[np.unique(row)] += 1
    return np.log((1 + len(seen)) / (1 + rows_with)) + 1


def _strength(matrix: Any, truth: Truth) -> tuple[float, float, NDArray[np.float64]]:
    """The inverse penalty, and slope and biases for calibrated answers, by folds of at most 6,000 rows."""
    picks = np.linspace(0, len(truth) - 1, min(len(truth), _ROWS_TO_CHOOSE_BY)).astype(int)
    matrix, truth = matrix[picks], truth.take(picks)
    # Dealt in the order of the values: each fold has its share of each class.
    folds = np.empty(len(truth), int)
    folds[np.argsort(truth.values, kind="stable")] = np.arange(len(truth)) % _FOLDS
    losses, calibrations = {}, {}
    for strength in _STRENGTHS:
        scores = np.zeros((len(truth), truth.width))
        for fold in range(_FOLDS):
            others, own = folds != fold, folds == fold
            coefficients, bias = _linear(matrix[others], truth.take(others), strength)
            scores[own] = matrix[own] @ coefficients + bias
        slope, biases = 1.0, np.zeros(truth.width)
        if truth.classes:
            slope, biases = calibrated(scores, truth.values.astype(int), truth.weights)
        name = f"{strength:g}"
        losses[name], calibrations[name] = truth.losses(slope * scores + biases), (slope, biases)
    chosen = compare(losses).chosen
    return float(chosen), *calibrations[chosen]


def _linear(matrix: Any, truth: Truth, strength: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients `(buckets, answers)` and bias `(answers,)`."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if not truth.classes:
        model = Ridge(alpha=1 / strength, solver="sparse_cg").fit(matrix, truth.values, truth.weights)
        return model.coef_[:, None], np.array([model.intercept_])
    labels = truth.values.astype(int)
    present = np.unique(labels)
    if len(present) < 2:
        return np.zeros((matrix.shape[1], truth.classes)), truth.prior
    solver = "liblinear" if len(present) == 2 else "lbfgs"
    model = LogisticRegression(C=strength, solver=solver, max_iter=_ROUNDS, random_state=0)
    model.fit(matrix, labels, truth.weights)
    found, intercept = model.coef_.T, model.intercept_
    if len(present) == 2:
        found, intercept = np.concatenate([-found, found], axis=1) / 2, np.concatenate([-intercept, intercept]) / 2
    coefficients = np.zeros((matrix.shape[1], truth.classes))
    # A class that no row has is as unlikely as the least likely of a row that has it nowhere.
    bias = np.full(truth.classes, intercept.min() - np.log(len(labels)))
    coefficients[:, present], bias[present] = found, intercept
    return coefficients, bias
