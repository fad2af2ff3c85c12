"""The process of a training run is killed at every named point and in between: it goes on from the last complete step,
and ends with the same model as one that nobody killed."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lepton_ai
from cloud_lab import FULL, repetitions

STEPS = 400
STEPS_APART = 20
WORKER = (sys.executable, "-m", "lepton_ai.platform.frameworks.train_worker")


@dataclass(frozen=True)
class Point:
    """A place to die at.

    Args:
        name: The failpoint.
        at_pass: Which pass of it kills.
        between: What has happened, and what has not.
    """

    name: str
    at_pass: int
    between: str


def random_steps() -> list[Point]:
    """Points at steps drawn by chance, a few of them more than the chain of attempts has left to do."""
    generator = random.Random(7)
    return [Point("checkpoint.after_step", generator.randint(2, 90), "a step done") for _ in range(10)]


POINTS = (
    Point("run.before_training", 1, "the table read, nothing trained"),
    Point("checkpoint.after_step", 1, "one step done"),
    Point("checkpoint.after_step", 15, "steps done, no checkpoint yet"),
    Point("checkpoint.before_sync", 1, "the first checkpoint written, not synced"),
    Point("file.before_rename", 1, "the first checkpoint synced, not in place"),
    Point("checkpoint.after_rename", 1, "the first checkpoint in place"),
    Point("checkpoint.after_step", 35, "steps done since the last checkpoint"),
    Point("checkpoint.before_sync", 2, "a further checkpoint written, not synced"),
    *random_steps(),
    Point("run.after_training", 1, "trained, nothing exported"),
    Point("run.before_model_rename", 1, "the model exported and synced, not in place"),
    Point("run.after_model_rename", 1, "the model in place, its name not synced"),
)
SOME_POINTS = (POINTS[3], POINTS[6], POINTS[-2])


class Training:
    """One run's folder, and its process.

    Args:
        folder: The folder.
        table: What it trains on.
    """

    def __init__(self, folder: Path, table: bytes) -> None:
        self.folder = folder
        self.model = folder / "model"
        self.checkpoints = folder / "checkpoints"
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "table.csv").write_bytes(table)
        self.attempt = 0

    def run(self, point: Point | None = None, *, stop_at: int | None = None) -> int:
        """Run the process once; returns its exit code.

        Args:
            point: Where it is to die.
            stop_at: The step at which it is asked to stop.
        """
        self.attempt += 1
        paths = {name: str(self.folder / name) for name in ("data", "checkpoints", "model")}
        wish = {
            **paths,
            "attempt": self.attempt,
            "target": "label",
            "columns": {},
            "budget_s": None,
            "steps": STEPS,
            "epochs": None,
            "seed": 3,
            "progress": str(self.folder / "progress.jsonl"),
            "begun": str(self.folder / f"begun-{self.attempt}"),
            "refusal": str(self.folder / f"refusal-{self.attempt}.json"),
            "checkpoint_steps": STEPS_APART,
            "checkpoint_pause_s": 0,
        }
        path = self.folder / "wish.json"
        path.write_text(json.dumps(wish))
        kill = {} if point is None else {"LEPTON_FAILPOINTS": f"{point.name}=kill@{point.at_pass}"}
        process = subprocess.Popen([*WORKER, str(path)], env=os.environ | kill, stderr=subprocess.PIPE, text=True)
        if stop_at is not None:
            while process.poll() is None and not any(line.get("step", 0) >= stop_at for line in self.progress()):
                os.sched_yield()
            process.send_signal(signal.SIGTERM)
        self.printed = process.communicate(timeout=300)[1]
        return process.returncode

    def progress(self) -> list[dict[str, Any]]:
        """What it told, this attempt's lines only."""
        try:
            text = (self.folder / "progress.jsonl").read_text()
        except FileNotFoundError:
            return []
        lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return [line for line in lines if line["attempt"] == self.attempt]

    def last_step(self) -> int:
        """The step of the last checkpoint that is complete; all that are visible must be."""
        paths = sorted(self.checkpoints.glob("step-*.npz"))
        assert all(zipfile.ZipFile(path).testzip() is None for path in paths)
        return int(paths[-1].stem.removeprefix("step-")) if paths else 0

    def outcome(self) -> tuple[bytes, Any]:
        """The model and what was measured of it."""
        assert not list(self.folder.glob(".*"))
        return (self.model / "model.onnx").read_bytes(), json.loads((self.model / "metrics.json").read_text())


@pytest.fixture(scope="module")
def table() -> bytes:
    """A table of numbers with a label that depends on them."""
    generator = np.random.default_rng(5)
    rows = generator.normal(size=(400, 3))
    labels = (rows[:, 0] + rows[:, 1] ** 2 + generator.normal(size=400) / 2 > 0.5).astype(int)
    lines = [f"{a:.4f},{b:.4f},{c:.4f},{label}" for (a, b, c), label in zip(rows, labels, strict=True)]
    return "\n".join(["a,b,c,label", *lines, ""]).encode()


@pytest.fixture(scope="module")
def unbroken(table: bytes, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Any]:
    """What a run makes that nobody kills."""
    training = Training(tmp_path_factory.mktemp("unbroken") / "run", table)
    assert training.run() == 0, training.printed
    return training.outcome()


def test_every_failpoint_of_the_process_stands_in_the_table() -> None:
    source = "\n".join(path.read_text() for path in Path(lepton_ai.__file__).parent.rglob("*.py"))
    names = set(re.findall(r'failpoint\("((?:checkpoint|run)\.[^"]+)"\)', source))
    assert names | {"file.before_rename"} == {point.name for point in POINTS}


def test_killed_run_goes_on_from_its_last_complete_step_to_the_same_model(
    table: bytes, unbroken: tuple[bytes, Any], tmp_path: Path
) -> None:
    training = Training(tmp_path / "run", table)
    kills = 0
    for point in POINTS if FULL else SOME_POINTS:
        before = training.last_step()
        code = training.run(point)
        told = training.progress()
        resumed = [line["step"] for line in told if line["what"] == "resumed"]
        assert resumed == ([before] if before and any(line["what"] == "point" for line in told) else [])
        if code == 0:  # a random step that lay beyond the end
            break
        assert code == -signal.SIGKILL, f"{point}: {training.printed}"
        kills += 1
        assert training.last_step() >= before
    if training.model.exists():
        assert training.run() == 0  # a process that finds its work done ends at once
    else:
        assert training.run() == 0, training.printed
    assert training.outcome() == unbroken
    print(f"{kills} kills, the same model and the same loss: {unbroken[1]['evaluation']}")
    assert kills >= repetitions(3, 20)


def test_run_that_is_asked_to_stop_writes_a_checkpoint_of_the_step_at_hand(
    table: bytes, unbroken: tuple[bytes, Any], tmp_path: Path
) -> None:
    training = Training(tmp_path / "run", table)
    assert training.run(stop_at=30) == 75, training.printed
    stopped_after = training.last_step()
    assert stopped_after >= 30
    assert f"stopped after step {stopped_after}" in training.printed
    assert "Traceback" not in training.printed
    assert training.run() == 0, training.printed
    assert training.outcome() == unbroken
