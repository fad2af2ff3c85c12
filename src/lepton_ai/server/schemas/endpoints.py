"""Endpoints on the wire: the protocol's `LeptonDeployment`, with our field `spec.model`."""

import shlex
from typing import Annotated, Any, Literal

from pydantic import Field

from lepton_ai.server.schemas.common import Body, Kept, Request


class ModelField(Body):
    """Which model an endpoint serves: a version, or an alias that is resolved when it is given."""

    name: str
    version: int | None = Field(None, ge=1, lt=2**31)
    alias: str | None = None


class PortField(Kept):
    """A port that a command listens on."""

    container_port: int = Field(ge=1, le=65535)


class ContainerField(Kept):
    """A command instead of a model. The image is kept, and not used: commands run as processes of this machine."""

    image: str | None = Field(None, max_length=500)
    command: list[str] | None = Field(None, max_length=1000)
    ports: list[PortField] | None = Field(None, max_length=16)


class SecretField(Kept):
    """Where the value of a variable comes from."""

    secret_name_ref: str | None = None


class VariableField(Kept):
    """A variable of the environment: its value, or the secret that holds it."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)
    value: str | None = Field(None, max_length=100_000)
    value_from: SecretField | None = None


class TokenReference(Body):
    """A token by its name. Only `WORKSPACE_TOKEN` is one: those of the workspace."""

    token_name_ref: Literal["WORKSPACE_TOKEN"]


class ApiTokenField(Body):
    """A token that opens an endpoint: its value, shown as `***` afterwards, or a reference."""

    value: str | None = Field(None, repr=False)
    value_from: TokenReference | None = None


ApiTokens = Annotated[
    list[ApiTokenField] | None,
    Field(
        max_length=100,
        description="Who may call. Left out: the workspace's tokens. Empty: anyone, on loopback or where the operator "
        "allows it.",
    ),
]


class ScaleDownField(Kept):
    """When replicas are given up."""

    no_traffic_timeout: int | None = Field(None, ge=0, le=10**7)


class ThroughputField(Kept):
    """How many requests a minute a replica is to answer."""

    qpm: float | None = Field(None, ge=0)


class AutoScalerField(Kept):
    """By what the number of replicas goes; 0 is for not at all. `target_in_flight` is our own."""

    scale_down: ScaleDownField | None = None
    target_throughput: ThroughputField | None = None
    target_in_flight: float | None = Field(None, ge=0)


class AuthConfigField(Kept):
    """From where an endpoint may be called: addresses and networks. Empty or left out: from everywhere."""

    ip_allowlist: list[str] | None = Field(None, max_length=256)


class LoadBalanceField(Kept):
    """Which replica gets a request: with `maglev` those of one caller go to one replica, else the least busy one."""

    least_request: dict[str, Any] | None = None
    maglev: dict[str, Any] | None = None


class RoutingPolicyField(Kept):
    """Whether a request may name its replica, in the header `X-Lepton-Replica-Target`."""

    enable_header_based_replica_routing: bool | None = None


class ReadinessField(Kept):
    """Whether new replicas of a rollout wait for `PUT /deployments/{name}/approve`."""

    require_approval: bool | None = None


class HealthField(Kept):
    """When replicas get requests."""

    readiness: ReadinessField | None = None


class ResourceRequirement(Kept):
    """How many replicas, and how much each may use."""

    resource_shape: str = Field("cpu.small", min_length=1, max_length=64)
    min_replicas: int = Field(1, ge=0, le=64)
    max_replicas: int | None = Field(None, ge=0, le=64)


class DeploymentSpec(Kept):
    """What is asked for: a model, a command or a photon, how much of it, and what it finds in its environment."""

    model: ModelField | None = None
    container: ContainerField | None = None
    photon_id: str | None = Field(None, min_length=1, max_length=80)
    photon_namespace: Literal["private", "public"] | None = None
    is_pod: bool = False
    resource_requirement: ResourceRequirement = ResourceRequirement()
    envs: list[VariableField] | None = Field(None, max_length=1000)
    timeout_s: int = Field(300, ge=1, le=3600)
    api_tokens: ApiTokens = None
    auth_config: AuthConfigField | None = None
    auto_scaler: AutoScalerField | None = None
    load_balance_config: LoadBalanceField | None = None
    routing_policy: RoutingPolicyField | None = None
    health: HealthField | None = None

    @property
    def source(self) -> str:
        """What it runs, for a person: a model, a command or a photon."""
        if self.model is not None:
            return f"{self.model.name}:{self.model.version or self.model.alias}"
        if self.photon_id is not None:
            return f"photon {self.photon_id}"
        return shlex.join(self.container.command or []) if self.container is not None else ""


class DeploymentMetadata(Kept):
    """What it is called. `id` and `name` are the same; either will do in a request."""

    id: str | None = None
    name: str | None = None


class CreateDeployment(Request):
    """The body of `POST /deployments`."""

    metadata: DeploymentMetadata
    spec: DeploymentSpec


class ResourceChange(Kept):
    """What of the resources is to change."""

    resource_shape: str | None = Field(None, min_length=1, max_length=64)
    min_replicas: int | None = Field(None, ge=0, le=64)
    max_replicas: int | None = Field(None, ge=0, le=64)


class SpecChange(Kept):
    """What of the spec is to change; what is left out stays."""

    model: ModelField | None = None
    container: ContainerField | None = None
    resource_requirement: ResourceChange | None = None
    envs: list[VariableField] | None = Field(None, max_length=1000)
    timeout_s: int | None = Field(None, ge=1, le=3600)
    api_tokens: ApiTokens = None
    auth_config: AuthConfigField | None = None
    auto_scaler: AutoScalerField | None = None
    load_balance_config: LoadBalanceField | None = None
    routing_policy: RoutingPolicyField | None = None
    health: HealthField | None = None


class UpdateDeployment(Request):
    """The body of `PATCH /deployments/{name}`."""

    metadata: DeploymentMetadata | None = None
    spec: SpecChange


class EndpointMetadata(Body):
    """What it is called, and when and by whom it was made."""

    id: str
    name: str
    created_at: Annotated[int, Field(description="Milliseconds since 1970.")]
    updated_at: Annotated[int, Field(description="Milliseconds since 1970; also the ETag.")]
    owner: str
    generation: int


class EndpointAddress(Body):
    """Where it answers."""

    internal_endpoint: str
    external_endpoint: str


class AutoscalerStatus(Body):
    """How many replicas there are to be now."""

    desired_replicas: int


class DeploymentStatus(Body):
    """Where it stands, and why."""

    state: Literal["Starting", "Ready", "Not Ready", "Updating", "Scaling", "Stopping", "Stopped", "Deleting", "Error"]
    reason: str
    message: str
    endpoint: EndpointAddress
    ready_replicas: int
    autoscaler_status: AutoscalerStatus | None = None


class Deployment(Body):
    """An endpoint."""

    metadata: EndpointMetadata
    spec: DeploymentSpec
    status: DeploymentStatus


class NodeField(Body):
    """Where a replica runs."""

    name: str
    id: str


class ReplicaStatusField(Body):
    """Where a replica stands, and why."""

    state: str
    reason: str
    message: str
    public_ip: str
    node: NodeField
    domains: list[str] = Field(default_factory=list)
    generation: int
    exit_code: int | None = None
    created_at: int
    ready_at: int | None = None
    finished_at: int | None = None


class ReplicaItem(Body):
    """One replica."""

    metadata: dict[str, str]
    id: str
    status: ReplicaStatusField


class EventItem(Body):
    """One event."""

    type: str
    reason: str
    count: int
    last_observed_time: str
    message: str
    actor: str
    regarding: dict[str, str]
    details: dict[str, Any]


class ReadinessItem(Body):
    """Why a replica is ready or not."""

    reason: str
    message: str
    creationTimestamp: str  # noqa: N815 - the protocol's name


class TerminationItem(Body):
    """How a replica ended."""

    started_at: int
    finished_at: int
    exit_code: int
    reason: str
    message: str
