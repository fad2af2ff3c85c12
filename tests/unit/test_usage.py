"""Usage: what workers ran and computed is counted once, for their own workspace."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from lepton_ai.core.clock import ManualClock
from lepton_ai.core.database import Database
from lepton_ai.core.migrate import migrate
from lepton_ai.infrastructure.compute.drivers.memory import MemoryExecutor
from lepton_ai.infrastructure.compute.port import WorkerSpec
from lepton_ai.infrastructure.compute.usage.meter import HOUR_MS, UsageMeter
from lepton_ai.infrastructure.compute.usage.processes import Consumption, consumption_of
from lepton_ai.infrastructure.compute.usage.records import MeteredWorker, Usage


class Meter:
    """A meter over workers whose time a test decides."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(now_ms=HOUR_MS * 1000)
        self.database = Database.open(folder / "lepton.db")
        migrate(self.database)
        self.executor = MemoryExecutor()
        self.workers: list[MeteredWorker] = []
        self.cpu_s = 0.0
        self.looked: list[Sequence[str]] = []
        self.meter = self.another()

    def another(self) -> UsageMeter:
        """The meter of the next control plane."""
        return UsageMeter(
            self.database, self.executor, lambda: self.workers, self.clock, self.looked.append, self.consumed
        )

    def consumed(self, pids: Sequence[int]) -> Mapping[int, Consumption]:
        return dict.fromkeys(pids, Consumption(self.cpu_s, 5 << 20))

    def begin(self, worker_id: str, workspace_id: str, *, is_replica: bool) -> None:
        self.executor.submit(WorkerSpec(worker_id, "replica", ("/bin/true",)))
        self.workers.append(MeteredWorker(worker_id, workspace_id, is_replica))

    def total(self, workspace_id: str) -> Usage:
        return sum(self.meter.usage(workspace_id, 0, 2**60), start=Usage(0))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Meter]:
    lab = Meter(tmp_path)
    yield lab
    lab.database.close()


def test_time_of_workers_is_added_up_for_their_workspaces(lab: Meter) -> None:
    lab.meter.look()
    lab.begin("a", "default", is_replica=True)
    lab.begin("b", "team", is_replica=False)
    lab.meter.look()
    for _ in range(3):
        lab.clock.advance(10)
        lab.meter.look()
    assert (lab.total("default").replica_s, lab.total("default").worker_s) == (30, 30)
    assert (lab.total("team").replica_s, lab.total("team").worker_s) == (0, 30)
    assert lab.total("other") == Usage(0)
    assert lab.looked[-1] == ["a", "b"]


def test_each_hour_has_its_own_sum(lab: Meter) -> None:
    lab.meter.look()
    lab.begin("a", "default", is_replica=True)
    lab.meter.look()
    lab.clock.advance(3590)
    lab.meter.look()
    lab.clock.advance(20)
    lab.meter.look()
    hours = lab.meter.usage("default", 0, 2**60)
    assert [hour.hour_ms for hour in hours] == [HOUR_MS * 1000, HOUR_MS * 1001]
    assert hours[1].worker_s == 20
    assert lab.meter.usage("default", HOUR_MS * 1001, 2**60) == hours[1:]


def test_next_control_plane_counts_nothing_twice(lab: Meter) -> None:
    lab.meter.look()
    lab.begin("a", "default", is_replica=True)
    lab.meter.look()
    lab.clock.advance(10)
    lab.meter.look()
    next_meter = lab.another()
    lab.clock.advance(10)
    next_meter.look()
    assert lab.total("default").worker_s == 10
    lab.clock.advance(10)
    next_meter.look()
    assert lab.total("default").worker_s == 20


def test_clock_that_was_turned_adds_nothing_absurd(lab: Meter) -> None:
    lab.meter.look()
    lab.begin("a", "default", is_replica=True)
    lab.meter.look()
    lab.clock.advance(365 * 24 * 3600)
    lab.meter.look()
    assert lab.total("default").worker_s <= 60


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system lists no processes")
def test_time_of_a_workers_children_counts_as_its_own() -> None:
    spin = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    script = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {spin!r}])\nprint('done', flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = consumption_of([process.pid, 2**22 + 1])
        process.communicate("\n")
    assert found[process.pid].cpu_s >= 0.3
    assert found[process.pid].memory_bytes > 1 << 20
    assert found[2**22 + 1] == Consumption()


def test_nothing_is_known_where_the_system_lists_nothing(tmp_path: Path) -> None:
    assert consumption_of([os.getpid()], tmp_path) == {os.getpid(): Consumption()}
