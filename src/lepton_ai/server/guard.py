"""The outermost guard: every request needs a token with the right to it, unless its path is on a short list."""

import re
import secrets
from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import orjson

from lepton_ai.core.access import Access
from lepton_ai.core.errors import InvalidInput, LeptonError, PermissionDenied, TooLarge
from lepton_ai.server.rights import PROTOCOL_NOUNS, check_rights, noun_of

Scope = dict[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/openapi.json"})
"""What needs no token. It tells nothing but that a server is here, whether it is well, and how to talk to it."""

SIGNED_PREFIX = "/objects/"
"""Where addresses carry a signature instead of a token; the routes there check it."""

MAX_JSON_BYTES = 4 << 20
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_STREAMED = re.compile(
    r"/api/v2/workspaces/[^/]+/(artifacts/[^/]+|storage/.+|object_storage/.+|photons/[^/]+)|/objects/.+", re.DOTALL
)
"""Where bodies may be of any size: they go to disk as they come."""


class Guard:
    """Checks host, origin, token, rights and size before anything else sees the request; gives each request its id.

    Args:
        app: What it guards.
        access: Who knows the tokens.
        host: The address the server listens on: a name that a request may call it by, beside loopback's.
    """

    def __init__(self, app: App, access: Access, host: str) -> None:
        self._app = app
        self._access = access
        self._host = host

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.fullmatch(given) else f"req-{secrets.token_hex(8)}"
        scope.setdefault("state", {})["request_id"] = request_id
        # Access is decided on the path as it came; the host header cannot forge it.
        path = scope["path"]

        async def send_with_id(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            if scope["type"] != "http":
                raise PermissionDenied("only HTTP is spoken here")
            self._check_host(headers)
            if path not in OPEN_PATHS and not path.startswith(SIGNED_PREFIX):
                authorization = headers.get(b"authorization", b"").decode("latin-1")
                principal = self._access.authenticate(authorization)
                check_rights(principal, scope["method"], path)
                scope["state"]["principal"] = principal
            limit = None if _STREAMED.fullmatch(path) else MAX_JSON_BYTES
            if limit is not None:
                receive = await _limited(receive, headers, limit)
        except LeptonError as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await answer_error(error, scope, send_with_id)
            return
        await self._app(scope, receive, send_with_id)

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        """Refuse a web page that drives this server through a name that it made point here (DNS rebinding)."""
        if not self._is_ours(_host_name(headers.get(b"host", b"").decode("latin-1"))):
            raise PermissionDenied("this server is not known by the name in the Host header", hint="Use 127.0.0.1.")
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin != "null" and not self._is_ours(_host_name(origin.partition("://")[2])):
            raise PermissionDenied("requests from pages of another site are refused")

    def _is_ours(self, name: str | None) -> bool:
        if name is None:
            return False
        if name in ("localhost", self._host):
            return True
        try:
            # An address cannot be rebound; only names can.
            ip_address(name)
        except ValueError:
            return False
        return True


async def answer_error(error: LeptonError, scope: Scope, send: Any) -> None:
    """Answer with an error: the protocol's shape on the protocol's routes, RFC 9457 elsewhere."""
    error.request_id = error.request_id or scope.get("state", {}).get("request_id")
    body = error_body(error, scope["path"])
    headers = [
        (b"content-type", b"application/json" if "message" in body else b"application/problem+json"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.status == 503:
        headers.append((b"retry-after", b"1"))
    data = orjson.dumps(body)
    headers.append((b"content-length", str(len(data)).encode()))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


def error_body(error: LeptonError, path: str) -> dict[str, Any]:
    """An error as a body: `{code, message, …}` on the protocol's routes, a problem document on ours."""
    problem = error.as_problem()
    if not speaks_protocol(path):
        return problem
    kept = ("code", "hint", "errors", "request_id")
    return {"message": error.message} | {key: value for key, value in problem.items() if key in kept}


def speaks_protocol(path: str) -> bool:
    """Whether a path is one of the protocol's, whose clients read its shape of an error."""
    return noun_of(path) in PROTOCOL_NOUNS


async def _limited(receive: Any, headers: dict[bytes, bytes], limit: int) -> Any:
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        raise InvalidInput(f"`Content-Length` must be a number, got {length[:40]!r}")
    if len(length) > 15 or int(length) > limit:
        await _discard(receive, limit)
        raise _too_large(limit)
    taken = 0

    async def limited() -> Any:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            await _discard(receive, limit)
            raise _too_large(limit)
        return message

    return limited


async def _discard(receive: Any, limit: int) -> None:
    """Let some of what is too much come in: an answer before it has come is lost where the client still sends."""
    taken = 0
    while taken < 4 * limit:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return
        taken += len(message["body"])


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"a request body may have at most {limit} bytes", hint="Upload files with PUT …/artifacts/SHA256.")


@lru_cache(maxsize=256)
def _host_name(header: str) -> str | None:
    """The name or address in a Host header; None for what is no such header."""
    if not header or any(letter in header for letter in "/?#@\\ "):
        return None
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None
