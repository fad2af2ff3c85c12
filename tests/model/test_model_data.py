"""What goes in: any usual form of rows and labels, in any order of calls; and one clear error for everything else."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from conftest import bars, blobs
from lepton_ai.core.errors import InvalidInput

X, Y = bars()
FLAT = X[..., 0]
ONE_HOT = np.eye(3)[Y]


def with_value(array: np.ndarray, position: Any, value: float) -> np.ndarray:
    copy = np.array(array, dtype="float64")
    copy[position] = value
    return copy


def founding_loss(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(tf.square(y_true - y_pred))


@pytest.fixture(scope="module")
def images(model_class: Any) -> Any:
    """One compiled model that every call below meets in turn, whatever form the call before it had."""
    model = model_class((8, 8, 1), 3, seed=0)
    model.compile("adam", founding_loss, metrics=["accuracy"])
    return model


CALLS: list[tuple[str, Callable[[Any], Any]]] = [
    ("one row without a channel axis", lambda m: m.predict_on_batch(FLAT[:1])),
    ("evaluate without a channel axis, labels in a column", lambda m: m.evaluate(FLAT, Y[:, None], verbose=0)),
    ("fit with a channel axis", lambda m: m.fit(X, Y, verbose=0)),
    ("fit without one, with uint8 labels", lambda m: m.fit(FLAT, Y.astype("uint8"), verbose=0)),
    ("train on a batch of one-hot rows", lambda m: m.train_on_batch(X[:7], ONE_HOT[:7])),
    ("fit on lists", lambda m: m.fit(FLAT.tolist(), Y.tolist(), verbose=0)),
    ("fit on float64, whole float labels, other batch size", lambda m: m.fit(X.astype("f8"), Y * 1.0, 50, verbose=0)),
    ("evaluate one-hot rows", lambda m: m.evaluate(X, ONE_HOT, verbose=0)),
    ("plain fit", lambda m: m.fit(FLAT, Y, adaptive=False, validation_split=0.2, verbose=0)),
    ("test on a batch", lambda m: m.test_on_batch(FLAT[:3], Y[:3, None])),
    ("fit with validation in another form", lambda m: m.fit(X, Y, validation_data=(FLAT, ONE_HOT), verbose=0)),
    ("fit on bytes, not shuffled", lambda m: m.fit((X * 20).astype("uint8"), Y, shuffle=False, verbose=0)),
    ("fit on tensors", lambda m: m.fit(tf.constant(X), tf.constant(Y), verbose=0)),
    ("predict integers", lambda m: m.predict(FLAT.astype("int64"), verbose=0)),
    ("fit with weights", lambda m: m.fit(X, Y, sample_weight=np.ones(200), class_weight=None, verbose=0)),
    ("fit with class weights", lambda m: m.fit(X, Y, class_weight={0: 2.0}, validation_split=0.1, verbose=0)),
]


@pytest.mark.parametrize("order", [1, -1])
def test_calls_come_in_any_order_and_form(images: Any, order: int) -> None:
    for name, call in CALLS[::order]:
        assert call(images) is not None, name


def test_form_of_the_rows_does_not_change_the_answer(trained_on_images: Any) -> None:
    expected = trained_on_images.predict(X, verbose=0)
    for form in (FLAT, X.tolist(), X.astype("float64"), tf.constant(X), [X], {"inputs": FLAT}):
        assert np.array_equal(trained_on_images.predict(form, verbose=0), expected)
    assert np.allclose(trained_on_images.predict_on_batch(FLAT), expected, atol=1e-6)
    assert np.allclose(trained_on_images.predict(X, batch_size=7, verbose=0), expected, atol=1e-6)
    assert trained_on_images.predict(X, steps=3, verbose=0).shape == expected.shape


def test_evaluate_is_the_accuracy_one_counts_by_hand(trained_on_images: Any) -> None:
    x, y = bars(333, seed=5)
    loss, accuracy = trained_on_images.evaluate(x, y, verbose=0)
    answers = trained_on_images.predict(x, verbose=0)
    assert accuracy == pytest.approx(float((answers.argmax(axis=1) == y).mean()), abs=1e-6)
    assert loss == pytest.approx(float(-np.log(answers[np.arange(333), y]).mean()), rel=1e-4)
    assert accuracy > 0.9


def test_streams_pass_to_keras_as_they_are(model_class: Any) -> None:
    x, y = blobs()
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(50)

    class Halves(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            return x[index * 100 : index * 100 + 100], y[index * 100 : index * 100 + 100]

    def forever() -> Any:
        while True:
            yield x[:20], y[:20]

    model = model_class((4,), 3, seed=0)
    model.compile("adam", founding_loss, metrics=["accuracy"])
    history = model.fit(batches, epochs=2, validation_data=(x.tolist(), y[:, None]), shuffle=False, verbose=0).history
    assert len(history["val_accuracy"]) == 2
    assert model.training_facts.rows is None
    model.fit(Halves(), verbose=0)
    model.fit(forever(), steps_per_epoch=3, shuffle=False, verbose=0)
    model.fit(x, y, validation_data=batches, verbose=0)
    assert model.evaluate(batches, verbose=0) == pytest.approx(model.evaluate(x, y, batch_size=50, verbose=0), rel=1e-5)
    assert np.allclose(model.predict(batches, verbose=0), model.predict(x, verbose=0), atol=1e-6)


def test_net_with_two_inputs_is_left_to_keras(model_class: Any) -> None:
    left, right = keras.Input((2,)), keras.Input((2,))
    outputs = keras.layers.Dense(3, activation="softmax")(keras.layers.concatenate([left, right]))
    model = model_class(inputs=[left, right], outputs=outputs)
    x, y = blobs()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit([x[:, :2], x[:, 2:]], y, validation_split=0.2, verbose=0)
    assert model.predict([x[:, :2], x[:, 2:]], verbose=0).shape == (200, 3)


def test_binary_net_with_one_sigmoid_works_as_in_keras(model_class: Any) -> None:
    inputs = keras.Input((4,))
    model = model_class(inputs=inputs, outputs=keras.layers.Dense(1, activation="sigmoid")(inputs))
    x, y = blobs(classes=2)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    _, accuracy = model.evaluate(x, y, verbose=0)
    assert accuracy == pytest.approx(float(((model.predict(x, verbose=0)[:, 0] > 0.5) == y).mean()), abs=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.fit(None, Y), "`x` is missing"),
        (lambda m: m.fit(X), "`y` is missing"),
        (lambda m: m.evaluate(X), "`y` is missing"),
        (lambda m: m.fit(X[:, :7], Y), "`x` must have shape (batch, 8, 8, 1), got (200, 7, 8, 1)"),
        (lambda m: m.fit(X.reshape(200, 64), Y), "`x` must have shape (batch, 8, 8, 1), got (200, 64)"),
        (lambda m: m.predict(np.zeros((2, 8, 8, 3))), "got (2, 8, 8, 3)"),
        (lambda m: m.predict(X[0]), "got (8, 8, 1)"),
        (lambda m: m.predict(3.0), "`x` must be a list of rows of shape (8, 8, 1), got float"),
        (lambda m: m.predict(zip(X, Y, strict=True)), "`x` must be a list of rows of shape (8, 8, 1), got zip"),
        (lambda m: m.predict([]), "`x` must hold at least one row, got none"),
        (lambda m: m.predict(np.zeros((0, 8, 8))), "`x` must hold at least one row, got none"),
        (lambda m: m.predict([[[1.0] * 8] * 8, [[1.0] * 7] * 8]), "rows of unequal shape"),
        (lambda m: m.predict_on_batch(np.full((1, 8, 8), "a")), "`x` must hold numbers, got text"),
        (lambda m: m.predict(np.full((1, 8, 8), None)), "`x` must hold numbers, got mixed values"),
        (lambda m: m.predict(X.astype("complex64")), "`x` must hold numbers, got complex numbers"),
        (lambda m: m.fit(with_value(X, (7, 1, 2, 0), np.nan), Y), "finite numbers, got nan at position (7, 1, 2, 0)"),
        (lambda m: m.evaluate(with_value(FLAT, (3, 0, 0), np.inf), Y), "`x` must hold finite numbers, got inf"),
        (lambda m: m.predict(with_value(X, (0, 0, 0, 0), 1e39)), "finite numbers, got 1e+39"),
        (lambda m: m.fit(X, Y[:-1]), "`x` and `y` must have as many rows, got 200 and 199"),
        (lambda m: m.fit(X, with_value(Y, 5, 3)), "class numbers from 0 to 2, got 3 at position 5"),
        (lambda m: m.fit(X, with_value(Y, 5, -1)), "class numbers from 0 to 2, got -1 at position 5"),
        (lambda m: m.fit(X, with_value(Y, 5, 0.5)), "`y` must hold class numbers, got 0.5 at position 5"),
        (lambda m: m.fit(X, with_value(Y, 5, np.nan)), "`y` must hold finite numbers, got nan at position (5,)"),
        (lambda m: m.fit(X, np.full(200, "cat")), "`y` must hold numbers, got text"),
        (lambda m: m.fit(X, [None] * 200), "`y` must hold numbers, got mixed values"),
        (lambda m: m.fit(X, [[1], [1, 2]]), "`y` must be numbers of one shape, got rows of unequal shape"),
        (lambda m: m.fit(X, []), "`y` must hold at least one entry, got none"),
        (lambda m: m.fit(X, 1), "`y` must hold one entry per row, got int"),
        (
            lambda m: m.fit(X, np.zeros((200, 4))),
            "`y` must have shape (batch,), (batch, 1) or (batch, 3), got (200, 4)",
        ),
        (
            lambda m: m.fit(X, Y, validation_data=X),
            "`validation_data` must be (x, y) or (x, y, sample_weight), got ndarray",
        ),
        (lambda m: m.fit(X, Y, validation_data=(X,)), "got tuple of 1"),
        (lambda m: m.fit(X, Y, validation_data=(X[:, :3], Y)), "`validation_data[0]` must have shape"),
        (
            lambda m: m.fit(X, Y, validation_data=(X, Y + 1)),
            "`validation_data[1]` must hold class numbers from 0 to 2, got 3",
        ),
        (lambda m: m.fit(X, Y, validation_data=(X, Y[:5])), "`validation_data[0]` and `validation_data[1]` must have"),
        (lambda m: m.fit(X, Y, validation_split=1.0), "`validation_split` must be from 0 to below 1"),
        (lambda m: m.fit(X[:2], Y[:2], validation_split=0.9), "`validation_split` must leave rows on both sides"),
        (
            lambda m: m.fit(X, Y, sample_weight=np.ones(3)),
            "`x` and `sample_weight` must have as many rows, got 200 and 3",
        ),
        (lambda m: m.fit(X, Y, sample_weight=np.ones((200, 2))), "`sample_weight` must have shape (batch,)"),
        (lambda m: m.fit(X, Y, sample_weight=np.full(200, np.nan)), "`sample_weight` must hold finite numbers"),
        (lambda m: m.fit(X, Y, class_weight=[1, 2, 3]), "`class_weight` must be a dictionary"),
        (lambda m: m.fit(X, Y, class_weight={0: "a"}), "`class_weight` must map class numbers from 0 to 2 to numbers"),
        (lambda m: m.fit(X, Y, class_weight={0: 1.0}, sample_weight=np.ones(200)), "cannot be combined, got both"),
        (lambda m: m.fit(X, Y, batch_size=0), "`batch_size` must be a whole number of 1 or more, got batch_size=0"),
        (lambda m: m.fit(X, Y, epochs=-1), "`epochs` must be a whole number of 0 or more, got epochs=-1"),
        (lambda m: m.fit(X, Y, epochs=1.5), "got epochs=1.5"),
        (lambda m: m.fit(X, Y, steps_per_epoch=0), "`steps_per_epoch` must be a whole number of 1 or more"),
        (lambda m: m.predict(X, batch_size="all"), "got batch_size='all'"),
        (lambda m: m.train_on_batch(X[:2], [0, 9]), "class numbers from 0 to 2, got 9 at position 1"),
        (lambda m: m.test_on_batch(X[:2], [0]), "must have as many rows, got 2 and 1"),
    ],
)
def test_bad_data_end_in_one_clear_error(images: Any, call: Callable[[Any], Any], message: str) -> None:
    before = images.get_weights()
    with pytest.raises(InvalidInput) as caught:
        call(images)
    assert message in str(caught.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, images.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((200, 2)), "`y` must have shape (batch,) or (batch, 1), got (200, 2)"),
        (np.full(200, np.inf), "`y` must hold finite numbers, got inf"),
        (np.full(200, "12 EUR"), "`y` must hold numbers, got text"),
    ],
)
def test_bad_targets_of_a_regression_are_named(model_class: Any, y: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        model_class((4,)).fit(blobs()[0], y)
    assert message in str(caught.value)
