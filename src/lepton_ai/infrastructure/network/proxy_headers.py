"""Headers on their way through the proxy: what stays, what belongs to one connection only, what the gateway says."""

import re
import uuid
from collections.abc import Mapping

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from lepton_ai.infrastructure.network import limits, refusals
from lepton_ai.infrastructure.network.refusals import Refusal

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
# What a client may not claim: the gateway says it, or nobody does.
_FORWARDED = frozenset(
    ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip")
)
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id_of(headers: Mapping[str, str]) -> str:
    """The request's id: the client's own if it is sane, a fresh one otherwise."""
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else str(uuid.uuid4())


def unreadable(request: web.BaseRequest) -> Refusal | None:
    """Why the headers cannot be passed on, or None."""
    size = sum(len(name) + len(value) + 4 for name, value in request.raw_headers)
    if size > limits.HEADERS_KB * 1024 or len(request.raw_headers) > limits.HEADER_COUNT:
        return refusals.HEADERS_TOO_LARGE
    # Bytes that are not UTF-8 would not arrive as they came.
    if not all(value.isascii() or _is_utf8(value) for _, value in request.raw_headers):
        return refusals.REQUEST_MALFORMED
    return None


def asks_for_websocket(request: web.BaseRequest) -> bool:
    """Whether the client wants the connection to become a WebSocket."""
    return request.headers.get("upgrade", "").lower() == "websocket" and "upgrade" in _connection_words(request.headers)


def to_replica(request: web.BaseRequest, said: Mapping[str, str | None], *, websocket: bool) -> CIMultiDict[str]:
    """The headers that the replica receives.

    Args:
        request: The client's request.
        said: What the gateway says, in place of the client's headers of those names; None removes one.
        websocket: Whether to ask the replica for a WebSocket.
    """
    dropped = _HOP_BY_HOP | _FORWARDED | {"expect"} | _connection_words(request.headers) | said.keys()
    kept = ((name, value) for name, value in request.headers.items() if name.lower() not in dropped)
    headers = CIMultiDict([*kept, *((name, value) for name, value in said.items() if value is not None)])
    # A client of HTTP/1.0 need not name a host, and the library would name ours.
    headers.setdefault("host", "localhost")
    headers["x-forwarded-for"] = request.remote or "unknown"
    headers["x-forwarded-proto"] = "http"
    if websocket:
        headers["connection"], headers["upgrade"] = "Upgrade", "websocket"
    return headers


def to_client(answer: aiohttp.ClientResponse, request_id: str) -> CIMultiDict[str]:
    """The headers that the client receives."""
    dropped = _HOP_BY_HOP | _connection_words(answer.headers)
    headers = CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in dropped)
    headers["x-request-id"] = request_id
    # Otherwise the library names itself and Python's version.
    headers.setdefault("server", "lepton")
    if answer.status == 101:
        headers["connection"], headers["upgrade"] = "Upgrade", answer.headers.get("upgrade", "websocket")
    return headers


def _connection_words(headers: Mapping[str, str]) -> frozenset[str]:
    """The header names that `Connection` says are meant for the next hop alone."""
    words = frozenset(word.strip().lower() for word in headers.get("connection", "").split(","))
    return words - {"host", "content-length"}


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
