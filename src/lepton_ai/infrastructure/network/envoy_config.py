"""The route table in Envoy's words: a bootstrap that stays, clusters with their replicas inside, and routes.

Listeners never change while Envoy runs (a changed listener cuts connections), so they stand in the bootstrap together
with the ports; clusters and routes vary. Replicas stand inside the cluster file: a file per endpoint would take an
inotify instance each, and Envoy aborts when there is none left.
"""

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.infrastructure.network import limits, refusals
from lepton_ai.infrastructure.network.refusals import Refusal
from lepton_ai.infrastructure.network.routes import (
    AFFINITY_HEADER,
    LEAST_BUSY,
    REPLICA_HEADER,
    EndpointRoute,
    RouteTable,
    Routing,
    Upstream,
    host_and_port,
    socket_path,
)

Json = dict[str, Any]

CONTROL_PLANE_CLUSTER = "control-plane"
ENDPOINTS_ROUTES = "endpoints"
_TYPE = "type.googleapis.com/"
_HTTP = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

# What a client may not claim: the gateway says it, or nobody does.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip")
_OURS = ("x-lepton-principal", "x-lepton-refused", "x-forwarded-prefix")


def bootstrap(
    table: RouteTable,
    *,
    release: str,
    admin_socket: str,
    clusters_file: str,
    routes_file: str,
    token_check: str,
    request_id: str,
) -> Json:
    """What Envoy starts from: its admin socket, both listeners, and where clusters and routes are read.

    Args:
        table: Host and ports are taken from it.
        release: Which Envoy it is for, so that another one has another bootstrap.
        admin_socket: The path of the admin socket.
        clusters_file: The file that Envoy watches for clusters.
        routes_file: The file that Envoy watches for the endpoints' routes.
        token_check: The Lua source of the token check.
        request_id: The Lua source that cleans request ids.
    """
    api = _listener(
        table,
        "api",
        table.api_port,
        filters=[_lua("request_id", request_id)],
        removed=_FORWARDED,
        replies=_replies(
            refusals.CONTROL_PLANE_DOWN,
            refusals.CONTROL_PLANE_DOWN,
            refusals.CONTROL_PLANE_BROKE_OFF,
            refusals.CONTROL_PLANE_TOO_SLOW,
        ),
        route_config={
            "name": "api",
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [_api_route()]}],
            **_forwarded_headers(),
            # The control plane's cluster comes from the cluster file, after this has been read.
            "validate_clusters": False,
        },
        common_http_protocol_options={"idle_timeout": _seconds(limits.CLIENT_IDLE_S)},
        path_with_escaped_slashes_action="KEEP_UNCHANGED",
    )
    endpoints = _listener(
        table,
        "endpoints",
        table.endpoints_port,
        filters=[_lua("request_id", request_id), _lua("token_check", token_check), _address_check(), _target()],
        removed=_FORWARDED + _OURS,
        replies=_replies(
            refusals.NO_REPLICA, refusals.REPLICAS_UNREACHABLE, refusals.REPLICA_BROKE_OFF, refusals.ANSWER_TOO_SLOW
        ),
        rds={"route_config_name": ENDPOINTS_ROUTES, "config_source": _file(routes_file)},
        common_http_protocol_options={
            "idle_timeout": _seconds(limits.CLIENT_IDLE_S),
            "max_headers_count": limits.HEADER_COUNT,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        merge_slashes=True,
    )
    return {
        "node": {"id": "lepton-gateway", "cluster": "lepton-gateway", "metadata": {"release": release}},
        "admin": {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}},
        "dynamic_resources": {"cds_config": _file(clusters_file)},
        "static_resources": {"listeners": [api, endpoints]},
        "layered_runtime": {
            "layers": [
                {"name": "strict", "static_layer": {"envoy.reloadable_features.strict_chunk_parsing": True}},
            ]
        },
        "overload_manager": {
            "resource_monitors": [
                _typed(
                    "envoy.resource_monitors.global_downstream_max_connections",
                    "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections=limits.CLIENT_CONNECTIONS,
                )
            ]
        },
    }


