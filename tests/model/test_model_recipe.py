"""The training recipe: what it does to rate, weights and images, and what it leaves alone."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from conftest import bars, blobs
from lepton_ai.platform.frameworks.adaptive.averages import Averages
from lepton_ai.platform.frameworks.augmentation import Mirror, Strength, mirrored_images, moved_images, varied_series
from lepton_ai.platform.frameworks.data import Changes, HeldBack, Leaving, plain_batches, training_batches
from lepton_ai.platform.frameworks.intake import Rows
from lepton_ai.platform.frameworks.recipe import Plan, average_share

MANY = 420  # steps enough for weights to be averaged


def same(first: list[np.ndarray], second: list[np.ndarray], tolerance: float = 0.0) -> bool:
    return all(np.allclose(a, b, rtol=0, atol=tolerance) for a, b in zip(first, second, strict=True))


class Spy(keras.callbacks.Callback):
    """Notes the rate and the weights as a user's callback sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []
        self.rates_between_epochs: list[float] = []
        self.raw: list[np.ndarray] = []
        self.between_epochs: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.rates.append(float(self.model.optimizer.learning_rate))
        self.raw = self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.rates_between_epochs.append(float(self.model.optimizer.learning_rate))
        self.between_epochs = self.model.get_weights()


class Breaks(keras.callbacks.Callback):
    """A user's callback that fails at a step, or during validation."""

    def __init__(self, step: int | None = None) -> None:
        super().__init__()
        self.step = step
        self.weights: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.weights = self.model.get_weights()
        if batch == self.step:
            raise RuntimeError("the disk is full")

    def on_test_end(self, logs: Any = None) -> None:
        raise RuntimeError("the disk is full")


# The plan


def test_rate_rises_to_the_users_own_and_ends_near_zero() -> None:
    plan = Plan(steps_per_epoch=100, epochs=10)
    rates = [plan.rate(step) for step in range(plan.steps)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 200
    assert 0 < rates[-1] < 0.001
    assert rates[0] < 0.1
    assert rates[:201] == sorted(rates[:201])
    assert rates[200:] == sorted(rates[200:], reverse=True)


def test_plan_switches_off_what_few_steps_cannot_use() -> None:
    assert not Plan(10, 10).averages
    assert Plan(100, 10).averages
    assert Plan(100, 10).clean_from == 900


def test_average_forgets_the_beginning_first_quickly_then_slowly() -> None:
    shares = [average_share(updates, 4, 200) for updates in (0, 10, 100, 1000, 5000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(1 - 0.995**4)


def test_average_is_about_one_step_in_a_hundred() -> None:
    assert [Plan(steps, 1).window for steps in (500, 20_000, 1_000_000)] == [50, 200, 1000]


# The rate


def test_rate_follows_the_plan_step_by_step_and_is_the_users_again(table: Callable[..., Any]) -> None:
    model, spy = table(optimizer=keras.optimizers.Adam(0.01)), Spy()
    model.fit(*blobs(), batch_size=20, epochs=5, callbacks=[spy], verbose=0)
    plan = Plan(10, 5)
    assert spy.rates == pytest.approx([0.01 * plan.rate(step) for step in range(50)], rel=3e-3)
    assert spy.rates_between_epochs == pytest.approx([0.01] * 5)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_training_that_starts_in_a_later_epoch_goes_on_with_the_plan(table: Callable[..., Any]) -> None:
    model, spy = table(optimizer=keras.optimizers.Adam(0.01)), Spy()
    model.fit(*blobs(), batch_size=20, initial_epoch=3, epochs=5, callbacks=[spy], verbose=0)
    assert spy.rates == pytest.approx([0.01 * Plan(10, 5).rate(step) for step in range(30, 50)], rel=3e-3)


def test_schedule_of_the_user_is_left_alone(table: Callable[..., Any]) -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=10, decay_rate=0.5)
    model, spy = table(optimizer=keras.optimizers.SGD(schedule)), Spy()
    model.fit(*blobs(), batch_size=20, epochs=2, callbacks=[spy], verbose=0)
    assert spy.rates == pytest.approx([0.01 * 0.5 ** (step / 10) for step in range(1, 21)], rel=1e-4)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01 / 4, rel=1e-4)


def test_callback_that_sets_the_rate_wins(table: Callable[..., Any]) -> None:
    model, spy = table(optimizer=keras.optimizers.Adam(0.01)), Spy()
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.002 * (epoch + 1))
    model.fit(*blobs(), batch_size=100, epochs=3, callbacks=[scheduler, spy], verbose=0)
    assert spy.rates == pytest.approx([0.002, 0.002, 0.004, 0.004, 0.006, 0.006])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.006)


