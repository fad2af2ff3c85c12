"""What a `Model` does on every backend of Keras that we promise: TensorFlow here, JAX in a process of its own.

The suite is this file. On JAX it is run by its last test, because Keras has one backend for the life of a process.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cloud_lab import FULL
from lepton_ai import Model
from lepton_ai.core.errors import NotSupported
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.checkpoint import Checkpointing
from lepton_ai.platform.frameworks.export import export_artifact

BACKEND = keras.backend.backend()
SHAPES = {"image": (12, 12, 1), "series": (24, 2), "table": (5,)}


def labelled(kind: str, rows: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and whether their first numbers are high."""
    x = np.random.default_rng(0).normal(size=(rows, *SHAPES[kind])).astype(np.float32)
    return x, (x.reshape(rows, -1)[:, :4].mean(axis=1) > 0).astype(int)


@dataclass(frozen=True)
class Fitted:
    """A trained model with the rows that it knows."""

    model: Model
    x: np.ndarray
    y: np.ndarray
    losses: list[float]


def net(kind: str) -> Model:
    """A classifier of two classes, compiled."""
    model = Model(input_shape=SHAPES[kind], num_classes=2, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="module", params=SHAPES)
def fitted(request: pytest.FixtureRequest) -> Fitted:
    """A model of each kind, trained as plain Keras does; tests leave it as it is."""
    model, (x, y) = net(request.param), labelled(request.param)
    losses = model.fit(x, y, epochs=4, adaptive=False, validation_data=(x, y), verbose=0).history["loss"]
    return Fitted(model, x, y, losses)


def test_plain_fit_learns_and_answers_probabilities(fitted: Fitted) -> None:
    assert fitted.losses[-1] < fitted.losses[0]
    probabilities = fitted.model.predict(fitted.x, verbose=0)
    assert probabilities.shape == (len(fitted.x), 2)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    told = fitted.model.evaluate(fitted.x, fitted.y, verbose=0, return_dict=True)
    assert told["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == fitted.y).mean(), abs=1e-6)
    assert dict(fitted.model.evaluation) == pytest.approx(told)


def test_saved_model_answers_the_same_when_it_is_loaded(fitted: Fitted, tmp_path: Path) -> None:
    fitted.model.save(tmp_path / "model.keras")
    loaded = Model.load(tmp_path / "model.keras")
    assert np.allclose(loaded.predict(fitted.x, verbose=0), fitted.model.predict(fitted.x, verbose=0), atol=1e-6)
    assert loaded.training_facts == fitted.model.training_facts


def test_export_agrees_or_says_what_to_do(fitted: Fitted, tmp_path: Path) -> None:
    if BACKEND == "tensorflow":
        assert (export_artifact(fitted.model, tmp_path / "artifact") / "model.onnx").stat().st_size > 0
        return
    with pytest.raises(NotSupported, match=f"needs TensorFlow as Keras' backend, got '{BACKEND}'") as caught:
        export_artifact(fitted.model, tmp_path / "artifact")
    assert "KERAS_BACKEND=tensorflow lepton model push" in str(caught.value.hint)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="it exports itself")
def test_model_of_another_backend_is_exported_by_a_process_on_tensorflow(tmp_path: Path) -> None:
    model, (x, _) = net("image"), labelled("image")
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "told.npz", x=x, answers=model.predict(x, verbose=0))
    run = subprocess.run(
        [sys.executable, "-c", _EXPORTED, str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("kind", ["image", "table"])
def test_adaptive_fit_decides_and_gives_everything_back(kind: str) -> None:
    model, (x, y) = net(kind), labelled(kind, 640)
    optimizer, rate = model.optimizer, float(model.optimizer.learning_rate)
    history = model.fit(x, y, epochs=11, validation_data=(x, y), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0]
    assert model.optimizer is optimizer
    assert float(model.optimizer.learning_rate) == pytest.approx(rate)
    assert model.log.of("budget")
    assert "one-cycle rate" in model.training_facts.recipe
    assert model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] > 0.6


def test_same_seed_gives_the_same_weights() -> None:
    first, second = net("table"), net("table")
    for model in (first, second):
        model.fit(*labelled("table"), epochs=2, verbose=0)
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        assert np.allclose(one, other, atol=1e-6)


def test_loss_written_as_a_plain_function_gets_one_hot_rows() -> None:
    model, (x, y) = net("table"), labelled("table")
    model.compile("sgd", lambda true, told: keras.ops.mean(keras.ops.square(true - told)))
    loss = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    expected = np.square(np.eye(2)[y] - model.predict(x, verbose=0)).mean()
    assert loss == pytest.approx(expected, abs=1e-6)


def test_regression_answers_one_number_for_each_row() -> None:
    x, _ = labelled("table")
    model = Model(input_shape=(5,), seed=0)
    model.fit(x, 300 + 50 * x[:, 0], epochs=2, adaptive=False, verbose=0)
    assert model.predict(x, verbose=0).shape == (len(x), 1)


_EXPORTED = """
import sys
from pathlib import Path
import numpy as np
from lepton_ai import Model
from lepton_ai.platform.frameworks.checkpoint import Checkpointing
from lepton_ai.platform.frameworks.export import export_artifact
folder = Path(sys.argv[1])
told = np.load(folder / "told.npz")
model = Model.load(folder / "model.keras")
assert np.allclose(model.predict(told["x"], verbose=0), told["answers"], atol=1e-4)
export_artifact(model, folder / "artifact", sample=told["x"])
"""


@pytest.mark.skipif(BACKEND == "tensorflow", reason="it keeps checkpoints")
def test_checkpoints_are_refused_where_they_would_not_resume(tmp_path: Path) -> None:
    model, (x, y) = net("table"), labelled("table")
    with pytest.raises(NotSupported, match=f"checkpoints need TensorFlow as Keras' backend, got '{BACKEND}'"):
        model.fit(x, y, verbose=0, callbacks=[Checkpointing(tmp_path)])


@pytest.mark.skipif(BACKEND != "tensorflow", reason="this is the process that it starts")
def test_all_of_this_holds_on_jax() -> None:
    """In `make test` what needs no adaptive training: JAX compiles each part of it anew, a minute for all of them."""
    some = [] if FULL else ["-k", "plain_fit and table or checkpoints or exported_by_a_process"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *some, __file__],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout
