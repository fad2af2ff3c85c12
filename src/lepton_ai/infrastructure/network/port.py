"""The port of a gateway driver: what a process in front of API and endpoints has to offer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lepton_ai.infrastructure.network.routes import RouteTable


@dataclass(frozen=True)
class GatewayCommand:
    """How to start the gateway's process.

    Args:
        argv: The command line; the first word is an absolute path. It differs from that of a running gateway exactly
            when that one must be started anew (another host, port or version); everything else is taken over live.
        env: What it needs beside the environment that every worker gets.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class EndpointStats:
    """What one endpoint was asked since the gateway's process started.

    Args:
        requests_total: Requests that were answered, by a replica or by the gateway for want of one. Refused tokens and
            paths do not count.
        errors_total: Those of them that were answered with a status of 500 or above.
        active: Requests that a replica is working on right now.
    """

    requests_total: int
    errors_total: int
    active: int


class GatewayDriver(Protocol):
    """Turns a route table into files for one kind of gateway, and tells what the running process has taken over.

    A driver keeps no state in memory: everything lies in its folder, so that a control plane which starts again adopts
    the gateway that still runs. The process itself is started and stopped by a supervisor, not here; on SIGTERM it
    finishes the requests in flight for a few seconds and exits with 0.
    """

    name: str

    def unavailable_reason(self) -> str | None:
        """Why this gateway cannot run on this machine, as a sentence for a person; None when it can."""
        ...

    def write(self, table: RouteTable) -> str:
        """Write the table for the gateway to pick up, each file in one step.

        Returns:
            A version derived from the table's content alone: the same table gives the same version, also after a
            restart of the control plane, and writing it again disturbs nothing.
        """
        ...

    def command(self) -> GatewayCommand:
        """The command that starts the gateway. Call `write` first."""
        ...

    def applied_version(self) -> str | None:
        """The version that the running gateway has taken over whole, or None when it does not answer.

        Once this is the version that `write` returned, no new request goes by an older table. A gateway that listens
        elsewhere than the table says never reports the table's version.
        """
        ...

    def is_ready(self) -> bool:
        """Whether the gateway's process answers and listens on both ports."""
        ...

    def stats(self) -> Mapping[str, EndpointStats]:
        """What each endpoint was asked, by `<workspace>/<name>`; empty when the gateway does not answer."""
        ...


class GatewayFactory(Protocol):
    """How a driver is made: each driver module has a function `open_driver` of this shape."""

    def __call__(self, folder: Path, socket_folder: Path) -> GatewayDriver:
        """Make the driver.

        Args:
            folder: Where its files go; survives restarts of the control plane. May be a long path.
            socket_folder: A short folder (0700) for Unix sockets, whose paths end at 108 bytes.
        """
        ...
