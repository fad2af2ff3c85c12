"""Series: a net beside random kernels. The kernels need no training, fit any length, and export as they answer."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest

from lepton_ai.platform.frameworks.companion import companion_of
from lepton_ai.platform.frameworks.onnx_graph import write_onnx
from lepton_ai.platform.frameworks.series_layers import Levels, RandomKernels


def bumps(rows: int = 160, *, steps: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise `(rows, steps, 1)` with one bump somewhere: narrow, wide, or upside down."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 3, rows)
    distance = np.arange(steps)[None] - random.uniform(10, steps - 10, rows)[:, None]
    bump = np.exp(-np.square(distance / np.array([1.5, 5.0, 1.5])[y][:, None])) * np.array([3, 3, -3])[y][:, None]
    return (bump + random.normal(size=bump.shape) * 0.3)[:, :, None].astype("float32"), y


def answers(model: Any, x: np.ndarray, share: float) -> np.ndarray:
    """What a model answers if its companion had another share."""
    layer = companion_of(model)
    assert layer is not None
    before = float(layer.share.numpy())
    layer.share.assign(share)
    found = model.predict(x, verbose=0)
    layer.share.assign(before)
    return found


@pytest.fixture(scope="module")
def fitted(model_class: Any) -> Any:
    """A classifier after a fit that is too short for the net."""
    x, y = bumps()
    model = model_class((60, 1), 3, seed=0)
    model.fit(x, y, epochs=2, verbose=0)
    return model


def test_companion_knows_after_few_steps_what_the_net_does_not(fitted: Any) -> None:
    x, y = bumps(seed=1)
    net, both = (np.mean(answers(fitted, x, share).argmax(axis=1) == y) for share in (0.0, 0.5))
    assert both > 0.95
    assert both > net


def test_share_of_the_companion_stands_in_the_log(fitted: Any) -> None:
    decision = next(each for each in fitted.log if each.step == "companion")
    assert float(decision.chosen) == pytest.approx(float(companion_of(fitted).share.numpy()))


def test_share_is_weighed_on_rows_held_back(model_class: Any) -> None:
    x, y = bumps(640, steps=30)
    model = model_class((30, 1), 3, seed=0)
    model.compile("adam", metrics=["accuracy"])
    model.fit(x, y, epochs=8, batch_size=24, verbose=0)
    measured = next(each.measured for each in model.log if each.step == "companion")
    assert measured["rows"] == 64
    assert measured["loss"]["both"] <= min(measured["loss"]["net"], measured["loss"]["companion"]) + 0.02


def test_plain_training_leaves_the_companion_out(model_class: Any) -> None:
    x, y = bumps(60)
    model = model_class((60, 1), 3, seed=0)
    model.fit(x, y, epochs=1, verbose=0, adaptive=False)
    assert float(companion_of(model).share.numpy()) == 0.0
    net = keras.Model(model.input, companion_of(model).input[0])
    assert np.allclose(model.predict(x, verbose=0), net.predict(x, verbose=0), atol=1e-6)


def test_companion_is_fitted_on_weighted_rows_and_one_hot_labels(model_class: Any) -> None:
    x, y = bumps()
    model = model_class((60, 1), 3, seed=0)
    model.compile("adam", "categorical_crossentropy")
    model.fit(x, np.eye(3)[y], epochs=1, verbose=0, sample_weight=np.where(y == 2, 0.0, 1.0))
    assert not np.any(answers(model, x[y == 2], 1.0).argmax(axis=1) == 2)


def test_regression_on_the_level_of_a_series(model_class: Any) -> None:
    random = np.random.default_rng(0)
    level = random.normal(size=(300, 1)) * 40 + 500
    x = (level[:, :, None] + random.normal(size=(300, 30, 2))).astype("float32")
    y = 1000 + 3 * level[:, 0]
    model = model_class((30, 2), seed=0)
    model.fit(x[:250], y[:250], epochs=1, verbose=0)
    error = answers(model, x[250:], 1.0)[:, 0] - y[250:]
    assert np.sqrt(np.mean(error**2)) < 0.05 * y.std()


@pytest.mark.parametrize(("steps", "channels"), [(1, 1), (2, 3), (8, 1), (20, 30), (140, 1), (700, 2), (2000, 1)])
def test_kernels_and_levels_take_series_of_any_length(steps: int, channels: int) -> None:
    rows = np.random.default_rng(0).normal(size=(12, steps, channels)).astype("float32")
    for layer in (RandomKernels(seed=0), Levels()):
        described = keras.ops.convert_to_numpy(layer(rows))
        assert described.shape == layer.compute_output_shape((12, steps, channels))
        assert described.shape[1] < 3000
        assert np.isfinite(described).all()
    kernels = RandomKernels(seed=0)
    kernels.build((None, steps, channels))
    assert not kernels.has_learned
    learned = keras.ops.convert_to_numpy(kernels.learn(rows)(rows))
    assert kernels.has_learned
    assert learned.min() >= 0
    assert learned.max() <= 1


def test_constant_series_are_described_by_finite_numbers() -> None:
    rows = np.ones((5, 40, 2), "float32")
    kernels = RandomKernels(seed=0)
    kernels.build((None, 40, 2))
    assert np.isfinite(keras.ops.convert_to_numpy(kernels.learn(rows)(rows))).all()


def test_flat_and_repeated_values_export_as_they_answer(model_class: Any, tmp_path: Path) -> None:
    """Values that lie on a threshold fall on either side by rounding; a ramp instead of a step makes that harmless."""
    random = np.random.default_rng(0)
    x = np.repeat(random.integers(0, 3, (60, 6, 2)), 5, axis=1).astype("float32")
    x[::4] = 1
    y = (x[:, :10].sum(axis=(1, 2)) > x[:, 10:20].sum(axis=(1, 2))).astype(int)
    model = model_class((30, 2), 2, seed=0)
    model.fit(x, y, epochs=2, verbose=0)
    write_onnx(model, tmp_path / "model.onnx", output_name="probabilities")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    found = session.run(["probabilities"], {"inputs": x})[0]
    assert np.abs(found - model.predict(x, verbose=0)).max() < 1e-5
