"""Executor driver `local_process`: each worker is a process on this machine under a detached supervisor of its own."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lepton_ai.core.failpoints import failpoint
from lepton_ai.core.files import write_atomically
from lepton_ai.core.folders import DataFolder
from lepton_ai.infrastructure.compute import supervisor
from lepton_ai.infrastructure.compute.cgroups import controllers, end_groups
from lepton_ai.infrastructure.compute.descendants import marked
from lepton_ai.infrastructure.compute.environment import worker_environment
from lepton_ai.infrastructure.compute.port import (
    Capabilities,
    Capacity,
    Limits,
    WorkerPhase,
    WorkerSpec,
    WorkerState,
)
from lepton_ai.infrastructure.compute.supervisor import MARKER, changes_file, identity_of

_WATCH_INTERVAL_S = 0.1
_LONGEST_UNSEEN_S = 2.0
"""How often all workers are looked at though none said that it changed."""
_MARK = "LEPTON_EXECUTOR_WORKER"
"""The variable by which what is left of a worker is found after its supervisor was killed."""


class LocalProcessExecutor:
    """Workers of one data folder. All that must survive lies in `run/workers/<id>/`.

    Args:
        folders: The data folder.
        parent_environment: The server's environment, of which workers get an allow-list.
        inherited: Further variable names that workers inherit.
    """

    def __init__(
        self, folders: DataFolder, parent_environment: Mapping[str, str], inherited: tuple[str, ...] = ()
    ) -> None:
        self._folders = folders
        self._parent_environment = parent_environment
        self._inherited = inherited
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    def capabilities(self) -> Capabilities:
        given = controllers()
        return Capabilities("memory" in given, "pids" in given, "cpu" in given)

    def capacity(self) -> Capacity:
        memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Capacity(float(_usable_cpus()), memory_bytes)

    def submit(self, spec: WorkerSpec) -> None:
        folder = self._folder(spec.worker_id)
        with self._lock:
            if (folder / "state.json").exists() or self._supervisor_pid(spec.worker_id):
                return
            home = folder / "home"
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            own = {**spec.env, _MARK: str(folder)}
            described = {
                "spec": asdict(spec),
                "argv": list(spec.argv),
                "env": worker_environment(self._parent_environment, home, own, self._inherited),
                "cwd": spec.cwd or str(home),
                "log": str(self._log(spec.worker_id)),
                "grace_s": spec.grace_s,
                "limits": asdict(spec.limits),
            }
            write_atomically(folder / "spec.json", json.dumps(described).encode(), mode=0o600)
            # -I and -S: no user site, no PYTHON* variables, no .pth files: 20 ms instead of 60, and nothing to inject.
            failpoint("worker.before_spawn")
            command = [sys.executable, "-I", "-S", supervisor.__file__, MARKER, spec.worker_id, str(folder)]
            self._children[spec.worker_id] = subprocess.Popen(
                command,
                env={"PATH": os.defpath},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            failpoint("worker.after_spawn")

    def observe(self, worker_id: str) -> WorkerState:
        folder = self._folder(worker_id)
        self._reap(worker_id)
        state = _read_json(folder / "state.json")
        if state is None:
            # The supervisor writes its first line within milliseconds; until then the process itself is the evidence.
            if self._supervisor_pid(worker_id):
                return WorkerState(worker_id, WorkerPhase.STARTING)
            state = _read_json(folder / "state.json")
            if state is None:
                return WorkerState(worker_id, WorkerPhase.ABSENT)
        if state["phase"] != "exited" and not _is_alive(state["supervisor"], worker_id):
            state = _read_json(folder / "state.json") or state  # it may have ended between the two looks
            if state["phase"] != "exited":
                return self._bury(worker_id, state)
        return _state(worker_id, state)

    def stop(self, worker_id: str) -> None:
        state = _read_json(self._folder(worker_id) / "state.json")
        identity = state["supervisor"] if state else None
        pid = identity["pid"] if identity and _is_alive(identity, worker_id) else self._supervisor_pid(worker_id)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        elif state is not None and state["phase"] != "exited":
            self._bury(worker_id, state)

    def release(self, worker_id: str) -> None:
        self._reap(worker_id)
        self._children.pop(worker_id, None)
        failpoint("worker.before_release")
        shutil.rmtree(self._folder(worker_id), ignore_errors=True)

    def adopt(self) -> Mapping[str, WorkerSpec]:
        found = {}
        for folder in sorted(self._folders.workers.iterdir()):
            described = _read_json(folder / "spec.json")
            if described is None:
                shutil.rmtree(folder, ignore_errors=True)  # a crash before the spec was written: nothing ever ran
                continue
            written = described["spec"]
            limits = Limits(**written.get("limits", {}))
            found[folder.name] = WorkerSpec(**{**written, "argv": tuple(written["argv"]), "limits": limits})
        return found

    def log_path(self, worker_id: str) -> Path | None:
        return self._log(worker_id)

    def watch(self, changed: Callable[[str], None]) -> None:
        self._watcher = threading.Thread(target=self._watch, args=(changed,), name="worker-watch", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join()
        for child in self._children.values():
            child.poll()
            # The supervisor is meant to outlive us: that is no leak, so Popen must not warn of one.
            child.returncode = child.returncode if child.returncode is not None else 0

    def _watch(self, changed: Callable[[str], None]) -> None:
        alive: dict[str, float] = {}
        seen, looked_s = 0, 0.0
        while not self._closing.wait(_WATCH_INTERVAL_S):
            try:
                moment = changes_file(self._folders.workers).stat().st_mtime_ns
            except OSError:
                moment = 0
            if moment == seen and time.monotonic() - looked_s < _LONGEST_UNSEEN_S:
                continue
            seen, looked_s = moment, time.monotonic()
            for folder in list(self._folders.workers.iterdir()):
                try:
                    written = (folder / "state.json").stat().st_mtime
                except OSError:
                    continue
                if alive.get(folder.name) != written:
                    alive[folder.name] = written
                    changed(folder.name)

    def _supervisor_pid(self, worker_id: str) -> int | None:
        """The supervisor's pid by asking the system, for the moment before it wrote its state."""
        child = self._children.get(worker_id)
        if child is not None and child.poll() is None:
            return child.pid
        folder = self._folder(worker_id)
        return _lock_holder(folder / "lock", worker_id) if (folder / "lock").exists() else None

    def _bury(self, worker_id: str, state: dict[str, Any]) -> WorkerState:
        """A worker whose supervisor is gone: stop what is left of it and write down that its end was not seen."""
        worker = state.get("worker")
        if worker and identity_of(worker["pid"]) == worker:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker["pid"], signal.SIGKILL)
        end_groups(state.get("groups", ()))
        for pid in marked(f"{_MARK}={self._folder(worker_id)}"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended = {**state, "phase": "exited", "lost": True, "exit_code": None, "signal": None}
        write_atomically(self._folder(worker_id) / "state.json", json.dumps(ended).encode(), mode=0o600)
        return _state(worker_id, ended)

    def _reap(self, worker_id: str) -> None:
        child = self._children.get(worker_id)
        if child is not None and child.poll() is not None:
            del self._children[worker_id]

    def _folder(self, worker_id: str) -> Path:
        return self._folders.workers / worker_id

    def _log(self, worker_id: str) -> Path:
        return self._folders.logs / f"{worker_id}.log"


def open_driver(
    folders: DataFolder, parent_environment: Mapping[str, str], inherited: tuple[str, ...] = ()
) -> LocalProcessExecutor:
    """Make the driver; found by its name."""
    return LocalProcessExecutor(folders, parent_environment, inherited)


def _state(worker_id: str, state: dict[str, Any]) -> WorkerState:
    worker = state.get("worker")
    return WorkerState(
        worker_id,
        WorkerPhase.LOST if state.get("lost") else WorkerPhase(state["phase"]),
        pid=worker["pid"] if worker else None,
        exit_code=state.get("exit_code"),
        signal=state.get("signal"),
        out_of_memory=state.get("out_of_memory", False),
        message=state.get("message"),
        started_at_ms=state.get("started_at_ms"),
        finished_at_ms=state.get("finished_at_ms"),
    )


def _is_alive(identity: Mapping[str, Any] | None, worker_id: str) -> bool:
    """Whether that very process still runs: same pid, same start, same boot, and our marker in its command line."""
    return identity is not None and identity_of(identity["pid"]) == identity and _has_marker(identity["pid"], worker_id)


def _has_marker(pid: int, worker_id: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except FileNotFoundError:
        if Path("/proc/self/cmdline").exists():
            return False
        listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
        words = listed.stdout.split()
    except OSError:
        return False
    return MARKER in words and worker_id in words


def _lock_holder(lock: Path, worker_id: str) -> int | None:
    """The pid that holds a supervisor's lock, or None when the lock is free."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        written = os.read(descriptor, 20)
        return int(written) if written and _has_marker(int(written), worker_id) else None
    finally:
        os.close(descriptor)


def _usable_cpus() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None
