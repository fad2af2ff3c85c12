"""The supervisor: one small detached process that starts a worker, waits for it, and writes down how it ended.

Started as `python -I -S supervisor.py --lepton-worker ID FOLDER`, so it uses nothing but the standard library. It
outlives the control plane: the next one finds the worker by the files in FOLDER (`spec.json` in, `state.json` out).
SIGTERM stops the worker: SIGTERM to its process group, and SIGKILL after the grace period to all that descend from it.
What the worker prints comes through a pipe, so that its log can be capped and dated.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[3]))  # last, so that it hides nothing of the standard library

from lepton_ai.infrastructure.compute.cgroups import WorkerGroup, controllers, end_groups
from lepton_ai.infrastructure.compute.descendants import descendants_of
from lepton_ai.infrastructure.compute.worker_log import WorkerLog

MARKER = "--lepton-worker"
_PR_SET_CHILD_SUBREAPER = 36
_CHUNK_BYTES = 1 << 16
_PIPE_BYTES = 1 << 20
_MOST_SWEEPS = 500


def main(worker_id: str, folder: Path) -> int:
    """Run one worker from start to end."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # another supervisor has this worker: two must never run it
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    if (folder / "state.json").exists():
        return 0  # it ran already; an attempt runs once
    return _Supervision(worker_id, folder).run()


def changes_file(workers: Path) -> Path:
    """The file whose time changes whenever a worker's state does, beside the folder of all workers."""
    return workers.with_name("workers.changed")


class _Supervision:
    def __init__(self, worker_id: str, folder: Path) -> None:
        self._folder = folder
        self._spec = json.loads((folder / "spec.json").read_text())
        self._log = WorkerLog(Path(self._spec["log"]))
        self._worker: subprocess.Popen[bytes] | None = None
        self._status: int | None = None
        limits = self._spec.get("limits") or {}
        wanted = any(limit is not None for limit in limits.values())
        self._group = WorkerGroup(worker_id, limits, controllers() if wanted else {})
        self._state: dict[str, Any] = {
            "worker_id": worker_id,
            "phase": "starting",
            "supervisor": identity_of(os.getpid()),
            "worker": None,
            "groups": self._group.folders,
            "started_at_ms": _now_ms(),
        }

    def run(self) -> int:
        woken = _wake_on_signals()
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, self._kill)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler of any kind, so that it wakes us
        _adopt_orphans()
        self._write()
        kills_before = _out_of_memory_kills()
        output, printed = _pipe()
        try:
            self._worker = subprocess.Popen(
                self._spec["argv"],
                env=self._spec["env"],
                cwd=self._spec["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
                preexec_fn=self._group.join if self._group.folders else None,
            )
        except OSError as error:
            self._log.write(f"cannot start {self._spec['argv'][0]}: {error.strerror}\n".encode())
            end_groups(self._group.folders)
            self._finish(127, None, f"cannot start: {error.strerror}")
            return 0
        finally:
            os.close(printed)
        if "stop_requested" in self._state:  # it came before there was a worker to tell
            self._signal_group(signal.SIGTERM)
        self._state |= {"phase": "running", "worker": identity_of(self._worker.pid)}
        self._write()
        code = os.waitstatus_to_exitcode(self._wait(output, woken))
        self._end_descendants(output)
        self._state["out_of_memory"] = self._was_starved(code, kills_before)
        end_groups(self._group.folders)
        self._finish(code if code >= 0 else None, -code if code < 0 else None, None)
        return 0

    def _wait(self, output: int, woken: int) -> int:
        """Write down what the worker prints until it has ended; returns how it did."""
        reads = [output, woken]
        while True:
            ready, _, _ = select.select(reads, [], [])
            if output in ready:
                chunk = os.read(output, _CHUNK_BYTES)
                if chunk:
                    self._log.write(chunk)
                else:
                    reads.remove(output)  # it closed its output, and may run on without
            if woken in ready:
                os.read(woken, _CHUNK_BYTES)
                self._reap()
                if self._status is not None:
                    return self._status

    def _was_starved(self, code: int, kills_before: int) -> bool:
        """Whether it ended for want of memory: its own groups know; else the system's count must do.

        The system does not say whom it killed. That it killed somebody meanwhile is as much as can be known.
        """
        if code == 0 or "stop_requested" in self._state:
            return False
        if self._group.out_of_memory_kills():
            return True
        return code == -signal.SIGKILL and _out_of_memory_kills() > kills_before

    def _reap(self) -> None:
        """Take notice of children that have ended; orphans of the worker come to us too."""
        assert self._worker is not None
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._worker.pid:
                    self._status = status

    def _end_descendants(self, output: int) -> None:
        """End whatever the worker left behind, in its group or out of it, and take the last of what was printed."""
        os.set_blocking(output, False)
        for _ in range(_MOST_SWEEPS):  # one that forks all the time is caught in the end
            self._drain(output)
            self._kill()
            self._reap()
            if not descendants_of(os.getpid()):
                break
            time.sleep(0.005)
        self._drain(output)
        self._log.close()

    def _drain(self, output: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(output, _CHUNK_BYTES):
                self._log.write(chunk)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        if "stop_requested" in self._state:
            return  # asking again does not prolong the grace
        self._state["stop_requested"] = True
        self._signal_group(signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, self._spec["grace_s"]))

    def _kill(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        self._signal_group(signal.SIGKILL)
        for pid in descendants_of(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _signal_group(self, number: int) -> None:
        if self._worker is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._worker.pid, number)

    def _finish(self, exit_code: int | None, by_signal: int | None, message: str | None) -> None:
        self._state |= {
            "phase": "exited",
            "exit_code": exit_code,
            "signal": by_signal,
            "message": message,
            "finished_at_ms": _now_ms(),
        }
        self._write()

    def _write(self) -> None:
        temporary = self._folder / ".state.tmp"
        with open(temporary, "w") as file:
            json.dump(self._state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._folder / "state.json")
        # One file for all workers, so that whoever watches looks at one. It is a hint: a full disk may take it.
        with contextlib.suppress(OSError):
            changes_file(self._folder.parent).touch()


def identity_of(pid: int) -> dict[str, Any] | None:
    """What tells this process from every other one that had or will have its pid; None when there is no such process.

    On Linux the start time in clock ticks and the id of this boot; elsewhere the start time that `ps` prints.
    """
    try:
        # The name, in parentheses, may hold spaces: count from its end. Field 3 is the state, field 22 the start.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] in "ZX":
            return None  # exited, and only waiting to be reaped
        return {"pid": pid, "start": fields[19], "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip()}
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except (OSError, IndexError):
        return None
    listed = subprocess.run(["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, start = listed.stdout.strip().partition(" ")
    return {"pid": pid, "start": start.strip(), "boot": ""} if state and not state.startswith("Z") else None


def _pipe() -> tuple[int, int]:
    """A pipe for what the worker prints, wide where the system allows: it is woken less often."""
    reads, writes = os.pipe()
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return reads, writes


def _wake_on_signals() -> int:
    """A descriptor that can be read whenever a signal has come."""
    reads, writes = os.pipe()
    os.set_blocking(reads, False)
    os.set_blocking(writes, False)
    signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    return reads


def _out_of_memory_kills() -> int:
    """How many processes this system has killed for want of memory since it started; 0 where it does not tell."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _adopt_orphans() -> None:
    """Become the parent of the worker's orphans, so that none outlives it unseen. Linux only."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main(sys.argv[2], Path(sys.argv[3])))
