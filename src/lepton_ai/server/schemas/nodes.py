"""Nodes and resource shapes on the wire."""

from typing import Any

from pydantic import Field

from lepton_ai.server.schemas.common import Body


class NamedField(Body):
    """What something is called."""

    id: str
    name: str


class NodeGroupStatus(Body):
    """How a node group is."""

    ready_nodes: int
    quota_enabled: bool = False


class NodeGroup(Body):
    """Machines that belong together."""

    metadata: NamedField
    spec: dict[str, Any] = Field(default_factory=dict)
    status: NodeGroupStatus


class CpuField(Body):
    """CPUs, and how many of them are asked for."""

    type: str = "cpu"
    allocated: float
    total: float


class MemoryField(Body):
    """Memory in bytes, and how much of it is in use."""

    allocated: int
    total: int


class DiskField(Body):
    """The disk that the data folder lies on."""

    total_bytes: int
    used_bytes: int


class SystemField(Body):
    """What the machine runs."""

    os: str
    kernel_version: str


class NodeResource(Body):
    """What a machine has."""

    cpu: CpuField
    memory: MemoryField
    disk: DiskField
    system: SystemField


class NodeSpec(Body):
    """A machine, and whether work may be put on it."""

    unschedulable: bool = False
    hostname: str
    local_ip: str = "127.0.0.1"
    resource: NodeResource


class NodeWorkload(Body):
    """What of this workspace runs on a machine."""

    type: str
    name: str
    id: str
    replica_id: str
    workspace: str
    cpu: float


class NodeStatus(Body):
    """How a machine is, and what runs on it."""

    status: list[str]
    workloads: list[NodeWorkload]


class Node(Body):
    """One machine."""

    metadata: NamedField
    spec: NodeSpec
    status: NodeStatus


class ShapeSpec(Body):
    """How much one worker of a shape counts for."""

    name: str
    description: str
    cpu: float
    memory_in_mb: int
    accelerator_type: str = ""
    accelerator_num: float = 0
    listable_in: list[str]


class ShapeItem(Body):
    """One resource shape."""

    metadata: NamedField
    spec: ShapeSpec


class NoItems(Body):
    """A list of what this server has none of."""

    items: list[Any] = Field(default_factory=list)


class NoFineTuneJobs(Body):
    """Fine-tuning is not offered: there are none."""

    finetune_jobs: list[Any] = Field(default_factory=list)
