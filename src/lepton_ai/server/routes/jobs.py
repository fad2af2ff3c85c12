"""Jobs over HTTP: the protocol's `/jobs`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.core.idempotency import Once
from lepton_ai.infrastructure.compute.jobs.lifecycle import JobStatus
from lepton_ai.infrastructure.compute.jobs.records import Worker
from lepton_ai.infrastructure.compute.jobs.search import JobSearch, QueryMode
from lepton_ai.infrastructure.compute.jobs.service import JobDetails
from lepton_ai.server.control_plane import ControlPlane
from lepton_ai.server.dependencies import WORKSPACE, Caller, IdempotencyKey, Plane
from lepton_ai.server.lines import lines_of
from lepton_ai.server.routes.endpoints import event_items
from lepton_ai.server.schemas.endpoints import EventItem
from lepton_ai.server.schemas.jobs import (
    CreateJob,
    JobItem,
    JobMetadata,
    JobNode,
    JobPast,
    JobStatusField,
    UpdateJob,
    WorkerItem,
    WorkerStatusField,
)

router = APIRouter(prefix=f"{WORKSPACE}/jobs", tags=["jobs"])

_NODE = "local"
_PAUSE_S = 0.1

Words = Annotated[list[str] | None, Query(max_length=100)]
Mode = Annotated[QueryMode, Query(description="Among jobs in use, archived ones, or both.")]


@router.get("")
def list_jobs(
    plane: Plane,
    caller: Caller,
    job_query_mode: Mode = QueryMode.ALIVE_ONLY,
    q: Annotated[str, Query(max_length=200, description="A part of the name or id.")] = "",
    query: Annotated[str, Query(max_length=2000, description="A label selector.")] = "",
    status: Words = None,
    created_by: Words = None,
    node_groups: Words = None,  # noqa: ARG001 - this machine is the only one
    page: Annotated[int, Query(ge=1, lt=2**31)] = 1,
    page_size: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
) -> list[JobItem]:
    """The jobs of the workspace, newest first, by pages; past the last page there are none."""
    wanted = JobSearch(job_query_mode, q, query, status or (), created_by or (), page, page_size)
    return [_item(found) for found in plane.jobs.search(caller.workspace_id, wanted)]


@router.post("", status_code=201)
async def create_job(body: CreateJob, plane: Plane, caller: Caller, key: IdempotencyKey = None) -> JobItem:
    """Ask for a job. It starts when it is its turn and there is room for all its workers."""
    metadata = body.metadata
    name = metadata.id if metadata.id is not None else metadata.name
    if name is None:
        raise InvalidInput("`metadata.id` is needed: the job's name")
    made = await plane.jobs.create(
        caller.workspace_id,
        name,
        body.spec,
        caller.name,
        labels=metadata.labels,
        visibility=metadata.visibility,
        once=Once(key, body.model_dump_json().encode()) if key else None,
    )
    return _item(made)


@router.get("/{job}")
def get_job(job: str, plane: Plane, caller: Caller, job_query_mode: Mode = QueryMode.ALIVE_AND_ARCHIVE) -> JobItem:
    """One job, by its id, or by a name for the newest of it."""
    return _item(_require(job, plane, caller.workspace_id, job_query_mode))


@router.patch("/{job}")
async def update_job(job: str, body: UpdateJob, plane: Plane, caller: Caller) -> JobItem:
    """Stop a job, or start one again that was stopped."""
    change = plane.jobs.stop if body.spec.stopped else plane.jobs.start
    return _item(await change(caller.workspace_id, job, caller.name))


@router.put("/{job}/archive")
async def archive_job(job: str, plane: Plane, caller: Caller) -> JobItem:
    """Put a job aside that is over. Its record and logs are kept, its workers' folders go."""
    return _item(await plane.jobs.archive(caller.workspace_id, job, caller.name))


@router.delete("/{job}")
async def remove_job(
    job: str, plane: Plane, caller: Caller, job_query_mode: Mode = QueryMode.ALIVE_AND_ARCHIVE
) -> JobItem:
    """Remove a job with its logs and its workers' folders, stopping it first."""
    found = await asyncio.to_thread(_require, job, plane, caller.workspace_id, job_query_mode)
    return _item(await plane.jobs.remove(caller.workspace_id, found.job.id, caller.name))


