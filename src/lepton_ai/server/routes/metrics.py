"""Metrics over HTTP, for Prometheus."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from lepton_ai.server.dependencies import Asker, Plane

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(plane: Plane, asker: Asker) -> PlainTextResponse:
    """How many endpoints, replicas and runs stand where, and what the gateway was asked; in one's own workspace, or for
    an admin of the server in all."""

    def is_shown(workspace_id: str) -> bool:
        return asker.is_root or workspace_id == asker.workspace_id

    registry = CollectorRegistry()
    endpoints = Gauge("lepton_endpoints", "Endpoints by status.", ["workspace", "status"], registry=registry)
    replicas = Gauge("lepton_replicas", "Replicas by status.", ["workspace", "endpoint", "status"], registry=registry)
    runs = Gauge("lepton_runs", "Training runs by status.", ["workspace", "status"], registry=registry)
    requests = Gauge("lepton_requests", "Requests to an endpoint.", ["endpoint"], registry=registry)
    errors = Gauge("lepton_request_errors", "Requests answered with 500 or above.", ["endpoint"], registry=registry)
    for found in plane.endpoints.list_all():
        endpoint = found.endpoint
        if not is_shown(endpoint.workspace_id):
            continue
        endpoints.labels(endpoint.workspace_id, endpoint.status.value).inc()
        for replica in found.replicas:
            if not replica.is_over:
                replicas.labels(endpoint.workspace_id, endpoint.name, replica.status.value).inc()
    for run in plane.runs.list_all():
        if is_shown(run.workspace_id):
            runs.labels(run.workspace_id, run.status.value).inc()
    for path, stats in plane.gateway.stats().items():
        if is_shown(path.partition("/")[0]):
            requests.labels(path).set(stats.requests_total)
            errors.labels(path).set(stats.errors_total)
    return PlainTextResponse(generate_latest(registry), media_type="text/plain; version=0.0.4")
