"""What the gateway must do, as one value: which requests go where, and who may send them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Upstream:
    """One replica that takes requests.

    Args:
        replica_id: Its id, unique in the table.
        address: `unix:/path/to/socket`, or `tcp:127.0.0.1:PORT`.
    """

    replica_id: str
    address: str


@dataclass(frozen=True)
class EndpointRoute:
    """One endpoint as the gateway sees it: `/<workspace>/<name>/…` on the endpoints' port.

    Args:
        workspace: The workspace id, first part of the path.
        name: The endpoint's name, second part of the path.
        upstreams: The replicas that are ready. None: the gateway answers 503 with `Retry-After`.
        token_digests: Who may call: SHA-256 of the token in hexadecimal -> the principal's name, which the replica
            receives as `x-lepton-principal`. Empty and not `public`: nobody may.
        public: Whether anyone may call without a token.
        retry_on_reset: Whether a request may be sent again to another replica when the connection breaks before an
            answer came. True where repeating is harmless, as for a prediction.
        timeout_s: How long an answer may take.
    """

    workspace: str
    name: str
    upstreams: tuple[Upstream, ...] = ()
    token_digests: Mapping[str, str] = field(default_factory=dict)
    public: bool = False
    retry_on_reset: bool = False
    timeout_s: float = 300.0


@dataclass(frozen=True)
class RouteTable:
    """Everything the gateway must know.

    Args:
        host: The address to listen on.
        api_port: The port whose requests all go to the control plane, which checks tokens itself.
        endpoints_port: The port of the endpoints; tokens are checked by the gateway, closed by default.
        control_plane: The control plane's address, `unix:/path` or `tcp:127.0.0.1:PORT`.
        endpoints: One route for each endpoint.
    """

    host: str
    api_port: int
    endpoints_port: int
    control_plane: str
    endpoints: tuple[EndpointRoute, ...] = ()
