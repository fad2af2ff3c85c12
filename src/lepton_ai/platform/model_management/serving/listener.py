"""The socket a replica listens on, from its address."""

import contextlib
import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from lepton_ai.core.errors import Conflict, InvalidInput

_LONGEST_PATH_BYTES = 107  # what AF_UNIX holds, less its final zero
_TCP = re.compile(r"tcp:(127\.0\.0\.1):(\d{1,5})")


@contextlib.contextmanager
def listening_socket(address: str) -> Iterator[socket.socket]:
    """A socket bound to an address, for as long as the block runs.

    Args:
        address: `unix:/absolute/path` (only this user may connect; a file left by a process that is gone is replaced),
            or `tcp:127.0.0.1:PORT` (0: the system chooses the port).

    Yields:
        The bound socket, not yet listening.

    Raises:
        InvalidInput: It is not such an address.
        Conflict: Another process answers there, or something else than a socket lies there.
    """
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        bound = _bind_unix(path)
        mark = path.stat().st_ino
    else:
        bound, path, mark = _bind_tcp(address), None, 0
    try:
        yield bound
    finally:
        bound.close()
        # Only our own file: a successor may already have put its own in this place.
        with contextlib.suppress(FileNotFoundError):
            if path is not None and path.stat().st_ino == mark:
                path.unlink()


def address_of(bound: socket.socket) -> str:
    """The address in the form that `listening_socket` takes, with the port that the system chose."""
    name = bound.getsockname()
    return f"unix:{name}" if bound.family == socket.AF_UNIX else f"tcp:{name[0]}:{name[1]}"


def _bind_unix(path: Path) -> socket.socket:
    if not path.is_absolute() or len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
        raise InvalidInput(
            f"the path of a Unix socket must be absolute and have at most {_LONGEST_PATH_BYTES} bytes, got {path}",
            hint="Take a folder with a short name, or `tcp:127.0.0.1:PORT`.",
        )
    _remove_stale(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # from its first moment on the file is 0600
    try:
        bound.bind(str(path))
    except OSError as error:
        bound.close()
        raise Conflict(f"cannot listen on unix:{path}: {error.strerror}") from error
    finally:
        os.umask(before)
    return bound


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise Conflict(f"cannot listen on unix:{path}: {error.strerror}") from error
    if not stat.S_ISSOCK(mode):
        raise Conflict(f"cannot listen on unix:{path}: something else than a socket lies there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass  # it does not refuse, so somebody holds it
    raise Conflict(f"cannot listen on unix:{path}: another process answers there")


def _bind_tcp(address: str) -> socket.socket:
    match = _TCP.fullmatch(address)
    if match is None or int(match[2]) > 65535:
        raise InvalidInput(f"an address is `unix:/path` or `tcp:127.0.0.1:PORT`, got {address!r}")
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((match[1], int(match[2])))
        # Two servers may bind one port; only one may listen. To know it now saves an error from deep in the event loop.
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise Conflict(f"cannot listen on {address}: {error.strerror}", hint="Choose another port.") from error
    return bound
