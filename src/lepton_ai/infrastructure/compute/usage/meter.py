"""The meter: looks at the workers that run every few seconds, and adds up what their workspaces use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.infrastructure.compute.port import Executor, WorkerPhase, WorkerState
from lepton_ai.infrastructure.compute.usage.processes import Consumption, consumption_of
from lepton_ai.infrastructure.compute.usage.records import MeteredWorker, Usage
from lepton_ai.infrastructure.compute.usage.store import add_usage, usage_of

HOUR_MS = 3_600_000
INTERVAL_S = 10.0
_LONGEST_GAP_MS = 60_000
"""What a turned clock or a stopped machine may add at most."""


@dataclass(frozen=True)
class _Seen:
    at_ms: int
    cpu_s: float


class UsageMeter:
    """Counts in the background. What a worker uses after the last look before its end is not counted.

    Args:
        database: Where usage is kept.
        executor: What runs the workers.
        workers: Lists the workers that are to be counted.
        clock: Where the time comes from.
        looked: Called after each look with the ids of the workers there are.
        consumption: What processes use.
    """

    def __init__(
        self,
        database: Database,
        executor: Executor,
        workers: Callable[[], Sequence[MeteredWorker]],
        clock: Clock,
        looked: Callable[[Sequence[str]], None],
        consumption: Callable[[Sequence[int]], Mapping[int, Consumption]] = consumption_of,
    ) -> None:
        self._database = database
        self._executor = executor
        self._workers = workers
        self._clock = clock
        self._looked = looked
        self._consumption = consumption
        self._seen: dict[str, _Seen] | None = None
        self._memory_bytes: Mapping[str, int] = {}

    def look(self) -> float:
        """Count what was used since the last look; returns the pause until the next one."""
        listed = self._workers()
        states = {worker.worker_id: self._executor.observe(worker.worker_id) for worker in listed}
        running = [worker for worker in listed if states[worker.worker_id].phase is WorkerPhase.RUNNING]
        pids = {worker.worker_id: pid for worker in running if (pid := states[worker.worker_id].pid) is not None}
        consumed = self._consumption(list(pids.values()))
        now_ms = self._clock.now_ms()
        used: dict[str, Usage] = {}
        memory: dict[str, int] = {}
        seen: dict[str, _Seen] = {}
        for worker in running:
            found = consumed.get(pids.get(worker.worker_id, -1), Consumption())
            more = self._since_last(worker, states[worker.worker_id], found, now_ms)
            where = worker.workspace_id
            used[where] = used.get(where, Usage(more.hour_ms)) + more
            memory[where] = memory.get(where, 0) + found.memory_bytes
            seen[worker.worker_id] = _Seen(now_ms, found.cpu_s)
        self._seen, self._memory_bytes = seen, memory
        if used:
            self._database.write(lambda connection: add_usage(connection, used))
        self._looked(list(states))
        return INTERVAL_S

    def memory_bytes(self, workspace_id: str) -> int:
        """How much memory the workspace's workers held at the last look."""
        return self._memory_bytes.get(workspace_id, 0)

    def usage(self, workspace_id: str, since_ms: int, until_ms: int) -> Sequence[Usage]:
        """What a workspace used in each hour that began in a span of time, oldest first."""
        return self._database.read(lambda connection: usage_of(connection, workspace_id, since_ms, until_ms))

    def _since_last(self, worker: MeteredWorker, state: WorkerState, found: Consumption, now_ms: int) -> Usage:
        began_ms = state.started_at_ms or now_ms
        adopted = self._seen is None  # it ran before this server did, which cannot know what was counted
        before = (self._seen or {}).get(worker.worker_id, _Seen(now_ms if adopted else began_ms, 0.0))
        span_s = min(max(0, now_ms - before.at_ms), _LONGEST_GAP_MS) / 1000
        cpu_s = 0.0 if adopted else max(0.0, found.cpu_s - before.cpu_s)
        hour_ms = now_ms - now_ms % HOUR_MS
        return Usage(hour_ms, cpu_s, span_s if worker.is_replica else 0.0, span_s)
