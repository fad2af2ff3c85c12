"""Losses and metrics: the numbers Keras shows are the numbers one gets by hand."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from conftest import blobs
from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.losses import HalfSquaredError

BY_HAND = Path(__file__).parents[2] / "examples" / "03_by_hand.py"


def founding_loss(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(tf.square(y_true - y_pred))


class MeanSquaredByHand(keras.losses.Loss):
    """A user's own `Loss`, which gets what the user passes."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


@pytest.mark.parametrize("loss", ["half_squared_error", HalfSquaredError()])
def test_half_squared_error_is_half_the_sum_of_squares_of_a_row(table: Callable[..., Any], loss: Any) -> None:
    model, (x, y) = table(loss), blobs()
    squares = (np.eye(3)[y] - model.predict(x, verbose=0)) ** 2
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(0.5 * squares.sum(axis=1).mean(), rel=1e-5)
    again = keras.losses.deserialize(keras.losses.serialize(HalfSquaredError()))
    assert isinstance(again, HalfSquaredError)


def test_founding_formulas_by_hand_give_the_weights_that_keras_gives() -> None:
    done = subprocess.run([sys.executable, str(BY_HAND)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    keras_line, hand_line, difference = done.stdout.strip().splitlines()[-3:]
    assert float(difference.split()[-1]) < 1e-6
    assert keras_line.split(":")[1].strip() == hand_line.split(":")[1].strip()


def by_hand(model: Any, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Mean squared error against one-hot labels, and accuracy, in NumPy."""
    answers = model.predict(x, verbose=0)
    squares = (np.eye(3)[y] - answers) ** 2
    return float(squares.mean()), float((answers.argmax(axis=1) == y).mean())


@pytest.mark.parametrize("labels", ["numbers", "column", "one_hot"])
def test_plain_function_sees_one_hot_rows_whatever_form_labels_come_in(table: Callable[..., Any], labels: str) -> None:
    model, (x, y) = table(founding_loss), blobs()
    model.fit(x, y, epochs=2, verbose=0)
    given = {"numbers": y, "column": y[:, None].astype("uint8"), "one_hot": np.eye(3)[y]}[labels]
    loss, accuracy = model.evaluate(x, given, verbose=0)
    expected_loss, expected_accuracy = by_hand(model, x, y)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert accuracy == pytest.approx(expected_accuracy, abs=1e-6)


def test_one_plain_step_follows_the_gradient_of_the_loss_on_one_hot_rows(model_class: Any) -> None:
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(3, activation="softmax", use_bias=False)(inputs)
    model = model_class(inputs=inputs, outputs=outputs)
    model.compile(keras.optimizers.SGD(0.5), founding_loss)
    x, y = blobs(20)
    (before,) = model.get_weights()
    model.train_on_batch(x, y)
    (after,) = model.get_weights()

    scores = np.exp(x @ before - (x @ before).max(axis=1, keepdims=True))
    p = scores / scores.sum(axis=1, keepdims=True)
    slope = 2 * (p - np.eye(3)[y]) / p.size  # of the mean squared error by p
    by_scores = p * (slope - (slope * p).sum(axis=1, keepdims=True))
    assert np.allclose(after, before - 0.5 * x.T @ by_scores, atol=1e-6)


def test_integer_encoding_passes_class_numbers_to_a_plain_function(table: Callable[..., Any]) -> None:
    seen: list[Any] = []

    def loss(y_true: Any, y_pred: Any) -> Any:
        seen.append(tuple(y_true.shape))
        return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)

    model, (x, y) = table(loss, label_encoding="integer"), blobs()
    value, accuracy = model.evaluate(x, y, verbose=0)
    answers = model.predict(x, verbose=0)
    assert value == pytest.approx(float(-np.log(answers[np.arange(len(y)), y]).mean()), rel=1e-5)
    assert accuracy == pytest.approx(float((answers.argmax(axis=1) == y).mean()), abs=1e-6)
    assert seen
    assert all(len(shape) == 1 or shape[-1] == 1 for shape in seen)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", keras.losses.sparse_categorical_crossentropy])
def test_sparse_loss_takes_one_hot_rows_too(table: Callable[..., Any], loss: Any) -> None:
    model, (x, y) = table(loss), blobs()
    assert model.evaluate(x, np.eye(3)[y], verbose=0) == model.evaluate(x, y, verbose=0)


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy", keras.losses.MeanSquaredError()])
def test_built_in_loss_on_one_hot_rows_is_what_keras_computes(table: Callable[..., Any], loss: Any) -> None:
    model, (x, y) = table(loss), blobs()
    one_hot = np.eye(3, dtype="float32")[y]
    function = keras.losses.get(loss)
    expected = float(np.mean(function(one_hot, model.predict(x, verbose=0))))
    assert model.evaluate(x, one_hot, verbose=0)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy", keras.losses.MeanSquaredError()])
def test_built_in_loss_that_needs_one_hot_rows_says_so(table: Callable[..., Any], loss: Any) -> None:
    with pytest.raises(InvalidInput, match=r"`y` must be one-hot rows \(batch, 3\) for loss") as caught:
        table(loss).fit(*blobs(), verbose=0)
    assert "sparse_categorical_crossentropy" in caught.value.hint


def test_users_own_loss_object_gets_labels_as_they_are_given(table: Callable[..., Any]) -> None:
    model, (x, y) = table(MeanSquaredByHand()), blobs()
    loss, _ = model.evaluate(x, np.eye(3)[y], verbose=0)
    assert loss == pytest.approx(by_hand(model, x, y)[0], rel=1e-5)
    # Class numbers after one-hot rows: brought to the form that came first, or Keras fails inside its graph.
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(loss, rel=1e-6)


def test_soft_labels_reach_a_loss_that_can_use_them(table: Callable[..., Any]) -> None:
    model, (x, y) = table("categorical_crossentropy"), blobs()
    soft = (np.eye(3)[y] * 0.9 + 0.1 / 3).astype("float32")
    answers = model.predict(x, verbose=0)
    expected = float(-(soft * np.log(answers)).sum(axis=1).mean())
    assert model.evaluate(x, soft, verbose=0)[0] == pytest.approx(expected, rel=1e-4)


def test_soft_labels_are_refused_by_a_loss_that_cannot(table: Callable[..., Any]) -> None:
    with pytest.raises(InvalidInput, match="class numbers or one-hot rows, got"):
        table("sparse_categorical_crossentropy").fit(blobs()[0], np.full((200, 3), 1 / 3), verbose=0)


def test_loss_on_logits_is_refused_where_the_net_ends_in_a_softmax(model_class: Any) -> None:
    with pytest.raises(InvalidInput, match="must take probabilities") as caught:
        model_class((4,), 3).compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert "from_logits" in caught.value.hint


def test_fit_without_compile_uses_the_usual_loss_and_accuracy(model_class: Any) -> None:
    model = model_class((4,), 3)
    history = model.fit(*blobs(), verbose=0).history
    assert set(history) == {"loss", "accuracy"}
    assert model.loss == "sparse_categorical_crossentropy"
    assert model.optimizer.name == "adam" or isinstance(model.optimizer, keras.optimizers.Adam)


def test_compile_without_a_loss_uses_the_usual_one(model_class: Any) -> None:
    model = model_class((4,))
    model.compile("sgd")
    assert model.loss == "mean_squared_error"


def test_weights_of_rows_and_classes_count_as_in_keras(table: Callable[..., Any]) -> None:
    model, (x, y) = table("sparse_categorical_crossentropy"), blobs()
    weights = np.random.default_rng(0).uniform(0.1, 2, len(y))
    answers = model.predict(x, verbose=0)
    each = -np.log(answers[np.arange(len(y)), y])
    weighted = model.evaluate(x, y, sample_weight=weights, batch_size=200, verbose=0)[0]
    assert weighted == pytest.approx(float((each * weights).mean()), rel=1e-4)
    classes = np.array([1.0, 5.0, 0.5])[y]
    by_class = model.test_on_batch(x, y, sample_weight=classes)[0]
    assert model.train_on_batch(x, y, class_weight={1: 5.0, 2: 0.5})[0] == pytest.approx(by_class, rel=1e-5)
    assert by_class == pytest.approx(float((each * classes).mean()), rel=1e-4)


def test_label_encoding_must_be_known(table: Callable[..., Any]) -> None:
    with pytest.raises(InvalidInput, match="`label_encoding` must be 'auto' or 'integer', got label_encoding='binary'"):
        table(founding_loss, label_encoding="binary")
