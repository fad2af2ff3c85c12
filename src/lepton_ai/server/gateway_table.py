"""What the gateway and the activator must know of endpoints."""

from collections.abc import Callable, Mapping
from functools import cache

from sqlalchemy import Connection

from lepton_ai.core.access import Access
from lepton_ai.core.database import Database
from lepton_ai.core.settings import Settings
from lepton_ai.infrastructure.network.activator import Sleeper
from lepton_ai.infrastructure.network.routes import EndpointRoute, RouteTable, Upstream
from lepton_ai.platform.model_management.endpoints import store as endpoint_store
from lepton_ai.platform.model_management.endpoints.lifecycle import EndpointStatus
from lepton_ai.platform.model_management.endpoints.records import (
    WORKSPACE_TOKENS,
    Endpoint,
)


def route_table(
    settings: Settings, control_socket: str, activator: str, database: Database, access: Access
) -> RouteTable:
    """What the gateway must do now: one route for each endpoint, to its replicas that take requests."""

    @cache  # many endpoints share a workspace
    def digests(workspace_id: str) -> Mapping[str, str]:
        return access.digests(workspace_id)

    def work(connection: Connection) -> tuple[EndpointRoute, ...]:
        upstreams: dict[str, list[Upstream]] = {}
        for replica in endpoint_store.live_replicas(connection):
            if replica.takes_requests:
                upstreams.setdefault(replica.endpoint_id, []).append(Upstream(replica.id, replica.address))
        return tuple(
            EndpointRoute(
                workspace=endpoint.workspace_id,
                name=endpoint.name,
                upstreams=tuple(upstreams.get(endpoint.id, ())) or _held_by(activator, endpoint),
                token_digests=_digests(endpoint, digests),
                public=endpoint.spec.asks_to_be_public and settings.allows_public_endpoints,
                retry_on_reset=endpoint.spec.command is None,  # a model's prediction can be repeated
                timeout_s=endpoint.spec.timeout_s,
                allowed_networks=endpoint.spec.allowed_networks,
            )
            for endpoint in endpoint_store.list_endpoints(connection)
            if endpoint.spec.serves
        )

    return RouteTable(
        settings.host, settings.port, settings.endpoints_port, f"unix:{control_socket}", database.read(work)
    )


def _digests(endpoint: Endpoint, of_workspace: Callable[[str], Mapping[str, str]]) -> Mapping[str, str]:
    """Who may call an endpoint: the tokens of its spec, or where it names none those of its workspace."""
    tokens = endpoint.spec.api_tokens or (WORKSPACE_TOKENS,)
    own = {token: "api-token" for token in tokens if token != WORKSPACE_TOKENS}
    return own | dict(of_workspace(endpoint.workspace_id)) if WORKSPACE_TOKENS in tokens else own


def _held_by(activator: str, endpoint: Endpoint) -> tuple[Upstream, ...]:
    """Where requests go while there is no replica: to the activator, if they may wake one."""
    return (Upstream(f"activator:{endpoint.id}", activator),) if endpoint.spec.wakes else ()


def sleeper(connection: Connection, workspace_id: str, name: str) -> Sleeper | None:
    """An endpoint as the activator sees it."""
    endpoint = endpoint_store.find_endpoint(connection, workspace_id, name)
    if endpoint is None or endpoint.deleting or not endpoint.spec.wakes:
        return None
    replicas = endpoint_store.replicas_of(connection, endpoint.id, live_only=True)
    addresses = [replica.address for replica in replicas if replica.takes_requests]
    return Sleeper(addresses, endpoint.status is EndpointStatus.ERROR, endpoint.spec.timeout_s)
