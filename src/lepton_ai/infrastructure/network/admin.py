"""Asking a running gateway over its admin socket, which only its owner can open."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any


def ask(socket_file: Path, path: str, *, method: str = "GET", timeout_s: float = 2.0) -> tuple[int, bytes] | None:
    """Send one request to the admin socket.

    Returns:
        Status and body, or None when nobody answers in time.
    """
    connection = _SocketConnection(socket_file, timeout_s)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def ask_json(socket_file: Path, path: str) -> Any | None:
    """The JSON answer to one request, or None when nobody answers with status 200."""
    answer = ask(socket_file, path)
    return json.loads(answer[1]) if answer is not None and answer[0] == 200 else None


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, socket_file: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._socket_file = socket_file

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._socket_file))
