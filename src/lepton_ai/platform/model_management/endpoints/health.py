"""The health watch: asks replicas that are ready whether they still answer, and writes nothing while they do."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from lepton_ai.infrastructure.compute.port import Executor, WorkerPhase
from lepton_ai.platform.model_management.endpoints.probe import Probe
from lepton_ai.platform.model_management.endpoints.records import Watched

PROBE_PERIOD_S = 2.0
_PROBES_PER_S = 25.0
"""Where there are very many replicas the period grows: asking them never costs more than a few percent of a core."""


class HealthWatch:
    """Asks every replica in each period. What is to be done about one that is silent, the reconciler decides.

    Args:
        replicas: Those that are ready.
        executor: Knows whether its process runs.
        probe: Asks a replica.
        silent: Called with the id of a replica that did not answer.
    """

    def __init__(
        self,
        replicas: Callable[[], Sequence[Watched]],
        executor: Executor,
        probe: Probe,
        silent: Callable[[str], object],
    ) -> None:
        self._replicas = replicas
        self._executor = executor
        self._probe = probe
        self._silent = silent
        self._watched: Sequence[Watched] = ()
        self._changed = threading.Event()
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="health")
        self._changed.set()

    def close(self) -> None:
        """Ask nobody any more."""
        self._pool.shutdown()

    def changed(self) -> None:
        """There may be other replicas now: look them up before the next round."""
        self._changed.set()

    def round(self) -> float:
        """Ask each replica once.

        Returns:
            How long until the next round.
        """
        if self._changed.is_set():
            self._changed.clear()
            try:
                self._watched = self._replicas()
            except Exception:
                self._changed.set()
                raise
        answers = self._pool.map(self._answers, self._watched)
        for watched, answered in zip(self._watched, answers, strict=True):
            if not answered:
                self._silent(watched.replica_id)
        return max(PROBE_PERIOD_S, len(self._watched) / _PROBES_PER_S)

    def _answers(self, watched: Watched) -> bool:
        runs = self._executor.observe(watched.replica_id).phase is WorkerPhase.RUNNING
        return runs and self._probe.of(watched.spec)(watched.address)
