"""`lepton down` and Ctrl-C: everything that was started ends, unless it is to be kept."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cloud_lab import LEPTON, CloudLab, cloud_lab, repetitions
from lepton_ai.infrastructure.compute.supervisor import identity_of
from load_generator import Load
from waiting import wait_until

SECRETS = {"AWS_SECRET_ACCESS_KEY": "s3cret", "LEPTON_WORKSPACE_TOKEN": "t0ken", "MY_PASSWORD": "pa55"}


@pytest.fixture(scope="module")
def down_lab() -> Iterator[CloudLab]:
    """A cloud with endpoint `numbers` of two replicas, that tests stop as they like."""
    with cloud_lab(start=False) as lab:
        lab.up(**SECRETS)
        lab.deploy(min_replicas=2)
        lab.ok("down")
        yield lab


@pytest.fixture
def cloud(down_lab: CloudLab) -> CloudLab:
    """The same, up and ready."""
    down_lab.up(**SECRETS)
    down_lab.wait_until_settled()
    return down_lab


def test_down_leaves_no_process_and_no_socket(cloud: CloudLab) -> None:
    assert cloud.ok_json("endpoint", "predict", "numbers", "[[1, 2, 3, 4]]")["outputs"] == [30.5]
    assert cloud.lepton("down").stderr == "Stopped.\n"
    assert_nothing_is_left(cloud)
    assert "Nothing runs" in cloud.shell("down").stderr


def test_workloads_that_are_kept_answer_while_no_server_runs_and_are_adopted_by_the_next(cloud: CloudLab) -> None:
    workers = cloud.pids("replica", "gateway", "supervisor")
    with Load(cloud) as load:
        for _ in range(repetitions(1, 5)):
            assert "run on" in cloud.shell("down", "--keep-workloads").stderr
            assert cloud.server() is None
            assert cloud.pids() == workers
            load.more(50)
            cloud.up()
            cloud.wait_until_settled()
            assert cloud.pids("replica", "gateway", "supervisor") == workers
    assert not load.failures
    cloud.ok("down")


def test_down_after_a_kill_sweeps_what_was_left(cloud: CloudLab) -> None:
    cloud.kill_server()
    workers = cloud.pids()
    assert len(cloud.census("replica")) == 2
    cloud.ok("down", "--keep-workloads")
    assert cloud.pids() == workers
    assert cloud.shell("down").stderr == "Stopped.\n"
    assert_nothing_is_left(cloud)
    with closing(sqlite3.connect(cloud.folders.database)) as database:
        assert database.execute("SELECT DISTINCT status FROM replicas").fetchall() == [("Stopped",)]
        assert database.execute("SELECT status FROM endpoints").fetchall() == [("Not Ready",)]


def test_worker_gets_nothing_of_the_servers_environment(cloud: CloudLab) -> None:
    workers = cloud.census("replica", "gateway", "supervisor")
    assert len(workers) >= 6
    for worker in workers:
        words = Path(f"/proc/{worker.pid}/environ").read_text().split("\0")
        environment = dict(word.split("=", 1) for word in words if word)
        assert not environment.keys() & SECRETS.keys(), worker
        assert cloud.token not in environment.values()
        assert not any(secret in word for secret in SECRETS.values() for word in (*words, *worker.argv))
        if worker.kind == "replica":
            assert environment["HOME"].startswith(str(cloud.folders.workers))
            assert environment["LEPTON_DEPLOYMENT_NAME"] == "numbers"
    cloud.ok("down")


def test_ctrl_c_on_a_cloud_in_the_foreground_stops_everything() -> None:
    with cloud_lab(start=False) as lab:
        errors = lab.root / "errors"
        with errors.open("wb") as output:
            process = subprocess.Popen(
                [LEPTON, "up"], env=lab.environment, cwd=lab.root, stdin=subprocess.DEVNULL, stderr=output
            )
        wait_until(lab.server, 60)
        wait_until(lambda: errors.read_text().endswith("Ctrl-C stops it.\n"))
        assert "Lepton AI is up" in errors.read_text()
        lab.deploy(min_replicas=1)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
        assert errors.read_text().endswith("Stopping …\n")
        assert_nothing_is_left(lab)


def assert_nothing_is_left(lab: CloudLab) -> None:
    """Whether a stopped cloud is stopped: no process, no socket, no record of a server, no worker's folder."""
    assert not lab.census()
    assert not lab.socket_files()
    assert not lab.folders.server_record.exists()
    assert not list(lab.folders.workers.iterdir())


def test_pid_that_the_system_gave_to_somebody_else_is_no_server() -> None:
    with cloud_lab(start=False) as lab, subprocess.Popen(["sleep", "60"]) as stranger:
        identity = identity_of(stranger.pid)
        assert identity is not None
        names = ("api_url", "endpoints_url", "workspace_url", "version", "welcome")
        lab.folders.create()
        for start, found in ((identity["start"], True), (str(int(identity["start"]) - 1), False)):
            record = {"process": {**identity, "start": start}, **dict.fromkeys(names, "x")}
            lab.folders.server_record.write_text(json.dumps(record))
            assert (lab.server() is not None) == found
        assert "Nothing runs" in lab.lepton("down").stderr
        assert stranger.poll() is None
        stranger.kill()
