"""The server is killed at every named point while writers write: nothing acknowledged is lost, nothing half is seen."""

import re
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

import lepton_ai
from ack_ledger import Ledger
from cloud_lab import FULL, CloudLab, cloud_lab, repetitions, up_within_bound
from lepton_ai.core.errors import LeptonError
from lepton_ai.core.failpoints import parse_failpoints
from lepton_ai.platform.model_management.endpoints.reconciler import EndpointReconciler
from lepton_ai.sdk.local import find_server
from waiting import wait_until


@dataclass(frozen=True)
class Point:
    """A place to die at.

    Args:
        name: The failpoint.
        between: What has happened, and what has not, when the server dies there.
        at_pass: Which pass of it kills.
        at_start: Whether a server passes there for each endpoint when it starts, or only then: such passes do not
            count, so that the writers have written something.
    """

    name: str
    between: str
    at_pass: int = 1
    at_start: bool = False


POINTS = (
    Point("database.before_commit", "changes made, not committed, not acknowledged", 20, at_start=True),
    Point("database.after_commit", "committed, not acknowledged", 20, at_start=True),
    Point("artifact.after_part", "a part of an upload written", 3),
    Point("artifact.before_rename", "an upload whole, not visible", 3),
    Point("artifact.after_rename", "an upload visible, its name not synced, not acknowledged", 3),
    Point("version.before_row", "all files there, the version not written", 3),
    Point("endpoints.after_claim", "a lease taken, nothing looked at", 10, at_start=True),
    Point("endpoints.after_observe", "the world seen, nothing decided", 10, at_start=True),
    Point("endpoints.before_act", "decided, nothing done", 10, at_start=True),
    Point("endpoints.before_apply", "done, not written down", 10, at_start=True),
    Point("endpoints.after_apply", "written down, the loop not told", 10, at_start=True),
    Point("model_folder.before_rename", "a replica's model files laid out, not in place"),
    Point("file.before_rename", "a worker's or the gateway's file written, not in place", 4),
    Point("worker.before_spawn", "a worker described, not started"),
    Point("worker.after_spawn", "a worker started, nobody told"),
    Point("worker.before_release", "a worker over, its folder still there"),
    Point("gateway.before_write", "routes changed, the gateway not told", 3),
    Point("gateway.after_write", "the gateway told, its answer not awaited", 3),
    Point("start.before_adoption", "database open, nothing adopted"),
    Point("start.before_ready", "everything adopted, nobody told"),
)
CHOSEN = POINTS if FULL else POINTS[1::5]
WRITES = repetitions(100, 1000)


def test_every_failpoint_of_the_code_stands_in_the_table() -> None:
    source = "\n".join(path.read_text() for path in Path(lepton_ai.__file__).parent.rglob("*.py"))
    found = re.findall(r'failpoint\(f?"([^"]+)"\)', source)
    names = {name.replace("{reconciler.name}", EndpointReconciler.name) for name in found}
    # Those of the process of a run have a table of their own, in test_run_kills.py; those of a change of the master
    # key in test_faults_secrets.py; those of stored files in test_faults_storage.py.
    elsewhere = ("checkpoint.", "object.", "run.", "secrets.", "volume.")
    names = {name for name in names if not name.startswith(elsewhere)}
    assert names == {point.name for point in POINTS}
    assert len(names) >= 20


def test_server_killed_at_named_points_loses_no_acknowledged_write() -> None:
    ready_s = []
    with cloud_lab(timed=True) as lab:
        lab.deploy("live", min_replicas=1)
        with Ledger(lab) as ledger:
            for number, point in enumerate(CHOSEN, start=1):
                die_at(lab, ledger, point)
                ready_s.append(up_within_bound(lab))
                lab.wait_until_settled("live", replicas=1)
                check_all(lab, ledger)
                ledger.write_until(lambda number=number: ledger.acknowledged >= WRITES * number / len(CHOSEN))
            check_all(lab, ledger)
            print(
                f"{len(CHOSEN)} points, {ledger.acknowledged} acknowledged writes, 0 lost; "
                f"ready after {max(ready_s):.2f} s at most"
            )
            assert ledger.acknowledged >= WRITES
        lab.ok("down")
        assert not lab.census()


def die_at(lab: CloudLab, ledger: Ledger, point: Point) -> None:
    """Start the server so that it dies at a point, and have it write until it is dead."""
    lab.kill_server()
    at_pass = point.at_pass + (ledger.endpoints if point.at_start else 0)
    try:
        server = lab.up(LEPTON_FAILPOINTS=f"{point.name}=kill@{at_pass}")
    except LeptonError as error:
        assert "exit code -9" in error.message
        return  # a point on the way to readiness
    roll_out_something(lab)
    ledger.write_until(lambda: find_server(lab.data_dir) is None)
    assert lab.wait_for_the_servers_end(server.pid) == -9


def roll_out_something(lab: CloudLab) -> None:
    """Make the live endpoint take a new version, so that workers come and go. The server may die over it."""
    with suppress(OSError):
        first = lab.api("GET", "/models/live/versions/1").json
        body = {"files": first["files"], "signature": first["signature"]}
        version = lab.api("POST", "/models/live/versions", body).json["version"]
        lab.api("PATCH", "/deployments/live", {"spec": {"model": {"name": "live", "version": version}}})


def check_all(lab: CloudLab, ledger: Ledger) -> None:
    """What must be true once a server is up again."""
    ledger.check()
    with closing(sqlite3.connect(f"{lab.folders.database.as_uri()}?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with suppress(AssertionError):  # a supervisor may be writing one right now
        wait_until(lambda: not lab.temporary_files(), 3)
    assert lab.temporary_files() == []
    # Each replica that is written down runs once, and no other does.
    wait_until(
        lambda: (
            sorted(process.replica_id for process in lab.census("replica"))
            == sorted(replica["id"] for replica in lab.replicas("live"))
        )
    )
    assert len({process.argv for process in lab.census("supervisor")}) == len(lab.census("supervisor")) == 2


@pytest.mark.parametrize("text", ["database.before_commit=explode", "database.before_commit"])
def test_misspelt_failpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="LEPTON_FAILPOINTS"):
        parse_failpoints(text)