def clusters(table: RouteTable) -> list[Json]:
    """One cluster for the control plane, and one for each endpoint with its ready replicas."""
    return [
        _cluster(CONTROL_PLANE_CLUSTER, [Upstream(CONTROL_PLANE_CLUSTER, table.control_plane)], LEAST_BUSY),
        *(_cluster(route.path, route.upstreams, route.routing) for route in table.endpoints),
    ]


def routes(table: RouteTable) -> list[Json]:
    """The endpoints' routes, as a list of one route configuration."""
    listed = [route for endpoint in table.endpoints for route in _endpoint_routes(endpoint)]
    unknown = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 404},
        "typed_per_filter_config": _context({"unknown": True}),
    }
    return [
        {
            "name": ENDPOINTS_ROUTES,
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [*listed, unknown]}],
            **_forwarded_headers(),
        }
    ]


def resource_file(version: str, kind: str, resources: Sequence[Json]) -> Json:
    """The content of a watched file: `kind` is `cluster.v3.Cluster` or `route.v3.RouteConfiguration`."""
    typed = [{"@type": f"{_TYPE}envoy.config.{kind}", **resource} for resource in resources]
    return {"version_info": version, "resources": typed}


def _listener(
    table: RouteTable,
    name: str,
    port: int,
    *,
    filters: list[Json],
    removed: Sequence[str],
    replies: Json,
    **options: Any,
) -> Json:
    manager = {
        "@type": _TYPE + _HTTP,
        "stat_prefix": name,
        "codec_type": "HTTP1",
        "http_filters": [
            *filters,
            _typed(
                "envoy.filters.http.router",
                "envoy.extensions.filters.http.router.v3.Router",
                suppress_envoy_headers=True,
            ),
        ],
        # The client is whoever holds the connection: addresses in headers are removed first, and the routes write the
        # real one. (Envoy itself would write the machine's address for a client on the same machine.)
        "use_remote_address": True,
        "skip_xff_append": True,
        "early_header_mutation_extensions": [
            _typed(
                "envoy.http.early_header_mutation.header_mutation",
                "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                mutations=[{"remove": header} for header in removed],
            )
        ],
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {
            "typed_config": {
                "@type": _TYPE + "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "pack_trace_reason": False,
            }
        },
        "server_header_transformation": "PASS_THROUGH",
        "normalize_path": False,
        "max_request_headers_kb": limits.HEADERS_KB,
        "request_headers_timeout": _seconds(limits.HEADERS_TIMEOUT_S),
        "drain_timeout": _seconds(limits.DRAIN_S),
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "local_reply_config": replies,
        **options,
    }
    return {
        "name": name,
        "address": _socket_address(_listen_address(table.host), port),
        # Otherwise a second gateway shares the port in silence.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": limits.RETRY_BUFFER_BYTES,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _api_route() -> Json:
    return {
        "match": {"prefix": "/"},
        "route": {
            "cluster": CONTROL_PLANE_CLUSTER,
            "cluster_not_found_response_code": "SERVICE_UNAVAILABLE",
            "timeout": "0s",
            "idle_timeout": _seconds(limits.API_IDLE_S),
            # A full backlog of the control plane's socket looks like a failed connection for a moment.
            "retry_policy": {"retry_on": "connect-failure", "num_retries": 1},
        },
    }


def _endpoint_routes(endpoint: EndpointRoute) -> list[Json]:
    path = f"/{endpoint.path}"
    context: dict[str, Any] = dict(endpoint.token_digests)
    if endpoint.public:
        context["public"] = True
    common = {
        "route": {
            "cluster": endpoint.path,
            # Between two files an endpoint that comes or goes has a route and no cluster: it is not there.
            "cluster_not_found_response_code": "NOT_FOUND",
            "prefix_rewrite": "/",
            # Not `timeout`, which would cut an answer that streams for long.
            "timeout": "0s",
            "idle_timeout": _seconds(endpoint.timeout_s),
            "retry_policy": _retry_policy(endpoint.retry_on_reset),
            **_affinity(endpoint.routing),
        },
        "request_headers_to_add": [_header("x-forwarded-prefix", path)],
        "typed_per_filter_config": {**_context(context), **_allowed(endpoint.allowed_networks)},
    }
    return [{"match": {"prefix": f"{path}/"}, **common}, {"match": {"path": path}, **common}]


def _forwarded_headers() -> Json:
    return {
        "request_headers_to_add": [_header("x-forwarded-for", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%")],
        "request_headers_to_remove": ["x-envoy-external-address"],
    }


def _header(key: str, value: str) -> Json:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _retry_policy(retry_on_reset: bool) -> Json:
    first, longest = limits.RETRY_BACKOFF_S
    conditions = ["connect-failure", "refused-stream", "reset-before-request", *(["reset"] if retry_on_reset else [])]
    return {
        "retry_on": ",".join(conditions),
        "num_retries": limits.TRIES - 1,
        # Without it a retry may pick the same dead replica again. The balancer draws two replicas and takes the less
        # busy one, which a dead one is: so it draws until it has another. (Comparing all replicas instead of two would
        # draw the dead one for ever.)
        "retry_host_predicate": [
            _typed(
                "envoy.retry_host_predicates.previous_hosts",
                "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": 50,
        "retry_back_off": {"base_interval": _seconds(first), "max_interval": _seconds(longest)},
    }


def _affinity(routing: Routing) -> Json:
    """What makes two requests alike for the balancer: the header, or where there is none the caller's address."""
    if not routing.sticky:
        return {}
    header = {"header": {"header_name": AFFINITY_HEADER}, "terminal": True}
    return {"hash_policy": [header, {"connection_properties": {"source_ip": True}}]}


def _target() -> Json:
    """Makes of the header that names a replica what clusters that heed it choose by."""
    rule = {
        "header": REPLICA_HEADER,
        "on_header_present": {"metadata_namespace": "envoy.lb", "key": "replica", "type": "STRING"},
    }
    return _typed("replica_target", "envoy.extensions.filters.http.header_to_metadata.v3.Config", request_rules=[rule])


def _balancer(routing: Routing) -> Json:
    name, kind = ("maglev", "Maglev") if routing.sticky else ("least_request", "LeastRequest")
    policies = "envoy.load_balancing_policies."
    extensions = "envoy.extensions.load_balancing_policies."
    policy = {"typed_extension_config": _typed(policies + name, f"{extensions}{name}.v3.{kind}")}
    if not routing.by_replica:
        return {"policies": [policy]}
    subset = _typed(
        policies + "subset",
        extensions + "subset.v3.Subset",
        fallback_policy="ANY_ENDPOINT",
        # Whoever names a replica means that one.
        subset_selectors=[{"keys": ["replica"], "fallback_policy": "NO_FALLBACK"}],
        subset_lb_policy={"policies": [policy]},
    )
    return {"policies": [{"typed_extension_config": subset}]}


def _member(upstream: Upstream) -> Json:
    named = {"filter_metadata": {"envoy.lb": {"replica": upstream.replica_id}}}
    return {"endpoint": {"address": _address(upstream.address)}, "metadata": named}


def _cluster(name: str, upstreams: Sequence[Upstream], routing: Routing) -> Json:
    many = 1_000_000
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": _seconds(limits.CONNECT_TIMEOUT_S),
        "load_balancing_policy": _balancer(routing),
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        # Envoy's own limits (3 retries and 1,024 requests at a time) are lower than what one machine serves.
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": many, "max_pending_requests": many, "max_requests": many, "max_retries": many}
            ]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": {}},
                "common_http_protocol_options": {"idle_timeout": _seconds(limits.UPSTREAM_IDLE_S)},
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"priority": 0, "lb_endpoints": [_member(upstream) for upstream in upstreams]}],
        },
    }


