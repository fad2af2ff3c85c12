"""Adaptive training: what it finds out by itself, what it leaves alone, and that it can be trusted and repeated."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism

from conftest import bars, blobs
from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.adaptive.log import DecisionLog
from lepton_ai.platform.frameworks.image_layers import ImageBatchNormalization


@pytest.fixture
def deterministic() -> Iterator[None]:
    tf.config.experimental.enable_op_determinism()
    yield
    disable_op_determinism()


class PlainDescent(keras.optimizers.Optimizer):  # type: ignore[misc]
    """An optimizer of a user who never heard of get_config: it cannot be copied."""

    def __init__(self, rate: float, flavour: str) -> None:
        super().__init__(learning_rate=rate, name="plain_descent")
        self.flavour = flavour

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self.assign_sub(variable, keras.ops.cast(learning_rate, variable.dtype) * gradient)


def spoiled(optimizer: Any) -> dict[str, Any]:
    return {"optimizer": optimizer, "metrics": ()}


def chosen_rate(log: DecisionLog) -> float:
    return float(log.of("race")[0].chosen)


# Labels that are wrong


def own_net(model_class: Any) -> Any:
    """A net of the user's own for eight columns and six classes: it trains alone, without trees beside it."""
    inputs = keras.Input((8,))
    outputs = keras.layers.Dense(6, activation="softmax")(keras.layers.Dense(64, activation="relu")(inputs))
    model = model_class(inputs=inputs, outputs=outputs, seed=0)
    model.compile(keras.optimizers.Adam(0.003), metrics=["accuracy"])
    return model


def test_labels_wrong_at_random_leave_training(model_class: Any) -> None:
    random = np.random.default_rng(3)
    middles = random.normal(size=(6, 8))
    true = np.arange(3000) % 6
    x = (middles[true] * 2 + random.normal(size=(3000, 8))).astype("float32")
    is_wrong = random.random(3000) < 0.2
    y = np.where(is_wrong, random.integers(0, 6, 3000), true)
    model = own_net(model_class)
    model.fit(x, y, batch_size=32, epochs=12, verbose=0)
    *_, found, leaving = model.log.of("clean")
    assert found.chosen == "yes"
    assert found.measured["share"] == pytest.approx(0.2, abs=0.08)
    assert int(leaving.chosen) == pytest.approx((y != true).sum(), rel=0.2)
    assert np.mean([y[row] != true[row] for row in leaving.measured["for example"]]) >= 0.8


def test_hard_classes_with_right_labels_are_not_doubted(model_class: Any) -> None:
    random = np.random.default_rng(3)
    y = np.arange(3000) % 6
    x = (random.normal(size=(6, 8))[y] + random.normal(size=(3000, 8))).astype("float32")
    model = own_net(model_class)
    model.fit(x, y, batch_size=32, epochs=8, verbose=0)
    assert model.evaluate(x, y, verbose=0)[1] < 0.95
    assert {each.chosen for each in model.log.of("clean")} == {"no"}


# The race


@pytest.mark.parametrize("factor", [30, 1 / 30])
def test_users_rate_that_is_spoiled_is_replaced_by_a_usual_one(table: Callable[..., Any], factor: float) -> None:
    x, y = blobs(1000)
    losses = {}
    for name, rate in (("tuned", 0.001), ("spoiled", 0.001 * factor)):
        model = table(**spoiled(keras.optimizers.Adam(rate)))
        model.fit(x, y, batch_size=10, epochs=16, verbose=0)
        losses[name] = model.evaluate(x, y, verbose=0)
    assert losses["spoiled"] < losses["tuned"] * 1.05
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001 * factor)


def test_optimizer_goes_on_from_the_winners_own_variables(table: Callable[..., Any]) -> None:
    model = table(**spoiled(PlainDescent(0.1, "vanilla")))
    model.fit(*blobs(1000), batch_size=10, epochs=30, verbose=0)
    (race,) = model.log.of("race")
    losers = (len(race.measured["loss"]) - 1) * race.measured["steps each"]
    assert losers > 0
    assert int(model.optimizer.iterations) == 3000 - losers
    assert model.training_facts.steps == 3000


