"""Jobs by the published client: every command, and what came of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from conftest import LepClient
from waiting import wait_until

SAYS = "echo rank $RANK of $WORLD_SIZE says $GREETING; sleep 300"


def found(lep: LepClient, name: str) -> Any:
    return lep.lab.cloud().jobs.get(name)


@pytest.fixture(scope="session")
def going(lep: LepClient) -> Iterator[str]:
    """The id of a job of two workers that runs."""
    name = f"gang-{lep.version.replace('.', '-')}"
    lep.ok(
        *("job", "create", "-n", name, "-rs", "cpu.small", "--num-workers", "2"),
        *("--command", SAYS, "--env", "GREETING=hello", "--max-failure-retry", "1"),
    )
    wait_until(lambda: found(lep, name).refresh().state == "Running", timeout_s=60)
    job_id = str(found(lep, name).id)
    yield job_id
    for job in lep.lab.cloud().jobs.list():
        if job.id == job_id:  # it holds the room that the other client's job needs
            job.remove()


def test_job_is_listed_shown_and_told_of(lep: LepClient, going: str) -> None:
    assert going.rpartition("-")[0] in lep.ok("job", "list")
    assert "Running" in lep.ok("job", "get", "--id", going)
    assert going in lep.ok("job", "replicas", "--id", going)
    lep.ok("job", "events", "--id", going)


def test_log_of_all_workers_is_found_later(lep: LepClient, going: str) -> None:
    said = lep.ok("log", "get", "-j", going)
    assert "rank 0 of 2 says hello" in said
    assert "rank 1 of 2 says hello" in said


def test_job_is_stopped_started_cloned_and_removed(lep: LepClient, going: str) -> None:
    lep.ok("job", "stop", "--id", going)
    wait_until(lambda: found(lep, going).refresh().state == "Stopped", timeout_s=60)
    lep.ok("job", "start", "--id", going)
    wait_until(lambda: found(lep, going).refresh().state == "Running", timeout_s=60)
    before = {job.id for job in lep.lab.cloud().jobs.list()}
    lep.ok("job", "clone", "--id", going)
    (clone,) = {job.id for job in lep.lab.cloud().jobs.list()} - before
    for each in (clone, going):
        lep.ok("job", "remove", "--id", each)
    wait_until(lambda: not {clone, going} & {job.id for job in lep.lab.cloud().jobs.list()}, timeout_s=60)


def test_job_of_the_torchrun_template_is_made(lep: LepClient) -> None:
    assert "torchrun" in lep.ok("template", "list")
    name = f"torch-{lep.version.replace('.', '-')}"
    lep.ok("job", "create", "-n", name, "-rs", "cpu.small", "-t", "torchrun", "--run", "train.py")
    assert "train.py" in str(found(lep, name).details.spec)
    lep.ok("job", "remove", "--id", str(found(lep, name).id))
