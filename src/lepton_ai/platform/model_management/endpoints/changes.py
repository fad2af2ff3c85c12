"""What a change makes of an endpoint, before the reconciler has looked. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lepton_ai.infrastructure.network.routes import Routing
from lepton_ai.platform.model_management.endpoints.lifecycle import ENDPOINT_LIFECYCLE, EndpointReason, EndpointStatus
from lepton_ai.platform.model_management.endpoints.records import Command, Endpoint, EndpointSpec, Variable
from lepton_ai.platform.model_management.endpoints.scaling import Rule, Scaling, scaling_of
from lepton_ai.platform.model_management.registry.records import ModelReference

_REPLACED = ("variables", "resource_shape", "timeout_s", "allowed_networks", "needs_approval", "api_tokens")
"""What of a spec is replaced as a whole where a change gives it."""


@dataclass(frozen=True)
class EndpointUpdate:
    """What a user changes; None leaves a thing as it is.

    Args:
        stops: Whether it is to stop, whatever its traffic.
        rule: By what the number of replicas goes.
        fields: What else a client said, by name; they replace those of the same name.
    """

    model: ModelReference | None = None
    min_replicas: int | None = None
    stops: bool = False
    max_replicas: int | None = None
    rule: Rule | None = None
    timeout_s: int | None = None
    resource_shape: str | None = None
    command: Command | None = None
    variables: tuple[Variable, ...] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    api_tokens: Sequence[str] | None = None
    allowed_networks: tuple[str, ...] | None = None
    sticky: bool | None = None
    by_replica: bool | None = None
    needs_approval: bool | None = None


def changed_spec(spec: EndpointSpec, change: EndpointUpdate, serves: tuple[str, int] | None) -> EndpointSpec:
    """A spec with what a user changed.

    Args:
        spec: The spec before.
        change: What is changed.
        serves: The model version that the change names, where it names one.
    """
    given = {name: value for name in _REPLACED if (value := getattr(change, name)) is not None}
    spec = replace(spec, **given, routing=_routing(spec.routing, change), fields={**spec.fields, **change.fields})
    if serves is not None:
        spec = replace(spec, model_name=serves[0], model_version=serves[1], command=None, photon=None)
    if change.command is not None:
        spec = replace(spec, model_name=None, model_version=None, command=change.command, photon=None)
    if change.min_replicas is not None:
        spec = replace(spec, min_replicas=change.min_replicas, stopped=change.stops)
    return replace(spec, scaling=_scaling(spec, change))


def with_spec(before: Endpoint, spec: EndpointSpec) -> Endpoint:
    """An endpoint with another spec: what that makes of its number of replicas, its generation and its state."""
    after = replace(before, spec=spec, desired_replicas=spec.replicas_from(before.desired_replicas))
    if spec.needs_new_replicas(before.spec):
        after = rolled_out(after)
    return with_status(before, after)


def with_status(before: Endpoint, after: Endpoint) -> Endpoint:
    """With what is under way for another number of replicas, before the reconciler has looked."""
    if after.desired_replicas == before.desired_replicas:
        return after
    if not after.desired_replicas:
        stopped = after.status is EndpointStatus.STOPPED
        return after if stopped else in_status(after, EndpointReason.REPLICAS_END)
    if after.status in (EndpointStatus.STOPPED, EndpointStatus.STOPPING):
        return in_status(after, EndpointReason.REPLICAS_START)
    if after.status is EndpointStatus.READY:
        return in_status(after, EndpointReason.CHANGING_COUNT)
    return after


def rolled_out(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose replicas are all to be replaced."""
    after = replace(endpoint, generation=endpoint.generation + 1, failures=0, retry_at_ms=0)
    running = (EndpointStatus.READY, EndpointStatus.NOT_READY, EndpointStatus.SCALING, EndpointStatus.ERROR)
    return in_status(after, EndpointReason.ROLLING_OUT) if endpoint.status in running else after


def in_status(endpoint: Endpoint, reason: EndpointReason) -> Endpoint:
    """An endpoint in the status that a reason stands for.

    Raises:
        Conflict: It may not get there from where it is.
    """
    status = ENDPOINT_LIFECYCLE.status_of(reason)
    ENDPOINT_LIFECYCLE.check(endpoint.status, status)
    return replace(endpoint, status=status, reason=reason, message=ENDPOINT_LIFECYCLE.sentence(reason))


def _scaling(spec: EndpointSpec, change: EndpointUpdate) -> Scaling | None:
    """What the number of replicas follows after a change; a user who only stops it leaves that alone."""
    before = spec.scaling
    if change.stops:
        return before
    most = change.max_replicas if change.max_replicas is not None else before.most if before else None
    rule = change.rule if change.rule is not None else before.rule if before else None
    return scaling_of(spec.min_replicas, most, rule)


def _routing(before: Routing, change: EndpointUpdate) -> Routing:
    return Routing(
        before.sticky if change.sticky is None else change.sticky,
        before.by_replica if change.by_replica is None else change.by_replica,
    )
