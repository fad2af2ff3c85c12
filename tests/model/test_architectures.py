"""The contract of every architecture: it builds, learns, is reproducible, saves, and exports."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest

from conftest import bars, blobs
from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.architectures.architecture import Architecture, Seeds
from lepton_ai.platform.frameworks.architectures.registry import ARCHITECTURES, choose, register_architecture
from lepton_ai.platform.frameworks.layers import Rescale, Standardize
from lepton_ai.platform.frameworks.onnx_graph import write_onnx
from lepton_ai.platform.preprocessing.text import TextRows


def waves(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Series `(rows, 24, 2)` of three frequencies, with any phase."""
    random = np.random.default_rng(0)
    y = random.integers(0, 3, rows)
    time = np.arange(24)[None, :] + random.uniform(0, 24, rows)[:, None]
    x = np.stack([np.sin(time * (y + 1)[:, None] / 3), np.cos(time * (y + 1)[:, None] / 3)], axis=-1)
    return (x + random.normal(size=x.shape) * 0.2).astype("float32"), y


def phrases(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Rows of three kinds of short texts."""
    y = np.random.default_rng(0).integers(0, 3, rows)
    kinds = ["please call {0} now", "see you at {0} then", "item {0} was delivered"]
    return TextRows(16).apply([kinds[kind].format(row) for row, kind in enumerate(y)]), y


def far_off(data: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """The same data on a scale that no net likes without its own scaling."""

    def scaled(rows: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = data(rows)
        return (x * 40 + 100).astype("float32"), y

    return scaled


DATA = {
    "image": far_off(bars),
    "series": far_off(waves),
    "table": far_off(blobs),
    "text": phrases,
    "users_own": far_off(blobs),
}


def users_features(rows: Any) -> Any:
    """What a user might register: a function of the rows alone."""
    return keras.layers.Dense(32, activation="tanh", name="hidden")(rows)


@pytest.fixture
def users_own() -> Iterator[Architecture]:
    yield register_architecture("users_own", users_features, axes=("columns",), family="one wide layer")
    del ARCHITECTURES["users_own"]


def test_every_architecture_stands_under_the_contract(users_own: Architecture) -> None:
    assert set(ARCHITECTURES) == set(DATA)


@pytest.mark.usefixtures("users_own")
@pytest.mark.parametrize("name", list(DATA))
def test_architecture_learns_saves_and_exports(name: str, model_class: Any, tmp_path: Path) -> None:
    x, y = DATA[name](300)
    model = model_class(x.shape[1:], 3, architecture=name, seed=2)
    assert model.architecture == name
    model.fit(x, y, epochs=15, verbose=0)
    model.evaluate(x, y, verbose=0)
    assert model.evaluation["accuracy"] > 0.9

    rows = x[:20]
    expected = model.predict(rows, verbose=0)
    model.save(tmp_path / "model.keras")
    assert np.array_equal(keras.models.load_model(tmp_path / "model.keras").predict(rows, verbose=0), expected)
    write_onnx(model, tmp_path / "model.onnx", output_name="probabilities")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert np.abs(session.run(["probabilities"], {"inputs": rows})[0] - expected).max() < 1e-5


def test_users_architecture_is_chosen_by_name_and_leaves_auto_alone(users_own: Architecture, model_class: Any) -> None:
    assert choose((4,)).name == "table"
    assert choose((4,), "users_own") is users_own
    assert choose((4,), "users_own").family == "one wide layer"


def test_users_architecture_with_axes_of_its_own_is_what_auto_takes(model_class: Any) -> None:
    def flat(rows: Any, seeds: Seeds) -> Any:
        initializer = keras.initializers.GlorotUniform(seed=seeds.next())
        flattened = keras.layers.Flatten(name="flat")(rows)
        return keras.layers.Dense(4, kernel_initializer=initializer, name="hidden")(flattened)

    register_architecture("film", flat, axes=("frames", "height", "width", "channels"))
    try:
        first, second = (model_class((2, 3, 3, 1), 2, seed=5) for _ in range(2))
        assert first.architecture == "film"
        assert all(np.array_equal(*pair) for pair in zip(first.get_weights(), second.get_weights(), strict=True))
    finally:
        del ARCHITECTURES["film"]


def test_model_of_an_architecture_that_is_not_registered_is_loaded_all_the_same(
    model_class: Any, tmp_path: Path
) -> None:
    register_architecture("passing", users_features, axes=("columns",))
    try:
        model = model_class((4,), 3, architecture="passing", seed=0)
    finally:
        del ARCHITECTURES["passing"]
    model.save(tmp_path / "model.keras")
    rows = np.ones((2, 4), "float32")
    loaded = model_class.load(tmp_path / "model.keras")
    assert np.array_equal(loaded.predict(rows, verbose=0), model.predict(rows, verbose=0))


@pytest.mark.parametrize(
    ("name", "features", "axes", "message"),
    [
        ("table", users_features, ("columns",), "`name` must be new"),
        ("auto", users_features, ("columns",), "`name` must be a word"),
        ("two words", users_features, ("columns",), "`name` must be a word"),
        ("new", "dense", ("columns",), "`features` must be a function"),
        ("new", users_features, "columns", "`axes` must name the axes"),
        ("new", users_features, (), "`axes` must name the axes"),
    ],
)
def test_wrong_registration_ends_in_one_clear_error(name: Any, features: Any, axes: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        register_architecture(name, features, axes=axes)
    assert "new" not in ARCHITECTURES


@pytest.mark.parametrize("wrong", [lambda rows: None, lambda rows: keras.layers.Reshape((2, 2))(rows)])
def test_features_of_a_wrong_shape_are_found_when_the_net_is_built(wrong: Any, model_class: Any) -> None:
    register_architecture("wrong", wrong, axes=("columns",))
    try:
        with pytest.raises(InvalidInput, match=r"`features` of architecture 'wrong' must return"):
            model_class((4,), 3, architecture="wrong")
    finally:
        del ARCHITECTURES["wrong"]


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
