"""Nodes and resource shapes over HTTP: this machine, as the protocol shows machines."""

import os
import platform
import shutil
import socket
from typing import Any

from fastapi import APIRouter

from lepton_ai.core.errors import NotFound
from lepton_ai.infrastructure.compute.shapes import SHAPES, Shape, shape_named
from lepton_ai.server.control_plane import ControlPlane
from lepton_ai.server.dependencies import WORKSPACE, Caller, Plane
from lepton_ai.server.schemas.nodes import (
    CpuField,
    DiskField,
    MemoryField,
    NamedField,
    Node,
    NodeGroup,
    NodeGroupStatus,
    NodeResource,
    NodeSpec,
    NodeStatus,
    NodeWorkload,
    NoItems,
    ShapeItem,
    ShapeSpec,
    SystemField,
)

router = APIRouter(prefix=WORKSPACE, tags=["nodes"])

LOCAL = "local"
"""The one node group, and the one node in it."""

_GROUPS = "/dedicated-node-groups"


@router.get("/shapes")
def list_shapes(caller: Caller, node_groups: str | None = None, purpose: str | None = None) -> list[ShapeItem]:
    """The resource shapes; the same for every node group and purpose."""
    del caller, node_groups, purpose
    return [_shape(shape) for shape in SHAPES.values()]


@router.get(_GROUPS)
def list_node_groups(caller: Caller) -> list[NodeGroup]:
    """The node groups: this machine is one."""
    del caller
    return [_group()]


@router.get(_GROUPS + "/{group}")
def get_node_group(group: str, caller: Caller) -> NodeGroup:
    """One node group."""
    del caller
    _check_group(group)
    return _group()


@router.get(_GROUPS + "/{group}/nodes")
def list_nodes(group: str, plane: Plane, caller: Caller, idle: bool = False) -> list[Node]:
    """The machines of a node group, with what of this workspace runs on them."""
    _check_group(group)
    node = _node(plane, caller.workspace_id)
    return [] if idle and node.status.workloads else [node]


@router.get(_GROUPS + "/{group}/machines")
def list_machines(group: str, caller: Caller) -> list[Any]:
    """Machines beside their nodes: none, a node is all that is known."""
    del caller
    _check_group(group)
    return []


@router.get(_GROUPS + "/{group}/reservations")
def list_reservations(group: str, caller: Caller) -> list[Any]:
    """Reservations: none can be made."""
    del caller
    _check_group(group)
    return []


@router.get(_GROUPS + "/{group}/datasources")
def list_data_sources(group: str, caller: Caller) -> NoItems:
    """Data sources of a node group: none can be made."""
    del caller
    _check_group(group)
    return NoItems()


def _check_group(group: str) -> None:
    if group != LOCAL:
        raise NotFound(f"there is no node group {group[:80]!r}", hint=f"There is one: {LOCAL!r}.")


def _group() -> NodeGroup:
    return NodeGroup(metadata=NamedField(id=LOCAL, name=LOCAL), status=NodeGroupStatus(ready_nodes=1))


def _node(plane: ControlPlane, workspace_id: str) -> Node:
    workloads = [
        NodeWorkload(
            type="pod" if found.endpoint.spec.is_pod else "deployment",
            name=found.endpoint.name,
            id=found.endpoint.name,
            replica_id=replica.id,
            workspace=workspace_id,
            cpu=shape_named(found.endpoint.spec.resource_shape).cpus,
        )
        for found in plane.endpoints.list(workspace_id)
        for replica in found.replicas
        if not replica.is_over
    ]
    page = os.sysconf("SC_PAGE_SIZE")
    memory = page * os.sysconf("SC_PHYS_PAGES")
    disk = shutil.disk_usage(plane.settings.data_dir)
    resource = NodeResource(
        cpu=CpuField(allocated=sum(each.cpu for each in workloads), total=float(os.cpu_count() or 1)),
        memory=MemoryField(allocated=memory - page * os.sysconf("SC_AVPHYS_PAGES"), total=memory),
        disk=DiskField(total_bytes=disk.total, used_bytes=disk.used),
        system=SystemField(os=platform.system(), kernel_version=platform.release()),
    )
    return Node(
        metadata=NamedField(id=LOCAL, name=LOCAL),
        spec=NodeSpec(hostname=socket.gethostname(), resource=resource),
        status=NodeStatus(status=["Ready", "Healthy"], workloads=workloads),
    )


def _shape(shape: Shape) -> ShapeItem:
    memory_mb = shape.memory_bytes >> 20
    return ShapeItem(
        metadata=NamedField(id=shape.name, name=shape.name),
        spec=ShapeSpec(
            name=shape.name,
            description=f"{shape.cpus:g} CPUs, {memory_mb >> 10} GiB",
            cpu=shape.cpus,
            memory_in_mb=memory_mb,
            listable_in=["deployment", "job", "pod"],
        ),
    )
