"""Texts: word vectors beside a linear model on hashed words and characters, from strings to an exported graph."""

import gzip
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest

from lepton_ai.platform.frameworks.companion import companion_of
from lepton_ai.platform.frameworks.onnx_graph import write_onnx
from lepton_ai.platform.frameworks.text_layers import HashedVectors, SumOfVectors
from lepton_ai.platform.preprocessing.text import TextRows

SMS = Path(__file__).parents[2] / "examples" / "data" / "sms_spam" / "SMSSpamCollection.gz"


@pytest.fixture(scope="module")
def messages() -> tuple[np.ndarray, np.ndarray]:
    """1,500 different messages as rows, and whether each is spam."""
    with gzip.open(SMS, "rt", encoding="utf-8") as lines:
        found = dict(reversed(line.rstrip("\n").split("\t", 1)) for line in lines)
    texts = list(found)[:1500]
    return TextRows(32).apply(texts), np.array([found[text] == "spam" for text in texts]).astype(int)


@pytest.fixture(scope="module")
def fitted(model_class: Any, messages: tuple[np.ndarray, np.ndarray]) -> Any:
    x, y = messages
    model = model_class((512,), 2, architecture="text", seed=0)
    model.compile(keras.optimizers.Adam(0.003), metrics=["accuracy"])
    model.fit(x[:1000], y[:1000], epochs=4, batch_size=32, verbose=0)
    return model


def test_spam_is_found_among_messages_not_seen(fitted: Any, messages: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = messages[0][1000:], messages[1][1000:]
    answers = fitted.predict(x, verbose=0).argmax(axis=1)
    assert 2 * np.sum(answers * y) / (answers.sum() + y.sum()) > 0.88  # F1
    assert fitted.architecture == "text"


def test_net_of_words_alone_learns_too(fitted: Any, messages: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = messages[0][1000:], messages[1][1000:]
    net = keras.Model(fitted.input, companion_of(fitted).input[0])
    assert np.mean(net.predict(x, verbose=0).argmax(axis=1) == y) > 0.9


def test_text_net_is_the_same_after_saving_and_in_onnx(
    fitted: Any, messages: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    rows = messages[0][:50]
    rows[0] = 0  # an empty text
    expected = fitted.predict(rows, verbose=0)
    assert np.isfinite(expected).all()
    fitted.save(tmp_path / "model.keras")
    assert np.array_equal(keras.models.load_model(tmp_path / "model.keras").predict(rows, verbose=0), expected)
    write_onnx(fitted, tmp_path / "model.onnx", output_name="probabilities")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert np.abs(session.run(["probabilities"], {"inputs": rows})[0] - expected).max() < 1e-5


def test_numbers_are_told_from_texts(model_class: Any) -> None:
    lengths = np.tile([1, 2, 4, 8], 40)
    texts = [f"text {row % 7} " + "very " * length for row, length in enumerate(lengths)]
    model = model_class((256,), architecture="text", seed=0)
    x, y = TextRows(16).apply(texts), 100.0 * lengths + 5
    model.fit(x, y, epochs=2, verbose=0)
    companion_of(model).share.assign(1.0)
    assert np.corrcoef(model.predict(x, verbose=0)[:, 0], y)[0, 1] > 0.9


def test_many_classes_of_which_one_has_no_row(model_class: Any) -> None:
    words = ["apple", "pear", "plum", "cherry", "grape"]
    texts = [f"{word} number {row}" for row in range(12) for word in words]
    y = np.tile(np.arange(5), 12)
    model = model_class((256,), 6, architecture="text", seed=0)
    model.fit(TextRows(16).apply(texts), y, epochs=1, verbose=0)
    companion_of(model).share.assign(1.0)
    answers = model.predict(TextRows(16).apply([f"a {word}" for word in words]), verbose=0)
    assert answers.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]


def test_rows_of_one_class_give_that_class(model_class: Any) -> None:
    model = model_class((256,), 2, architecture="text", seed=0)
    x = TextRows(16).apply(["one", "two", "three", "four"])
    model.fit(x, [1, 1, 1, 1], epochs=1, verbose=0)
    assert model.predict(x, verbose=0).argmax(axis=1).tolist() == [1, 1, 1, 1]


def test_order_of_magnitude_of_a_text_does_not_depend_on_its_length() -> None:
    rows = TextRows(16).apply(["one two three four", "one two three four " * 4])
    vectors = HashedVectors(0, 16, 1024, 32, seed=0)(rows)
    sums = keras.ops.convert_to_numpy(SumOfVectors()(vectors))
    assert np.linalg.norm(sums[1]) == pytest.approx(2 * np.linalg.norm(sums[0]), rel=0.01)
    assert not keras.ops.convert_to_numpy(vectors)[0, 4:].any()
