"""Jobs over a real database and artifact store; their processes are turned by hand."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jobs_house import House
from lepton_ai.core.errors import Conflict, InvalidInput, NotFound
from lepton_ai.core.idempotency import Once
from lepton_ai.infrastructure.compute.jobs import store
from lepton_ai.infrastructure.compute.jobs.working_folder import FolderFile, to_json
from lepton_ai.infrastructure.compute.port import Capacity, WorkerPhase, WorkerState


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.database.close()


def test_job_runs_every_worker_and_completes(house: House) -> None:
    job_id = house.ask(workers=2)
    assert job_id.startswith("digits-")
    house.passes()
    assert house.state(job_id) == "Running"
    first, second = house.workers(job_id)
    assert (first.index, second.index) == (0, 1)
    assert first.id.startswith(f"{job_id}-0-")
    house.end(first, exit_code=0)
    house.passes()
    details = house.get(job_id)
    assert (details.job.status.value, details.ready, details.active, details.succeeded) == ("Running", 1, 1, 1)
    house.end(second, exit_code=0)
    house.passes()
    assert house.state(job_id) == "Completed"
    assert house.executor.specs == {}  # both are released
    assert house.get(job_id).job.finished_at_ms


def test_workers_get_the_environment_that_distributed_programs_expect(house: House) -> None:
    envs = [
        {"name": "EPOCHS", "value": "3"},
        {"name": "API_TOKEN", "value_from": {"secret_name_ref": "token"}},
        {"name": "LEPTON_JOB_NAME", "value": "forged"},
    ]
    job_id = house.ask(workers=2, envs=envs)
    house.passes()
    zero, one = (house.process(worker).env for worker in house.workers(job_id))
    assert (zero["RANK"], one["RANK"], zero["WORLD_SIZE"], zero["LOCAL_RANK"]) == ("0", "1", "2", "0")
    assert zero["MASTER_ADDR"] == "127.0.0.1"
    assert zero["MASTER_PORT"] == one["MASTER_PORT"] != "0"
    assert (zero["EPOCHS"], zero["API_TOKEN"]) == ("3", "s3cret")
    assert zero["LEPTON_JOB_NAME"] == job_id
    assert (one["LEPTON_JOB_WORKER_INDEX"], one["LEPTON_JOB_TOTAL_WORKERS"]) == ("1", "2")
    assert one["LEPTON_SUBDOMAIN"] == f"{job_id}-job-svc"
    assert one["LEPTON_WORKER_ID"] == house.workers(job_id)[1].id
    assert one["LEPTON_WORKSPACE_TOKEN"] == f"default {house.workers(job_id)[1].process_id}"
    assert "s3cret" not in str(house.get(job_id).job.document)


def test_gang_starts_whole_or_not_at_all_and_says_what_it_waits_for(house: House) -> None:
    first = house.ask("first")
    house.passes()
    pair = house.ask("pair", workers=2)
    house.passes()
    assert house.state(pair) == "Queueing"
    assert house.workers(pair) == []
    told = house.get(pair).message
    assert "first in the queue" in told
    assert "2 CPUs" in told
    assert "leaves 1 CPU" in told
    behind = house.ask("behind")
    house.passes()
    assert house.state(behind) == "Queueing"  # there is room for it, but the pair is before it
    assert house.get(behind).message == "It waits for its turn: 1 job is before it."
    house.end(house.workers(first)[0], exit_code=0)
    house.passes()
    assert (house.state(first), house.state(pair), house.state(behind)) == ("Completed", "Running", "Queueing")


def test_higher_priority_goes_first(house: House) -> None:
    running = house.ask("running", workers=2)
    house.passes()
    low = house.ask("low", workers=2, queue_config={"priority_class": "low-1000"})
    high = house.ask("high", workers=2, queue_config={"priority_class": "high-9000"})
    for worker in house.workers(running):
        house.end(worker, exit_code=0)
    house.passes()
    assert (house.state(high), house.state(low)) == ("Running", "Queueing")


def test_job_wider_than_the_machine_has_its_turn_alone_and_one_too_large_never(house: House) -> None:
    small = house.ask("small")
    house.passes()
    wide = house.ask("wide", workers=4)  # 4 CPUs of 2, 8 GiB of 8
    large = house.ask("large", workers=5)  # 10 GiB of 8
    after = house.ask("after")
    house.passes()
    assert [house.state(job_id) for job_id in (wide, large, after)] == ["Queueing"] * 3
    assert "it can never start" in house.get(large).message
    house.end(house.workers(small)[0], exit_code=0)
    house.passes()
    assert [house.state(job_id) for job_id in (wide, large, after)] == ["Running", "Queueing", "Queueing"]
    for worker in house.workers(wide):
        house.end(worker, exit_code=0)
    house.passes()
    assert [house.state(job_id) for job_id in (large, after)] == ["Queueing", "Running"]


def test_room_that_is_gone_when_the_start_is_written_leaves_the_job_queued(house: House) -> None:
    first, second = house.ask("first", workers=2), house.ask("second", workers=2)
    both = [first, second]
    claims = house.database.write(lambda c: store.claim(c, house.clock.now_ms(), 8, ["a", "b"], both))
    changes = [
        house.reconciler.decide(claim.record, house.reconciler.observe(claim.record), house.clock.now_ms())
        for claim in claims
    ]
    written = [
        house.reconciler.apply(claim, change, house.clock.now_ms())
        for claim, change in zip(claims, changes, strict=True)
    ]
    assert sorted(written) == [False, True]
    assert sorted(house.state(job_id) for job_id in both) == ["Queueing", "Starting"]


def test_worker_that_fails_is_tried_again_at_most_as_often_as_asked(house: House) -> None:
    job_id = house.ask(max_failure_retry=2)
    for attempt in range(3):
        house.passes(3)
        [worker] = house.living(job_id)
        house.end(worker, exit_code=3)
        house.passes(2)
        if attempt < 2:
            assert house.state(job_id) == "Running"
            assert house.living(job_id) == []  # it pauses first
            house.clock.advance(60)
            house.look(worker)
    assert house.state(job_id) == "Failed"
    assert house.get(job_id).job.reason.value == "exited"
    assert house.get(job_id).message == "Worker 0: Exit code 3."
    house.passes(10, apart_s=60)
    assert len(house.workers(job_id)) == 3
    assert house.get(job_id).failed == 3


def test_whole_job_is_tried_again_only_once_none_of_the_old_workers_lives(house: House) -> None:
    job_id = house.ask(workers=2, max_job_failure_retry=1)
    house.passes()
    first, second = house.workers(job_id)
    house.executor.stubborn.add(second.process_id)
    house.end(first, exit_code=1)
    house.passes()
    assert house.state(job_id) == "Restarting"
    house.passes(10, apart_s=5)
    assert house.state(job_id) == "Restarting"
    assert [worker.id for worker in house.living(job_id)] == [second.id]
    house.end(second, signal=9)
    house.passes()
    assert house.state(job_id) == "PendingRetry"
    house.passes(4, apart_s=2)
    assert house.state(job_id) == "Running"
    gang = house.living(job_id)
    assert [worker.attempt for worker in gang] == [2, 2]
    assert house.process(gang[0]).env["LEPTON_JOB_FAILURE_COUNT"] == "1"
    house.end(gang[0], signal=11)
    house.passes(6)
    assert house.state(job_id) == "Failed"
    assert house.get(job_id).job.reason.value == "killed"
    assert house.get(job_id).message == "Worker 0: Killed by signal 11."
    house.passes(10, apart_s=30)
    assert len(house.workers(job_id)) == 4


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ({"exit_code": 7}, "exited"),
        ({"signal": 9}, "killed"),
        ({"signal": 9, "out_of_memory": True}, "out_of_memory"),
        ({"phase": WorkerPhase.LOST}, "lost"),
    ],
)
def test_ways_to_end_are_told_apart(house: House, ending: dict[str, object], reason: str) -> None:
    job_id = house.ask()
    house.passes()
    [worker] = house.workers(job_id)
    ended = WorkerState(worker.process_id, WorkerPhase.EXITED)
    house.executor.states[worker.process_id] = replace(ended, **ending)  # type: ignore[arg-type] # of one field each
    house.look(worker)
    house.passes()
    assert (house.state(job_id), house.get(job_id).job.reason.value) == ("Failed", reason)
    [worker] = house.workers(job_id)
    assert worker.reason.value == reason
    assert (worker.exit_code, worker.signal) == (ending.get("exit_code"), ending.get("signal"))


def test_completions_beyond_parallelism_follow_as_others_complete(house: House) -> None:
    job_id = house.ask(completions=5, parallelism=2)
    seen = []
    for _ in range(5):
        house.passes()
        living = house.living(job_id)
        assert len(living) <= 2
        worker = living[0]
        seen.append(worker.index)
        house.end(worker, exit_code=0)
    house.passes()
    assert seen == [0, 1, 2, 3, 4]
    assert house.state(job_id) == "Completed"


def test_stopped_job_starts_again_from_the_beginning(house: House) -> None:
    job_id = house.ask(workers=2)
    house.passes()
    asyncio.run(house.jobs.stop("default", job_id, "me"))
    assert house.get(job_id).job.document["stopped"] is True
    house.passes()
    assert house.state(job_id) == "Stopped"
    assert house.executor.specs == {}
    asyncio.run(house.jobs.start("default", job_id, "me"))
    house.passes()
    assert house.state(job_id) == "Running"
    assert [worker.attempt for worker in house.living(job_id)] == [2, 2]
    assert len({worker.id for worker in house.workers(job_id)}) == 4


def test_queued_job_stops_at_once_and_finished_one_stays_as_it_is(house: House) -> None:
    running = house.ask("running", workers=2)
    house.passes()
    queued = house.ask("queued")
    assert asyncio.run(house.jobs.stop("default", queued, "me")).job.status.value == "Stopped"
    for worker in house.workers(running):
        house.end(worker, exit_code=0)
    house.passes()
    assert asyncio.run(house.jobs.stop("default", running, "me")).job.status.value == "Completed"
    with pytest.raises(Conflict, match="only one that was stopped"):
        asyncio.run(house.jobs.start("default", running, "me"))
    house.passes()
    assert house.state(queued) == "Stopped"


def test_job_waits_for_its_time(house: House) -> None:
    at_s = house.clock.now_ms() // 1000 + 3600
    job_id = house.ask(time_schedule={"start_at": at_s})
    house.passes(5, apart_s=60)
    assert house.state(job_id) == "Awaiting"
    house.clock.advance(3600)
    house.passes()
    assert house.state(job_id) == "Running"


def test_finished_job_is_archived_when_its_time_is_over_and_keeps_its_outcome(house: House) -> None:
    job_id = house.ask(ttl_seconds_after_finished=600)
    house.passes()
    house.end(house.workers(job_id)[0], exit_code=0)
    house.passes()
    house.passes(2, apart_s=200)
    assert house.state(job_id) == "Completed"
    house.passes(3, apart_s=200)
    details = house.get(job_id)
    assert details.job.status.value == "Archived"
    assert details.job.outcome
    assert details.job.outcome.value == "Completed"
    assert details.message.startswith("It ended as Completed.")


def test_only_what_is_over_can_be_archived(house: House) -> None:
    job_id = house.ask()
    house.passes()
    with pytest.raises(Conflict, match="only one that is over"):
        asyncio.run(house.jobs.archive("default", job_id, "me"))
    house.end(house.workers(job_id)[0], exit_code=2)
    house.passes()
    assert (house.folder / job_id).is_dir()
    assert asyncio.run(house.jobs.archive("default", job_id, "me")).job.status.value == "Archived"
    house.passes()
    assert not (house.folder / job_id).exists()


def test_removed_job_leaves_nothing(house: House) -> None:
    job_id = house.ask()
    house.passes()
    assert (house.folder / job_id).is_dir()
    asyncio.run(house.jobs.remove("default", job_id, "me"))
    house.passes()
    with pytest.raises(NotFound, match="there is no job"):
        house.get(job_id)
    assert not (house.folder / job_id).exists()
    assert house.executor.specs == {}
    assert house.database.read(store.living_workers) == []


def test_each_worker_starts_in_its_own_copy_of_the_files(house: House) -> None:
    code = b"print('hi')"
    files = {"src/train.py": FolderFile(house.store(code), len(code)), "run.sh": FolderFile(house.store(b"x"), 1, True)}
    job_id = house.ask(workers=2, working_folder={"sha256": house.store(to_json(files))})
    house.passes()
    folders = [Path(house.process(worker).cwd or "") for worker in house.workers(job_id)]
    assert folders[0] != folders[1]
    for folder in folders:
        assert (folder / "src/train.py").read_bytes() == code
        assert (folder / "run.sh").stat().st_mode & 0o100
    (folders[0] / "src/train.py").write_bytes(b"changed")
    assert (folders[1] / "src/train.py").read_bytes() == code


def test_files_that_were_not_uploaded_are_refused_when_the_job_is_asked_for(house: House) -> None:
    missing = {"a.py": FolderFile("0" * 64, 1)}
    with pytest.raises(InvalidInput, match=r"for 'a\.py'"):
        house.ask(working_folder={"sha256": house.store(to_json(missing))})
    with pytest.raises(InvalidInput, match="no artifact"):
        house.ask(working_folder={"sha256": "1" * 64})


def test_secret_that_vanished_meanwhile_fails_the_job_and_is_named(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs_house import SECRETS

    monkeypatch.setitem(SECRETS, "passing", "x")
    job_id = house.ask(envs=[{"name": "A", "value_from": {"secret_name_ref": "passing"}}], max_job_failure_retry=5)
    monkeypatch.delitem(SECRETS, "passing")
    house.passes(8)
    assert house.state(job_id) == "Failed"
    assert house.get(job_id).job.reason.value == "refused"
    assert "there is no secret 'passing'" in house.get(job_id).message
    with pytest.raises(NotFound, match="'absent'"):
        house.ask(envs=[{"name": "A", "value_from": {"secret_name_ref": "absent"}}])


def test_stop_of_the_cloud_lets_a_running_job_start_anew(house: House) -> None:
    job_id = house.ask(workers=2)
    house.passes()
    before = house.workers(job_id)
    house.executor.specs.clear()
    house.executor.states.clear()
    house.database.write(lambda c: store.all_jobs_interrupted(c, house.clock.now_ms()))
    house.database.write(store.free_all_leases)
    assert house.get(job_id).job.reason.value == "cloud_stopped"
    house.passes()
    assert house.state(job_id) == "Running"
    assert {worker.id for worker in house.living(job_id)}.isdisjoint({worker.id for worker in before})
    assert house.get(job_id).job.failures == 0


def test_control_plane_that_was_killed_between_spawn_and_record_starts_no_second_worker(house: House) -> None:
    job_id = house.ask(workers=2)
    house.passes(1)
    assert house.state(job_id) == "Starting"
    [claim] = house.reconciler.claim(house.clock.now_ms() + 200, 8)
    change = house.reconciler.decide(claim.record, house.reconciler.observe(claim.record), house.clock.now_ms())
    house.reconciler.act(claim.record, change)  # and it is killed before it applies
    pids = {state.pid for state in house.executor.states.values()}
    house.database.write(store.free_all_leases)
    house.passes()
    assert house.state(job_id) == "Running"
    assert {state.pid for state in house.executor.states.values()} == pids


def test_same_request_twice_is_one_job(house: House) -> None:
    document = {"container": {"command": ["true"]}}

    async def twice() -> list[str]:
        made = [
            await house.jobs.create("default", "digits", document, "me", once=Once("key", b"body")) for _ in range(2)
        ]
        return [details.job.id for details in made]

    first, second = asyncio.run(twice())
    assert first == second


def test_another_workspaces_job_is_not_found(house: House) -> None:
    job_id = house.ask()
    house.passes()
    with pytest.raises(NotFound):
        house.jobs.get("other", job_id)
    with pytest.raises(NotFound):
        house.jobs.worker("other", house.workers(job_id)[0].id)


def test_what_is_not_acted_on_is_kept_and_told(house: House) -> None:
    document = {"mounts": [{"from": "v", "mount_path": "/d"}], "resource_shape": "gpu.8xh100-sxm", "novel": {"x": 1}}
    job_id = house.ask(**document, queue_config={"can_preempt": True})
    kept = house.get(job_id).job.document
    assert kept["novel"] == {"x": 1}
    assert kept["mounts"] == document["mounts"]
    told = " ".join(event.message for event in house.jobs.events("default", job_id))
    assert "`mounts` is kept and not acted on" in told
    assert "no job that runs is preempted" in told
    assert "gpu.8xh100-sxm is not known here" in told


def test_room_is_told_by_the_driver(house: House) -> None:
    assert house.executor.capacity() == Capacity(2.0, 8 << 30)
