"""A training run from the table to an endpoint that answers, by the command line and by Python; and what goes wrong."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api_errors import assert_error
from cloud_lab import LEPTON, CloudLab
from lepton_ai.core.errors import Conflict, NotFound
from lepton_ai.sdk.cloud import Cloud
from lepton_ai.sdk.runs import Run, RunFailed
from waiting import wait_until

LONG_S = 180.0


@pytest.fixture(scope="module")
def table(lab: CloudLab) -> Path:
    """A table whose label depends on its numbers."""
    generator = np.random.default_rng(5)
    rows = generator.normal(size=(600, 3))
    labels = np.where(rows[:, 0] + rows[:, 1] ** 2 > 0.5, "yes", "no")
    lines = [f"{a:.4f},{b:.4f},{c:.4f},{label}" for (a, b, c), label in zip(rows, labels, strict=True)]
    path = lab.root / "Visits 7.csv"
    path.write_text("\n".join(["age,weight,ward,stays", *lines, ""]))
    return path


@pytest.fixture
def cloud(lab: CloudLab) -> Iterator[Cloud]:
    with lab.cloud() as cloud:
        yield cloud


def test_table_becomes_a_model_that_answers(lab: CloudLab, table: Path) -> None:
    words = ["--data", str(table), "--target", "stays", "--name", "visits", "--steps", "600", "--column", "ward=aside"]
    trained = lab.lepton("train", *words, "--follow", timeout_s=LONG_S)
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout == "visits:1\n"
    for told in ("is running: It trains.", "step 600 of 600, loss 0.", "test accuracy: 0.", "Registered visits:1."):
        assert told in trained.stderr
    shown = lab.ok_json("train", "show", "visits")
    assert (shown["state"], shown["version"], shown["attempt"], shown["failures"]) == ("completed", 1, 1, 0)
    assert (shown["data"], shown["columns"]) == ("Visits 7.csv", {"ward": {"roles": []}})
    assert shown["progress"]["step"] == 600
    version = lab.ok_json("model", "show", "visits:1")
    assert version["lineage"]["run"] == shown["id"]
    assert version["metrics"]["accuracy"] > 0.8
    listed = lab.ok("train", "list").splitlines()
    assert listed[0].split() == ["RUN", "MODEL", "STATE", "STEP", "VERSION", "DATA", "MADE"]
    assert "600 of 600" in next(line for line in listed if line.startswith(shown["id"]))
    assert "registered" in lab.ok("train", "events", "visits")
    assert "test accuracy:" in lab.ok("train", "show", shown["id"])
    report = lab.ok_json("model", "report", "visits:1")
    assert (report["title"], report["rows"], report["test_openings"]) == ("Report on stays", 120, 1)
    accuracy = next(each for each in report["metrics"] if each["name"] == "accuracy")
    assert accuracy["model"]["value"] == pytest.approx(version["metrics"]["accuracy"], abs=1e-6)
    assert "report.html" in version["files"]
    lab.ok("deploy", "visits", "--min-replicas", "1")
    words = ("endpoint", "predict", "visits", '[{"age": 2, "weight": 2}]')
    heads, row = (line.split() for line in lab.ok(*words).splitlines())
    assert heads == ["ROW", "LABEL", "PROBABILITY", "LABELS"]
    assert (row[1], row[3]) == ("yes", "yes")
    assert lab.ok_json(*words)["outputs"][0]["labels"] == ["yes"]
    lab.ok("endpoint", "remove", "visits")


def test_lines_for_programs_are_json_and_end_with_the_version(lab: CloudLab, table: Path) -> None:
    followed = lab.lepton(
        *("train", "--data", str(table), "--target", "stays", "--name", "lines", "--steps", "60", "--json", "--follow"),
        timeout_s=LONG_S,
    )
    assert followed.returncode == 0, followed.stderr
    lines = [json.loads(line) for line in followed.stdout.splitlines()]
    points = [line for line in lines if line["what"] == "point"]
    assert points[-1]["step"] == 60
    assert points[-1]["loss"] > 0
    assert lines[-1]["state"] == "completed"
    assert lines[-1]["version"] == 1


def test_run_that_is_stopped_goes_on_when_it_is_asked_to(lab: CloudLab, cloud: Cloud, table: Path) -> None:
    run = cloud.train(table, "stays", "patient", steps=100_000)
    wait_until(lambda: len(run.curves().points) > 2, LONG_S, interval_s=0.2)
    with pytest.raises(Conflict, match="only one that was stopped or has failed"):
        run.resume()
    run.stop()
    wait_until(lambda: run.refresh().state == "stopped", LONG_S, interval_s=0.2)
    stopped_after = run.details.checkpoint_step
    assert stopped_after == run.curves().points[-1].step or stopped_after > 0
    with pytest.raises(Conflict, match="stopped as asked"):
        run.result()
    run.resume()
    wait_until(lambda: run.refresh().state == "running", LONG_S, interval_s=0.2)
    wait_until(lambda: run.curves().points[-1].step > stopped_after, LONG_S, interval_s=0.2)
    steps = [point.step for point in run.curves().points]
    assert steps == sorted(set(steps))
    assert run.details.attempt == 2
    log = lab.ok("train", "logs", run.id, "--process", "1")
    assert f"stopped after step {stopped_after}" in log
    run.remove()
    assert lab.shell("train", "show", run.id).returncode == 3
    assert not list(lab.folders.training.glob(f"{run.id}*"))


def test_ctrl_c_on_a_followed_run_leaves_it_going_and_says_how_to_come_back(lab: CloudLab, table: Path) -> None:
    words = ["--data", str(table), "--target", "stays", "--name", "left", "--steps", "100000", "--follow"]
    with subprocess.Popen(
        [LEPTON, "train", *words], env=lab.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first.startswith("Run run-")
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The run goes on. Come back to it: lepton train follow left" in errors
    assert "Traceback" not in errors
    with lab.cloud() as cloud:
        run = cloud.runs.get("left")
        assert not run.is_over
        run.remove()


def test_table_that_cannot_be_trained_on_ends_the_run_with_one_sentence(lab: CloudLab, table: Path) -> None:
    words = ["--data", str(table), "--target", "stay", "--name", "refused", "--follow"]
    refused = lab.lepton("train", *words, timeout_s=LONG_S)
    assert refused.returncode == 1
    assert refused.stdout == ""
    error = refused.stderr.splitlines()[-1]
    assert error.startswith("error: run-")
    assert "There is no column 'stay'" in error
    run = lab.ok_json("train", "show", "refused")
    assert (run["state"], run["reason"], run["attempt"]) == ("failed", "refused", 1)
    with lab.cloud() as cloud, pytest.raises(RunFailed, match="There is no column"):
        cloud.runs.get("refused").wait()
    assert "Traceback" not in lab.ok("train", "logs", "refused")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["train"], 2, "--data, --target, --name missing"),
        (["train", "--data", "x.csv", "--name", "m"], 2, "--target missing"),
        (["train", "--data", "./none.csv", "--target", "y", "--name", "m"], 3, "there is no file './none.csv'"),
        (["train", "--data", "none", "--target", "y", "--name", "m"], 3, "there is no data set 'none'"),
        (["train", "--data", "adult", "--target", "y", "--name", "m"], 1, "must have one table to train on, got 2"),
        (["train", "--data", "adult/x", "--target", "y", "--name", "m"], 3, "has no file 'x'"),
        (["train", "--data", "mnist", "--target", "y", "--name", "m"], 1, "got only mnist.npz"),
        (["train", "--data", "pima_diabetes", "--target", "y", "--name", "M"], 1, "`model` name must be"),
        (["train", "--data", "pima_diabetes", "--target", "y", "--name", "m", "--budget", "soon"], 1, "`budget` must"),
        (["train", "--data", "d", "--target", "y", "--name", "m", "--column", "a"], 2, "COLUMN=WORD"),
        (["train", "--data", "d", "--target", "y", "--name", "m", "--column", "a=b"], 2, "'b' is none of number"),
        (["train", "show", "none"], 3, "there is no run 'none'"),
        (["train", "logs", "none"], 3, "there is no run 'none'"),
        (["train", "stop", "../x"], 1, "a run is named by its id"),
    ],
)
def test_wishes_that_cannot_be_met_end_in_one_error_and_no_run(
    lab: CloudLab, words: list[str], code: int, told: str
) -> None:
    before = len(lab.ok_json("train", "list"))
    result = lab.shell(*words)
    assert result.returncode == code, result.stderr
    assert told in result.stderr
    assert result.stderr.count("error:") == 1
    assert len(lab.ok_json("train", "list")) == before


@pytest.mark.parametrize(
    "change",
    [
        {"model": "Bad Name"},
        {"data": {}},
        {"data": {"dataset": "pima_diabetes", "files": {"a": {"sha256": "0" * 64, "size_bytes": 1}}}},
        {"data": {"files": {"a.csv": {"sha256": "0" * 64, "size_bytes": 1}}}},
        {"data": {"files": {"../a.csv": {"sha256": "0" * 64, "size_bytes": 1}}}},
        {"target": ""},
        {"steps": 1, "epochs": 1},
        {"steps": 0},
        {"steps": 1.5},
        {"budget_s": -1},
        {"seed": -1},
        {"columns": {"x0": "number"}},
        {"nonsense": 1},
    ],
)
def test_bodies_that_are_wrong_are_refused_over_http(lab: CloudLab, change: dict[str, Any]) -> None:
    body = {"model": "m", "data": {"dataset": "pima_diabetes"}, "target": "x8"} | change
    assert_error(lab.api("POST", "/runs", body), 422, "/runs")


def test_same_request_makes_one_run(lab: CloudLab, cloud: Cloud) -> None:
    body = {"model": "once", "data": {"dataset": "pima_diabetes"}, "target": "x8", "steps": 10}
    headers = lab.bearer | {"idempotency-key": "run-once"}
    ids = {lab.api("POST", "/runs", body, headers).json["id"] for _ in range(3)}
    assert len(ids) == 1
    cloud.runs.get(ids.pop()).remove()


def test_run_of_another_name_is_not_found(cloud: Cloud) -> None:
    with pytest.raises(NotFound):
        cloud.runs.get("nobody")
    assert all(isinstance(run, Run) for run in cloud.runs.list())
