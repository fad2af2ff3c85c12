"""What a training tells while it runs: lines that are whole, points that are few, and nothing twice."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import blobs
from lepton_ai.core.clock import ManualClock


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_line_that_its_writer_could_not_finish_is_taken_away(tmp_path: Path) -> None:
    from lepton_ai.platform.frameworks.training_progress import ProgressLines

    path = tmp_path / "progress.jsonl"
    path.write_bytes(b'{"what": "phase"}\n{"what": "po')
    lines = ProgressLines(path, 2, lambda: 7)
    lines.phase("Training")
    lines.close()
    assert lines_of(path) == [{"what": "phase"}, {"at": 7, "attempt": 2, "what": "phase", "phase": "Training"}]


@pytest.mark.parametrize(("seconds_per_step", "points"), [(0.001, 3), (600.0, 81)])
def test_quick_steps_make_few_points_and_slow_ones_are_all_told(
    table: Callable[..., Any], tmp_path: Path, seconds_per_step: float, points: int
) -> None:
    import keras

    from lepton_ai.platform.frameworks.checkpoint import Checkpointing
    from lepton_ai.platform.frameworks.training_progress import ProgressLines, Telling

    clock = ManualClock()
    lines = ProgressLines(tmp_path / "progress.jsonl", 1, clock.now_ms)
    checkpointing = Checkpointing(tmp_path / "checkpoints")
    began: list[int] = []
    telling = Telling(lines, checkpointing, lambda: began.append(checkpointing.step), clock=clock.monotonic_s)
    turn = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: clock.advance(seconds_per_step))
    x, y = blobs(64)
    table().fit(x, y, 8, 9, 0, validation_data=(x, y), callbacks=[turn, checkpointing, telling])
    lines.close()
    told = lines_of(tmp_path / "progress.jsonl")
    assert began == [1]
    assert [line["what"] for line in told] == ["point"] * points
    last = told[-1]
    assert (last["step"], last["steps"], last["epoch"]) == (72, 72, 9)
    assert last["validation"].keys() == {"loss", "accuracy"}
    assert last["left_s"] == 0
    assert all(line["loss"] > 0 and line["rate"] > 0 for line in told)
