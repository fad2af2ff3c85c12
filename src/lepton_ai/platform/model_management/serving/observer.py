"""Around every request: its id, its line in the log, its count in the metrics, and the fault that nobody caught."""

import asyncio
import re
import traceback

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lepton_ai.core.clock import Clock
from lepton_ai.core.errors import Unavailable
from lepton_ai.core.ids import NewId
from lepton_ai.platform.model_management.serving.metrics import Metrics
from lepton_ai.platform.model_management.serving.problems import problem_response
from lepton_ai.platform.model_management.serving.request_log import RequestLog

_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
# Asked every second by whoever watches the replica: counted, but not a line each while all is well.
_PROBES = frozenset({"/healthz", "/metrics", "/v2/health/live", "/v2/health/ready"})


class Observer:
    """The outermost ASGI application.

    Args:
        app: What answers. It finds the request's id in `scope["state"]["request_id"]` and may leave there the
            number of `rows` it answered, and the message of an `error` that is no fault of the client.
        log: Where the line goes.
        metrics: Where the request is counted.
        clock: For durations.
        new_id: Makes the id of a request that brings none.
    """

    def __init__(self, app: ASGIApp, *, log: RequestLog, metrics: Metrics, clock: Clock, new_id: NewId) -> None:
        self._app = app
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started_s = self._clock.monotonic_s()
        request_id = _given_id(scope) or self._new_id("req")
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except asyncio.CancelledError:
            # The process stops and its patience is at an end. Only the server cancels, so nobody waits for this task.
            if status == 0:
                stopping = Unavailable("this replica is stopping", hint="Send the request again.")
                await problem_response(stopping, scope["path"], request_id)(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001 the answer went out (see `app`); this is the last place to tell of it
            trace = "".join(traceback.format_exception(error))
            self._log.event("error", request_id=request_id, error=str(error)[:1000], traceback=trace[-20_000:])
        finally:
            self._end(scope, status, self._clock.monotonic_s() - started_s)

    def _end(self, scope: Scope, status: int, seconds: float) -> None:
        state = scope["state"]
        route = getattr(scope.get("route"), "path", "unknown")
        rows = state.get("rows", 0)
        self._metrics.request_ended(route, status, seconds=seconds, rows=rows)
        if route in _PROBES and status < 400:
            return
        facts = {name: state[name] for name in ("rows", "error") if name in state}
        self._log.event(
            "request",
            request_id=state["request_id"],
            method=scope["method"],
            path=scope["path"][:200],
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 3),
            **facts,
        )


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if _SANE_ID.fullmatch(value) else None
    return None
