"""Mixed precision lasts as long as a fit, and XLA compiles every net of ours: both wait for a GPU."""

import numpy as np
import pytest

from lepton_ai import Model
from lepton_ai.platform.frameworks.backend import keras, tf
from lepton_ai.platform.frameworks.device import Precision
from lepton_ai.platform.frameworks.precision import gpus, training_precision

SHAPES = {"image": (16, 16, 1), "series": (24, 2), "table": (5,)}


def rows_of(shape: tuple[int, ...], count: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and whether they lie high on average."""
    rows = np.random.default_rng(0).normal(0, 1, (count, *shape)).astype(np.float32)
    means = rows.reshape(count, -1).mean(axis=1)
    return rows, (means > np.median(means)).astype(int)


def net(kind: str) -> Model:
    model = Model(input_shape=SHAPES[kind], num_classes=2, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def precisions(model: Model) -> set[str]:
    return {layer.compute_dtype for layer in model.layers if layer.trainable_weights}


@pytest.mark.parametrize("kind", ["image", "series"])
def test_convolutions_compute_mixed_within_the_block_and_as_before_after_it(kind: str) -> None:
    model, (rows, labels) = net(kind), rows_of(SHAPES[kind])
    before = model.predict(rows, verbose=0)
    with training_precision(model, Precision.MIXED):
        assert "bfloat16" in precisions(model)
        assert model.layers[-1].compute_dtype == "float32"
        assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
        inside = np.asarray(model(rows, training=False))
        assert inside.dtype == np.float32
        assert 0 < np.abs(inside - before).max() < 0.1
        history = keras.Model.fit(model, rows, labels, epochs=2, validation_data=(rows, labels), verbose=0)
        assert np.isfinite(history.history["loss"]).all()
    assert precisions(model) == {"float32"}
    answers = model.predict(rows, verbose=0)
    assert not np.allclose(answers, before)
    assert np.array_equal(answers, model.predict(rows, verbose=0))
    assert np.allclose(answers, np.asarray(model(rows, training=False)), atol=1e-6)


def test_optimizer_stays_the_users_own() -> None:
    model = net("image")
    optimizer = model.optimizer
    with training_precision(model, Precision.MIXED):
        model.fit(*rows_of(SHAPES["image"]), epochs=1, verbose=0)
    assert model.optimizer is optimizer


def test_precision_goes_back_when_training_fails() -> None:
    model = net("image")
    with pytest.raises(KeyError), training_precision(model, Precision.MIXED):
        raise KeyError("no such column")
    assert precisions(model) == {"float32"}


def test_nets_of_tables_and_of_ones_own_stay_as_they_are() -> None:
    inputs = keras.Input((16, 16, 1))
    hidden = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(inputs))
    own = Model(inputs=inputs, outputs=keras.layers.Dense(1)(hidden))
    for model in (own, net("table")):
        with training_precision(model, Precision.MIXED):
            assert precisions(model) == {"float32"}


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU")
def test_on_a_cpu_nothing_is_mixed_and_nothing_compiled_by_xla() -> None:
    assert gpus() == []
    model = net("image")
    assert model.jit_compile is False
    seen = set()
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.update(precisions(model)))
    model.fit(*rows_of(SHAPES["image"]), epochs=1, verbose=0, callbacks=[watch])
    assert seen == {"float32"}


@pytest.mark.parametrize("kind", SHAPES)
def test_xla_compiles_a_step_of_every_net_of_ours(kind: str) -> None:
    model = net(kind)
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=True)
    assert np.isfinite(model.train_on_batch(*rows_of(SHAPES[kind], 16)))