class PlainDescent(keras.optimizers.Optimizer):  # type: ignore[misc]
    """An optimizer of a user who never heard of get_config."""

    def __init__(self, rate: float, flavour: str) -> None:
        super().__init__(learning_rate=rate, name="plain_descent")
        self.flavour = flavour

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self.assign_sub(variable, keras.ops.cast(learning_rate, variable.dtype) * gradient)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.Adam(0.01),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        lambda: keras.optimizers.RMSprop(0.005),
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.01),
        lambda: keras.optimizers.Adam(0.01, use_ema=True),
        lambda: PlainDescent(0.2, "vanilla"),
    ],
)
def test_any_optimizer_learns(table: Callable[..., Any], optimizer: Callable[[], Any]) -> None:
    model, (x, y) = table(optimizer=optimizer()), blobs()
    model.fit(x, y, epochs=20, verbose=0)
    assert model.evaluate(x, y, verbose=0)[1] > 0.85


# The average


def test_averaged_weights_validate_are_what_callbacks_see_and_stay(table: Callable[..., Any]) -> None:
    model, spy = table(optimizer=keras.optimizers.Adam(0.01)), Spy()
    x, y = blobs()
    held_out = blobs(100, seed=7)
    history = model.fit(
        x, y, batch_size=20, epochs=MANY // 10, validation_data=held_out, callbacks=[spy], verbose=0
    ).history
    assert not same(spy.raw, model.get_weights(), tolerance=1e-6)
    assert same(spy.between_epochs, model.get_weights())
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(*held_out, verbose=0)[0], rel=1e-5)
    assert model.training_facts.recipe == ("one-cycle rate", "averaged weights")


def test_average_is_the_running_mean_of_the_raw_weights(table: Callable[..., Any]) -> None:
    model = table(optimizer=keras.optimizers.SGD(0.1))
    averages, raw = Averages(model, window=200), [model.get_weights()[1]]
    for step in range(1, 41):
        averages.follow(step - 1)
        model.train_on_batch(*blobs(5, seed=step))
        raw.append(model.get_weights()[1])
    averages.put_in(40)
    expected = raw[0]
    for updates, step in enumerate(range(4, 41, 4)):
        expected = expected + average_share(updates, 4, 200) * (raw[step] - expected)
    assert np.allclose(model.get_weights()[1], expected, atol=1e-5)
    assert np.abs(expected - raw[-1]).max() > 1e-3
    averages.put_raw_back(keep_changes=False)
    assert np.array_equal(model.get_weights()[1], raw[-1])


def test_early_stopping_keeps_the_best_epoch(table: Callable[..., Any]) -> None:
    model = table(optimizer=keras.optimizers.Adam(0.2))
    x, y = blobs()
    held_out = blobs(100, seed=8)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    history = model.fit(x, y, batch_size=4, epochs=9, validation_data=held_out, callbacks=[stop], verbose=0).history
    assert model.evaluate(*held_out, verbose=0)[0] == pytest.approx(min(history["val_loss"]), rel=1e-5)


def test_weights_that_a_callback_sets_between_epochs_are_trained_on(table: Callable[..., Any]) -> None:
    class Restores(keras.callbacks.Callback):
        begins_with: list[np.ndarray]

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.begins_with = self.model.get_weights()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.set_weights([np.full_like(weight, 0.5) for weight in self.model.get_weights()])

    restores = Restores()
    table().fit(*blobs(), batch_size=1, epochs=3, callbacks=[restores], verbose=0)
    assert all(np.all(weight == 0.5) for weight in restores.begins_with)


@pytest.mark.parametrize("breaks", [Breaks(step=3), Breaks(step=45), Breaks(step=None)])
def test_fit_that_breaks_leaves_raw_weights_and_the_users_rate(table: Callable[..., Any], breaks: Breaks) -> None:
    model = table(optimizer=keras.optimizers.Adam(0.01))
    with pytest.raises(RuntimeError, match="the disk is full"):
        model.fit(*blobs(), batch_size=4, epochs=9, validation_data=blobs(20), callbacks=[breaks], verbose=0)
    assert same(breaks.weights, model.get_weights())
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    assert model.training_facts is None


