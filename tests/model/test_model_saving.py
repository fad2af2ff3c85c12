"""Saving, loading, copying: what goes along, and what does not."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from conftest import blobs
from lepton_ai.core.errors import InvalidInput, NotFound


def founding_loss(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(tf.square(y_true - y_pred))


@pytest.fixture(scope="module")
def saved(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("saved") / "model.keras"
    trained.save(path)
    return path


@pytest.mark.parametrize("load", [lambda cls, path: cls.load(path), lambda cls, path: keras.models.load_model(path)])
def test_loaded_model_is_the_saved_one(trained: Any, model_class: Any, saved: Path, load: Any) -> None:
    model = load(model_class, saved)
    x, y = blobs()
    assert type(model) is model_class
    assert np.array_equal(model.predict(x, verbose=0), trained.predict(x, verbose=0))
    assert (model.task, model.architecture, model.seed) == (trained.task, trained.architecture, trained.seed)
    assert model.training_facts == trained.training_facts
    assert model.evaluation == trained.evaluation
    assert model.compiled
    assert int(model.optimizer.iterations) == int(trained.optimizer.iterations)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(trained.evaluate(x, y, verbose=0))


def test_no_training_row_leaves_with_a_saved_model(trained: Any, model_class: Any, saved: Path) -> None:
    assert trained.sample_rows.shape == (100, 4)
    assert model_class.load(saved).sample_rows is None


def test_training_resumes_with_the_moments_of_the_optimizer(
    model_class: Any, table: Callable[..., Any], tmp_path: Path
) -> None:
    x, y = blobs()
    through_file = table()
    through_file.fit(x, y, epochs=2, verbose=0)
    through_file.save(tmp_path / "half.keras")
    resumed = model_class.load(tmp_path / "half.keras")
    for model in (through_file, resumed):
        model.fit(x, y, epochs=2, verbose=0)
    for one, other in zip(through_file.get_weights(), resumed.get_weights(), strict=True):
        assert np.allclose(one, other, atol=1e-6)


def test_model_with_a_loss_of_the_scripts_own_loads_uncompiled_and_says_so(
    model_class: Any, table: Callable[..., Any], tmp_path: Path
) -> None:
    x, y = blobs()
    model = table(founding_loss)
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "own.keras")
    with pytest.warns(UserWarning, match="without its compiled state: Could not locate function 'founding_loss'"):
        bare = model_class.load(tmp_path / "own.keras")
    assert not hasattr(bare, "optimizer")
    assert np.array_equal(bare.predict(x, verbose=0), model.predict(x, verbose=0))
    assert set(bare.fit(x, y, verbose=0).history) == {"loss", "accuracy"}
    whole = model_class.load(tmp_path / "own.keras", custom_objects={"founding_loss": founding_loss})
    assert whole.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0))


def test_label_encoding_survives_a_file(model_class: Any, table: Callable[..., Any], tmp_path: Path) -> None:
    x, y = blobs()
    table(own_loss, label_encoding="integer").save(tmp_path / "integer.keras")
    again = model_class.load(tmp_path / "integer.keras", custom_objects={"own_loss": own_loss})
    expected = float(np.mean(own_loss(y, again.predict(x, verbose=0))))
    assert again.evaluate(x, y, verbose=0)[0] == pytest.approx(expected, rel=1e-5)


def own_loss(y_true: Any, y_pred: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


def test_deep_copy_is_equal_and_independent(trained: Any) -> None:
    twin = copy.deepcopy(trained)
    x, y = blobs(60)
    assert type(twin) is type(trained)
    assert twin.training_facts == trained.training_facts
    assert np.array_equal(twin.predict(x, verbose=0), trained.predict(x, verbose=0))
    before = trained.get_weights()
    twin.fit(x, y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, trained.get_weights(), strict=True))


def test_clone_has_the_net_and_none_of_the_facts(trained: Any) -> None:
    clone = keras.models.clone_model(trained)
    assert clone.task is trained.task
    assert clone.training_facts is None
    x, y = blobs()
    clone.fit(x, y, epochs=10, verbose=0)
    assert clone.evaluate(x, y, verbose=0)[1] > 0.85


def test_model_loads_in_a_net_around_it(trained: Any, tmp_path: Path) -> None:
    inputs = keras.Input((4,))
    keras.Model(inputs, trained(inputs)).save(tmp_path / "around.keras")
    x, _ = blobs()
    around = keras.models.load_model(tmp_path / "around.keras")
    assert np.allclose(around.predict(x, verbose=0), trained.predict(x, verbose=0), atol=1e-6)


def test_facts_are_dropped_when_weights_change_in_another_way(trained: Any) -> None:
    twin = copy.deepcopy(trained)
    twin.train_on_batch(*blobs(20))
    assert twin.training_facts is None
    assert twin.evaluation is None


def test_what_is_no_model_is_named(model_class: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        model_class.load(tmp_path / "absent.keras")
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(InvalidInput, match="is not a model that can be loaded"):
        model_class.load(tmp_path / "text.keras")
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(1)(inputs)).save(tmp_path / "plain.keras")
    with pytest.raises(InvalidInput, match="must hold a lepton_ai Model, got Functional"):
        model_class.load(tmp_path / "plain.keras")