def _replies(nobody: Refusal, unreachable: Refusal, broke_off: Refusal, too_slow: Refusal) -> Json:
    """How Envoy's own answers become problem documents; the first line that fits is taken."""
    mappers = [
        _mapper(_flag("UH"), nobody),
        _mapper(_flag("UC", "UR", "UPE"), broke_off),
        # The token check leaves a mark where the status alone does not tell.
        _mapper({"header_filter": {"header": _exactly("x-lepton-refused", "path")}}, refusals.PATH_REFUSED),
        _mapper(_status(400), refusals.REQUEST_MALFORMED),
        _mapper(_status(401), refusals.TOKEN_REFUSED),
        _mapper(_status(403), refusals.ADDRESS_REFUSED),
        _mapper(_status(404), refusals.ENDPOINT_UNKNOWN),
        _mapper(_status(408), refusals.REQUEST_TOO_SLOW),
        _mapper(_status(431), refusals.HEADERS_TOO_LARGE),
        _mapper(_status(500), refusals.TOKEN_CHECK_FAILED),
        _mapper(_status(503), unreachable),
        _mapper(_status(504), too_slow),
    ]
    return {"mappers": mappers, "body_format": _body(refusals.OTHERWISE_REFUSED)}


def _mapper(condition: Json, refusal: Refusal) -> Json:
    return {
        "filter": condition,
        "status_code": refusal.status,
        "body_format_override": _body(refusal),
        "headers_to_add": [_header(key, value) for key, value in refusal.headers],
    }


