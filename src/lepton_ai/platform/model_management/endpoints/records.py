"""What an endpoint is: what was asked for, its replicas, and what the world looked like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lepton_ai.infrastructure.compute.port import WorkerState
from lepton_ai.infrastructure.network.routes import LEAST_BUSY, Routing
from lepton_ai.platform.model_management.endpoints.lifecycle import (
    EndpointReason,
    EndpointStatus,
    ReplicaReason,
    ReplicaStatus,
)
from lepton_ai.platform.model_management.endpoints.scaling import Scaling

WORKSPACE_TOKENS = "WORKSPACE_TOKEN"
"""Among an endpoint's tokens: all of its workspace's that may call endpoints."""


@dataclass(frozen=True)
class Command:
    """A program of the user's instead of a model.

    Args:
        argv: The command line.
        port: Where it says that it listens. None: it serves nothing, and is ready once it runs.
    """

    argv: tuple[str, ...]
    port: int | None = None


@dataclass(frozen=True)
class PhotonReference:
    """A photon to serve, by its id, in `private` or `public`. This version keeps it, and does not run it."""

    id: str
    namespace: str


@dataclass(frozen=True)
class Variable:
    """One variable of a replica's environment: a value, or the name of the secret that holds it."""

    name: str
    value: str | None = None
    secret: str | None = None


@dataclass(frozen=True)
class EndpointSpec:
    """What a user asked for.

    Args:
        model_name: The model that the endpoint serves; None where a command does.
        model_version: Which version of it; references by alias are resolved when they are given.
        min_replicas: How many replicas run. Zero: the endpoint is stopped.
        resource_shape: How much of the machine a replica may use, by name.
        timeout_s: How long one answer may take.
        command: What serves instead of a model.
        variables: What replicas get in their environment.
        is_pod: Whether it is a machine to work on rather than something that answers.
        fields: What else a client asked for; kept, and given back.
        api_tokens: Who may call: digests of tokens, and `WORKSPACE_TOKENS`. None: the workspace's tokens. Empty:
            anyone, where the server allows that.
        allowed_networks: From where it may be called. Empty: from everywhere.
        photon: The photon that it is to serve.
        scaling: What the number of replicas follows. None: it is the least number.
        stopped: Whether a user stopped it: then no request wakes it.
        routing: Which replica gets a request.
        needs_approval: Whether new replicas of a rollout get requests only once somebody approved them.
    """

    model_name: str | None = None
    model_version: int | None = None
    min_replicas: int = 1
    resource_shape: str = "cpu.small"
    timeout_s: int = 300
    command: Command | None = None
    variables: tuple[Variable, ...] = ()
    is_pod: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    api_tokens: Sequence[str] | None = None
    allowed_networks: tuple[str, ...] = ()
    photon: PhotonReference | None = None
    scaling: Scaling | None = None
    stopped: bool = False
    routing: Routing = LEAST_BUSY
    needs_approval: bool = False

    @property
    def wakes(self) -> bool:
        """Whether it may sleep without a replica, and a request wakes it."""
        if self.scaling is None or self.stopped or self.photon is not None or not self.serves:
            return False
        return self.min_replicas == 0 or self.scaling.rule.idle_timeout_s is not None

    def replicas_from(self, now: int) -> int:
        """How many replicas there are to be after a change of the spec, where there were `now`."""
        if self.stopped or self.scaling is None:
            return 0 if self.stopped else self.min_replicas
        return min(max(now, self.min_replicas), self.scaling.most)

    @property
    def serves(self) -> bool:
        """Whether its replicas answer requests."""
        return self.command is None or self.command.port is not None

    @property
    def source(self) -> str:
        """What its replicas run, for a person."""
        if self.command is not None:
            return " ".join(self.command.argv)
        if self.photon is not None:
            return f"photon {self.photon.id}"
        return f"{self.model_name}:{self.model_version}"

    def needs_new_replicas(self, other: "EndpointSpec") -> bool:
        """Whether replicas of the one are of no use to the other."""
        names = ("model_name", "model_version", "resource_shape", "command", "variables")
        return any(getattr(self, name) != getattr(other, name) for name in names)

    @property
    def asks_to_be_public(self) -> bool:
        """Whether it was asked that anyone may call it."""
        return self.api_tokens is not None and not self.api_tokens


@dataclass(frozen=True)
class Endpoint:
    """One endpoint.

    Args:
        generation: Counts the changes that need new replicas; replicas carry the one they were made for.
        failures: How often in a row replicas of this generation ended without having answered.
        retry_at_ms: After failures: not before this time is another replica made.
        desired_replicas: How many replicas there are to be now: of the spec, or by its traffic.
        approved_generation: The latest generation that somebody approved; the first one needs nobody.
    """

    id: str
    workspace_id: str
    name: str
    spec: EndpointSpec
    generation: int
    status: EndpointStatus
    reason: EndpointReason
    message: str
    deleting: bool
    failures: int
    retry_at_ms: int
    created_at_ms: int
    updated_at_ms: int
    created_by: str
    desired_replicas: int = 1
    approved_generation: int = 1

    @property
    def waits_for_approval(self) -> bool:
        """Whether replicas of this generation may not get requests yet."""
        return self.spec.needs_approval and self.spec.serves and self.generation > self.approved_generation


@dataclass(frozen=True)
class Replica:
    """One replica: one worker that serves one version. Its id is also its worker's.

    Args:
        address: Where it answers; "" for one that serves nothing.
    """

    id: str
    endpoint_id: str
    generation: int
    status: ReplicaStatus
    reason: ReplicaReason
    message: str
    address: str
    created_at_ms: int
    changed_at_ms: int
    ready_at_ms: int | None = None
    finished_at_ms: int | None = None
    exit_code: int | None = None
    failed_probes: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.status in (ReplicaStatus.STOPPED, ReplicaStatus.FAILED)

    @property
    def takes_requests(self) -> bool:
        """Whether requests may be sent to it, by the gateway as soon as that knows of it."""
        return self.status is ReplicaStatus.READY or self.reason is ReplicaReason.ANSWERS


@dataclass(frozen=True)
class Watched:
    """A replica that is ready, what it serves, and where it answers."""

    replica_id: str
    spec: EndpointSpec
    address: str


@dataclass(frozen=True)
class EndpointState:
    """An endpoint with those of its replicas that are not over: what the reconciler claims."""

    endpoint: Endpoint
    replicas: tuple[Replica, ...] = ()


@dataclass(frozen=True)
class ReplicaObservation:
    """What the world says about one replica.

    Args:
        worker: Its process.
        answers: Whether its health route answered; None when it was not asked.
        routed: Whether the gateway sends it requests; None while that changes, or is not known.
    """

    worker: WorkerState
    answers: bool | None = None
    routed: bool | None = False


@dataclass(frozen=True)
class Action:
    """Something to do to a replica's worker: `submit`, `stop`, `release`. Doing it twice is the same as once."""

    verb: str
    replica_id: str


@dataclass(frozen=True)
class EndpointChange:
    """What the reconciler decided.

    Args:
        endpoint: The endpoint as it will be; None when it is to be removed for good.
        replicas: Replicas as they will be: those that changed, and new ones.
        actions: What to do before this is written.
        next_check_ms: How long until the next look, if no hint comes first.
    """

    endpoint: Endpoint | None
    replicas: tuple[Replica, ...] = ()
    actions: tuple[Action, ...] = ()
    next_check_ms: int = 2000
    observed: Mapping[str, ReplicaObservation] = field(default_factory=dict)
