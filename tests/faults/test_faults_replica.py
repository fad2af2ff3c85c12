"""Replicas are killed, stopped, and broken: requests go to the others, and replacements come up."""

import os
import signal
import sys
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from cloud_lab import FULL, GATEWAYS, CloudLab, repetitions
from lepton_ai.core.folders import DataFolder
from lepton_ai.infrastructure.compute.drivers.local_process import open_driver
from lepton_ai.infrastructure.compute.port import WorkerSpec
from lepton_ai.platform.model_management.endpoints.health import PROBE_PERIOD_S
from load_generator import Load
from waiting import wait_until

KILLS = repetitions(2, 20)
SOME_GATEWAYS = GATEWAYS if FULL else GATEWAYS[:1]


@pytest.mark.parametrize("lab", GATEWAYS, indirect=True)
def test_killed_replica_costs_no_request_and_is_replaced(lab: CloudLab) -> None:
    lab.wait_until_settled()
    ended_before = ends(lab)
    with Load(lab) as load:
        for _ in range(KILLS):
            victim, other = lab.census("replica")
            os.kill(victim.pid, signal.SIGKILL)
            wait_until(lambda victim=victim: victim.replica_id not in {item["id"] for item in lab.replicas()})
            lab.wait_until_settled()
            assert other.pid in lab.pids("replica")
            load.more(50)
    assert not load.failures
    assert ends(lab) == ended_before + KILLS
    print(f"{KILLS} replicas killed, 0 of {len(load.asked)} requests failed")


@pytest.mark.parametrize("lab", SOME_GATEWAYS, indirect=True)
@pytest.mark.parametrize("_", range(repetitions(1, 3)))
def test_stopped_replica_is_out_of_rotation_within_three_probe_periods(lab: CloudLab, _: int) -> None:
    lab.wait_until_settled()
    bound_s = 3 * PROBE_PERIOD_S
    # Others use this machine too: what was slow once is measured once more.
    out_after_s = stop_a_replica(lab)
    assert out_after_s <= bound_s or stop_a_replica(lab) <= bound_s


def stop_a_replica(lab: CloudLab) -> float:
    """Stop one replica's process under load; returns how long it took until it was out of rotation."""
    victim = lab.census("replica")[0]
    with Load(lab) as load:
        began_s = time.monotonic()
        os.kill(victim.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(lab, victim.replica_id) != "Ready", 30, interval_s=0.05)
        out_after_s = time.monotonic() - began_s
        if not FULL:
            os.kill(victim.pid, signal.SIGKILL)  # rather than wait for the end of its grace
        # Requests that it held are repeated elsewhere once it is dead.
        wait_until(lambda: victim.pid not in lab.pids(), 30, interval_s=0.1)
        lab.wait_until_settled()
        load.more(50)
    # An answer that had begun when the process was stopped can be repeated nowhere; all others are.
    assert sum(load.failures.values()) <= 0.01 * len(load.asked)
    assert all(asked.began_s < began_s + out_after_s + 1 for asked in load.asked if asked.ended_s - asked.began_s > 1)
    longest_s = max(asked.ended_s - asked.began_s for asked in load.asked)
    print(
        f"out of rotation after {out_after_s:.1f} s; {sum(load.failures.values())} of {len(load.asked)} failed, "
        f"the slowest took {longest_s:.1f} s"
    )
    return out_after_s


def test_asking_a_deaf_worker_to_end_again_and_again_does_not_keep_it_alive(tmp_path: Path) -> None:
    folders = DataFolder(tmp_path)
    folders.create()
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    executor = open_driver(folders, os.environ)
    executor.submit(WorkerSpec("rep-deaf", "replica", (sys.executable, "-c", deaf), grace_s=1.0))
    log = executor.log_path("rep-deaf")
    assert log is not None
    wait_until(lambda: log.exists() and log.read_bytes())
    began_s = time.monotonic()

    def over() -> bool:
        executor.stop("rep-deaf")  # as the reconciler does at every pass
        return executor.observe("rep-deaf").is_over

    wait_until(over, 30, interval_s=0.1)
    assert time.monotonic() - began_s >= 1.0
    assert executor.observe("rep-deaf").signal == signal.SIGKILL
    executor.close()


@pytest.mark.parametrize("lab", SOME_GATEWAYS, indirect=True)
def test_replica_that_always_ends_at_its_start_is_tried_ever_slower_and_says_why(lab: CloudLab) -> None:
    broken = lab.root / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "model.onnx").write_bytes(b"this is no model")
    (broken / "signature.json").write_bytes((lab.artifact() / "signature.json").read_bytes())
    lab.ok("model", "push", str(broken), "broken")
    deployed = lab.lepton("deploy", "broken")
    assert deployed.returncode == 1
    assert "error: endpoint 'broken' does not come up: Replicas end right after their start" in deployed.stderr
    assert "hint: See what its replicas printed: lepton endpoint logs broken" in deployed.stderr
    status = lab.endpoint_status("broken")
    assert (status["state"], status["reason"]) == ("Error", "replicas_fail")
    assert "exit code 1" in status["message"]
    ended = next(item for item in lab.api("GET", "/deployments/broken/replicas").json if item["status"]["exit_code"])
    printed = lab.ok("endpoint", "logs", "broken", "--replica", ended["id"])
    assert "model.onnx is not a model that onnxruntime can load" in printed
    assert "Traceback" not in printed
    wait_until(lambda: len(pauses_s(lab, "broken")) >= repetitions(2, 5), 60, interval_s=0.2)
    assert all(later > 1.5 * earlier for earlier, later in pairwise(pauses_s(lab, "broken")))
    lab.ok("endpoint", "remove", "broken")
    assert {process.replica_id for process in lab.census("replica")} == {item["id"] for item in lab.replicas()}


@pytest.mark.skipif(not FULL, reason="two minutes of failing starts: make test-faults")
@pytest.mark.parametrize("lab", GATEWAYS[:1], indirect=True)
def test_pause_between_failing_starts_is_never_longer_than_half_a_minute(lab: CloudLab) -> None:
    with lab.cloud() as cloud:
        cloud.deploy("broken", min_replicas=1, wait=False)
        wait_until(lambda: len(pauses_s(lab, "broken")) >= 8, 180, interval_s=1)
        assert max(pauses_s(lab, "broken")) < 33
        cloud.endpoints.get("broken").remove()


def ends(lab: CloudLab) -> int:
    """How many replicas of the endpoint ended unasked so far."""
    return [event["reason"] for event in lab.api("GET", "/deployments/numbers/events").json].count("exited")


def state_of(lab: CloudLab, replica_id: str) -> str:
    """Where a replica stands."""
    listed = lab.api("GET", "/deployments/numbers/replicas").json
    return next(item["status"]["state"] for item in listed if item["id"] == replica_id)


def pauses_s(lab: CloudLab, name: str) -> list[float]:
    """How long it took each time from the end of a replica until the next one was made."""
    events = lab.api("GET", f"/deployments/{name}/events").json
    marks = [
        (event["reason"], datetime.fromisoformat(event["last_observed_time"]).timestamp())
        for event in events
        if event["reason"] in ("exited", "wanted")
    ]
    return [after - before for (what, before), (_, after) in pairwise(marks) if what == "exited"]
