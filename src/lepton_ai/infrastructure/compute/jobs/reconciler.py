"""The reconciler of jobs: makes the processes that run match the jobs that are written down."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from lepton_ai.core import events
from lepton_ai.core.database import Database
from lepton_ai.core.errors import InternalError, InvalidInput, NotFound
from lepton_ai.core.ids import NewId
from lepton_ai.core.reconcile import Claim
from lepton_ai.infrastructure.compute.environment import CloudVariables, SecretValue
from lepton_ai.infrastructure.compute.jobs import store
from lepton_ai.infrastructure.compute.jobs.decide import decide
from lepton_ai.infrastructure.compute.jobs.environment import worker_variables
from lepton_ai.infrastructure.compute.jobs.folder import JobFolder
from lepton_ai.infrastructure.compute.jobs.queue import turns
from lepton_ai.infrastructure.compute.jobs.records import Job, JobChange, JobObservation, JobState, Worker
from lepton_ai.infrastructure.compute.jobs.working_folder import lay_out, read_list
from lepton_ai.infrastructure.compute.port import Capacity, Executor, Limits, WorkerPhase, WorkerSpec
from lepton_ai.infrastructure.compute.ports import free_port
from lepton_ai.infrastructure.compute.shapes import shape_named
from lepton_ai.infrastructure.compute.worker_log import remove_log
from lepton_ai.infrastructure.storage.port import ArtifactStore

KIND = "job"
GRACE_S = 10.0
_MOST_PROCESSES = 4096


class JobReconciler:
    """Starts the workers of jobs in their turn, all or none, watches them, and tries again what failed.

    Args:
        database: Where jobs are kept.
        executor: What runs their workers.
        artifacts: Where their files come from.
        folder: Where each job has a folder.
        room: How much all jobs together may count for.
        secret_value: What a secret holds.
        cloud: How a worker finds the cloud.
        new_id: Where ids come from.
        journal: Where changes are written down.
        hint: Called when there is more to do at once.
    """

    name = "jobs"

    def __init__(
        self,
        database: Database,
        executor: Executor,
        artifacts: ArtifactStore,
        folder: Path,
        room: Capacity,
        secret_value: SecretValue,
        cloud: CloudVariables,
        new_id: NewId,
        journal: events.Journal,
        hint: Callable[[], None],
    ) -> None:
        self._database = database
        self._executor = executor
        self._artifacts = artifacts
        self._folder = folder
        self._room = room
        self._secret_value = secret_value
        self._cloud = cloud
        self._new_id = new_id
        self._journal = journal
        self._hint = hint

    def claim(self, now_ms: int, limit: int) -> Sequence[Claim[JobState]]:
        starting, due = self._database.read(
            lambda connection: (self._turns(connection), store.has_due(connection, now_ms))
        )
        if not starting and not due:
            return ()
        lease_tokens = [self._new_id("lease") for _ in range(limit)]
        return self._database.write(lambda connection: store.claim(connection, now_ms, limit, lease_tokens, starting))

    def next_due_ms(self) -> int | None:
        return self._database.read(store.next_due_ms)

    def observe(self, record: JobState) -> JobObservation:
        folder = self._folder_of(record.job)
        living = [worker for worker in record.workers if worker.lives]
        said = {worker.id: folder.read_refusal(worker.id) for worker in living}
        return JobObservation(
            processes={worker.id: self._executor.observe(worker.process_id) for worker in living},
            refusals={worker_id: refusal for worker_id, refusal in said.items() if refusal is not None},
            free_port=free_port() if record.has_turn else 0,
        )

    def decide(self, record: JobState, observation: JobObservation, now_ms: int) -> JobChange:
        return decide(record, observation, now_ms)

    def act(self, record: JobState, change: JobChange) -> None:
        workers = {worker.id: worker for worker in record.workers}
        for action in change.actions:
            if action.verb == "submit":
                self._submit(record.job, workers[action.worker_id])
            elif action.verb == "stop":
                self._executor.stop(workers[action.worker_id].process_id)
            elif action.verb == "clear":
                self._folder_of(record.job).remove()
            elif action.verb == "remove":
                self._remove_files(record.job)

    def apply(self, claim: Claim[JobState], change: JobChange, now_ms: int) -> bool:
        before, after = claim.record.job, change.job
        happened = self._events(claim.record, change)
        next_check_at_ms = None if change.next_check_ms is None else now_ms + change.next_check_ms

        def work(connection: Connection) -> bool:
            if after is None:
                written = store.remove(connection, claim.lease_token, before.id)
            else:
                written = store.apply(
                    connection, claim.lease_token, after, change.workers, next_check_at_ms, self._room
                )
            if written:
                events.record(connection, *happened)
            return written

        written = self._database.write(work)
        if written:
            for worker in change.workers:  # only now: a process that is forgotten before its end is written is lost
                if not worker.lives:
                    self._executor.release(worker.process_id)
        if after is None or after.status is not before.status or change.next_check_ms == 0:
            self._hint()
        return written

    def _turns(self, connection: Connection) -> list[str]:
        queued = store.first_in_queue(connection, self._room)
        return turns(queued, store.usage(connection), self._room) if queued else []

    def _submit(self, job: Job, worker: Worker) -> None:
        if self._executor.observe(worker.process_id).phase is not WorkerPhase.ABSENT:
            return  # before a crash it was started, with a token that another one would end
        folder = self._folder_of(job)
        try:
            files = read_list(job.spec.working_folder, self._artifacts) if job.spec.working_folder else {}
            lay_out(files, self._artifacts, folder.of_worker(worker.id))
            variables = worker_variables(job, worker, self._secret_value, self._cloud)
        except (NotFound, InternalError, InvalidInput) as error:  # no further try will change that
            folder.write_refusal(worker.id, error)
            return
        shape = shape_named(job.spec.resource_shape)
        self._executor.submit(
            WorkerSpec(
                worker.process_id,
                KIND,
                job.spec.command,
                variables,
                {"job": job.id, "worker": worker.id},
                grace_s=GRACE_S,
                cwd=str(folder.of_worker(worker.id)),
                limits=Limits(shape.memory_bytes, _MOST_PROCESSES, shape.cpus),
            )
        )

    def _remove_files(self, job: Job) -> None:
        for worker in self._database.read(lambda connection: store.workers_of(connection, job.id)):
            log = self._executor.log_path(worker.process_id)
            if log is not None:
                remove_log(log)
        self._folder_of(job).remove()

    def _events(self, record: JobState, change: JobChange) -> list[events.Event]:
        before, after = record.job, change.job
        where = (before.workspace_id, events.SYSTEM)
        known = {worker.id: worker for worker in record.workers}
        happened = []
        for worker in change.workers:
            old = known.get(worker.id)
            if old is None or old.status is not worker.status:
                told = f"Worker {worker.index} ({worker.id}): {worker.status.value}. {worker.message}"
                happened.append(
                    self._journal.event(*where, "worker_changed", "job", before.id, worker.reason.value, told)
                )
        if after is None:
            happened.append(self._journal.event(*where, "gone", "job", before.id, "removed", "The job is gone."))
        elif after.reason is not before.reason:
            changed = ("status_changed", "job", before.id, after.reason.value)
            happened.append(self._journal.event(*where, *changed, f"{after.status.value}: {after.message}"))
        return happened

    def _folder_of(self, job: Job) -> JobFolder:
        return JobFolder(self._folder / job.id)


def room_for_jobs(whole: Capacity, cpus: int, memory_mib: int) -> Capacity:
    """How much all jobs together may count for: what the settings say, or all that there is.

    Args:
        whole: What the executor has.
        cpus: The setting; 0 for all.
        memory_mib: The setting; 0 for all.
    """
    room = whole if not cpus else replace(whole, cpus=float(cpus))
    return room if not memory_mib else replace(room, memory_bytes=memory_mib << 20)