# The images


def test_images_of_a_batch_shift_by_at_most_a_pixel_and_stay_in_the_end() -> None:
    x, y = bars(40, size=20)
    changes = Changes(moved_images, Strength(1.0, clean_from=30))
    options: Any = {"steps_per_pass": 4, "seed": 3, "shuffle": False, "start_step": tf.Variable(0, dtype=tf.int64)}
    moves = []
    batches = training_batches(Rows(x, y), changes=changes, **options).take(40)
    for step, (images, _) in enumerate(batches.as_numpy_iterator()):
        original = np.pad(x[step % 4 * 10 :][:10], [(0, 0), (1, 1), (1, 1), (0, 0)], mode="symmetric")
        found = [
            (i, j) for i in range(3) for j in range(3) if np.array_equal(images, original[:, i : i + 20, j : j + 20])
        ]
        assert found
        moves.append(found[0])
    assert len(set(moves[:30])) >= 6
    assert set(moves[30:]) == {(1, 1)}


def test_images_turn_each_in_its_own_way_at_higher_strength() -> None:
    images = np.zeros((50, 21, 21, 1), "float32")
    images[:, 10, :] = 1.0  # a line through the middle
    turned = moved_images(tf.constant(images), 2.0, tf.constant([1, 2], tf.int64)).numpy()
    right_ends = turned[:, :, -1, 0].argmax(axis=1)
    assert len(set(right_ends)) >= 3
    assert np.abs(right_ends - 10).max() <= 4
    as_they_were = np.array([image.max() for image in turned])
    assert as_they_were.min() > 0.4


def test_a_series_stays_near_itself_and_keeps_its_shape() -> None:
    series = np.random.default_rng(0).normal(size=(30, 100, 2)).astype("float32").cumsum(axis=1)
    varied = varied_series(tf.constant(series), 1.0, tf.constant([1, 2], tf.int64)).numpy()
    assert varied.shape == series.shape
    for before, after in zip(series, varied, strict=True):
        assert 0.9 < np.corrcoef(before.ravel(), after.ravel())[0, 1] < 1.0


@pytest.mark.parametrize(("mirror", "axis"), [(Mirror.LEFT_RIGHT, 1), (Mirror.UPSIDE_DOWN, 0)])
def test_images_are_mirrored_by_a_coin_and_only_in_the_way_given(mirror: Mirror, axis: int) -> None:
    images, _ = bars(60)
    mirrored = mirrored_images(tf.constant(images), mirror.value, tf.constant([1, 2], tf.int64)).numpy()
    kinds = [
        "same" if np.array_equal(before, after) else "mirrored" if np.array_equal(np.flip(before, axis), after) else "?"
        for before, after in zip(images, mirrored, strict=True)
    ]
    assert set(kinds) == {"same", "mirrored"}
    assert 15 < kinds.count("mirrored") < 45


def test_strength_of_a_batch_follows_what_was_told_in_time() -> None:
    strength = Strength(1.0, clean_from=100)
    strength.change(10, 0.5, mirrors=Mirror.UPSIDE_DOWN, clean_from=100)
    strength.change(40, 1.5, mirrors=Mirror(0), clean_from=90)
    told = [tuple(float(value) for value in strength.at(step)) for step in (41, 55, 56, 89, 90)]
    assert told == [(0.5, 2.0), (0.5, 2.0), (1.5, 0.0), (1.5, 0.0), (0.0, 0.0)]


def test_every_pass_holds_every_row_once_in_batches_of_nearly_one_size() -> None:
    x = np.arange(33, dtype="float32")[:, None]
    options: Any = {"steps_per_pass": 2, "seed": 0, "shuffle": True, "start_step": tf.Variable(0, dtype=tf.int64)}
    batches = [batch.ravel() for batch, _ in training_batches(Rows(x, x), **options).take(6).as_numpy_iterator()]
    assert [len(batch) for batch in batches] == [16, 17] * 3
    passes = [np.concatenate(batches[start : start + 2]) for start in (0, 2, 4)]
    assert all(sorted(each) == list(range(33)) for each in passes)
    assert not np.array_equal(passes[0], passes[1])