@router.get("/{job}/replicas")
def list_workers(
    job: str, plane: Plane, caller: Caller, job_query_mode: Mode = QueryMode.ALIVE_AND_ARCHIVE
) -> list[WorkerItem]:
    """The job's workers, earlier tries too; those of the newest attempt come first, in the order of their index."""
    found = _require(job, plane, caller.workspace_id, job_query_mode)
    return [_worker(worker) for worker in plane.jobs.workers(caller.workspace_id, found.job.id)]


@router.get("/{job}/replicas/{worker}/log")
def worker_log(job: str, worker: str, plane: Plane, caller: Caller, follow: bool = True) -> StreamingResponse:
    """What a worker printed, in whole lines, and what it prints until it ends; `follow=false` ends at once."""
    workers = {found.id: found for found in plane.jobs.workers(caller.workspace_id, job)}
    if worker not in workers:
        raise NotFound(f"job {job!r} has no worker {worker!r}", hint=f"`lepton job show {job}` lists them.")
    path = plane.executor.log_path(workers[worker].process_id)
    if path is None or not (path.exists() or (follow and workers[worker].lives)):
        raise NotFound(f"worker {worker!r} has printed nothing")
    lines = _log(workers[worker], plane, caller.workspace_id, follow)
    return StreamingResponse(lines, media_type="text/plain; charset=utf-8")


@router.get("/{job}/events")
def list_events(job: str, plane: Plane, caller: Caller) -> list[EventItem]:
    """What happened to the job, oldest first."""
    return event_items(plane.jobs.events(caller.workspace_id, job))


async def _log(worker: Worker, plane: ControlPlane, workspace_id: str, follow: bool) -> AsyncIterator[bytes]:
    path = plane.executor.log_path(worker.process_id)

    def is_over() -> bool:
        # A process that ended is soon forgotten, so its record is asked; one that is not there yet still comes.
        if not follow or plane.executor.observe(worker.process_id).is_over:
            return True
        try:
            return not plane.jobs.worker(workspace_id, worker.id).lives
        except NotFound:  # the job was removed
            return True

    while path is not None and not path.exists():
        if await asyncio.to_thread(is_over):
            return
        await asyncio.sleep(_PAUSE_S)
    if path is not None:
        async for lines in lines_of(path, is_over):
            # Each piece is decoded alone by the protocol's clients, and a worker may print what is no text.
            yield lines.decode("utf-8", "replace").encode()


def _require(job: str, plane: ControlPlane, workspace_id: str, mode: QueryMode) -> JobDetails:
    found = plane.jobs.get(workspace_id, job)
    archived = found.job.status is JobStatus.ARCHIVED
    if mode is QueryMode.ALIVE_ONLY and archived:
        raise NotFound(f"job {job!r} is archived", hint="Ask with job_query_mode=alive_and_archive.")
    if mode is QueryMode.ARCHIVE_ONLY and not archived:
        raise NotFound(f"job {job!r} is not archived", hint="Ask with job_query_mode=alive_and_archive.")
    return found


def _item(details: JobDetails) -> JobItem:
    job = details.job
    counts = {
        "ready": details.ready,
        "active": details.active,
        "failed": details.failed,
        "succeeded": details.succeeded,
        "creation_time": job.created_at_ms,
    }
    ended_at = job.finished_at_ms
    ended = job.outcome if job.status is JobStatus.ARCHIVED else None
    past = [JobPast(job_name=job.id, state=ended.value, completion_time=ended_at, **counts)] if ended else []
    return JobItem(
        metadata=JobMetadata(
            id=job.id,
            name=job.name,
            created_at=job.created_at_ms,
            last_modified_at=job.changed_at_ms,
            created_by=job.created_by,
            owner=job.created_by,
            labels=dict(job.labels),
            visibility=job.visibility,
        ),
        spec=dict(job.document),
        status=JobStatusField(
            job_name=job.id,
            state=job.status.value,
            reason=job.reason.value,
            message=details.message,
            attempt=job.attempt,
            failures=job.failures,
            start_time=job.started_at_ms,
            completion_time=ended_at,
            job_history=past,
            **counts,
        ),
    )


def _worker(worker: Worker) -> WorkerItem:
    return WorkerItem(
        metadata={"id": worker.id, "name": worker.id},
        id=worker.id,
        status=WorkerStatusField(
            state=worker.status.value,
            reason=worker.reason.value,
            message=worker.message,
            index=worker.index,
            attempt=worker.attempt,
            exit_code=worker.exit_code,
            signal=worker.signal,
            public_ip="",
            node=JobNode(name=_NODE, id=_NODE),
            domains=[],
            created_at=worker.created_at_ms,
            started_at=worker.started_at_ms,
            finished_at=worker.finished_at_ms,
        ),
    )