def test_small_budget_goes_to_the_schedule_alone(table: Callable[..., Any]) -> None:
    model = table()
    model.fit(*blobs(1000), batch_size=10, epochs=1, verbose=0)
    assert [each.step for each in model.log] == ["budget"]


# What decides


def test_validation_data_decide_nothing_to_the_last_byte(table: Callable[..., Any], deterministic: None) -> None:
    x, y = blobs(1000)
    outcomes = []
    for labels in (y[:100], np.random.default_rng(5).permutation(y[:100])):
        model = table(**spoiled(keras.optimizers.Adam(0.03)))
        model.fit(x, y, batch_size=10, epochs=8, validation_data=(x[:100], labels), verbose=0)
        outcomes.append((model.get_weights(), model.log))
    assert all(np.array_equal(a, b) for a, b in zip(outcomes[0][0], outcomes[1][0], strict=True))
    assert outcomes[0][1] == outcomes[1][1]


def test_validation_data_decide_where_the_user_asks_for_it(table: Callable[..., Any]) -> None:
    x, y = blobs(1000)
    held_out = blobs(300, seed=3)
    model = table()
    model.fit(x, y, batch_size=10, epochs=8, validation_data=held_out, select_on_validation=True, verbose=0)
    assert not model.log.of("hold back")
    assert model.log.of("check")
    with pytest.raises(InvalidInput, match="`select_on_validation` needs validation data"):
        model.fit(x, y, select_on_validation=True)


def test_same_seed_gives_the_same_log_and_the_same_weights(model_class: Any, deterministic: None) -> None:
    x, y = bars(800)
    outcomes = []
    for _ in range(2):
        model = model_class((8, 8, 1), 3, seed=3)
        model.fit(x, y, batch_size=16, epochs=10, verbose=0)
        outcomes.append((model.get_weights(), model.log))
    assert outcomes[0][1] == outcomes[1][1]
    assert all(np.array_equal(a, b) for a, b in zip(outcomes[0][0], outcomes[1][0], strict=True))


# The guard


def test_loss_that_is_never_finite_is_named_with_its_batch(table: Callable[..., Any]) -> None:
    def broken_loss(y_true: Any, y_pred: Any) -> Any:
        return tf.reduce_mean(tf.math.log(y_pred - 2.0))

    model = table(broken_loss)
    with pytest.raises(InvalidInput, match="the loss 'broken_loss' must be finite, got NaN or infinity for batch 0"):
        model.fit(*blobs(), verbose=0)
    assert np.all(np.isfinite(model.get_weights()[0]))


def test_training_that_breaks_goes_back_and_goes_on_at_half_the_rate(table: Callable[..., Any]) -> None:
    class Breaks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 150:
                self.model.set_weights([np.full_like(weight, np.nan) for weight in self.model.get_weights()])

    x, y = blobs(1000)
    model = table(**spoiled(keras.optimizers.Adam(0.01)))
    history = model.fit(x, y, batch_size=5, epochs=2, callbacks=[Breaks()], verbose=0).history
    first, second = model.log.of("guard")
    assert "is not finite at batch 15" in first.what
    assert first.chosen == "rate 0.005"
    assert second.chosen == "rate 0.0025"
    assert all(math.isfinite(loss) for loss in history["loss"])
    assert (model.predict(x, verbose=0).argmax(axis=1) == y).mean() > 0.8


def test_training_that_breaks_again_and_again_stops_with_the_reason_and_its_last_good_weights(
    table: Callable[..., Any],
) -> None:
    class Breaks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch >= 100:
                self.model.set_weights([np.full_like(weight, np.nan) for weight in self.model.get_weights()])

    model = table(**spoiled(keras.optimizers.Adam(0.01)))
    with pytest.warns(UserWarning, match=r"training stopped: loss 'sparse_categorical_crossentropy' is not finite"):
        model.fit(*blobs(1000), batch_size=5, epochs=2, callbacks=[Breaks()], verbose=0)
    assert [each.chosen for each in model.log.of("guard")] == ["rate 0.005", "rate 0.0025", "rate 0.00125", "stop"]


# The budget of time


