"""Jobs while workers, supervisors and the server are killed: each ends, none runs twice at once, nothing is left."""

import os
import random
import signal
from pathlib import Path

import pytest

from cloud_lab import CloudLab, cloud_lab, repetitions
from waiting import wait_until

JOBS = repetitions(20, 1000)
KILLS = repetitions(6, 50)
CRASHES = repetitions(4, 200)
CANCELS, AT_ONCE = repetitions(2, 100), repetitions(2, 10)  # each waits for the end of a grace
SOON_S = 60.0 + JOBS
POINTS = ("worker.after_spawn", "jobs.before_apply", "worker.before_spawn", "jobs.after_apply")

BODY = 'echo "begin $LEPTON_JOB_NAME $LEPTON_WORKER_ID" >> {book}; sleep 0.2; echo "end $LEPTON_WORKER_ID" >> {book}'
STUBBORN = "trap '' TERM; (setsid sh -c 'sleep 600 & sleep 600' &); while true; do sleep 1; done"


def ask(lab: CloudLab, name: str, command: str, **fields: object) -> str:
    body = {"metadata": {"id": name}, "spec": {"container": {"command": ["/bin/sh", "-c", command]}, **fields}}
    answer = lab.api("POST", "/jobs", body)
    assert answer.status == 201, answer.body
    job_id: str = answer.json["metadata"]["id"]
    return job_id


def states(lab: CloudLab) -> dict[str, str]:
    return {item["metadata"]["id"]: item["status"]["state"] for item in lab.api("GET", "/jobs").json}


def marked(name: str) -> list[int]:
    """The processes whose environment names a job or a worker."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"={name}".encode() in environment.read_bytes():
                found.append(int(environment.parent.name))
        except OSError:
            continue
    return found


def test_every_job_ends_once_while_workers_and_supervisors_are_killed() -> None:
    generator = random.Random(11)
    with cloud_lab(timed=True) as lab:
        book = lab.root / "book"
        ids = [ask(lab, f"kill-{number}", BODY.format(book=book), max_failure_retry=1) for number in range(JOBS)]
        for kill in range(KILLS):
            wait_until(lambda: lab.census("supervisor")[1:], SOON_S)
            victim = generator.choice(lab.census("supervisor"))
            worker_id = victim.argv[-2]
            if not worker_id.startswith("job."):
                continue
            targets = marked(worker_id.removeprefix("job.")) if kill % 2 else [victim.pid]
            for pid in targets:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        wait_until(lambda: set(states(lab).values()) <= {"Completed", "Failed"}, SOON_S, interval_s=0.5)
        ended = states(lab)
        assert sorted(ended) == sorted(ids)
        lines = book.read_text().splitlines()
        begun = [line.split()[2] for line in lines if line.startswith("begin")]
        assert len(begun) == len(set(begun))  # no try ran twice
        for job_id in ids:
            replicas = lab.api("GET", f"/jobs/{job_id}/replicas").json
            assert len(replicas) <= 2
            completed = [item for item in replicas if item["status"]["state"] == "Completed"]
            assert len(completed) == (ended[job_id] == "Completed")
            for item in completed:
                assert f"end {item['id']}" in lines
        print(f"{JOBS} jobs, {KILLS} kills: {list(ended.values()).count('Completed')} completed, the others failed")
        wait_until(lambda: len(lab.census("supervisor")) == 1)


@pytest.mark.parametrize("crash", range(CRASHES))
def test_server_that_dies_around_a_spawn_doubles_no_worker_and_leaves_no_stray(crash: int) -> None:
    with cloud_lab(start=False) as lab:
        book = lab.root / "book"
        point = POINTS[crash % len(POINTS)]
        at_pass = 2 if point.startswith("jobs") else 1
        if point.startswith("worker"):
            lab.up()  # the gateway is the first worker that is spawned
            lab.kill_server()
        server = lab.up(LEPTON_FAILPOINTS=f"{point}=kill@{at_pass}")
        job_id = ask(lab, "crash", BODY.format(book=book), completions=2, parallelism=2)
        assert lab.wait_for_the_servers_end(server.pid) == -9
        lab.up()
        wait_until(lambda: states(lab)[job_id] == "Completed", SOON_S)
        begun = [line for line in book.read_text().splitlines() if line.startswith("begin")]
        assert len(begun) == len(set(begun)) == 2
        assert len(lab.api("GET", f"/jobs/{job_id}/replicas").json) == 2
        wait_until(lambda: len(lab.census("supervisor")) == 1)


def test_cancelled_jobs_that_ignore_sigterm_and_double_fork_leave_no_orphan() -> None:
    with cloud_lab(start=False, timed=True) as lab:
        lab.up(LEPTON_JOB_CPUS=str(AT_ONCE))
        for _ in range(CANCELS // AT_ONCE):
            ids = [ask(lab, "stubborn", STUBBORN) for _ in range(AT_ONCE)]
            wait_until(lambda ids=ids: all(len(marked(job_id)) >= 4 for job_id in ids), SOON_S)
            for job_id in ids:
                assert lab.api("DELETE", f"/jobs/{job_id}").status == 200
            wait_until(lambda: not states(lab), SOON_S)
            assert not any(marked(job_id) for job_id in ids)
