"""The file between the driver and the Python proxy: a route table with its version."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.infrastructure.network.routes import EndpointRoute, RouteTable, Routing, Upstream


@dataclass(frozen=True)
class ProxyConfig:
    """A route table as the proxy holds it.

    Args:
        version: Derived from the table's content.
        table: The table.
    """

    version: str
    table: RouteTable


def with_version(table: RouteTable) -> ProxyConfig:
    """A table with the version that its content gives."""
    content = json.dumps(asdict(table), sort_keys=True).encode()
    return ProxyConfig(hashlib.sha256(content).hexdigest()[:16], table)


def to_bytes(config: ProxyConfig) -> bytes:
    """The file's content."""
    return json.dumps(asdict(config), sort_keys=True).encode()


def from_bytes(data: bytes) -> ProxyConfig:
    """Read the file's content.

    Raises:
        InvalidInput: It is no such file.
    """
    try:
        raw = json.loads(data)
        return ProxyConfig(str(raw["version"]), _table(raw["table"]))
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"the proxy's configuration must be what its driver wrote, got {error!r}") from error


class WatchedConfig:
    """The configuration as it stands in the file, looked at again when the file was replaced.

    Args:
        file: The file; it is replaced in one step, never written in place.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int, int] | None = None
        self.rejected = 0
        self.current = self._read_first()

    def has_changed(self) -> bool:
        """Look at the file, and take it over if it is another one and sound. A bad file changes nothing."""
        try:
            seen = self._identity()
            if seen == self._seen:
                return False
            self._seen = seen
            self.current = from_bytes(self._file.read_bytes())
        except (OSError, InvalidInput):
            self.rejected += 1
            return False
        return True

    def _read_first(self) -> ProxyConfig:
        self._seen = self._identity()
        return from_bytes(self._file.read_bytes())

    def _identity(self) -> tuple[int, int, int]:
        status = self._file.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size


def _table(raw: dict[str, Any]) -> RouteTable:
    return RouteTable(**{**raw, "endpoints": tuple(_route(endpoint) for endpoint in raw["endpoints"])})


def _route(raw: dict[str, Any]) -> EndpointRoute:
    upstreams = tuple(Upstream(**upstream) for upstream in raw["upstreams"])
    given = {"allowed_networks": tuple(raw["allowed_networks"]), "routing": Routing(**raw["routing"])}
    return EndpointRoute(**{**raw, **given, "upstreams": upstreams})
