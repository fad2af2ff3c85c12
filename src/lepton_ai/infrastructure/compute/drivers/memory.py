"""Executor driver `memory`: workers that only pretend to run, for tests that turn the world by hand."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from lepton_ai.infrastructure.compute.port import Capabilities, Capacity, WorkerPhase, WorkerSpec, WorkerState


class MemoryExecutor:
    """Workers in a dictionary. A test ends one with `end`."""

    def __init__(self) -> None:
        self.specs: dict[str, WorkerSpec] = {}
        self.states: dict[str, WorkerState] = {}
        self.stopping: set[str] = set()
        self.stubborn: set[str] = set()
        """Workers that a stop does not end."""
        self.room = Capacity(2.0, 8 << 30)
        self._changed: Callable[[str], object] = str

    def capabilities(self) -> Capabilities:
        return Capabilities()

    def capacity(self) -> Capacity:
        return self.room

    def submit(self, spec: WorkerSpec) -> None:
        if spec.worker_id not in self.specs:
            self.specs[spec.worker_id] = spec
            self.states[spec.worker_id] = WorkerState(spec.worker_id, WorkerPhase.RUNNING, pid=1000 + len(self.specs))

    def observe(self, worker_id: str) -> WorkerState:
        return self.states.get(worker_id, WorkerState(worker_id, WorkerPhase.ABSENT))

    def stop(self, worker_id: str) -> None:
        if worker_id in self.states and not self.states[worker_id].is_over:
            self.stopping.add(worker_id)
            if worker_id not in self.stubborn:
                self.end(worker_id, exit_code=0)

    def release(self, worker_id: str) -> None:
        self.specs.pop(worker_id, None)
        self.states.pop(worker_id, None)

    def adopt(self) -> Mapping[str, WorkerSpec]:
        return dict(self.specs)

    def log_path(self, worker_id: str) -> Path | None:  # noqa: ARG002 - the port's signature
        return None

    def watch(self, changed: Callable[[str], None]) -> None:
        self._changed = changed

    def close(self) -> None:
        self._changed = str

    def end(self, worker_id: str, *, exit_code: int | None = None, signal: int | None = None) -> None:
        """Let a worker end as a test wishes."""
        self.states[worker_id] = replace(
            self.states[worker_id], phase=WorkerPhase.EXITED, exit_code=exit_code, signal=signal
        )
        self._changed(worker_id)


def open_driver() -> MemoryExecutor:
    """Make the driver; found by its name."""
    return MemoryExecutor()
