"""One client's connection to the proxy: the limits before a request is whole, and answers to what is no request."""

import asyncio
import json
import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from lepton_ai.infrastructure.network import limits, refusals
from lepton_ai.infrastructure.network.refusals import Refusal

_log = logging.getLogger(__name__)
_OPTIONS: dict[str, Any] = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": limits.CLIENT_IDLE_S,
    "lingering_time": 2.0,
    "max_line_size": limits.HEADERS_KB * 1024,
    "max_field_size": limits.HEADERS_KB * 1024,
    "max_headers": limits.HEADER_COUNT,
}


def refuse(refusal: Refusal, request_id: str) -> web.Response:
    """The gateway's own answer."""
    return web.Response(
        body=json.dumps(refusal.as_problem(request_id)).encode(),
        status=refusal.status,
        content_type=refusals.PROBLEM_TYPE,
        headers={**dict(refusal.headers), **({"x-request-id": request_id} if request_id else {}), "server": "lepton"},
    )


class ClientConnection(web.RequestHandler):
    """aiohttp's connection with a time limit for headers and problem documents for unreadable requests.

    Args:
        server: The server that it belongs to; its handler calls `request_begun` and `request_ended`.
    """

    def __init__(self, server: web.Server, **options: Any) -> None:
        super().__init__(server, **_OPTIONS, **options)
        self._server = server
        self._headers_timer: asyncio.TimerHandle | None = None
        self._requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        super().connection_made(transport)
        if len(self._server.connections) > limits.CLIENT_CONNECTIONS:
            self.force_close()

    def data_received(self, data: bytes) -> None:
        """Read on; between two requests the first byte starts the clock for the headers."""
        if not self._requests and self._headers_timer is None:
            self._headers_timer = asyncio.get_running_loop().call_later(limits.HEADERS_TIMEOUT_S, self.force_close)
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return not self._requests

    def request_begun(self) -> None:
        """The headers of a request are here."""
        self._requests += 1
        self._stop_timer()

    def request_ended(self) -> None:
        """Its answer has been made."""
        self._requests -= 1

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request, or a fault of ours, and close the connection."""
        if isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            raise ConnectionError("there is nobody to answer, or an answer that has begun")
        if status == 400:
            too_large = isinstance(exc, LineTooLong) or "Too many headers" in str(message)
            refusal = refusals.HEADERS_TOO_LARGE if too_large else refusals.REQUEST_MALFORMED
        else:
            _log.error("a request failed in the gateway", exc_info=exc)
            refusal = refusals.GATEWAY_FAILED
        response = refuse(refusal, "")
        response.force_close()
        return response

    def _stop_timer(self) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None
