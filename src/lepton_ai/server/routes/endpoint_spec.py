"""Between the protocol's deployment spec and an endpoint's."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lepton_ai.core.access import digest_of
from lepton_ai.core.errors import InvalidInput
from lepton_ai.infrastructure.network.routes import Routing, network_of
from lepton_ai.infrastructure.network.tokens import is_token
from lepton_ai.platform.model_management.endpoints.changes import EndpointUpdate
from lepton_ai.platform.model_management.endpoints.records import (
    WORKSPACE_TOKENS,
    Command,
    EndpointSpec,
    PhotonReference,
    Variable,
)
from lepton_ai.platform.model_management.endpoints.scaling import Rule, scaling_of
from lepton_ai.platform.model_management.registry.records import CHAMPION, ModelReference
from lepton_ai.platform.photons.records import namespace_of
from lepton_ai.server.schemas.common import Kept
from lepton_ai.server.schemas.endpoints import (
    ApiTokenField,
    AuthConfigField,
    AutoScalerField,
    ContainerField,
    DeploymentSpec,
    HealthField,
    LoadBalanceField,
    ModelField,
    ResourceChange,
    ResourceRequirement,
    RoutingPolicyField,
    SecretField,
    SpecChange,
    TokenReference,
    VariableField,
)

RESERVED = frozenset(
    {
        "LEPTON_WORKSPACE_ID",
        "LEPTON_DEPLOYMENT_NAME",
        "LEPTON_JOB_NAME",
        "LEPTON_REPLICA_ID",
        "LEPTON_RESOURCE_ACCELERATOR_TYPE",
        "LEPTON_WORKSPACE_ORIGIN_URL",
        "PORT",
    }
)
"""Variables that the cloud itself sets."""

_PUBLIC = "allow_unauthenticated_access"

_IDLE = (sys.executable, "-I", "-S", "-c", "import signal; signal.pause()")
"""What a pod runs that was given no command: it is there to be worked in."""


def wanted_of(spec: DeploymentSpec) -> tuple[EndpointSpec, ModelReference | None]:
    """What a client asks for, and the model it names.

    Raises:
        InvalidInput: A field breaks its rule.
    """
    resources = spec.resource_requirement
    _check_most(resources.max_replicas, resources.min_replicas)
    rule = _rule(spec.auto_scaler)
    sticky, by_replica = _sticky(spec), _by_replica(spec)
    wanted = EndpointSpec(
        min_replicas=resources.min_replicas,
        resource_shape=resources.resource_shape,
        timeout_s=spec.timeout_s,
        command=_command(spec.container, is_pod=spec.is_pod),
        variables=_variables(spec.envs or []),
        is_pod=spec.is_pod,
        fields=_kept(spec, resources, spec.container),
        api_tokens=_api_tokens(spec),
        allowed_networks=_networks(spec.auth_config) or (),
        photon=None if spec.photon_id is None else PhotonReference(spec.photon_id, spec.photon_namespace or "private"),
        scaling=None if spec.is_pod else scaling_of(resources.min_replicas, resources.max_replicas, rule),
        routing=Routing(bool(sticky), bool(by_replica)),
        needs_approval=bool(_needs_approval(spec)),
    )
    return wanted, None if spec.model is None else reference(spec.model)


def change_of(spec: SpecChange) -> EndpointUpdate:
    """What a client changes.

    Raises:
        InvalidInput: A field breaks its rule.
    """
    resources = spec.resource_requirement or ResourceChange()
    _check_most(resources.max_replicas, resources.min_replicas)
    return EndpointUpdate(
        model=None if spec.model is None else reference(spec.model),
        min_replicas=resources.min_replicas,
        stops=resources.min_replicas == 0 and resources.max_replicas is None,
        max_replicas=resources.max_replicas,
        rule=_rule(spec.auto_scaler),
        timeout_s=spec.timeout_s,
        resource_shape=resources.resource_shape,
        command=_command(spec.container, is_pod=False),
        variables=None if spec.envs is None else _variables(spec.envs),
        fields=_kept(spec, resources, spec.container),
        api_tokens=_api_tokens(spec),
        allowed_networks=_networks(spec.auth_config),
        sticky=_sticky(spec),
        by_replica=_by_replica(spec),
        needs_approval=_needs_approval(spec),
    )


def spec_field(spec: EndpointSpec) -> DeploymentSpec:
    """An endpoint's spec in the protocol's form, with all that the client said."""
    fields = dict(spec.fields)
    resources = fields.pop("resource_requirement", {})
    container, scaler, health = (fields.pop(name, None) for name in ("container", "auto_scaler", "health"))
    model = None
    if spec.model_name is not None:
        model = ModelField(name=spec.model_name, version=spec.model_version)
    return DeploymentSpec(
        model=model,
        container=None if container is None else ContainerField.model_validate(container),
        photon_id=spec.photon.id if spec.photon else None,
        photon_namespace=namespace_of(spec.photon.namespace).value if spec.photon else None,
        is_pod=spec.is_pod,
        auto_scaler=None if scaler is None else AutoScalerField.model_validate(scaler),
        resource_requirement=ResourceRequirement.model_validate(
            {"max_replicas": spec.min_replicas}
            | resources
            | {"resource_shape": spec.resource_shape, "min_replicas": spec.min_replicas}
        ),
        envs=[_variable_field(each) for each in spec.variables] or None,
        timeout_s=spec.timeout_s,
        api_tokens=_shown_tokens(spec.api_tokens),
        auth_config=AuthConfigField(ip_allowlist=list(spec.allowed_networks)) if spec.allowed_networks else None,
        load_balance_config=LoadBalanceField(maglev={}) if spec.routing.sticky else None,
        routing_policy=RoutingPolicyField(enable_header_based_replica_routing=True)
        if spec.routing.by_replica
        else None,
        health=None if health is None else HealthField.model_validate(health),
        **fields,
    )


def reference(field: ModelField) -> ModelReference:
    """The model that a field names.

    Raises:
        InvalidInput: It gives a version and an alias.
    """
    if field.version is not None and field.alias is not None:
        raise InvalidInput("`spec.model` takes a version or an alias, not both")
    if field.version is not None:
        return ModelReference(field.name, field.version)
    return ModelReference(field.name, alias=field.alias if field.alias is not None else CHAMPION)


def _command(container: ContainerField | None, *, is_pod: bool) -> Command | None:
    if container is None:
        return Command(_IDLE) if is_pod else None
    ports = container.ports or []
    if not container.command:
        if is_pod:
            return Command(_IDLE)
        raise InvalidInput(
            "`spec.container.command` is needed: images are not run here, commands are",
            hint='For example ["python", "-m", "http.server", "8080"]; PORT in its environment says where to listen.',
        )
    if any("\0" in word for word in container.command) or not container.command[0]:
        raise InvalidInput(f"`spec.container.command` must be words without NUL, got {container.command[:3]!r}")
    return Command(tuple(container.command), ports[0].container_port if ports else None)


def _variables(fields: list[VariableField]) -> tuple[Variable, ...]:
    found: dict[str, Variable] = {}
    for each in fields:
        if each.name in RESERVED:
            raise InvalidInput(f"`spec.envs` may not set {each.name!r}: the cloud itself does")
        secret = each.value_from.secret_name_ref if each.value_from else None
        if secret is not None and each.value is not None:
            raise InvalidInput(f"`spec.envs` gives {each.name!r} a value and a secret, only one can be")
        if each.value is not None and "\0" in each.value:
            raise InvalidInput(f"`spec.envs`: the value of {each.name!r} has a NUL in it")
        found[each.name] = Variable(each.name, None if secret else each.value or "", secret)
    return tuple(found.values())


def _variable_field(variable: Variable) -> VariableField:
    if variable.secret is not None:
        return VariableField(name=variable.name, value_from=SecretField(secret_name_ref=variable.secret))
    return VariableField(name=variable.name, value=variable.value)


def _rule(given: AutoScalerField | None) -> Rule | None:
    if given is None:
        return None
    idle_s = given.scale_down.no_traffic_timeout if given.scale_down else None
    per_minute = given.target_throughput.qpm if given.target_throughput else None
    return Rule(idle_s or None, per_minute or None, given.target_in_flight or None)


def _sticky(spec: DeploymentSpec | SpecChange) -> bool | None:
    given = spec.load_balance_config
    if given is None:
        return None
    if given.maglev is not None and given.least_request is not None:
        raise InvalidInput("`spec.load_balance_config` takes `least_request` or `maglev`, got both")
    return given.maglev is not None


def _by_replica(spec: DeploymentSpec | SpecChange) -> bool | None:
    return None if spec.routing_policy is None else spec.routing_policy.enable_header_based_replica_routing


def _needs_approval(spec: DeploymentSpec | SpecChange) -> bool | None:
    readiness = spec.health.readiness if spec.health else None
    return readiness.require_approval if readiness else None


def _networks(given: AuthConfigField | None) -> tuple[str, ...] | None:
    if given is None or given.ip_allowlist is None:
        return None
    return tuple(dict.fromkeys(network_of(each.strip()) for each in given.ip_allowlist))


def _api_tokens(spec: DeploymentSpec | SpecChange) -> tuple[str, ...] | None:
    """Tokens as they are kept: digests, and the word for those of the workspace."""
    given = spec.api_tokens
    if (spec.model_extra or {}).get(_PUBLIC) is True:  # how newer clients of the protocol say it
        if given:
            raise InvalidInput(f"`spec.{_PUBLIC}` and `spec.api_tokens` exclude each other, got both")
        return ()
    if given is None:
        return None
    kept = []
    for number, token in enumerate(given):
        if (token.value is None) == (token.value_from is None):
            raise InvalidInput(f"`spec.api_tokens[{number}]` must have a `value` or a `value_from`, one of the two")
        if token.value is None:
            kept.append(WORKSPACE_TOKENS)
        elif is_token(token.value):
            kept.append(digest_of(token.value))
        else:  # `***` among them: a token that was read back
            raise InvalidInput(
                f"`spec.api_tokens[{number}].value` must be 1 to 512 letters, digits and any of `. _ ~ + / -`"
            )
    return tuple(dict.fromkeys(kept))


def _shown_tokens(kept: Sequence[str] | None) -> list[ApiTokenField] | None:
    if kept is None:
        return None
    reference = ApiTokenField(value_from=TokenReference(token_name_ref="WORKSPACE_TOKEN"))  # noqa: S106 - a name
    return [reference if token == WORKSPACE_TOKENS else ApiTokenField(value="***") for token in kept]


def _kept(spec: Kept, resources: Kept, container: Kept | None) -> Mapping[str, Any]:
    """All that was said beyond what is acted on, by name."""
    kept = dict(spec.model_extra or {})
    said = dict(resources.model_extra or {})
    most = getattr(resources, "max_replicas", None)
    if most is not None:
        said["max_replicas"] = most
    if said:
        kept["resource_requirement"] = said
    for name in ("auto_scaler", "health"):
        field = getattr(spec, name, None)
        if field is not None:
            kept[name] = field.model_dump(mode="json", exclude_none=True)
    if container is not None:
        kept["container"] = container.model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in kept.items() if value is not None}


def _check_most(most: int | None, least: int | None) -> None:
    if most is not None and least is not None and most < least:
        raise InvalidInput(f"`max_replicas` must not be below `min_replicas`, got {most} below {least}")
