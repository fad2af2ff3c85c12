"""Checkpoints: a fit that was stopped goes on to the same weights, bit for bit, and a damaged file is passed over."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import bars, blobs
from lepton_ai.core.errors import InvalidInput

EPOCHS = 16
STEPS_PER_EPOCH = 30


@pytest.fixture(scope="module", autouse=True)
def determinism() -> Iterator[None]:
    """Operations that give the same bits each time; off again for the tests of other files."""
    from tensorflow.python.framework import config

    config.enable_op_determinism()
    yield
    config.disable_op_determinism()


class Stop:
    """Asks a checkpointing to stop before a step, as a signal would."""

    def __new__(cls, checkpointing: Any, step: int) -> Any:
        import keras

        def before(batch: int, logs: Any = None) -> None:
            if checkpointing.step == step and not checkpointing.is_resuming:
                checkpointing.stop_after_step()

        return keras.callbacks.LambdaCallback(on_train_batch_begin=before)


Train = Callable[[list[Any]], Any]


@pytest.fixture(scope="module")
def train_table(model_class: Any) -> Train:
    """An adaptive fit of a small net with all its parts: a race for the rate, held-back rows, checks, averages."""
    import keras

    x, y = blobs(600)

    def train(callbacks: list[Any]) -> Any:
        inputs = keras.Input((4,))
        initializer = keras.initializers.GlorotUniform(seed=1)
        hidden = keras.layers.Dropout(0.2, seed=2)(inputs)
        outputs = keras.layers.Dense(3, activation="softmax", kernel_initializer=initializer)(hidden)
        model = model_class(inputs=inputs, outputs=outputs, seed=1)
        model.compile(keras.optimizers.Adam(0.05), metrics=["accuracy"])
        held_out = (x[:40], y[:40])
        model.fit(x, y, 20, EPOCHS, 0, validation_data=held_out, validation_freq=4, callbacks=callbacks)
        return model

    return train


@pytest.fixture(scope="module")
def unbroken(train_table: Train) -> Any:
    """The model that nobody stopped."""
    model = train_table([])
    assert {decision.step for decision in model.log} >= {"race", "check", "choice"}
    return model


@pytest.mark.parametrize("stops", [[50], [4 * STEPS_PER_EPOCH - 1, 333]])
def test_fit_that_was_stopped_goes_on_to_the_same_weights_and_log(
    train_table: Train, unbroken: Any, tmp_path: Path, stops: list[int]
) -> None:
    from lepton_ai.platform.frameworks.checkpoint import Checkpointing, Interrupted, newest_state

    for step in stops:
        checkpointing = Checkpointing(tmp_path, every_steps=25)
        with pytest.raises(Interrupted, match=f"stopped after step {step + 1}"):
            train_table([checkpointing, Stop(checkpointing, step)])
        state = newest_state(tmp_path)
        assert state is not None
        assert state.step == step + 1
    model = train_table([Checkpointing(tmp_path, every_steps=25)])
    assert all(np.array_equal(*pair) for pair in zip(unbroken.get_weights(), model.get_weights(), strict=True))
    assert model.training_facts == unbroken.training_facts
    assert model.history.history == unbroken.history.history
    assert len(list(tmp_path.iterdir())) == 2


def test_augmentation_goes_on_where_it_was(model_class: Any, tmp_path: Path) -> None:
    from lepton_ai.platform.frameworks.checkpoint import Checkpointing, Interrupted

    x, y = bars(400)

    def train(callbacks: list[Any]) -> Any:
        model = model_class((8, 8, 1), 3, seed=1)
        model.fit(x, y, 32, 24, 0, callbacks=callbacks)
        return model

    unbroken = train([])
    checkpointing = Checkpointing(tmp_path)
    with pytest.raises(Interrupted):
        train([checkpointing, Stop(checkpointing, 133)])
    model = train([Checkpointing(tmp_path)])
    assert all(np.array_equal(*pair) for pair in zip(unbroken.get_weights(), model.get_weights(), strict=True))
    assert model.log == unbroken.log


def test_plain_keras_goes_on_too(table: Callable[..., Any], tmp_path: Path) -> None:
    from lepton_ai.platform.frameworks.checkpoint import Checkpointing, Interrupted

    x, y = blobs(64)

    def train(callbacks: list[Any]) -> Any:
        model = table(optimizer="sgd")
        model.fit(x, y, 8, 6, 0, shuffle=False, adaptive=False, callbacks=callbacks)
        return model

    unbroken = train([])
    checkpointing = Checkpointing(tmp_path)
    with pytest.raises(Interrupted):
        train([checkpointing, Stop(checkpointing, 19)])
    model = train([Checkpointing(tmp_path)])
    assert all(np.array_equal(*pair) for pair in zip(unbroken.get_weights(), model.get_weights(), strict=True))


def test_checkpoints_are_as_far_apart_as_was_asked_for(table: Callable[..., Any], tmp_path: Path) -> None:
    from lepton_ai.platform.frameworks.checkpoint import Checkpointing

    x, y = blobs(80)
    table().fit(x, y, 8, 4, 0, callbacks=[Checkpointing(tmp_path / "often", every_steps=15)])
    assert [path.name for path in sorted((tmp_path / "often").iterdir())] == [
        "step-000000015.npz",
        "step-000000030.npz",
    ]
    table().fit(x, y, 8, 4, 0, callbacks=[Checkpointing(tmp_path / "rarely", every_steps=1, pause_s=600)])
    assert not list((tmp_path / "rarely").iterdir())


def test_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = state_after(400)
    path = state.save(tmp_path)
    read = type(state).load(path)
    assert (read.step, read.epoch, read.batch) == (400, 3, 10)
    assert (read.facts, read.logs, read.history) == (state.facts, state.logs, state.history)
    assert read.arrays.keys() == state.arrays.keys()
    for group, arrays in state.arrays.items():
        for before, after in zip(arrays, read.arrays[group], strict=True):
            assert before.dtype == after.dtype
            assert np.array_equal(before, after)


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "other"])
def test_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path, damage: str) -> None:
    from lepton_ai.platform.frameworks.checkpoint import newest_state

    assert newest_state(tmp_path) is None
    good = state_after(100).save(tmp_path)
    newest = state_after(200).save(tmp_path)
    whole = newest.read_bytes()
    place = whole.index(b"\x00\x00\x80?\x00\x00\x80?") + 3  # in the middle of the ones
    damaged = {
        "cut": whole[: len(whole) // 2],
        "bit": whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :],
        "empty": b"",
        "other": json.dumps({"step": 200}).encode(),
    }
    newest.write_bytes(damaged[damage])
    state = newest_state(tmp_path)
    assert state is not None
    assert state.step == 100
    with pytest.raises(InvalidInput, match="is not a checkpoint"):
        type(state).load(newest)
    good.write_bytes(b"")
    assert newest_state(tmp_path) is None


def test_two_last_checkpoints_are_kept_and_nothing_else(tmp_path: Path) -> None:
    for step in (10, 20, 1000, 2000):
        state_after(step).save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000001000.npz", "step-000002000.npz"]


def state_after(step: int) -> Any:
    """A state that could be one."""
    from lepton_ai.platform.frameworks.checkpoint import TrainingState

    arrays = {
        "model": [np.ones((3, 4), np.float32), np.arange(2, dtype=np.int64)],
        "optimizer": [np.array(step, np.int64)],
        "adaptive": [],
    }
    return TrainingState(step, 3, 10, arrays, {"adaptive": {"left": [0.5]}}, {"loss": 0.25}, {"loss": [1.0, 0.5]})
