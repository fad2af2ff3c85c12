"""The end of everything that runs: workers are stopped, and the records say so."""

import time

from sqlalchemy import Connection

from lepton_ai.core.clock import Clock, SystemClock
from lepton_ai.core.database import Database
from lepton_ai.core.folders import DataFolder
from lepton_ai.core.migrate import migrate
from lepton_ai.infrastructure.compute.jobs import store as job_store
from lepton_ai.infrastructure.compute.port import Executor, WorkerPhase
from lepton_ai.infrastructure.network.keeper import KIND
from lepton_ai.platform.model_management.endpoints import store as endpoint_store
from lepton_ai.platform.model_management.runs import store as run_store

_GOING = (WorkerPhase.STARTING, WorkerPhase.RUNNING)


def record_stop(folders: DataFolder) -> None:
    """Write down that nothing runs any more, where a server was killed before it could."""
    database = Database.open(folders.database)
    try:
        migrate(database)
        record_all_stopped(database, SystemClock())
    finally:
        database.close()


def record_all_stopped(database: Database, clock: Clock) -> None:
    """Write down that no worker runs: replicas are stopped, runs and jobs go on at the next start."""
    now_ms = clock.now_ms()

    def work(connection: Connection) -> None:
        endpoint_store.all_replicas_stopped(connection, now_ms)
        run_store.all_runs_interrupted(connection, now_ms)
        job_store.all_jobs_interrupted(connection, now_ms)

    database.write(work)


def stop_all_workers(executor: Executor, clock: Clock, timeout_s: float = 30.0) -> None:
    """Stop every worker of an installation: the gateway last, so that requests on the way are answered."""
    workers = executor.adopt()
    for kinds in ({spec.kind for spec in workers.values()} - {KIND}, {KIND}):
        ending = [worker_id for worker_id, spec in workers.items() if spec.kind in kinds]
        for worker_id in ending:
            executor.stop(worker_id)
        deadline_s = clock.monotonic_s() + timeout_s
        waiting = set(ending)
        while waiting and clock.monotonic_s() < deadline_s:
            over = {worker_id for worker_id in waiting if executor.observe(worker_id).phase not in _GOING}
            for worker_id in over:
                executor.release(worker_id)
            waiting -= over
            if waiting:
                time.sleep(0.02)
