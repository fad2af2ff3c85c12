"""A training run in a real cloud: its process is killed, the server is killed, the cloud is stopped, and it goes on."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from cloud_lab import FULL, CloudLab, cloud_lab, repetitions
from lepton_ai.core.errors import LeptonError
from lepton_ai.sdk.runs import Run
from waiting import wait_until

STEPS = repetitions(2500, 40_000)
LONG_S = repetitions(240, 1200)  # how long to wait at most, whatever else the machine does


@pytest.fixture(scope="module")
def run_lab() -> Iterator[CloudLab]:
    """A cloud with nothing in it."""
    with cloud_lab() as lab:
        yield lab
        lab.ok("down")
        assert not lab.census()


@pytest.fixture(scope="module")
def table(run_lab: CloudLab) -> Path:
    """A table of numbers with a label that depends on them."""
    generator = np.random.default_rng(5)
    rows = generator.normal(size=(400, 3))
    labels = (rows[:, 0] + rows[:, 1] ** 2 + generator.normal(size=400) / 2 > 0.5).astype(int)
    lines = [f"{a:.4f},{b:.4f},{c:.4f},{label}" for (a, b, c), label in zip(rows, labels, strict=True)]
    path = run_lab.root / "table.csv"
    path.write_text("\n".join(["a,b,c,label", *lines, ""]))
    return path


def test_run_goes_on_whatever_is_killed_and_ends_as_an_unbroken_one(run_lab: CloudLab, table: Path) -> None:
    lab = run_lab
    with lab.cloud() as cloud:
        unbroken = cloud.train(table, "label", "unbroken", steps=STEPS).wait(LONG_S)
        run = cloud.train(table, "label", "broken", steps=STEPS)
        attempt = 1
        for _ in range(repetitions(1, 4)):
            wait_until_it_trains(run, attempt)
            if FULL:
                wait_for_a_checkpoint(lab, run)
            [victim] = lab.census("training")
            os.kill(victim.pid, signal.SIGKILL)
            attempt += 1
            wait_until_it_trains(run, attempt)
            assert "killed by signal 9" in told(run)
        for _ in range(repetitions(1, 4)):
            process = lab.pids("training")
            lab.kill_server()
            assert lab.pids("training") == process
            lab.up()
            run.refresh()
            wait_until_it_trains(run, attempt)
            assert lab.pids("training") == process  # the same process, adopted
        lab.ok("down")
        assert not lab.census()
        lab.up()
        wait_until_it_trains(run, attempt + 1)
        assert run.details.checkpoint_step > 0 or any("step-" in str(path) for path in lab.folders.training.rglob("*"))
        resumed = [point.step for point in run.curves().points]
        assert resumed == sorted(set(resumed))
        version = run.wait(LONG_S)
        assert (version.version, version.metrics) == (1, unbroken.metrics)
        reasons = [event.reason for event in run.events()]
        assert reasons.count("registered") == 1
        assert reasons[-1] == "registered"
        assert not lab.census("training")
        folder = lab.folders.training / run.id
        wait_until(lambda: [path.name for path in folder.iterdir()] == ["progress.jsonl"])
        for each in cloud.runs.list():
            each.remove()


POINTS = (
    ("runs.before_apply", 2),
    ("version.before_row", 1),
    ("runs.after_claim", 2),
    ("runs.after_observe", 3),
    ("runs.before_act", 2),
    ("runs.after_apply", 1),
    ("artifact.before_rename", 1),
    ("artifact.after_rename", 2),
)
"""Where the server dies while a run is started, watched, and registered."""


def test_server_that_dies_at_named_points_registers_every_run_once(run_lab: CloudLab, table: Path) -> None:
    lab = run_lab
    for number, (point, at_pass) in enumerate(POINTS if FULL else POINTS[:2], start=1):
        lab.ok("down")
        server = lab.up(LEPTON_FAILPOINTS=f"{point}=kill@{at_pass}")
        with lab.cloud() as cloud, suppress(LeptonError):
            cloud.train(table, "label", "points", steps=20, seed=number)
        assert lab.wait_for_the_servers_end(server.pid, LONG_S) == -9
        lab.up()
        with lab.cloud() as cloud:
            run = cloud.runs.get("points")
            assert run.wait(LONG_S).version == number
            assert len(cloud.models.get("points").versions) == number
            run.remove()  # a server that starts looks once at every run there is, and passes are counted
    assert not lab.census("training")


def test_process_that_is_killed_again_and_again_without_coming_further_fails_the_run(
    run_lab: CloudLab, table: Path
) -> None:
    with run_lab.cloud() as cloud:
        run = cloud.train(table, "label", "hopeless", steps=STEPS)
        killed: set[int] = set()

        def kill() -> bool:
            for process in run_lab.census("training"):
                if process.pid not in killed:
                    killed.add(process.pid)
                    os.kill(process.pid, signal.SIGKILL)
            return run.refresh().is_over

        wait_until(kill, LONG_S, interval_s=0.05)
        assert (run.state, run.details.reason, len(killed)) == ("failed", "killed", 3)
        assert "killed by signal 9" in run.details.message
        run.remove()


def wait_until_it_trains(run: Run, attempt: int) -> None:
    """Wait until the process of an attempt has told a point."""

    def trains() -> bool:
        run.refresh()
        assert not run.is_over, run.details.message
        progress = run.details.progress
        return run.details.attempt == attempt and progress is not None and progress["attempt"] == attempt

    wait_until(trains, LONG_S, interval_s=0.1)


def wait_for_a_checkpoint(lab: CloudLab, run: Run) -> None:
    """Wait until a checkpoint further on than the last one counted is there."""
    folder = lab.folders.training / run.id / "checkpoints"
    before = run.details.checkpoint_step
    wait_until(lambda: any(int(path.stem[5:]) > before for path in folder.glob("step-*.npz")), LONG_S, interval_s=0.1)


def told(run: Run) -> str:
    """All sentences about a run."""
    return "\n".join(event.message for event in run.events())
