"""All that jobs need, with a clock and processes that a test turns by hand."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from lepton_ai.core.access import Access
from lepton_ai.core.access.quotas import Quotas
from lepton_ai.core.clock import ManualClock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import NotFound
from lepton_ai.core.events import Journal
from lepton_ai.core.ids import id_source
from lepton_ai.core.migrate import migrate
from lepton_ai.core.reconcile import reconcile_once
from lepton_ai.infrastructure.compute.drivers.memory import MemoryExecutor
from lepton_ai.infrastructure.compute.jobs.reconciler import JobReconciler
from lepton_ai.infrastructure.compute.jobs.records import Worker
from lepton_ai.infrastructure.compute.jobs.service import JobDetails, Jobs
from lepton_ai.infrastructure.compute.port import WorkerSpec
from lepton_ai.infrastructure.storage.drivers.local import LocalArtifactStore

SECRETS = {"token": "s3cret"}


def secret_of(_workspace_id: str, name: str, _actor: str) -> str:
    """The value of one of the secrets there are."""
    if name not in SECRETS:
        raise NotFound(f"there is no secret {name!r}")
    return SECRETS[name]


class House:
    """Jobs over a real database and artifact store."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.executor = MemoryExecutor()
        self.artifacts = LocalArtifactStore(folder / "artifacts")
        self.database = Database.open(folder / "lepton.db")
        migrate(self.database)
        self.folder = folder / "jobs"
        self.new_id = id_source(self.clock)
        self.journal = Journal(self.clock, self.new_id)
        Access(self.database, self.clock, self.new_id, self.journal).create_workspace("default")
        room = self.executor.capacity()
        tools = (self.clock, self.new_id, self.journal)
        self.jobs = Jobs(self.database, self.artifacts, room, secret_of, *tools, lambda: None, Quotas({}))
        self.reconciler = JobReconciler(
            self.database,
            self.executor,
            self.artifacts,
            self.folder,
            room,
            secret_of,
            lambda workspace_id, worker_id: {"LEPTON_WORKSPACE_TOKEN": f"{workspace_id} {worker_id}"},
            self.new_id,
            self.journal,
            lambda: None,
        )

    def ask(self, name: str = "digits", workers: int = 1, **spec: Any) -> str:
        """Ask for a job and return its id."""
        self.clock.advance(0.01)
        labels = spec.pop("labels", None)
        document = {"container": {"command": ["true"]}, "completions": workers, "parallelism": workers, **spec}
        return asyncio.run(self.jobs.create("default", name, document, "me", labels=labels)).job.id

    def passes(self, number: int = 4, *, apart_s: float = 0.1) -> None:
        """Some passes over all that is due."""
        for _ in range(number):
            self.clock.advance(apart_s)
            for claim in self.reconciler.claim(self.clock.now_ms(), 64):
                reconcile_once(self.reconciler, claim, self.clock)

    def get(self, job_id: str) -> JobDetails:
        """A job as it is written down now."""
        return self.jobs.get("default", job_id)

    def state(self, job_id: str) -> str:
        return self.get(job_id).job.status.value

    def workers(self, job_id: str) -> list[Worker]:
        """Its workers, those of the newest gang first."""
        return list(self.jobs.workers("default", job_id))

    def living(self, job_id: str) -> list[Worker]:
        return [worker for worker in self.workers(job_id) if worker.lives]

    def process(self, worker: Worker) -> WorkerSpec:
        """What the executor was asked to run."""
        return self.executor.specs[worker.process_id]

    def end(self, worker: Worker, *, exit_code: int | None = None, signal: int | None = None) -> None:
        """Let a worker's process end, and let somebody notice."""
        self.executor.end(worker.process_id, exit_code=exit_code, signal=signal)
        self.look(worker)

    def look(self, worker: Worker) -> None:
        """What the executor's watch does."""
        from lepton_ai.infrastructure.compute.jobs import store

        self.database.write(lambda connection: store.make_due(connection, worker.id))

    def store(self, data: bytes) -> str:
        """Put an artifact into the store and return its digest."""
        digest = hashlib.sha256(data).hexdigest()
        writer = self.artifacts.writer(digest)
        writer.write(data)
        writer.commit()
        return digest
