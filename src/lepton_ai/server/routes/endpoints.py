"""Endpoints over HTTP: the protocol's `/deployments`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.core.events import Event
from lepton_ai.core.idempotency import Once
from lepton_ai.core.settings import Settings
from lepton_ai.platform.model_management.endpoints.lifecycle import ReplicaReason, ReplicaStatus
from lepton_ai.platform.model_management.endpoints.records import Replica
from lepton_ai.platform.model_management.endpoints.service import EndpointDetails
from lepton_ai.server.dependencies import WORKSPACE, Caller, IdempotencyKey, Plane
from lepton_ai.server.lines import lines_of
from lepton_ai.server.routes.endpoint_spec import change_of, spec_field, wanted_of
from lepton_ai.server.schemas.endpoints import (
    AutoscalerStatus,
    CreateDeployment,
    Deployment,
    DeploymentStatus,
    EndpointAddress,
    EndpointMetadata,
    EventItem,
    NodeField,
    ReadinessItem,
    ReplicaItem,
    ReplicaStatusField,
    TerminationItem,
    UpdateDeployment,
)

router = APIRouter(prefix=f"{WORKSPACE}/deployments", tags=["endpoints"])


@router.get("")
def list_endpoints(plane: Plane, caller: Caller) -> list[Deployment]:
    """All endpoints of the workspace."""
    return [_deployment(found, plane.settings) for found in plane.endpoints.list(caller.workspace_id)]


@router.post("", status_code=201)
async def create_endpoint(
    body: CreateDeployment, plane: Plane, caller: Caller, response: Response, key: IdempotencyKey = None
) -> Deployment:
    """Make an endpoint."""
    name = body.metadata.name if body.metadata.name is not None else body.metadata.id
    if name is None:
        raise InvalidInput("`metadata.name` is needed")
    wanted, model = wanted_of(body.spec)
    once = Once(key, body.model_dump_json().encode()) if key else None
    made = await plane.endpoints.create(caller.workspace_id, name, wanted, caller.name, model=model, once=once)
    return _answer(made, plane.settings, response)


@router.get("/{name}")
async def get_endpoint(  # two indexed reads: quicker here than a thread's wake-up
    name: str, plane: Plane, caller: Caller, response: Response
) -> Deployment:
    """One endpoint."""
    return _answer(plane.endpoints.get(caller.workspace_id, name), plane.settings, response)


@router.patch("/{name}")
async def update_endpoint(
    name: str,
    body: UpdateDeployment,
    plane: Plane,
    caller: Caller,
    response: Response,
    if_match: Annotated[str | None, Header()] = None,
    dryrun: bool = False,
) -> Deployment:
    """Change an endpoint: another version or command, another number of replicas, another time-out.

    With `dryrun` nothing is changed; the answer is what it would be.
    """
    change = change_of(body.spec)
    seen = _seen(if_match)
    changed = await plane.endpoints.update(
        caller.workspace_id, name, change, caller.name, if_updated_at_ms=seen, dry_run=dryrun
    )
    return _answer(changed, plane.settings, response)


@router.delete("/{name}")
async def remove_endpoint(name: str, plane: Plane, caller: Caller) -> Deployment:
    """Remove an endpoint once its replicas have finished their requests."""
    return _deployment(await plane.endpoints.remove(caller.workspace_id, name, caller.name), plane.settings)


@router.put("/{name}/restart")
async def restart_endpoint(name: str, plane: Plane, caller: Caller, response: Response) -> Deployment:
    """Replace every replica by a fresh one."""
    restarted = await plane.endpoints.restart(caller.workspace_id, name, caller.name)
    return _answer(restarted, plane.settings, response)


@router.put("/{name}/approve")
async def approve_endpoint(name: str, plane: Plane, caller: Caller, response: Response) -> Deployment:
    """Let replicas that wait for approval have requests."""
    return _answer(await plane.endpoints.approve(caller.workspace_id, name, caller.name), plane.settings, response)


@router.get("/{name}/replicas")
def list_replicas(name: str, plane: Plane, caller: Caller) -> list[ReplicaItem]:
    """The endpoint's replicas, those that ended lately included."""
    return [_replica(replica) for replica in plane.endpoints.get(caller.workspace_id, name).replicas]


