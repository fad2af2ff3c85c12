"""What one can do with jobs: the verbs that the doors call."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from lepton_ai.core import events
from lepton_ai.core.access.quotas import Quotas
from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from lepton_ai.core.events import Event
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import NewId
from lepton_ai.infrastructure.compute.environment import SecretValue
from lepton_ai.infrastructure.compute.jobs import store
from lepton_ai.infrastructure.compute.jobs.decide import move
from lepton_ai.infrastructure.compute.jobs.labels import check_labels
from lepton_ai.infrastructure.compute.jobs.lifecycle import (
    JOB_LIFECYCLE,
    WAITS,
    JobReason,
    JobStatus,
    WorkerStatus,
)
from lepton_ai.infrastructure.compute.jobs.queue import Queued, Usage, why_waiting
from lepton_ai.infrastructure.compute.jobs.records import Job, Worker
from lepton_ai.infrastructure.compute.jobs.search import JobSearch, search_jobs
from lepton_ai.infrastructure.compute.jobs.spec import JobSpec, check_job_name, ignored_fields, read_spec
from lepton_ai.infrastructure.compute.jobs.working_folder import check_uploaded, read_list
from lepton_ai.infrastructure.compute.port import Capacity
from lepton_ai.infrastructure.compute.shapes import SHAPES
from lepton_ai.infrastructure.storage.port import ArtifactStore

VISIBILITIES = ("public", "private")
_CODE_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_NAMES_TRIED = 8

Changed = Callable[[Job, int], Job]


@dataclass(frozen=True)
class JobDetails:
    """A job as it is shown.

    Args:
        message: Why it stands where it does; for one that waits for its turn, what it waits for now.
        ready: How many of its workers run.
        active: How many of them start or run.
        failed: How many tries of workers failed, of all gangs.
        succeeded: How many workers of the current gang have completed.
    """

    job: Job
    message: str
    ready: int = 0
    active: int = 0
    failed: int = 0
    succeeded: int = 0


class Jobs:
    """The jobs of all workspaces.

    Args:
        database: Where they are kept.
        artifacts: Where their files are.
        room: How much all jobs together may count for.
        secret_value: What a secret holds.
        clock: Where the time comes from.
        new_id: Where ids come from.
        journal: Where changes are written down.
        hint: Called after each change, so that the reconciler looks at once.
        quotas: Refuse what would be more than a workspace may have.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        room: Capacity,
        secret_value: SecretValue,
        clock: Clock,
        new_id: NewId,
        journal: events.Journal,
        hint: Callable[[], None],
        quotas: Quotas,
    ) -> None:
        self._quotas = quotas
        self._database = database
        self._artifacts = artifacts
        self._room = room
        self._secret_value = secret_value
        self._clock = clock
        self._new_id = new_id
        self._journal = journal
        self._hint = hint

    async def create(
        self,
        workspace_id: str,
        name: str,
        document: Mapping[str, Any],
        actor: str,
        *,
        labels: Any = None,
        visibility: str | None = None,
        once: Once | None = None,
    ) -> JobDetails:
        """Ask for a job. It starts when it is its turn and there is room for all its workers.

        Args:
            name: What to call it. Several jobs may have one name; the id is made of it.
            document: The spec; what of it is not acted on is kept, and an event says so.
            labels: Further words to find it by.
            visibility: `public` or `private`; kept, and not acted on.
            once: The client's idempotency key: the same request again gives the job that it made.

        Raises:
            InvalidInput: The name or a field breaks its rule; the message names it.
            NotFound: The spec refers to a secret that is not there.
            QuotaExceeded: The workspace may not have another job, or so many CPUs.
        """
        check_job_name(name)
        if visibility not in (None, *VISIBILITIES):
            raise InvalidInput(f"`metadata.visibility` must be public or private, got {visibility!r:.100}")
        labels = check_labels(labels)
        spec = read_spec(document)
        await asyncio.to_thread(self._check_references, workspace_id, spec, actor)
        now_ms = self._clock.now_ms()
        reason = _first_reason(spec, now_ms)
        candidates = [f"{name}-{_code(self._new_id('job'))}" for _ in range(_NAMES_TRIED)]
        job = Job(
            id=candidates[0],
            workspace_id=workspace_id,
            name=name,
            document=document,
            spec=spec,
            labels=labels,
            visibility=visibility or "public",
            status=JOB_LIFECYCLE.status_of(reason),
            reason=reason,
            message=JOB_LIFECYCLE.sentence(reason),
            attempt=0,
            failures=0,
            retry_at_ms=0,
            master_port=0,
            outcome=None,
            created_at_ms=now_ms,
            changed_at_ms=now_ms,
            started_at_ms=None,
            finished_at_ms=now_ms if reason is JobReason.STOPPED_AS_ASKED else None,
            created_by=actor,
        )
        happened = self._created(job, actor)

        def work(connection: Connection) -> Job:
            if once and (made := once.made_before(connection, workspace_id)):
                return _require(connection, workspace_id, made)
            free = next((job_id for job_id in candidates if not store.is_taken(connection, job_id)), None)
            if free is None:
                raise Unavailable(f"no id is free for a job named {name!r}", hint="Try again, or use another name.")
            self._quotas.check(connection, workspace_id, jobs=1, cpus=job.cpus)
            made_job = replace(job, id=free)
            store.insert_job(connection, made_job)
            if once:
                once.remember(connection, workspace_id, free, now_ms)
            events.record(connection, *(replace(event, object_name=free) for event in happened))
            return made_job

        made = await self._database.write_async(work)
        self._hint()
        return self._details(made)

    def get(self, workspace_id: str, reference: str) -> JobDetails:
        """One job, by its id, or by a name for the newest of it.

        Raises:
            NotFound: There is none.
        """
        return self._details(self._database.read(lambda connection: _require(connection, workspace_id, reference)))

    def search(self, workspace_id: str, wanted: JobSearch) -> Sequence[JobDetails]:
        """The jobs that are looked for, newest first.

        Raises:
            InvalidInput: The selector cannot be read.
        """

        def work(connection: Connection) -> Sequence[JobDetails]:
            jobs = search_jobs(connection, workspace_id, wanted)
            return _all_details(connection, jobs, self._room)

        return self._database.read(work)

    def workers(self, workspace_id: str, reference: str) -> Sequence[Worker]:
        """A job's workers, those of earlier gangs and tries too; those of the newest gang come first.

        Raises:
            NotFound: There is no such job.
        """

        def work(connection: Connection) -> Sequence[Worker]:
            job = _require(connection, workspace_id, reference)
            found = store.workers_of(connection, job.id)
            return sorted(found, key=lambda worker: (-worker.attempt, worker.index, -worker.created_at_ms))

        return self._database.read(work)

    def worker(self, workspace_id: str, worker_id: str) -> Worker:
        """One worker of the workspace's jobs.

        Raises:
            NotFound: There is none.
        """
        found = self._database.read(lambda connection: store.find_worker(connection, workspace_id, worker_id))
        if found is None:
            raise NotFound(f"there is no worker {worker_id!r}", hint="`lepton job show JOB` lists a job's workers.")
        return found

    def events(self, workspace_id: str, reference: str) -> Sequence[Event]:
        """What happened to a job, oldest first.

        Raises:
            NotFound: There is no such job.
        """

        def work(connection: Connection) -> Sequence[Event]:
            job = _require(connection, workspace_id, reference)
            return events.events_of(connection, workspace_id, "job", job.id)

        return self._database.read(work)

    async def stop(self, workspace_id: str, reference: str, actor: str) -> JobDetails:
        """Stop a job. One that is over or stopping stays as it is.

        Raises:
            NotFound: There is none.
            Conflict: It is being removed.
        """

        def changed(job: Job, now_ms: int) -> Job:
            stopped = replace(job, document={**job.document, "stopped": True}, spec=replace(job.spec, stopped=True))
            if job.status in WAITS:
                return move(stopped, JobReason.STOPPED_AS_ASKED, now_ms)
            if job.is_over or job.status is JobStatus.STOPPING:
                return job
            return move(stopped, JobReason.STOP_ASKED, now_ms)

        return await self._change(workspace_id, reference, "stopped", "It was asked to stop.", actor, changed)

    async def start(self, workspace_id: str, reference: str, actor: str) -> JobDetails:
        """Start a job again that was stopped, from the beginning. One that waits or runs stays as it is.

        Raises:
            NotFound: There is none.
            Conflict: It ended otherwise, or is being stopped or removed.
        """

        def changed(job: Job, now_ms: int) -> Job:
            if job.status in WAITS or job.status in (JobStatus.STARTING, JobStatus.RUNNING, JobStatus.RESTARTING):
                return job
            if job.status is not JobStatus.STOPPED:
                raise Conflict(
                    f"{job.id} is {job.status.value}: only one that was stopped can be started again",
                    hint=f"`lepton job clone {job.id}` makes another of the same spec.",
                )
            started = replace(
                job,
                document={**job.document, "stopped": False},
                spec=replace(job.spec, stopped=False),
                failures=0,
                retry_at_ms=0,
                started_at_ms=None,
            )
            waits = started.spec.start_at_ms is not None and now_ms < started.spec.start_at_ms
            return move(started, JobReason.START_AT if waits else JobReason.STARTED_AGAIN, now_ms)

        return await self._change(workspace_id, reference, "started", "It was asked to start again.", actor, changed)

    async def archive(self, workspace_id: str, reference: str, actor: str) -> JobDetails:
        """Put a job aside that is over. Its record and its logs are kept, its workers' folders are not.

        Raises:
            NotFound: There is none.
            Conflict: It is not over.
        """

        def changed(job: Job, now_ms: int) -> Job:
            if job.status is JobStatus.ARCHIVED:
                return job
            if not job.is_over:
                raise Conflict(
                    f"{job.id} is {job.status.value}: only one that is over can be archived",
                    hint=f"Stop it first: lepton job stop {job.id}",
                )
            ended = f"It ended as {job.outcome.value}. " if job.outcome else ""
            message = f"{ended}{JOB_LIFECYCLE.sentence(JobReason.ARCHIVED_AS_ASKED)}"
            return move(job, JobReason.ARCHIVED_AS_ASKED, now_ms, message=message)

        return await self._change(workspace_id, reference, "archived", "It was archived.", actor, changed)

    async def remove(self, workspace_id: str, reference: str, actor: str) -> JobDetails:
        """Remove a job with its logs and its workers' folders, stopping it first.

        Raises:
            NotFound: There is none.
        """

        def changed(job: Job, now_ms: int) -> Job:
            return job if job.status is JobStatus.DELETING else move(job, JobReason.BEING_REMOVED, now_ms)

        return await self._change(workspace_id, reference, "removed", "It is being removed.", actor, changed)

    def count(self, workspace_id: str) -> tuple[int, int]:
        """How many jobs of a workspace are not archived, and how many of them hold room."""
        return self._database.read(lambda connection: store.count_jobs(connection, workspace_id))

    async def _change(
        self, workspace_id: str, reference: str, action: str, message: str, actor: str, changed: Changed
    ) -> JobDetails:
        now_ms = self._clock.now_ms()
        event = self._journal.event(workspace_id, actor, action, "job", reference, "asked", message)

        def work(connection: Connection) -> Job:
            before = _require(connection, workspace_id, reference)
            after = changed(before, now_ms)
            if after != before:
                store.update_job(connection, after)
                events.record(connection, replace(event, object_name=before.id))
            return after

        result = await self._database.write_async(work)
        self._hint()
        return self._details(result)

    def _check_references(self, workspace_id: str, spec: JobSpec, actor: str) -> None:
        for variable in spec.variables:
            if variable.secret is not None:
                self._secret_value(workspace_id, variable.secret, actor)
        if spec.working_folder is not None:
            check_uploaded(read_list(spec.working_folder, self._artifacts), self._artifacts)

    def _created(self, job: Job, actor: str) -> list[Event]:
        told = [
            (
                "created",
                actor,
                "asked",
                f"The job was asked for: {job.spec.workers} of {job.spec.completions} workers at once.",
            )
        ]
        told += [("noted", events.SYSTEM, "not_acted_on", text) for text in ignored_fields(job.document)]
        shape = job.spec.resource_shape
        if shape not in SHAPES:
            text = f"`resource_shape` {shape} is not known here: each worker counts as cpu.small, without a GPU."
            told.append(("noted", events.SYSTEM, "shape_not_known", text))
        return [
            self._journal.event(job.workspace_id, who, action, "job", job.id, reason, text)
            for action, who, reason, text in told
        ]

    def _details(self, job: Job) -> JobDetails:
        [details] = self._database.read(lambda connection: _all_details(connection, [job], self._room))
        return details


