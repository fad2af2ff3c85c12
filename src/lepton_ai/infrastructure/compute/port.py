"""The port of an executor: what runs workers, on this machine or on many.

Idempotent by worker id: the database is the truth, the engine is asked. A driver restarts and retries nothing by
itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Limits:
    """How much a worker may use; None for as much as there is. A driver that cannot hold one says so beforehand."""

    memory_bytes: int | None = None
    processes: int | None = None
    cpus: float | None = None


@dataclass(frozen=True)
class Capabilities:
    """What a driver can do on the machines that it has.

    Args:
        memory_limit: Whether a worker that takes more than its memory is ended.
        process_limit: Whether a worker cannot start more processes than it may.
        cpu_limit: Whether a worker gets no more than its share of the CPUs while others want some.
    """

    memory_limit: bool = False
    process_limit: bool = False
    cpu_limit: bool = False


@dataclass(frozen=True)
class Capacity:
    """How much there is for workers in all."""

    cpus: float
    memory_bytes: int


@dataclass(frozen=True)
class WorkerSpec:
    """A command to run.

    Args:
        worker_id: Names this one attempt; the same id twice is the same worker, never two.
        kind: What it is for: `replica`, `gateway`, `job`.
        argv: The command line; a first word without a slash is looked for in the worker's PATH.
        env: What it gets beside the allow-list.
        labels: Further facts to find it by after a restart of the control plane.
        grace_s: Time between SIGTERM and SIGKILL.
        cwd: The folder that it starts in; None for one of its own that goes when it is released.
        limits: How much it may use.
    """

    worker_id: str
    kind: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 10.0
    cwd: str | None = None
    limits: Limits = Limits()


class WorkerPhase(StrEnum):
    """Where a worker stands."""

    ABSENT = "absent"
    """Never started, or released."""
    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"
    """It ended, and how is known."""
    LOST = "lost"
    """It is gone, and how is not known: its supervisor was killed, or the machine restarted."""


@dataclass(frozen=True)
class WorkerState:
    """What is known of a worker now."""

    worker_id: str
    phase: WorkerPhase
    pid: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False
    message: str | None = None
    started_at_ms: int | None = None
    finished_at_ms: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether it will never run again."""
        return self.phase in (WorkerPhase.EXITED, WorkerPhase.LOST)

    @property
    def ending(self) -> str:
        """How it ended, for a person."""
        if self.message:
            return self.message
        if self.out_of_memory:
            return "killed by the system, which was out of memory"
        if self.signal:
            return f"killed by signal {self.signal}"
        if self.exit_code is not None:
            return f"exit code {self.exit_code}"
        return "its end was not seen"


class Executor(Protocol):
    """Runs workers."""

    def capabilities(self) -> Capabilities:
        """What this driver can do here."""
        ...

    def capacity(self) -> Capacity:
        """How much there is for workers in all."""
        ...

    def submit(self, spec: WorkerSpec) -> None:
        """Start a worker, unless one of that id was started before. Returns at once."""
        ...

    def observe(self, worker_id: str) -> WorkerState:
        """Ask where a worker stands. An id never heard of is ABSENT."""
        ...

    def stop(self, worker_id: str) -> None:
        """Ask a worker to end: SIGTERM, then SIGKILL after its grace. Returns at once; may be repeated.

        Nothing that it started outlives it, whatever session or group that put itself into.
        """
        ...

    def release(self, worker_id: str) -> None:
        """Forget a worker that is over and remove its files. Its log stays."""
        ...

    def adopt(self) -> Mapping[str, WorkerSpec]:
        """Every worker that was not released, by id, running or not: what a new control plane finds."""
        ...

    def log_path(self, worker_id: str) -> Path | None:
        """The file that holds a worker's output, if it lies on this machine."""
        ...

    def watch(self, changed: Callable[[str], None]) -> None:
        """Call `changed(worker_id)` soon after a worker ends. A hint only: it may be missed, so keep observing."""
        ...

    def close(self) -> None:
        """Stop watching. Workers run on."""
        ...
