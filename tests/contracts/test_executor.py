"""What every executor driver promises: one suite, run over the in-memory and the local process driver."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from lepton_ai.core.folders import DataFolder
from lepton_ai.infrastructure.compute.port import Capabilities, Executor, Limits, WorkerPhase, WorkerSpec
from lepton_ai.infrastructure.compute.worker_log import CAP_BYTES
from waiting import wait_until

SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")


def open_executor(name: str, folder: Path) -> Executor:
    driver = import_module(f"lepton_ai.infrastructure.compute.drivers.{name}")
    if name == "memory":
        memory: Executor = driver.open_driver()
        return memory
    folders = DataFolder(folder)
    folders.create()
    local: Executor = driver.open_driver(folders, os.environ, ("COVERAGE_PROCESS_CONFIG",))
    return local


@pytest.fixture(params=["memory", "local_process"])
def executor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Executor]:
    executor = open_executor(request.param, tmp_path)
    yield executor
    end_all(executor)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Executor]:
    executor = open_executor("local_process", tmp_path)
    yield executor
    end_all(executor)


def end_all(executor: Executor) -> None:
    going = (WorkerPhase.STARTING, WorkerPhase.RUNNING)
    for worker_id in executor.adopt():
        executor.stop(worker_id)
        wait_until(lambda worker_id=worker_id: phase(executor, worker_id) not in going)
    executor.close()


def phase(executor: Executor, worker_id: str) -> WorkerPhase:
    return executor.observe(worker_id).phase


def start(executor: Executor, worker_id: str = "w-1", argv: tuple[str, ...] = SLEEPER, grace_s: float = 5) -> None:
    executor.submit(WorkerSpec(worker_id, "replica", argv, labels={"endpoint": "digits"}, grace_s=grace_s))
    wait_until(lambda: phase(executor, worker_id) is not WorkerPhase.STARTING)


def test_a_worker_never_heard_of_is_absent(executor: Executor) -> None:
    assert phase(executor, "w-0") is WorkerPhase.ABSENT


def test_a_submitted_worker_runs(executor: Executor) -> None:
    start(executor)
    state = executor.observe("w-1")
    assert state.phase is WorkerPhase.RUNNING
    assert state.pid


def test_submitting_twice_is_the_same_worker(executor: Executor) -> None:
    start(executor)
    first = executor.observe("w-1").pid
    executor.submit(WorkerSpec("w-1", "replica", SLEEPER))
    assert executor.observe("w-1").pid == first


def test_a_stopped_worker_is_over_and_can_be_stopped_again(executor: Executor) -> None:
    start(executor)
    executor.stop("w-1")
    wait_until(lambda: executor.observe("w-1").is_over)
    executor.stop("w-1")
    assert executor.observe("w-1").is_over


def test_a_released_worker_is_forgotten(executor: Executor) -> None:
    start(executor)
    executor.stop("w-1")
    wait_until(lambda: executor.observe("w-1").is_over)
    executor.release("w-1")
    assert phase(executor, "w-1") is WorkerPhase.ABSENT
    assert executor.adopt() == {}


def test_stopping_or_releasing_an_absent_worker_is_no_error(executor: Executor) -> None:
    executor.stop("w-9")
    executor.release("w-9")


def test_workers_are_found_with_their_labels(executor: Executor) -> None:
    start(executor)
    adopted = executor.adopt()
    assert list(adopted) == ["w-1"]
    assert adopted["w-1"].labels == {"endpoint": "digits"}
    assert adopted["w-1"].argv == SLEEPER


def test_an_ending_is_told_to_whoever_watches(executor: Executor) -> None:
    heard: list[str] = []
    executor.watch(heard.append)
    start(executor)
    heard.clear()
    executor.stop("w-1")
    wait_until(lambda: "w-1" in heard)


def test_the_exit_code_is_kept(local: Executor) -> None:
    start(local, argv=(sys.executable, "-c", "import sys; sys.exit(7)"))
    wait_until(lambda: local.observe("w-1").is_over)
    state = local.observe("w-1")
    assert (state.exit_code, state.signal, state.ending) == (7, None, "exit code 7")


def test_a_signal_is_told_apart_from_an_exit_code(local: Executor) -> None:
    start(local)
    pid = local.observe("w-1").pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: local.observe("w-1").is_over)
    state = local.observe("w-1")
    assert (state.exit_code, state.signal, state.out_of_memory) == (None, signal.SIGKILL, False)
    assert state.ending == "killed by signal 9"
    starved = replace(state, out_of_memory=True)  # as the supervisor writes it where the system killed for memory
    assert starved.ending == "killed by the system, which was out of memory"


def test_a_missing_program_ends_with_127_and_says_so(local: Executor) -> None:
    start(local, argv=("/no/such/program",))
    wait_until(lambda: local.observe("w-1").is_over)
    state = local.observe("w-1")
    assert state.exit_code == 127
    assert "No such file" in state.ending


def test_a_worker_that_ignores_sigterm_is_killed_after_its_grace(local: Executor) -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    start(local, argv=(sys.executable, "-c", stubborn), grace_s=0.2)
    log = local.log_path("w-1")
    assert log
    wait_until(lambda: log.exists() and b"up" in log.read_bytes())
    local.stop("w-1")
    wait_until(lambda: local.observe("w-1").is_over)
    assert local.observe("w-1").signal == signal.SIGKILL


def test_children_of_a_worker_end_with_it(local: Executor) -> None:
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    start(local, argv=(sys.executable, "-c", parent))
    log = local.log_path("w-1")
    assert log
    wait_until(lambda: log.exists() and log.read_text().strip().isdigit())
    child = int(log.read_text())
    local.stop("w-1")
    wait_until(lambda: local.observe("w-1").is_over)
    wait_until(lambda: not is_running(child))


def test_a_worker_that_ignores_sigterm_and_double_forks_leaves_nothing_behind(local: Executor) -> None:
    stubborn = (
        "import os, signal, time\n"
        "signal.signal(15, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        print(os.getpid(), flush=True)\n"
        "        time.sleep(600)\n"
        "    os._exit(0)\n"
        "time.sleep(600)\n"
    )
    start(local, argv=(sys.executable, "-c", stubborn), grace_s=0.2)
    log = local.log_path("w-1")
    assert log
    wait_until(lambda: log.exists() and log.read_text().strip().isdigit())
    orphan = int(log.read_text())
    local.stop("w-1")
    wait_until(lambda: local.observe("w-1").is_over)
    assert local.observe("w-1").signal == signal.SIGKILL
    assert not is_running(orphan)


def test_orphans_of_a_worker_whose_supervisor_was_killed_are_found_too(local: Executor, tmp_path: Path) -> None:
    parent = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    print(os.getpid(), flush=True)\n"
        "    time.sleep(600)\n"
        "time.sleep(600)\n"
    )
    start(local, argv=(sys.executable, "-c", parent))
    log = local.log_path("w-1")
    assert log
    wait_until(lambda: log.exists() and log.read_text().strip().isdigit())
    orphan = int(log.read_text())
    os.kill(int((tmp_path / "run/workers/w-1/lock").read_text()), signal.SIGKILL)
    wait_until(lambda: local.observe("w-1").phase is WorkerPhase.LOST)
    wait_until(lambda: not is_running(orphan))


def test_a_worker_starts_in_the_folder_that_it_was_given(local: Executor, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "greet.py").write_text("print('hello')")
    local.submit(WorkerSpec("w-1", "job", (sys.executable, "greet.py"), cwd=str(folder)))
    wait_until(lambda: local.observe("w-1").is_over)
    log = local.log_path("w-1")
    assert log
    assert log.read_text() == "hello\n"


def test_a_command_without_a_slash_is_found_in_the_path_of_the_worker(local: Executor) -> None:
    start(local, argv=("true",))
    wait_until(lambda: local.observe("w-1").is_over)
    assert local.observe("w-1").exit_code == 0


def test_a_flood_of_output_neither_fills_the_disk_nor_stops_the_worker(local: Executor) -> None:
    flood = "import sys\nfor _ in range(1600): sys.stdout.write('x' * 99 + '\\n' + 'y' * (1 << 17))\nprint('end')"
    start(local, argv=(sys.executable, "-c", flood))  # 200 MiB
    wait_until(lambda: local.observe("w-1").is_over, timeout_s=60)
    assert local.observe("w-1").exit_code == 0
    log = local.log_path("w-1")
    assert log
    kept_bytes = sum(path.stat().st_size for path in log.parent.iterdir())
    assert kept_bytes <= CAP_BYTES + (4 << 20)
    assert log.read_bytes().endswith(b"end\n")


def test_a_worker_that_takes_more_memory_than_it_may_is_ended_and_told_apart(local: Executor) -> None:
    if not local.capabilities().memory_limit:
        pytest.skip("this system lets this user set no limit on memory")
    greedy = "held = []\nfor _ in range(64): held.append(bytearray(b'x' * (8 << 20)))\nprint('held')"
    limits = Limits(memory_bytes=64 << 20, processes=64, cpus=0.5)
    local.submit(WorkerSpec("w-1", "job", (sys.executable, "-c", greedy), limits=limits))
    wait_until(lambda: local.observe("w-1").is_over, timeout_s=30)
    state = local.observe("w-1")
    assert (state.signal, state.out_of_memory) == (signal.SIGKILL, True)
    log = local.log_path("w-1")
    assert log
    assert "held" not in log.read_text()


def test_a_worker_cannot_start_more_processes_than_it_may(local: Executor) -> None:
    if not local.capabilities().process_limit:
        pytest.skip("this system lets this user set no limit on processes")
    bomb = (
        "import os, time\n"
        "count = 0\n"
        "try:\n"
        "    while True:\n"
        "        if os.fork() == 0: time.sleep(600)\n"
        "        count += 1\n"
        "except OSError: print(count)\n"
    )
    local.submit(WorkerSpec("w-1", "job", (sys.executable, "-c", bomb), limits=Limits(processes=20)))
    wait_until(lambda: local.observe("w-1").is_over, timeout_s=30)
    log = local.log_path("w-1")
    assert log
    assert int(log.read_text()) < 20
    assert local.observe("w-1").exit_code == 0


def test_groups_of_a_worker_are_gone_with_it_whoever_ends_it(local: Executor, tmp_path: Path) -> None:
    if not local.capabilities().process_limit:
        pytest.skip("this system lets this user make no groups")
    local.submit(WorkerSpec("w-1", "job", SLEEPER, limits=Limits(processes=20)))
    wait_until(lambda: phase(local, "w-1") is WorkerPhase.RUNNING)
    [group] = json.loads((tmp_path / "run/workers/w-1/state.json").read_text())["groups"]
    assert Path(group).is_dir()
    os.kill(int((tmp_path / "run/workers/w-1/lock").read_text()), signal.SIGKILL)
    wait_until(lambda: phase(local, "w-1") is WorkerPhase.LOST)
    assert not Path(group).exists()


def test_each_driver_tells_its_capacity_and_what_it_can_limit(executor: Executor) -> None:
    room = executor.capacity()
    assert room.cpus > 0
    assert room.memory_bytes > 0
    assert isinstance(executor.capabilities(), Capabilities)


def test_a_worker_sees_only_the_allow_list(local: Executor) -> None:
    os.environ["LEPTON_TEST_SECRET"] = "not for workers"
    try:
        start(local, argv=(sys.executable, "-c", "import os; print(sorted(os.environ))"))
    finally:
        del os.environ["LEPTON_TEST_SECRET"]
    wait_until(lambda: local.observe("w-1").is_over)
    log = local.log_path("w-1")
    assert log
    assert "LEPTON_TEST_SECRET" not in log.read_text()
    assert "HOME" in log.read_text()


def test_the_next_control_plane_finds_a_running_worker(local: Executor, tmp_path: Path) -> None:
    start(local)
    next_one = open_executor("local_process", tmp_path)
    assert next_one.observe("w-1").pid == local.observe("w-1").pid
    next_one.stop("w-1")
    wait_until(lambda: next_one.observe("w-1").is_over)
    next_one.close()


def test_a_worker_whose_supervisor_was_killed_is_stopped_and_counted_as_lost(local: Executor, tmp_path: Path) -> None:
    start(local)
    worker = local.observe("w-1").pid
    assert worker
    supervisor = int((tmp_path / "run/workers/w-1/lock").read_text())
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: local.observe("w-1").phase is WorkerPhase.LOST)
    wait_until(lambda: not is_running(worker))
    assert local.observe("w-1").ending == "its end was not seen"


def test_a_stranger_with_the_same_pid_is_never_touched(local: Executor, tmp_path: Path) -> None:
    """The record names a pid that another process has by now, as after a restart of the machine."""
    folder = tmp_path / "run/workers/w-1"
    folder.mkdir(parents=True)
    stranger = {"pid": os.getpid(), "start": "1", "boot": "another"}
    (folder / "spec.json").write_text('{"spec": {"worker_id": "w-1", "kind": "replica", "argv": ["/bin/true"]}}')
    (folder / "state.json").write_text(
        '{"phase": "running", "supervisor": %s, "worker": %s}' % ((str(stranger).replace("'", '"'),) * 2)
    )
    local.stop("w-1")
    assert local.observe("w-1").phase is WorkerPhase.LOST


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_worker_of_the_same_id_of_another_cloud_is_left_alone(tmp_path: Path) -> None:
    ours, theirs = (open_executor("local_process", tmp_path / name) for name in ("ours", "theirs"))
    for each in (ours, theirs):
        each.submit(WorkerSpec("w-1", "replica", SLEEPER))
        wait_until(lambda each=each: each.observe("w-1").phase is WorkerPhase.RUNNING)
    state = json.loads((tmp_path / "ours/run/workers/w-1/state.json").read_text())
    os.kill(state["supervisor"]["pid"], signal.SIGKILL)
    wait_until(lambda: ours.observe("w-1").phase is WorkerPhase.LOST)
    assert theirs.observe("w-1").phase is WorkerPhase.RUNNING
    for each in (ours, theirs):
        end_all(each)
