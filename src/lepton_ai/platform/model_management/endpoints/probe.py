"""The health probe: one short question to a replica."""

import http.client
import socket
from collections.abc import Callable
from dataclasses import dataclass

from lepton_ai.platform.model_management.endpoints.records import EndpointSpec


def answers(address: str, timeout_s: float = 1.0) -> bool:
    """Whether a replica answers `GET /healthz` with 200.

    Args:
        address: `unix:/path` or `tcp:host:port`.
        timeout_s: How long to wait for it.
    """
    connection = _Connection(address, timeout_s)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts(address: str, timeout_s: float = 1.0) -> bool:
    """Whether somebody listens there; all that is known of what a user's command answers."""
    connection = _Connection(address, timeout_s)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def runs(_address: str) -> bool:
    """A command that serves nothing is as well as it can be while its process runs."""
    return True


@dataclass(frozen=True)
class Probe:
    """How replicas are asked, by what they are."""

    model: Callable[[str], bool] = answers
    command: Callable[[str], bool] = accepts

    def of(self, spec: EndpointSpec) -> Callable[[str], bool]:
        """The question for the replicas of an endpoint."""
        if spec.command is None:
            return self.model
        return self.command if spec.serves else runs


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket or TCP."""

    def __init__(self, address: str, timeout_s: float) -> None:
        super().__init__("replica", timeout=timeout_s)
        self._address = address

    def connect(self) -> None:
        kind, _, place = self._address.partition(":")
        if kind == "unix":
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(place)
        else:
            host, _, port = place.rpartition(":")
            self.sock = socket.create_connection((host, int(port)), self.timeout)
