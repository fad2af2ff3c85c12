"""Ports of this machine that are free."""

import contextlib
import socket
from collections.abc import Container

_TRIES = 50


def free_port(wanted: int | None = None, taken: Container[int] = ()) -> int:
    """A TCP port that nobody listens on: the wanted one, or any.

    It is free when it is looked for. Whoever is to listen there may find it taken a moment later and must then fail.

    Args:
        wanted: The port to prefer.
        taken: Ports that are promised to others, whether they listen yet or not.
    """
    if wanted is not None and wanted not in taken and _is_free(wanted):
        return wanted
    for _ in range(_TRIES):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port: int = found.getsockname()[1]
        if port not in taken:
            return port
    raise OSError("no free port was found")


def _is_free(port: int) -> bool:
    for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - only to see whether somebody is there
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
            continue
        return False
    return True