def test_plan_of_a_budget_of_time_can_be_replayed(table: Callable[..., Any], deterministic: None) -> None:
    x, y = blobs(1000)
    model = table()
    model.fit(x, y, batch_size=10, budget="6s", validation_data=blobs(100, seed=4), verbose=0)  # benchmarks time it
    again = table()
    again.fit(x, y, batch_size=10, plan=DecisionLog.from_json(model.log.to_json()), verbose=0)
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations)
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), model.get_weights(), strict=True))
    assert [each.chosen for each in again.log] == [each.chosen for each in model.log]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": "soon"}, "`budget` must be seconds or a time"),
        ({"budget": "3s", "adaptive": False}, "`budget` needs adaptive training"),
        ({"plan": DecisionLog()}, "`plan` must be the log of an adaptive fit on the same 200 rows"),
        ({"plan": DecisionLog(), "epochs": 3}, "`plan` says how long to train"),
        ({"epochs": -1}, "`epochs` must be a whole number"),
        ({"augmentation": "wild"}, "`augmentation` must be 'auto', None or a function"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(
    table: Callable[..., Any], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        table().fit(*blobs(), verbose=0, **arguments)


# Free settings


def test_without_compile_batch_size_rate_and_epochs_suit_the_rows(model_class: Any) -> None:
    x, y = bars(300)
    model = model_class((8, 8, 1), 3, seed=0)
    model.fit(x, y, verbose=0)
    facts = model.training_facts
    assert facts.epochs > 20
    assert (model.predict(x, verbose=0).argmax(axis=1) == y).mean() > 0.95


def test_after_the_users_compile_epochs_left_out_mean_one(table: Callable[..., Any]) -> None:
    model = table()
    assert len(model.fit(*blobs(), verbose=0).epoch) == 1


# Augmentation


@pytest.fixture
def told_by_tensorflow(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    tf.get_logger().addHandler(caplog.handler)
    yield caplog
    tf.get_logger().removeHandler(caplog.handler)


def test_mirroring_is_found_to_be_safe_where_it_is_and_not_where_it_is_not(
    model_class: Any, told_by_tensorflow: pytest.LogCaptureFixture
) -> None:
    x, y = bars(1200)
    halves = x.copy()
    side = np.random.default_rng(0).integers(0, 2, len(x))
    halves[:, :, :4] += np.where(side == 0, 1.5, 0.0)[:, None, None, None]
    halves[:, :, 4:] += np.where(side == 1, 1.5, 0.0)[:, None, None, None]
    for rows, labels, classes, safe in ((x, y, 3, "yes"), (halves, side, 2, "no")):
        model = model_class((8, 8, 1), classes, seed=0)
        model.compile("adam", metrics=["accuracy"])
        model.fit(rows, labels, batch_size=16, epochs=8, verbose=0)
        assert model.log.of("augment")[0].chosen == safe
    assert not told_by_tensorflow.text, "graphs of many judges are no graph that is traced again and again"


def test_augmentation_of_ones_own_is_a_plain_function(table: Callable[..., Any]) -> None:
    def shuffled_columns(rows: Any, strength: Any, seed: Any) -> Any:
        noise = tf.random.stateless_uniform(tf.shape(rows), seed)
        return tf.gather(rows, tf.argsort(noise, axis=1), axis=1, batch_dims=1)

    x, y = blobs()
    plain, augmented = table(), table()
    plain.fit(x, y, epochs=20, verbose=0)
    augmented.fit(x, y, epochs=20, augmentation=shuffled_columns, verbose=0)
    assert "augmented rows" in augmented.training_facts.recipe
    assert augmented.evaluate(x, y, verbose=0)[0] > plain.evaluate(x, y, verbose=0)[0] + 0.1


# Batch norm for images


def test_batch_norm_for_images_is_that_of_keras_while_training_and_after() -> None:
    x = np.random.default_rng(0).normal(2.0, 3.0, size=(16, 5, 5, 4)).astype("float32")
    outcomes = []
    for layer in (ImageBatchNormalization(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9)):
        inputs = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            trained = layer(inputs, training=True)
            loss = tf.reduce_sum(trained**3)
        slope = tape.gradient(loss, inputs)
        outcomes.append([trained, slope, layer(inputs, training=False), layer.moving_mean, layer.moving_variance])
    for ours, keras_own in zip(*outcomes, strict=True):
        assert np.allclose(ours, keras_own, rtol=2e-2, atol=2e-3)