def test_stream_that_begins_later_is_the_rest_of_the_same_stream() -> None:
    x = np.arange(20, dtype="float32")[:, None]

    def stream(start: int) -> Any:
        start_step = tf.Variable(start, dtype=tf.int64)
        return training_batches(Rows(x, x), steps_per_pass=5, seed=1, shuffle=True, start_step=start_step)

    whole = [batch.ravel().tolist() for batch, _ in stream(0).take(15).as_numpy_iterator()]
    rest = [batch.ravel().tolist() for batch, _ in stream(10).take(5).as_numpy_iterator()]
    assert rest == whole[10:]


def test_rows_held_back_come_only_in_passes_that_begin_after_they_joined() -> None:
    x = np.arange(40, dtype="float32")[:, None]
    back = HeldBack(np.array([3, 17, 30, 31]), 15)
    options: Any = {"steps_per_pass": 8, "seed": 1, "shuffle": True, "held_back": back}
    start = tf.Variable(0, dtype=tf.int64)
    batches = [
        batch.ravel().tolist()
        for batch, _ in training_batches(Rows(x, x), start_step=start, **options).take(40).as_numpy_iterator()
    ]
    # 36 rows make 8 batches of 4 or 5; the first pass that begins at step 15 or later is the third, at step 16.
    assert [len(batch) for batch in batches[:16]] == [4, 5] * 8
    before = [row for batch in batches[:16] for row in batch]
    assert sorted(before) == sorted(2 * [row for row in range(40) if row not in (3, 17, 30, 31)])
    for first in (16, 24, 32):
        assert sorted(row for batch in batches[first : first + 8] for row in batch) == list(range(40))
    start.assign(21)
    rest = [
        batch.ravel().tolist()
        for batch, _ in training_batches(Rows(x, x), start_step=start, **options).take(5).as_numpy_iterator()
    ]
    assert rest == batches[21:26]


def test_rows_that_leave_are_gone_from_the_first_pass_that_the_stream_can_still_change() -> None:
    x = np.arange(40, dtype="float32")[:, None]
    leaving = Leaving(40)
    leaving.leave([5, 17], step=0)  # known from step 16 on, which is where the third pass begins
    assert leaving.values() == {"from_step": 16, "positions": [5, 17]}
    again = Leaving(40)
    again.restore(leaving.values())
    for known in (leaving, again):
        start = tf.Variable(0, dtype=tf.int64)
        stream = training_batches(Rows(x, x), steps_per_pass=8, seed=1, shuffle=True, start_step=start, leaving=known)
        batches = [batch.ravel().tolist() for batch, _ in stream.take(24).as_numpy_iterator()]
        assert [row for batch in batches[:16] for row in batch].count(5) == 2
        assert sorted(row for batch in batches[16:] for row in batch) == [r for r in range(40) if r not in (5, 17)]


def test_plain_batches_hold_all_rows_in_order() -> None:
    x = np.arange(10)
    batches = plain_batches(x, batch_size=4)
    assert int(batches.cardinality()) == 3
    assert [batch.tolist() for (batch,) in batches.as_numpy_iterator()] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


# Fit as Keras has it


