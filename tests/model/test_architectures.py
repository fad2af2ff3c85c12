"""The contract of every architecture: it builds, learns, is reproducible, saves, and exports."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest

from conftest import bars, blobs
from lepton_ai.platform.frameworks.architectures.architecture import Seeds
from lepton_ai.platform.frameworks.architectures.registry import ARCHITECTURES, choose
from lepton_ai.platform.frameworks.layers import Rescale, Standardize
from lepton_ai.platform.frameworks.onnx_graph import write_onnx


def waves(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Series `(rows, 24, 2)` of three frequencies, with any phase."""
    random = np.random.default_rng(0)
    y = random.integers(0, 3, rows)
    time = np.arange(24)[None, :] + random.uniform(0, 24, rows)[:, None]
    x = np.stack([np.sin(time * (y + 1)[:, None] / 3), np.cos(time * (y + 1)[:, None] / 3)], axis=-1)
    return (x + random.normal(size=x.shape) * 0.2).astype("float32"), y


DATA = {"image": bars, "series": waves, "table": blobs}


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_architecture_learns_saves_and_exports(name: str, model_class: Any, tmp_path: Path) -> None:
    x, y = DATA[name](300)
    model = model_class(x.shape[1:], 3, seed=2)
    assert model.architecture == name
    model.fit(x * 40 + 100, y, epochs=15, verbose=0)  # a scale that no net likes without its own scaling
    model.evaluate(x * 40 + 100, y, verbose=0)
    assert model.evaluation["accuracy"] > 0.9

    rows = (x[:20] * 40 + 100).astype("float32")
    expected = model.predict(rows, verbose=0)
    model.save(tmp_path / "model.keras")
    assert np.array_equal(keras.models.load_model(tmp_path / "model.keras").predict(rows, verbose=0), expected)
    write_onnx(model, tmp_path / "model.onnx", output_name="probabilities")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert np.abs(session.run(["probabilities"], {"inputs": rows})[0] - expected).max() < 1e-5


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (12, 9, 4), (19, 19, 1), (20, 20, 1), (32, 32, 3), (64, 64, 1), (224, 224, 3), (28, 200, 1)]
)
def test_image_net_keeps_its_size_for_any_image(shape: tuple[int, ...], model_class: Any) -> None:
    model = model_class(shape, 5)
    assert 20_000 < model.count_params() < 1_200_000
    assert model(np.zeros((1, *shape), "float32")).shape == (1, 5)


@pytest.mark.parametrize(
    ("shape", "name"), [((28, 28, 1), "image"), ((1, 1), "series"), ((200, 7), "series"), ((1,), "table")]
)
def test_shape_of_a_row_chooses_the_architecture(shape: tuple[int, ...], name: str, model_class: Any) -> None:
    assert choose(shape).name == name
    assert model_class(shape, 2).architecture == name


def test_net_for_28_pixels_is_the_small_one(model_class: Any) -> None:
    assert model_class((28, 28, 1), 10).count_params() == 61_548  # 61,546 and the two numbers of the scaling


def test_seeds_stay_within_what_initialisers_take() -> None:
    seeds = Seeds(2**31 - 1)
    assert 0 <= seeds.next() < 2**31  # type: ignore[operator]


def test_standardize_brings_every_channel_to_mean_zero_and_deviation_one() -> None:
    rows = np.random.default_rng(0).normal(size=(5000, 3)).astype("float32") * [1, 50, 1e-3] + [0, 1e4, 7]
    layer = Standardize()
    layer.build((None, 3))
    assert not layer.has_learned
    assert np.array_equal(layer(rows.astype("float32")), rows.astype("float32"))  # nothing learned, nothing changed
    layer.learn(rows.astype("float32"))
    scaled = np.asarray(layer(rows.astype("float32")))
    assert layer.has_learned
    assert np.abs(scaled.mean(axis=0)).max() < 0.01
    assert np.abs(scaled.std(axis=0) - 1).max() < 0.01


def test_constant_channel_becomes_zero_and_not_noise() -> None:
    rows = np.stack([np.full(100, 0.1), np.arange(100)], axis=1).astype("float32")
    layer = Standardize()
    layer.build((None, 2))
    assert np.abs(np.asarray(layer.learn(rows)(rows))[:, 0]).max() < 1e-6


def test_rescale_is_the_way_back() -> None:
    targets = np.random.default_rng(0).normal(size=(500, 1)).astype("float32") * 300 + 2000
    there, back = Standardize(), Rescale()
    for layer in (there, back):
        layer.build((None, 1))
        layer.learn(targets)
    assert np.allclose(back(there(targets)), targets, rtol=1e-5)


def test_regression_reaches_targets_of_any_size(model_class: Any) -> None:
    x, _ = blobs(400)
    y = 250_000 + 40_000 * x[:, 0] - 10_000 * x[:, 1]
    model = model_class((4,), seed=0)
    model.fit(x, y, epochs=30, verbose=0)
    error = model.predict(x, verbose=0)[:, 0] - y
    assert np.sqrt(np.mean(error**2)) < 0.2 * y.std()
