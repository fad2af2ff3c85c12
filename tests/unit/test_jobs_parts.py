"""What jobs are made of: the spec, the queue, labels, the list of files, templates."""

import json
from pathlib import Path
from typing import Any

import pytest

from lepton_ai.core.errors import Conflict, InvalidInput, NotFound, TooLarge
from lepton_ai.infrastructure.compute.jobs import working_folder
from lepton_ai.infrastructure.compute.jobs.labels import check_labels, parse_selector
from lepton_ai.infrastructure.compute.jobs.lifecycle import JOB_LIFECYCLE, OVER, JobReason, JobStatus
from lepton_ai.infrastructure.compute.jobs.queue import Queued, Usage, turns, why_waiting
from lepton_ai.infrastructure.compute.jobs.reconciler import room_for_jobs
from lepton_ai.infrastructure.compute.jobs.spec import ignored_fields, read_spec
from lepton_ai.infrastructure.compute.jobs.templates import PUBLIC, rendered
from lepton_ai.infrastructure.compute.jobs.working_folder import FolderFile, check_path, from_json, lay_out, to_json
from lepton_ai.infrastructure.compute.port import Capacity
from lepton_ai.infrastructure.storage.drivers.local import LocalArtifactStore
from lepton_ai.sdk.upload_folder import files_to_send

ROOM = Capacity(4.0, 100)


def spec(**fields: Any) -> Any:
    return read_spec({"container": {"command": ["true"]}, **fields})


def test_spec_reads_what_is_null_as_left_out() -> None:
    nulls = dict.fromkeys(("completions", "envs", "max_failure_retry", "queue_config", "time_schedule", "stopped"))
    assert spec(**nulls, ttl_seconds_after_finished=None) == spec()
    assert spec(time_schedule={"start_at": 1_700_000_000.0}).start_at_ms == 1_700_000_000_000
    assert spec(queue_config={"priority_class": "high-9000"}).priority == 9000
    assert spec(completions=3, parallelism=8).workers == 3


def test_fields_that_are_not_acted_on_are_told_of_when_they_say_something() -> None:
    assert ignored_fields({"mounts": [], "affinity": None, "container": {"command": ["x"]}}) == ()
    told = ignored_fields({"mounts": [1], "reservation_config": {"reservation_id": "r"}, "container": {"ports": [1]}})
    assert len(told) == 3


def test_queue_is_strict_so_that_nothing_large_is_starved() -> None:
    queue = [Queued("a", 2, 10), Queued("wide", 4, 10), Queued("b", 1, 10)]
    assert turns(queue, Usage(), ROOM) == ["a"]
    assert turns(queue[1:], Usage(), ROOM) == ["wide"]
    assert turns(queue[2:], Usage(3, 20, 1), ROOM) == ["b"]
    assert turns([Queued("memory", 1, 90)], Usage(1, 20, 1), ROOM) == []


def test_more_cpus_than_there_are_can_be_shared_and_memory_cannot() -> None:
    assert turns([Queued("wide", 64, 10)], Usage(), ROOM) == ["wide"]
    assert turns([Queued("wide", 64, 10)], Usage(1, 1, 1), ROOM) == []
    assert turns([Queued("large", 1, 101), Queued("b", 1, 1)], Usage(), ROOM) == ["b"]


def test_reason_for_waiting_says_what_is_missing() -> None:
    gib = 1 << 30
    room = Capacity(2.0, 8 * gib)
    job = Queued("a", 2.0, 4 * gib)
    assert why_waiting(job, 2, Usage(), room) == "It waits for its turn: 2 jobs are before it."
    assert why_waiting(job, 0, Usage(1, 2 * gib, 1), room) == (
        "It is first in the queue and waits for room: it needs 2 CPUs and 4.0 GiB of memory for all its "
        "workers at once; 1 job runs, which leaves 1 CPU and 6.0 GiB."
    )
    assert "raise LEPTON_JOB_MEMORY_MIB" in why_waiting(Queued("a", 1, 9 * gib), 0, Usage(), room)


def test_settings_bound_the_room() -> None:
    assert room_for_jobs(ROOM, 0, 0) == ROOM
    assert room_for_jobs(ROOM, 2, 1) == Capacity(2.0, 1 << 20)


def test_reasons_and_transitions_of_jobs_are_whole() -> None:
    assert set(JOB_LIFECYCLE.reasons) == set(JobReason)
    assert set(JOB_LIFECYCLE.transitions) == set(JOB_LIFECYCLE.statuses) == set(JobStatus)
    assert {meaning.status for meaning in JOB_LIFECYCLE.reasons.values()} == set(JobStatus)
    for status in JobStatus:
        assert status is JobStatus.DELETING or JobStatus.DELETING in JOB_LIFECYCLE.transitions[status]
    for status in OVER:
        assert JobStatus.RUNNING not in JOB_LIFECYCLE.transitions[status]
    with pytest.raises(Conflict):
        JOB_LIFECYCLE.check(JobStatus.COMPLETED, JobStatus.RUNNING)