def founding_loss(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(tf.square(y_true - y_pred))


@pytest.mark.parametrize(("net", "loss"), [("own", "sparse_categorical_crossentropy"), ("one layer", founding_loss)])
def test_fit_that_is_not_adaptive_is_plain_keras(
    model_class: Any, table: Callable[..., Any], net: str, loss: Any
) -> None:
    x, y = bars() if net == "own" else blobs()
    ours = model_class((8, 8, 1), 3, seed=1) if net == "own" else table()
    ours.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    twin = keras.models.clone_model(keras.Model(ours.inputs, ours.outputs))
    twin.set_weights(ours.get_weights())
    twin.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    labels = y if isinstance(loss, str) else np.eye(3, dtype="float32")[y]
    histories = []
    for model, arguments in ((ours, {"y": y, "adaptive": False}), (twin, {"y": labels})):
        keras.utils.set_random_seed(4)
        histories.append(model.fit(x, epochs=3, validation_split=0.2, verbose=0, **arguments).history)
    assert same(ours.get_weights(), twin.get_weights(), tolerance=1e-6)
    assert histories[0]["val_loss"] == pytest.approx(histories[1]["val_loss"], abs=1e-6)
    assert ours.training_facts.recipe == ()


def test_same_seed_gives_the_same_weights_and_another_others(model_class: Any) -> None:
    x, y = bars(64)
    weights = []
    for seed in (3, 3, 4):
        model = model_class((8, 8, 1), 3, seed=seed)
        model.fit(x, y, epochs=2, verbose=0)
        weights.append(model.get_weights())
    assert same(weights[0], weights[1], tolerance=1e-6)
    assert not same(weights[0], weights[2], tolerance=1e-3)


def test_second_fit_goes_on_from_the_first_with_its_scaling(model_class: Any) -> None:
    x, y = blobs(60)
    model = model_class((4,), 3, seed=0)
    first = model.fit(x, y, epochs=8, verbose=0).history
    scale = [weight.numpy() for weight in model.get_layer("standardize").weights]
    second = model.fit(x * 3 + 5, y, epochs=1, verbose=0).history
    assert same(scale, [weight.numpy() for weight in model.get_layer("standardize").weights])
    third = model.fit(x, y, epochs=8, verbose=0).history
    assert third["loss"][-1] < first["loss"][0]
    assert second["loss"]


def test_validation_data_are_reported_and_decide_nothing(table: Callable[..., Any]) -> None:
    x, y = blobs()
    weights = []
    for labels in (y[:50], y[49::-1]):
        model = table()
        history = model.fit(x, y, epochs=3, validation_data=(x[:50], labels), verbose=0).history
        weights.append(model.get_weights())
        assert len(history["val_accuracy"]) == 3
    assert same(weights[0], weights[1])


def test_steps_per_epoch_cuts_epochs_out_of_one_stream(table: Callable[..., Any]) -> None:
    model, spy = table(), Spy()
    history = model.fit(*blobs(), batch_size=50, steps_per_epoch=3, epochs=4, callbacks=[spy], verbose=0)
    assert history.epoch == [0, 1, 2, 3]
    assert len(spy.rates) == 12
    assert int(model.optimizer.iterations) == 12
    assert model.training_facts.steps == 12


def test_validation_split_holds_out_the_last_rows(table: Callable[..., Any]) -> None:
    x, y = blobs()
    model = table()
    history = model.fit(x, y, validation_split=0.25, epochs=2, verbose=0).history
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(x[150:], y[150:], verbose=0)[0], rel=1e-5)
    assert model.training_facts.rows == 150


def test_callbacks_of_the_user_come_alone_in_a_list_or_in_a_callback_list(table: Callable[..., Any]) -> None:
    model = table()
    for spy, form in (
        (Spy(), lambda s: s),
        (Spy(), lambda s: [s]),
        (Spy(), lambda s: keras.callbacks.CallbackList([s])),
    ):
        model.fit(*blobs(), epochs=1, callbacks=form(spy), verbose=0)
        assert len(spy.rates) == 7


def test_resume_from_a_backup_goes_on_where_it_stopped(table: Callable[..., Any], tmp_path: Any) -> None:
    class Stops(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    model = table(optimizer=keras.optimizers.Adam(0.01))
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*blobs(), batch_size=20, epochs=4, callbacks=[backup, Stops()], verbose=0)
    spy = Spy()
    again = table(optimizer=keras.optimizers.Adam(0.01))
    again.fit(*blobs(), batch_size=20, epochs=4, callbacks=[keras.callbacks.BackupAndRestore(tmp_path), spy], verbose=0)
    assert spy.rates == pytest.approx([0.01 * Plan(10, 4).rate(step) for step in range(20, 40)], rel=3e-3)


def test_weights_of_rows_reach_the_recipe(table: Callable[..., Any]) -> None:
    x, y = blobs()
    ignored = np.where(y == 0, 0.0, 1.0)
    model = table(optimizer=keras.optimizers.Adam(0.2))
    model.fit(x, y, sample_weight=ignored, epochs=10, verbose=0)
    assert (model.predict(x, verbose=0).argmax(axis=1) != 0).mean() > 0.95
    lopsided = table(optimizer=keras.optimizers.Adam(0.2))
    lopsided.fit(x, y, class_weight={0: 0.0}, epochs=10, verbose=0)
    assert (lopsided.predict(x, verbose=0).argmax(axis=1) != 0).mean() > 0.95


def test_recipe_steps_aside_where_the_steps_cannot_be_counted(table: Callable[..., Any]) -> None:
    x, y = blobs()
    model, spy = table(optimizer=keras.optimizers.Adam(0.01)), Spy()
    batches = ((x[i : i + 20], y[i : i + 20]) for i in range(0, 200, 20))
    model.fit(batches, callbacks=[spy], shuffle=False, verbose=0)
    assert spy.rates == pytest.approx([0.01] * 10)
    assert model.training_facts.recipe == ()