def _first_reason(spec: JobSpec, now_ms: int) -> JobReason:
    if spec.stopped:
        return JobReason.STOPPED_AS_ASKED
    return JobReason.START_AT if spec.start_at_ms is not None and now_ms < spec.start_at_ms else JobReason.ASKED


def _all_details(connection: Connection, jobs: Sequence[Job], room: Capacity) -> list[JobDetails]:
    counts = store.count_workers(connection, [job.id for job in jobs])
    waiting = any(job.status is JobStatus.QUEUEING for job in jobs)
    places = store.places_in_queue(connection, room) if waiting else {}
    used = store.usage(connection) if waiting else Usage()
    return [
        JobDetails(
            job,
            _message(job, places, used, room),
            ready=counts[job.id, job.attempt, WorkerStatus.RUNNING],
            active=sum(counts[job.id, job.attempt, status] for status in (WorkerStatus.STARTING, WorkerStatus.RUNNING)),
            failed=sum(counts[job.id, attempt, WorkerStatus.FAILED] for attempt in range(1, job.attempt + 1)),
            succeeded=counts[job.id, job.attempt, WorkerStatus.COMPLETED],
        )
        for job in jobs
    ]


def _message(job: Job, places: Mapping[str, int], used: Usage, room: Capacity) -> str:
    if job.id not in places:
        return job.message
    return why_waiting(Queued(job.id, job.cpus, job.memory_bytes), places[job.id], used, room)


def _code(seed: str) -> str:
    digest = hashlib.sha256(seed.encode()).digest()
    return "".join(_CODE_LETTERS[byte % 32] for byte in digest[:5])


def _require(connection: Connection, workspace_id: str, reference: str) -> Job:
    job = store.find_job(connection, workspace_id, reference)
    if job is None:
        raise NotFound(
            f"there is no job {reference[:100]!r} in workspace {workspace_id!r}, and none of that name",
            hint="`lepton job list` shows them.",
        )
    return job
