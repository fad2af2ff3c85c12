"""What the gateway and the activator must know of endpoints."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from lepton_ai.core.database import Database
from lepton_ai.core.remembered import Remembered
from lepton_ai.core.settings import Settings
from lepton_ai.infrastructure.network.activator import Sleeper
from lepton_ai.infrastructure.network.routes import EndpointRoute, RouteTable, Upstream
from lepton_ai.platform.model_management.endpoints import store as endpoint_store
from lepton_ai.platform.model_management.endpoints.lifecycle import EndpointStatus
from lepton_ai.platform.model_management.endpoints.records import (
    WORKSPACE_TOKENS,
    Endpoint,
)


@dataclass(frozen=True)
class _Held:
    """The endpoints of every workspace that answer requests, and their replicas that take them."""

    endpoints: tuple[Endpoint, ...]
    upstreams: Mapping[str, tuple[Upstream, ...]]
    workspace_ids: frozenset[str]


class RouteTables:
    """Says what the gateway must do now: one route for each endpoint, to its replicas that take requests.

    It is asked several times a second; where nothing was written it gives the table that it gave before.

    Args:
        settings: Host, ports, and whether endpoints may be public.
        control_socket: Where the control plane listens.
        activator: The address of what holds requests for endpoints that sleep.
        database: Where endpoints are kept.
        digests: The tokens that open a workspace's endpoints. They change with time alone, as tokens expire.
    """

    def __init__(
        self,
        settings: Settings,
        control_socket: str,
        activator: str,
        database: Database,
        digests: Callable[[str], Mapping[str, str]],
    ) -> None:
        self._settings = settings
        self._control_socket = control_socket
        self._activator = activator
        self._held = Remembered(database, _held, endpoint_store.fingerprint)
        self._digests = digests
        self._last: tuple[_Held, Mapping[str, Mapping[str, str]], RouteTable] | None = None

    def __call__(self) -> RouteTable:
        """The table of now."""
        held, last = self._held(), self._last
        digests = {workspace_id: self._digests(workspace_id) for workspace_id in held.workspace_ids}
        if last is None or last[0] is not held or last[1] != digests:
            self._last = last = (held, digests, self._table(held, digests))
        return last[2]

    def _table(self, held: _Held, digests: Mapping[str, Mapping[str, str]]) -> RouteTable:
        settings = self._settings
        routes = tuple(
            EndpointRoute(
                workspace=endpoint.workspace_id,
                name=endpoint.name,
                upstreams=held.upstreams[endpoint.id] or _held_by(self._activator, endpoint),
                token_digests=_openers(endpoint, digests[endpoint.workspace_id]),
                public=endpoint.spec.asks_to_be_public and settings.allows_public_endpoints,
                retry_on_reset=endpoint.spec.command is None,  # a model's prediction can be repeated
                timeout_s=endpoint.spec.timeout_s,
                allowed_networks=endpoint.spec.allowed_networks,
                routing=endpoint.spec.routing,
            )
            for endpoint in held.endpoints
        )
        return RouteTable(settings.host, settings.port, settings.endpoints_port, f"unix:{self._control_socket}", routes)


def _held(connection: Connection) -> _Held:
    endpoints = tuple(each for each in endpoint_store.list_endpoints(connection) if each.spec.serves)
    upstreams: dict[str, tuple[Upstream, ...]] = {each.id: () for each in endpoints}
    for replica in endpoint_store.live_replicas(connection):
        if replica.takes_requests and replica.endpoint_id in upstreams:
            upstreams[replica.endpoint_id] += (Upstream(replica.id, replica.address),)
    return _Held(endpoints, upstreams, frozenset(each.workspace_id for each in endpoints))


def _openers(endpoint: Endpoint, of_workspace: Mapping[str, str]) -> Mapping[str, str]:
    """Who may call an endpoint: the tokens of its spec, or where it names none those of its workspace."""
    tokens = endpoint.spec.api_tokens or (WORKSPACE_TOKENS,)
    own = {token: "api-token" for token in tokens if token != WORKSPACE_TOKENS}
    return own | dict(of_workspace) if WORKSPACE_TOKENS in tokens else own


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
