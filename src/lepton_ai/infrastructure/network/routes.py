"""What the gateway must do, as one value: which requests go where, and who may send them."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lepton_ai.core.errors import InvalidInput

# What is checked here may be written into a header, a path or a list of digests without a second look. It is also
# what keeps one bad record from making the gateway refuse the whole table.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PRINCIPAL = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?")
_LONGEST_SOCKET_PATH = 107  # bytes that fit into `sun_path` with its final zero byte


@dataclass(frozen=True)
class Upstream:
    """One replica that takes requests.

    Args:
        replica_id: Its id, unique in the table.
        address: `unix:/path/to/socket`, or `tcp:127.0.0.1:PORT`.

    Raises:
        InvalidInput: The address is neither.
    """

    replica_id: str
    address: str

    def __post_init__(self) -> None:
        check_address(self.address)


@dataclass(frozen=True)
class Routing:
    """Which replica gets a request, where that is not the least busy one.

    Args:
        sticky: Requests with the same `x-lepton-affinity` header go to one replica while it is there; without the
            header, those from the same address do.
        by_replica: A request with the header `x-lepton-replica-target` goes to the replica of that id or to none.
    """

    sticky: bool = False
    by_replica: bool = False


LEAST_BUSY = Routing()
AFFINITY_HEADER = "x-lepton-affinity"
REPLICA_HEADER = "x-lepton-replica-target"


@dataclass(frozen=True)
class EndpointRoute:
    """One endpoint as the gateway sees it: `/<workspace>/<name>/…` on the endpoints' port.

    Args:
        workspace: The workspace id, first part of the path.
        name: The endpoint's name, second part of the path.
        upstreams: The replicas that are ready. None: the gateway answers 503 with `Retry-After`.
        token_digests: Who may call: SHA-256 of the token in hexadecimal -> the principal's name, which the replica
            receives as `x-lepton-principal`. Empty and not `public`: nobody may.
        public: Whether anyone may call without a token. Tokens in `token_digests` are still recognised.
        retry_on_reset: Whether a request may be sent again to another replica when the connection breaks before an
            answer came. True where repeating is harmless, as for a prediction.
        timeout_s: How long a replica may take to begin its answer, and between two parts of it: a slower one is
            answered with 504. A stream that goes on is not cut.
        allowed_networks: The addresses that may call, as `10.0.0.0/8` or a single one. Empty: all.
        routing: Which replica gets a request.

    Raises:
        InvalidInput: A name, digest or principal cannot stand in a path or a header, or a network is none.
    """

    workspace: str
    name: str
    upstreams: tuple[Upstream, ...] = ()
    token_digests: Mapping[str, str] = field(default_factory=dict)
    public: bool = False
    retry_on_reset: bool = False
    timeout_s: float = 300.0
    allowed_networks: tuple[str, ...] = ()
    routing: Routing = LEAST_BUSY

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed_networks", tuple(network_of(each) for each in self.allowed_networks))
        _check(_NAME, "workspace", self.workspace)
        _check(_NAME, "name", self.name)
        for digest, principal in self.token_digests.items():
            _check(_DIGEST, "token_digests", digest)
            _check(_PRINCIPAL, "principal", principal)
        if not self.timeout_s > 0:
            raise InvalidInput(f"`timeout_s` must be greater than 0, got timeout_s={self.timeout_s}")

    @property
    def path(self) -> str:
        """`<workspace>/<name>`, unique in the table."""
        return f"{self.workspace}/{self.name}"


@dataclass(frozen=True)
class RouteTable:
    """Everything the gateway must know.

    Args:
        host: The address to listen on.
        api_port: The port whose requests all go to the control plane, which checks tokens itself.
        endpoints_port: The port of the endpoints; tokens are checked by the gateway, closed by default.
        control_plane: The control plane's address, `unix:/path` or `tcp:127.0.0.1:PORT`.
        endpoints: One route for each endpoint.

    Raises:
        InvalidInput: Two routes share a path, or the control plane's address is not one.
    """

    host: str
    api_port: int
    endpoints_port: int
    control_plane: str
    endpoints: tuple[EndpointRoute, ...] = ()

    def __post_init__(self) -> None:
        check_address(self.control_plane)
        paths = [endpoint.path for endpoint in self.endpoints]
        if len(set(paths)) != len(paths):
            twice = sorted({path for path in paths if paths.count(path) > 1})
            raise InvalidInput(f"each endpoint must stand in the table once, got {', '.join(twice)} twice")


def network_of(text: str) -> str:
    """A network as it is written down: `10.1.2.3` becomes `10.1.2.3/32`.

    Raises:
        InvalidInput: It is none.

    Example:

        >>> network_of("10.1.2.3"), network_of("10.1.2.3/8")
        ('10.1.2.3/32', '10.0.0.0/8')
    """
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        raise InvalidInput(
            f"an allowed address must be one or a network such as 10.0.0.0/8, got {text[:60]!r}"
        ) from error


def check_address(address: str) -> None:
    """Refuse what is no address of an upstream.

    Raises:
        InvalidInput: It is neither `unix:/path` nor `tcp:IP:PORT`, or the path is too long for a socket.
    """
    if path := socket_path(address):
        if path.startswith("/") and len(path.encode()) <= _LONGEST_SOCKET_PATH and "\0" not in path:
            return
        raise InvalidInput(f"a socket path must be absolute and at most {_LONGEST_SOCKET_PATH} bytes, got {address!r}")
    try:
        host, port = host_and_port(address)
        ipaddress.ip_address(host)
        if 0 < port < 65536:
            return
    except ValueError:
        pass
    raise InvalidInput(f"an address must be `unix:/path` or `tcp:127.0.0.1:PORT`, got {address!r}")


def socket_path(address: str) -> str | None:
    """The path of a `unix:` address, None for a `tcp:` one.

    Example:

        >>> socket_path("unix:/run/replica.sock"), socket_path("tcp:127.0.0.1:80")
        ('/run/replica.sock', None)
    """
    return address.removeprefix("unix:") if address.startswith("unix:") else None


def host_and_port(address: str) -> tuple[str, int]:
    """Host and port of a `tcp:` address; an IPv6 host may stand in brackets.

    Example:

        >>> host_and_port("tcp:127.0.0.1:8000"), host_and_port("tcp:[::1]:8000")
        (('127.0.0.1', 8000), ('::1', 8000))
    """
    host, _, port = address.removeprefix("tcp:").rpartition(":")
    return host.strip("[]"), int(port)


def _check(pattern: re.Pattern[str], field_name: str, value: str) -> None:
    if not pattern.fullmatch(value):
        raise InvalidInput(f"`{field_name}` must match {pattern.pattern}, got {value!r}")
