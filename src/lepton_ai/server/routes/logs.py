"""Log history over HTTP: the protocol's `/logs`, answered as Loki does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.infrastructure.compute.log_search import search_logs
from lepton_ai.server.control_plane import ControlPlane
from lepton_ai.server.dependencies import WORKSPACE, Caller, Plane
from lepton_ai.server.schemas.logs import LogAnswer, LogResult, LogStream

router = APIRouter(prefix=f"{WORKSPACE}/logs", tags=["logs"])

MOST_LINES = 10_000

Nanoseconds = Annotated[int | None, Query(ge=0, lt=2**63, description="Nanoseconds since 1970.")]
Name = Annotated[str | None, Query(max_length=100)]


@router.get("")
def find_lines(
    plane: Plane,
    caller: Caller,
    deployment: Name = None,
    job: Name = None,
    replica: Name = None,
    job_history_name: Name = None,
    start: Nanoseconds = None,
    end: Nanoseconds = None,
    direction: Literal["forward", "backward"] = "backward",
    limit: Annotated[int, Query(ge=1, le=MOST_LINES)] = 5000,
    q: Annotated[str, Query(max_length=1000, description="A text that each line must hold.")] = "",
    timestamps: bool = True,  # noqa: ARG001 - lines always have one
    job_query_mode: str = "alive_and_archive",  # noqa: ARG001 - a job is named, so it is found either way
) -> LogAnswer:
    """What the workers of a job or an endpoint printed from `start` on and before `end`, or one of them.

    `backward` gives the newest lines, newest first; `forward` the oldest, oldest first.
    """
    end_ns = 2**63 - 1 if end is None else end
    if start is not None and end_ns <= start:
        raise InvalidInput(f"`end` must be after `start`, got start={start}, end={end_ns}")
    kind, name, logs = _logs(plane, caller.workspace_id, deployment, job or job_history_name, replica)
    newest = direction == "backward"
    found = search_logs(logs, start or 0, end_ns, limit=limit, newest=newest, containing=q)
    by_worker: dict[str, list[tuple[str, str]]] = {}
    for line in found:
        by_worker.setdefault(line.worker_id, []).append((str(line.at_ns), line.text))
    streams = [
        LogStream(stream={kind: name, "replica": worker_id}, values=values) for worker_id, values in by_worker.items()
    ]
    return LogAnswer(data=LogResult(result=streams))


def _logs(
    plane: ControlPlane, workspace_id: str, deployment: str | None, job: str | None, replica: str | None
) -> tuple[str, str, Mapping[str, Path]]:
    """What is asked for by kind and name, and the logs to look through by worker."""
    if deployment is not None and job is not None:
        raise InvalidInput("`deployment` and `job` must not be given both")
    if job is None and replica is not None and deployment is None:
        for endpoint in plane.endpoints.list(workspace_id):
            if replica in {found.id for found in endpoint.replicas}:
                deployment = endpoint.endpoint.name
        if deployment is None:
            job = plane.jobs.worker(workspace_id, replica).job_id
    if job is not None:
        found_job = plane.jobs.get(workspace_id, job).job
        processes = {worker.id: worker.process_id for worker in plane.jobs.workers(workspace_id, found_job.id)}
        return "job", found_job.id, _existing(plane, _only(processes, replica, f"job {job!r}"))
    if deployment is not None:
        replicas = {found.id: found.id for found in plane.endpoints.get(workspace_id, deployment).replicas}
        return "deployment", deployment, _existing(plane, _only(replicas, replica, f"endpoint {deployment!r}"))
    raise InvalidInput("one of `job`, `deployment` and `replica` is needed: whose log to look through")


def _only(processes: Mapping[str, str], replica: str | None, whose: str) -> Mapping[str, str]:
    if replica is None:
        return processes
    if replica not in processes:
        raise NotFound(f"{whose} has no replica {replica!r}")
    return {replica: processes[replica]}


def _existing(plane: ControlPlane, processes: Mapping[str, str]) -> dict[str, Path]:
    paths = {worker_id: plane.executor.log_path(process_id) for worker_id, process_id in processes.items()}
    return {worker_id: path for worker_id, path in paths.items() if path is not None and path.exists()}
