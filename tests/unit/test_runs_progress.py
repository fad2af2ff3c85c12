"""The progress of a run: lines that are read while they are written, folded into curves, shown in three ways."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.cli.main import main
from lepton_ai.cli.train_follow import _duration, _JsonLines, _PlainLines, curve, point_text
from lepton_ai.platform.model_management.runs.progress import last_point, read_progress
from lepton_ai.sdk.curves import Curves


def point(step: int, **values: Any) -> dict[str, Any]:
    """A point as a process writes it."""
    line = {"at": 7, "attempt": 1, "what": "point", "step": step, "steps": 100, "epoch": 1, "loss": 1 / step}
    return line | {"values": {"accuracy": 0.5}, "validation": None, "rate": 0.001, "left_s": 3.0} | values


def written(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_only_whole_lines_are_read_and_the_next_reading_goes_on_there(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    assert read_progress(path).lines == ()
    whole, cut = written(point(1), point(2)), written(point(3))
    path.write_bytes(whole + cut[:10])
    first = read_progress(path)
    assert [line["step"] for line in first.lines] == [1, 2]
    assert first.next == len(whole)
    path.write_bytes(whole + cut)
    second = read_progress(path, first.next)
    assert [line["step"] for line in second.lines] == [3]
    assert read_progress(path, second.next).lines == ()


def test_line_that_is_no_json_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    path.write_bytes(b"nonsense\n[1]\n" + written(point(1)))
    assert [line["step"] for line in read_progress(path).lines] == [1]


def test_last_point_is_found_at_the_end_of_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    assert last_point(path) is None
    path.write_bytes(written({"what": "phase", "phase": "Training"}))
    assert last_point(path) is None
    path.write_bytes(written(*(point(step) for step in range(1, 500)), {"what": "phase", "phase": "Testing"}) + b'{"wh')
    last = last_point(path)
    assert last is not None
    assert last["step"] == 499


def test_steps_that_a_restart_repeats_are_in_the_curves_once() -> None:
    curves = Curves().extended([point(10), point(20), point(30)], 5)
    curves = curves.extended([{"what": "phase", "phase": "Training"}, {"what": "resumed", "step": 20}], 6)
    curves = curves.extended([point(20), point(25, validation={"loss": 0.4})], 7)
    assert [at.step for at in curves.points] == [10, 20, 25]
    assert curves.phase == "Training"
    assert curves.best == (25, 0.4)
    assert curves.validation_losses == ((25, 0.4),)
    assert curves.losses[0] == (10, 0.1)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50)), max_size=60))
def test_steps_of_curves_only_grow_however_often_a_run_is_restarted(history: list[tuple[bool, int]]) -> None:
    lines, step = [], 0
    for restarts, number in history:
        if restarts:
            step = min(step, number)
            lines.append({"what": "resumed", "step": step})
        else:
            step += number
            lines.append(point(step))
    steps = [at.step for at in Curves().extended(lines, 0).points]
    assert steps == sorted(set(steps))


@given(st.lists(st.floats(-1e6, 1e6), max_size=200), st.integers(1, 60))
def test_curve_is_never_wider_than_asked_for(values: list[float], width: int) -> None:
    drawn = curve(values, width)
    assert len(drawn) == min(len(values), width)
    assert set(drawn) <= set("▁▂▃▄▅▆▇█")


def test_point_is_told_in_one_line() -> None:
    [at] = Curves().extended([point(40, validation={"loss": 0.25})], 0).points
    assert point_text(at) == "step 40 of 100, loss 0.0250, validation loss 0.2500, 3 s left"
    [at] = Curves().extended([point(4000, steps=None, loss=None, left_s=None)], 0).points
    assert point_text(at) == "step 4,000"


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.2, "0 s"), (59, "59 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (7290, "2 h 01 min")]
)
def test_time_left_is_told_for_people(seconds: float, told: str) -> None:
    assert _duration(seconds) == told


def a_run(state: str, message: str, version: int | None = None) -> Any:
    """A run as the server describes it."""
    details = SimpleNamespace(message=message, reason="r", version=version, model="visits")
    return SimpleNamespace(
        id="run-1", state=state, details=details, is_over=state in ("completed", "failed", "stopped")
    )


def test_plain_lines_tell_each_thing_once() -> None:
    errors = io.StringIO()
    with redirect_stderr(errors):
        view = _PlainLines()
        view.show(a_run("queued", "It waits for its turn."), Curves())
        view.show(a_run("running", "It trains."), Curves((), "Training"))
        curves = Curves().extended([{"what": "phase", "phase": "Training"}, point(10)], 0)
        view.show(a_run("running", "It trains."), curves)
        view.show(a_run("running", "It trains."), curves)
        curves = curves.extended([point(100)], 0)
        view.show(a_run("completed", "It registered visits:1.", 1), curves)
    assert errors.getvalue().splitlines() == [
        "Run run-1 is queued: It waits for its turn.",
        "Run run-1 is running: It trains.",
        "Training …",
        "step 10 of 100, loss 0.1000, 3 s left",
        "step 100 of 100, loss 0.0100, 3 s left",
    ]


def test_json_lines_tell_each_point_and_each_state_once() -> None:
    output = io.StringIO()
    with redirect_stdout(output):
        view = _JsonLines()
        curves = Curves().extended([point(10), point(20)], 0)
        view.show(a_run("running", "It trains."), curves)
        view.show(a_run("running", "It trains."), curves)
        view.show(a_run("completed", "Done.", 4), curves.extended([point(30)], 0))
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [line.get("step", line.get("state")) for line in lines] == [10, 20, "running", 30, "completed"]
    assert lines[-1]["version"] == 4


def test_picture_shows_state_progress_and_best_so_far() -> None:
    from rich.console import Console

    from lepton_ai.cli.train_follow import _Picture

    drawn = []
    view = _Picture(SimpleNamespace(update=lambda table, refresh: drawn.append(table)))
    curves = Curves().extended([point(10, validation={"loss": 0.5}), point(40, validation={"loss": 0.7})], 0)
    view.show(a_run("running", "It trains."), Curves(curves.points, "Training"))
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(drawn[0])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for shown in ("visits", "running: Training", "step 40 of 100  3 s left", "0.0250", "best 0.5000 after step 10"):
        assert shown in text


@pytest.mark.parametrize("words", [["train", "list", "--help"], ["train", "--help"], ["train", "follow", "--help"]])
def test_commands_and_the_creating_form_live_under_one_word(words: list[str]) -> None:
    output = io.StringIO()
    with redirect_stdout(output):
        assert main(words) == 0
    assert output.getvalue().startswith(f"Usage: lepton {' '.join(words[:-1])}")


def test_curves_draw_themselves_in_a_notebook() -> None:
    assert Curves()._repr_html_() == ""
    curves = Curves().extended([point(step, validation={"loss": 1 / step}) for step in (10, 20, 30)], 0)
    drawn = curves._repr_html_()
    assert drawn.startswith("<svg")
    for shown in ("training", "validation", "step", "Loss"):
        assert shown in drawn
