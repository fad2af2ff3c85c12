"""Training runs over HTTP: ask for them, watch them, stop them."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.core.idempotency import Once
from lepton_ai.platform.model_management.registry.records import ArtifactFile
from lepton_ai.platform.model_management.runs.data import find_table, store_table
from lepton_ai.platform.model_management.runs.folder import RunFolder
from lepton_ai.platform.model_management.runs.progress import last_point, read_progress
from lepton_ai.platform.model_management.runs.records import Run, RunSpec
from lepton_ai.server.control_plane import ControlPlane
from lepton_ai.server.dependencies import WORKSPACE, Caller, IdempotencyKey, Plane
from lepton_ai.server.lines import lines_of
from lepton_ai.server.routes.endpoints import event_items
from lepton_ai.server.schemas.endpoints import EventItem
from lepton_ai.server.schemas.models import FileField
from lepton_ai.server.schemas.runs import CreateRun, DataField, ProgressItem, RunItem

router = APIRouter(prefix=f"{WORKSPACE}/runs", tags=["runs"])


@router.get("")
def list_runs(plane: Plane, caller: Caller) -> list[RunItem]:
    """All runs of the workspace, newest first."""
    return [_item(run, plane) for run in plane.runs.list(caller.workspace_id)]


@router.post("", status_code=201)
async def create_run(body: CreateRun, plane: Plane, caller: Caller, key: IdempotencyKey = None) -> RunItem:
    """Ask for a run. It trains when it is its turn, and registers a version of the model."""
    name, files = await asyncio.to_thread(_data, body.data, plane)
    spec = RunSpec(
        model_name=body.model,
        data_name=name,
        files=files,
        target=body.target,
        columns=body.columns,
        budget_s=body.budget_s,
        steps=body.steps,
        epochs=body.epochs,
        seed=body.seed,
    )
    once = Once(key, body.model_dump_json().encode()) if key else None
    return _item(await plane.runs.create(caller.workspace_id, spec, caller.name, once), plane)


@router.get("/{run}")
def get_run(run: str, plane: Plane, caller: Caller) -> RunItem:
    """One run, by its id, or by a model's name for the newest run of it."""
    return _item(plane.runs.get(caller.workspace_id, run), plane)


@router.put("/{run}/stop")
async def stop_run(run: str, plane: Plane, caller: Caller) -> RunItem:
    """Stop a run once it has written a last checkpoint."""
    return _item(await plane.runs.stop(caller.workspace_id, run, caller.name), plane)


@router.put("/{run}/resume")
async def resume_run(run: str, plane: Plane, caller: Caller) -> RunItem:
    """Let a run that was stopped, or that failed, go on from its last checkpoint."""
    return _item(await plane.runs.resume(caller.workspace_id, run, caller.name), plane)


@router.delete("/{run}")
async def remove_run(run: str, plane: Plane, caller: Caller) -> RunItem:
    """Remove a run with its checkpoints, stopping it first. A version that it registered stays."""
    return _item(await plane.runs.remove(caller.workspace_id, run, caller.name), plane)


@router.get("/{run}/progress")
def progress(run: str, plane: Plane, caller: Caller, after: Annotated[int, Query(ge=0, lt=2**63)] = 0) -> ProgressItem:
    """What the run told of its progress from a place on; `next` is the place to ask from next."""
    found = read_progress(_folder(plane.runs.get(caller.workspace_id, run), plane).progress, after)
    return ProgressItem(lines=list(found.lines), next=found.next)


@router.get("/{run}/log")
def log(
    run: str,
    plane: Plane,
    caller: Caller,
    attempt: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
    follow: bool = False,
) -> StreamingResponse:
    """What the run's newest process printed, or an earlier one; with `follow` also what it prints from now on."""
    found = plane.runs.get(caller.workspace_id, run)
    worker_id = f"{found.id}.{attempt or found.attempt}"
    path = plane.executor.log_path(worker_id)
    if path is None or not path.exists():
        raise NotFound(f"{found.id} has printed nothing yet" if attempt is None else f"there is no log {worker_id}")
    over = (lambda: plane.executor.observe(worker_id).is_over) if follow and not found.is_over else (lambda: True)
    return StreamingResponse(lines_of(path, over), media_type="text/plain; charset=utf-8")


@router.get("/{run}/events")
def list_events(run: str, plane: Plane, caller: Caller) -> list[EventItem]:
    """What happened to the run, oldest first."""
    return event_items(plane.runs.events(caller.workspace_id, run))


def _data(field: DataField, plane: ControlPlane) -> tuple[str, dict[str, ArtifactFile]]:
    """The data by name and file, all of it in the artifact store."""
    if (field.dataset is None) == (field.files is None):
        raise InvalidInput("`data` must name a `dataset` or list `files`, one of the two")
    if field.dataset is not None:
        return field.dataset, store_table(find_table(plane.datasets, field.dataset), plane.artifacts)
    files = {}
    for name, file in (field.files or {}).items():
        if not name.isprintable() or "/" in name or name.startswith(".") or len(name) > 200:
            raise InvalidInput(f"`data.files` must be plain file names, got {name[:80]!r}")
        if plane.artifacts.size(file.sha256) != file.size_bytes:
            raise InvalidInput(
                f"`data.files.{name}`: no artifact {file.sha256} of {file.size_bytes} bytes was uploaded",
                hint="Upload every file first: PUT …/artifacts/SHA256.",
            )
        files[name] = ArtifactFile(file.sha256, file.size_bytes)
    return field.name or next(iter(files)), files


def _folder(run: Run, plane: ControlPlane) -> RunFolder:
    return RunFolder(plane.folders.training / run.id)


def _item(run: Run, plane: ControlPlane) -> RunItem:
    spec = run.spec
    return RunItem(
        id=run.id,
        model=spec.model_name,
        state=run.status.value,
        reason=run.reason.value,
        message=run.message,
        data=spec.data_name,
        files={name: FileField(sha256=file.digest, size_bytes=file.size_bytes) for name, file in spec.files.items()},
        target=spec.target,
        columns={name: dict(said) for name, said in spec.columns.items()},
        budget_s=spec.budget_s,
        steps=spec.steps,
        epochs=spec.epochs,
        seed=spec.seed,
        attempt=run.attempt,
        failures=run.failures,
        checkpoint_step=run.checkpoint_step,
        version=run.version,
        progress=last_point(_folder(run, plane).progress),
        created_at=run.created_at_ms,
        changed_at=run.changed_at_ms,
        started_at=run.started_at_ms,
        finished_at=run.finished_at_ms,
        owner=run.created_by,
    )