def _body(refusal: Refusal) -> Json:
    problem = refusal.as_problem("%REQ(X-REQUEST-ID)%")
    return {
        "json_format": {**problem, "status": "%RESPONSE_CODE%"},
        "content_type": refusals.PROBLEM_TYPE,
        # A request that could not be read has no id.
        "omit_empty_values": True,
    }


def _status(status: int) -> Json:
    return {
        "status_code_filter": {
            "comparison": {"op": "EQ", "value": {"default_value": status, "runtime_key": "lepton.never_set"}}
        }
    }


def _exactly(header: str, value: str) -> Json:
    return {"name": header, "string_match": {"exact": value}}


def _flag(*flags: str) -> Json:
    return {"response_flag_filter": {"flags": list(flags)}}


def _lua(name: str, source: str) -> Json:
    return _typed(name, "envoy.extensions.filters.http.lua.v3.Lua", default_source_code={"inline_string": source})


def _context(context: Mapping[str, Any]) -> Json:
    return {
        "token_check": {
            "@type": _TYPE + "envoy.extensions.filters.http.lua.v3.LuaPerRoute",
            "filter_context": dict(context),
        }
    }


_RBAC = "envoy.extensions.filters.http.rbac.v3."


def _address_check() -> Json:
    """Without rules of a route it lets everybody pass."""
    return _typed("address_check", _RBAC + "RBAC")


def _allowed(networks: Sequence[str]) -> Json:
    """The rule of a route: only these networks may call. The address is that of the connection."""
    if not networks:
        return {}
    addresses = [network.partition("/") for network in networks]
    principals = [
        {"direct_remote_ip": {"address_prefix": address, "prefix_len": int(length)}} for address, _, length in addresses
    ]
    policy = {"permissions": [{"any": True}], "principals": principals}
    rules = {"action": "ALLOW", "policies": {"allowed": policy}}
    return {"address_check": {"@type": _TYPE + _RBAC + "RBACPerRoute", "rbac": {"rules": rules}}}


def _typed(name: str, kind: str, **values: Any) -> Json:
    return {"name": name, "typed_config": {"@type": _TYPE + kind, **values}}


def _file(path: str) -> Json:
    return {"path_config_source": {"path": path}, "resource_api_version": "V3"}


def _address(address: str) -> Json:
    if path := socket_path(address):
        return {"pipe": {"path": path}}
    return _socket_address(*host_and_port(address))


def _socket_address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _listen_address(host: str) -> str:
    """Envoy listens on addresses, not on names."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise InvalidInput(f"`host` must be an address or a known name, got host={host!r}") from error


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}s"