@router.get("/{name}/replicas/{replica_id}/log")
def replica_log(name: str, replica_id: str, plane: Plane, caller: Caller, follow: bool = False) -> StreamingResponse:
    """What a replica printed, in whole lines; with `follow` also what it prints from now on until it ends."""
    details = plane.endpoints.get(caller.workspace_id, name)
    if replica_id not in {replica.id for replica in details.replicas}:
        raise NotFound(f"endpoint {name!r} has no replica {replica_id!r}")
    path = plane.executor.log_path(replica_id)
    if path is None or not path.exists():
        raise NotFound(f"replica {replica_id!r} has printed nothing yet")
    lines = lines_of(path, (lambda: plane.executor.observe(replica_id).is_over) if follow else (lambda: True))
    return StreamingResponse(lines, media_type="text/plain; charset=utf-8")


@router.get("/{name}/events")
def list_events(name: str, plane: Plane, caller: Caller) -> list[EventItem]:
    """What happened to the endpoint, oldest first."""
    return event_items(plane.endpoints.events(caller.workspace_id, name))


@router.get("/{name}/readiness")
def readiness(name: str, plane: Plane, caller: Caller) -> dict[str, list[ReadinessItem]]:
    """Why each replica is ready or not."""
    return {
        replica.id: [
            ReadinessItem(
                reason=_readiness(replica),
                message=replica.message,
                creationTimestamp=_iso(replica.changed_at_ms),
            )
        ]
        for replica in plane.endpoints.get(caller.workspace_id, name).replicas
        if not replica.is_over
    }


@router.get("/{name}/termination")
def termination(name: str, plane: Plane, caller: Caller) -> dict[str, list[TerminationItem]]:
    """How replicas ended lately."""
    return {
        replica.id: [
            TerminationItem(
                started_at=replica.created_at_ms,
                finished_at=replica.finished_at_ms or replica.changed_at_ms,
                exit_code=replica.exit_code if replica.exit_code is not None else -1,
                reason=replica.reason.value,
                message=replica.message,
            )
        ]
        for replica in plane.endpoints.get(caller.workspace_id, name).replicas
        if replica.is_over
    }


def _readiness(replica: Replica) -> str:
    """The protocol's word for where a replica stands."""
    if replica.reason is ReplicaReason.AWAITS_APPROVAL:
        return "RequireReadinessApproval"
    return "Ready" if replica.status is ReplicaStatus.READY else "InProgress"


def _seen(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().strip('"')
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput(f"`If-Match` must be the ETag of an earlier answer, got {if_match[:80]!r}")
    return int(text)


def _answer(details: EndpointDetails, settings: Settings, response: Response) -> Deployment:
    response.headers["ETag"] = f'"{details.endpoint.updated_at_ms}"'
    return _deployment(details, settings)


def _deployment(details: EndpointDetails, settings: Settings) -> Deployment:
    endpoint = details.endpoint
    address = f"{endpoints_url(settings)}/{endpoint.workspace_id}/{endpoint.name}/"
    return Deployment(
        metadata=EndpointMetadata(
            id=endpoint.name,
            name=endpoint.name,
            created_at=endpoint.created_at_ms,
            updated_at=endpoint.updated_at_ms,
            owner=endpoint.created_by,
            generation=endpoint.generation,
        ),
        spec=spec_field(endpoint.spec),
        status=DeploymentStatus(
            state=endpoint.status.value,
            reason=endpoint.reason.value,
            message=endpoint.message,
            endpoint=EndpointAddress(internal_endpoint=address, external_endpoint=address),
            ready_replicas=details.ready_replicas,
            autoscaler_status=AutoscalerStatus(desired_replicas=endpoint.desired_replicas),
        ),
    )


def endpoints_url(settings: Settings) -> str:
    """The address under which all endpoints answer."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.endpoints_port}"


def event_items(events: Sequence[Event]) -> list[EventItem]:
    """Events in the protocol's form."""
    return [
        EventItem(
            type=event.action,
            reason=event.reason,
            count=1,
            last_observed_time=_iso(event.at_ms),
            message=event.message,
            actor=event.actor,
            regarding={"kind": event.object_kind, "name": event.object_name},
            details=dict(event.details),
        )
        for event in events
    ]


def _replica(replica: Replica) -> ReplicaItem:
    return ReplicaItem(
        metadata={"id": replica.id},
        id=replica.id,
        status=ReplicaStatusField(
            state=replica.status.value,
            reason=replica.reason.value,
            message=replica.message,
            public_ip="",
            node=NodeField(name="local", id="local"),
            generation=replica.generation,
            exit_code=replica.exit_code,
            created_at=replica.created_at_ms,
            ready_at=replica.ready_at_ms,
            finished_at=replica.finished_at_ms,
        ),
    )


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