@pytest.mark.parametrize(
    ("selector", "labels", "fits"),
    [
        ("", {}, True),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("a=1,b==2", {"a": "1", "b": "2"}, True),
        ("a!=1", {}, True),
        ("a notin (1, 2)", {"a": "3"}, True),
        ("a in (1,2),b", {"a": "2"}, False),
    ],
)
def test_selectors_find_labels(selector: str, labels: dict[str, str], fits: bool) -> None:
    assert parse_selector(selector)(labels) is fits


@pytest.mark.parametrize("text", ["=", "a=b=c", "!a=1", "a in 1", "a b", "(a)", "a;b", "é"])
def test_selectors_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="label selector"):
        parse_selector(text)


@pytest.mark.parametrize("labels", [{"": "x"}, {"a b": "x"}, {"a": 1}, {"a": "x\n"}, {"k" * 64: "x"}, []])
def test_labels_that_break_the_rule_are_refused(labels: Any) -> None:
    with pytest.raises(InvalidInput, match=r"metadata\.labels"):
        check_labels(labels)


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "a\0b", "x/" * 70 + "y", "n" * 300]
)
def test_paths_that_lead_out_of_a_working_folder_are_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="plain path inside"):
        check_path(path)


def test_list_of_files_survives_the_round_trip_and_is_the_same_for_the_same_files() -> None:
    files = {"b": FolderFile("1" * 64, 2), "a/c": FolderFile("2" * 64, 3, True)}
    assert from_json(to_json(files)) == files
    assert to_json(files) == to_json(dict(reversed(files.items())))


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"[]",
        b'{"version": 2, "files": {}}',
        b'{"version": 1, "files": []}',
        b'{"version": 1, "files": {"a": {}}}',
        b'{"version": 1, "files": {"a": {"sha256": "x", "size_bytes": 1}}}',
        json.dumps({"version": 1, "files": {"a": {"sha256": "0" * 64, "size_bytes": -1}}}).encode(),
        json.dumps({"version": 1, "files": {"a": {"sha256": "0" * 64, "size_bytes": True, "mode": 7}}}).encode(),
        to_json({"a": FolderFile("0" * 64, 1), "a/b": FolderFile("0" * 64, 1)}),
        to_json({"a/../../b": FolderFile("0" * 64, 1)}),
    ],
)
def test_lists_of_files_that_are_none_are_refused(written: bytes) -> None:
    with pytest.raises(InvalidInput):
        from_json(written)


def test_working_folder_is_bounded_in_files_and_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="bytes"):
        from_json(to_json({"a": FolderFile("0" * 64, working_folder.MOST_BYTES + 1)}))
    for number in range(4):
        (tmp_path / f"{number}").write_text("x")
    monkeypatch.setattr("lepton_ai.sdk.upload_folder.MOST_FILES", 3)
    with pytest.raises(TooLarge, match="at most 3 files"):
        list(files_to_send(tmp_path))


def test_folder_is_laid_out_whole_or_not_at_all(tmp_path: Path) -> None:
    artifacts = LocalArtifactStore(tmp_path / "artifacts")
    with pytest.raises(NotFound):
        lay_out({"a": FolderFile("0" * 64, 1)}, artifacts, tmp_path / "jobs" / "w")
    assert list((tmp_path / "jobs").iterdir()) == []
    lay_out({}, artifacts, tmp_path / "jobs" / "w")
    assert list((tmp_path / "jobs" / "w").iterdir()) == []


def test_files_to_send_leave_out_what_is_ignored_and_what_lies_outside(tmp_path: Path) -> None:
    root = tmp_path / "code"
    for path in (
        "a.py",
        "sub/b.py",
        "sub/__pycache__/b.pyc",
        ".git/config",
        "data/x",
        "sub/data/y",
        "keep.log",
        "old.log",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (tmp_path / "secret").write_text("s")
    (root / "outside").symlink_to(tmp_path / "secret")
    (root / "inside").symlink_to(root / "a.py")
    (root / ".gitignore").write_text("/data/\n*.log\n!keep.log\n")
    sent = [path for path, _ in files_to_send(root)]
    assert sent == [".gitignore", "a.py", "inside", "keep.log", "sub/b.py", "sub/data/y"]
    (root / ".leptonignore").write_text("sub\n")
    assert "sub/b.py" not in [path for path, _ in files_to_send(root)]


def test_template_takes_the_command_as_the_text_that_it_is() -> None:
    [torchrun] = PUBLIC
    run = "train.py '{{run}}' {{7*7}} $(id)"
    assert run in rendered(torchrun, run)["container"]["command"][2]
    assert read_spec(rendered(torchrun, run)).completions == 1
    with pytest.raises(InvalidInput, match="`run`"):
        rendered(torchrun, "x" * (1 << 17))
