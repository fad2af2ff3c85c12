"""`lepton down` and Ctrl-C: everything that was started ends, unless it is to be kept."""

import json
import os
import signal
import subprocess

import pytest

from cloud_lab import GATEWAYS, LEPTON, CloudLab, cloud_lab, repetitions
from lepton_ai.infrastructure.compute.supervisor import identity_of
from load_generator import Load
from waiting import wait_until


def test_down_leaves_no_process_and_no_socket_and_up_brings_everything_back() -> None:
    with cloud_lab() as lab:
        lab.deploy(min_replicas=2)
        assert lab.lepton("down").stderr == "Stopped.\n"
        assert_nothing_is_left(lab)
        assert "Nothing runs" in lab.lepton("down").stderr
        lab.up()
        lab.wait_until_settled()
        assert lab.ok_json("endpoint", "predict", "numbers", "[[1, 2, 3, 4]]")["outputs"] == [30.5]


@pytest.mark.parametrize("gateway", GATEWAYS[: repetitions(1, 2)])
def test_kept_workloads_answer_while_no_server_runs_and_are_adopted_by_the_next(gateway: str) -> None:
    with cloud_lab(gateway) as lab:
        lab.deploy(min_replicas=2)
        workers = lab.pids("replica", "gateway", "supervisor")
        with Load(lab) as load:
            for _ in range(repetitions(1, 5)):
                assert "run on" in lab.lepton("down", "--keep-workloads").stderr
                assert lab.server() is None
                assert lab.pids() == workers
                load.more(50)
                lab.up()
                lab.wait_until_settled()
                assert lab.pids("replica", "gateway", "supervisor") == workers
        assert not load.failures


def test_down_after_a_kill_sweeps_what_was_left() -> None:
    with cloud_lab() as lab:
        lab.deploy(min_replicas=2)
        lab.kill_server()
        workers = lab.pids()
        assert len(lab.census("replica")) == 2
        lab.ok("down", "--keep-workloads")
        assert lab.pids() == workers
        assert lab.lepton("down").stderr == "Stopped.\n"
        assert_nothing_is_left(lab)


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


def test_worker_gets_nothing_of_the_servers_environment() -> None:
    secrets = {"AWS_SECRET_ACCESS_KEY": "s3cret", "LEPTON_WORKSPACE_TOKEN": "t0ken", "MY_PASSWORD": "pa55"}
    with cloud_lab(start=False) as lab:
        lab.up(**secrets)
        lab.deploy(min_replicas=1)
        workers = lab.census("replica", "gateway", "supervisor")
        assert len(workers) >= 4
        for worker in workers:
            with open(f"/proc/{worker.pid}/environ", "rb") as file:
                words = file.read().decode().split("\0")
            environment = dict(word.split("=", 1) for word in words if word)
            assert not environment.keys() & secrets.keys(), worker
            assert lab.token not in environment.values()
            assert not any(secret in word for secret in secrets.values() for word in (*words, *worker.argv))
            if worker.kind == "replica":
                assert environment["HOME"].startswith(str(lab.folders.workers))
                assert environment["LEPTON_DEPLOYMENT_NAME"] == "numbers"


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
