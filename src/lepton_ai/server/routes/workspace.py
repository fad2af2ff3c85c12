"""The workspace over HTTP: what a client asks first."""

import os

from fastapi import APIRouter, Request

from lepton_ai import __version__
from lepton_ai.infrastructure.compute.port import Capabilities
from lepton_ai.infrastructure.storage.kv.store import count_namespaces
from lepton_ai.infrastructure.storage.queues.store import count_queues
from lepton_ai.infrastructure.storage.secrets.store import count_secrets
from lepton_ai.platform.model_management.endpoints.lifecycle import ReplicaStatus
from lepton_ai.platform.model_management.runs.lifecycle import ACTIVE
from lepton_ai.platform.photons.store import count_photons
from lepton_ai.server.dependencies import WORKSPACE, Caller, Plane
from lepton_ai.server.routes.endpoints import endpoints_url
from lepton_ai.server.schemas.workspace import (
    GatewayItem,
    Quantity,
    Quota,
    ServerStatus,
    ServiceQuota,
    Services,
    Workloads,
    Workspace,
    WorkspaceName,
)

router = APIRouter(prefix=WORKSPACE, tags=["workspace"])


@router.get("")
def name(caller: Caller) -> WorkspaceName:
    """What to call this workspace, and the token that was used."""
    where = caller.workspace_id
    return WorkspaceName(id=where, display_name=where, token=caller.name, role=caller.role.value)


@router.get("/workspace")
def workspace(plane: Plane, caller: Caller) -> Workspace:
    """The workspace with what is in it."""
    where = caller.workspace_id
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    quota = plane.access.workspace(where).quota
    counters = (count_secrets, count_photons, count_namespaces, count_queues)
    used, (secrets, photons, namespaces, queues) = plane.database.read(
        lambda connection: (plane.quotas.used(connection, where), [count(connection, where) for count in counters])
    )
    return Workspace(
        build_time="",
        git_commit=__version__,
        workspace_name=where,
        workspace_disk_usage_bytes=int(used["storage_bytes"]),
        workloads=Workloads(
            num_deployments=int(used["endpoints"]),
            num_jobs=int(used["jobs"]),
            num_secrets=secrets,
            num_photons=photons,
        ),
        resource_quota=Quota(
            # Without a quota the machine is the limit.
            limit=Quantity(cpu=(os.cpu_count() or 1) if quota.cpus is None else quota.cpus, memory=memory_mib),
            used=Quantity(cpu=used["cpus"], memory=plane.meter.memory_bytes(where) >> 20),
        ),
        service_quota=ServiceQuota(used=Services(kv_store_num=namespaces, queue_num=queues)),
    )


@router.get("/status")
def status(request: Request, plane: Plane, caller: Caller) -> ServerStatus:
    """How the server is."""
    gateway = plane.gateway.status()
    endpoints = plane.endpoints.list(caller.workspace_id)
    replicas = [replica for found in endpoints for replica in found.replicas]
    return ServerStatus(
        version=__version__,
        workspace=caller.workspace_id,
        api_url=f"http://{request.headers['host']}",
        endpoints_url=endpoints_url(plane.settings),
        gateway=GatewayItem(driver=gateway.driver, why=gateway.why, ready=gateway.ready),
        executor=plane.settings.executor,
        isolation=_isolation(plane.executor.capabilities()),
        endpoints=len(endpoints),
        replicas=sum(replica.status is ReplicaStatus.READY for replica in replicas),
        runs=sum(run.status in ACTIVE for run in plane.runs.list(caller.workspace_id)),
        jobs=plane.jobs.count(caller.workspace_id)[1],
        models=len(plane.registry.models(caller.workspace_id)),
    )


def _isolation(can: Capabilities) -> str:
    held = [
        noun
        for noun, is_held in (("memory", can.memory_limit), ("processes", can.process_limit), ("CPUs", can.cpu_limit))
        if is_held
    ]
    limits = f"limits of jobs are held for {', '.join(held)}" if held else "limits of jobs are not held"
    return f"trusted users only: replicas and jobs run as the server's own user; {limits}"
