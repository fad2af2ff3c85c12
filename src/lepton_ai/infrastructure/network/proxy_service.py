"""What the Python gateway does with each request, by the table that it holds."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from aiohttp import web

from lepton_ai.infrastructure.network import limits, proxy_headers, refusals
from lepton_ai.infrastructure.network.paths import endpoint_path, is_plain
from lepton_ai.infrastructure.network.port import EndpointStats
from lepton_ai.infrastructure.network.proxy_config import ProxyConfig
from lepton_ai.infrastructure.network.proxy_connection import ClientConnection, refuse
from lepton_ai.infrastructure.network.proxy_forward import Errand, Refused, forward
from lepton_ai.infrastructure.network.proxy_upstreams import Upstreams
from lepton_ai.infrastructure.network.routes import AFFINITY_HEADER, REPLICA_HEADER, EndpointRoute
from lepton_ai.infrastructure.network.tokens import principal_of

Handler = Callable[[web.BaseRequest, str], Awaitable[web.StreamResponse]]


@dataclass
class _Counts:
    requests: int = 0
    errors: int = 0
    active: int = 0


class ProxyService:
    """The two doors, API and endpoints, and the table behind them.

    Args:
        config: The table to begin with.
    """

    def __init__(self, config: ProxyConfig) -> None:
        self._upstreams = Upstreams()
        self._counts: dict[str, _Counts] = {}
        self.take_over(config)

    def take_over(self, config: ProxyConfig) -> None:
        """Go by another table from the next request on; requests under way are finished."""
        table = config.table
        replicas = {upstream.address for route in table.endpoints for upstream in route.upstreams}
        self._control_plane = table.control_plane
        self._addresses = {table.control_plane, *replicas}
        self._routes = {route.path: route for route in table.endpoints}
        self._counts = {path: self._counts.get(path) or _Counts() for path in self._routes}

    async def tidy(self) -> None:
        """Close the connections to replicas that have left, once nothing runs on them any more."""
        await self._upstreams.keep_only(self._addresses)

    async def close(self) -> None:
        """Close all connections to replicas."""
        await self._upstreams.keep_only(())

    def stats(self) -> dict[str, EndpointStats]:
        """What each endpoint was asked, by `<workspace>/<name>`."""
        return {path: EndpointStats(count.requests, count.errors, count.active) for path, count in self._counts.items()}

    async def answer_api(self, request: web.BaseRequest) -> web.StreamResponse:
        """The API's door: everything goes to the control plane as it came."""
        return await answered(request, self._api)

    async def answer_endpoint(self, request: web.BaseRequest) -> web.StreamResponse:
        """The endpoints' door: the path names the endpoint, and the token is checked."""
        return await answered(request, self._endpoint)

    async def _api(self, request: web.BaseRequest, request_id: str) -> web.StreamResponse:
        target = request.raw_path
        if not target.startswith("/") or not target.isascii() or "#" in target:
            raise Refused(refusals.REQUEST_MALFORMED)
        errand = Errand(
            addresses=lambda: (self._control_plane,),
            target=target,
            headers={"x-request-id": request_id},
            idle_s=limits.API_IDLE_S,
            nobody=refusals.CONTROL_PLANE_DOWN,
            unreachable=refusals.CONTROL_PLANE_DOWN,
            broke_off=refusals.CONTROL_PLANE_BROKE_OFF,
            too_slow=refusals.CONTROL_PLANE_TOO_SLOW,
        )
        return await forward(request, errand, self._upstreams, request_id)

    async def _endpoint(self, request: web.BaseRequest, request_id: str) -> web.StreamResponse:
        if any("_" in name for name in request.headers):
            raise Refused(refusals.REQUEST_MALFORMED)
        if not is_plain(request.raw_path):
            raise Refused(refusals.PATH_REFUSED)
        path = endpoint_path(request.raw_path)
        route = self._routes.get(path.endpoint) if path else None
        if path is None or route is None:
            raise Refused(refusals.ENDPOINT_UNKNOWN)
        said = _checked(request, route)
        _check_address(request, route)
        wanted = request.headers.get(REPLICA_HEADER) if route.routing.by_replica else None
        errand = Errand(
            addresses=lambda: self._ready_addresses(route.path, wanted),
            target=path.target,
            headers={**said, "x-request-id": request_id, "x-forwarded-prefix": f"/{route.path}"},
            retry_on_reset=route.retry_on_reset,
            idle_s=route.timeout_s,
            affinity=_affinity(request) if route.routing.sticky else None,
        )
        return await self._counted(self._counts[route.path], request, errand, request_id)

    def _ready_addresses(self, path: str, replica_id: str | None) -> Sequence[str]:
        # Asked before each try: the table may have changed since the request came.
        route = self._routes.get(path)
        upstreams = route.upstreams if route else ()
        return [each.address for each in upstreams if replica_id in (None, each.replica_id)]

    async def _counted(
        self, count: _Counts, request: web.BaseRequest, errand: Errand, request_id: str
    ) -> web.StreamResponse:
        count.active += 1
        status = 500
        try:
            response = await forward(request, errand, self._upstreams, request_id)
            status = response.status
            return response
        except Refused as refused:
            status = refused.refusal.status
            raise
        finally:
            count.active -= 1
            count.requests += 1
            count.errors += status >= 500


async def answered(request: web.BaseRequest, handler: Handler) -> web.StreamResponse:
    """A handler's answer, or the refusal that it raised; the connection knows that a request is under way."""
    connection = request.protocol
    request_id = proxy_headers.request_id_of(request.headers)
    if isinstance(connection, ClientConnection):
        connection.request_begun()
    try:
        if refusal := proxy_headers.unreadable(request):
            raise Refused(refusal)
        return await handler(request, request_id)
    except Refused as refused:
        return refuse(refused.refusal, request_id)
    finally:
        if isinstance(connection, ClientConnection):
            connection.request_ended()


def _affinity(request: web.BaseRequest) -> str:
    """What two requests that belong together have in common."""
    return request.headers.get(AFFINITY_HEADER) or request.remote or ""


def _check_address(request: web.BaseRequest, route: EndpointRoute) -> None:
    """Refuse a caller whose address the route does not name. Headers say nothing here: the connection does."""
    if not route.allowed_networks:
        return
    caller = ip_address((request.remote or "0.0.0.0").partition("%")[0])  # noqa: S104 - in no network of anybody
    if not any(caller in ip_network(network) for network in route.allowed_networks):
        raise Refused(refusals.ADDRESS_REFUSED)


def _checked(request: web.BaseRequest, route: EndpointRoute) -> dict[str, str | None]:
    """What the gateway says about the caller, once the token has been checked."""
    principal = principal_of(request.headers.getall("authorization", []), route.token_digests)
    if principal is not None:
        return {"x-lepton-principal": principal, "authorization": None}
    if route.public:
        # Not a token of ours: it may mean something to the replica.
        return {"x-lepton-principal": None}
    raise Refused(refusals.TOKEN_REFUSED)
