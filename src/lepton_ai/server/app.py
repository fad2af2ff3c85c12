"""The HTTP application: routes behind the guard, and errors as every door tells them."""

import traceback
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from lepton_ai import __version__
from lepton_ai.core.errors import InternalError, InvalidInput, LeptonError, NotFound, Unavailable
from lepton_ai.core.log import log
from lepton_ai.server.control_plane import ControlPlane
from lepton_ai.server.dispatch import ByNoun
from lepton_ai.server.guard import App, Guard, answer_error
from lepton_ai.server.openapi import document_of
from lepton_ai.server.routes import (
    absent,
    artifacts,
    audit,
    bucket,
    datasets,
    endpoints,
    gc,
    jobs,
    kv,
    logs,
    metrics,
    models,
    nodes,
    photon,
    queue,
    runs,
    secrets,
    storage,
    templates,
    tokens,
    workspace,
    workspaces,
)

_MOST_ERRORS = 20


def create_app(plane: ControlPlane) -> App:
    """The application that serves one control plane."""
    app = FastAPI(title="Lepton AI", version=__version__, docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    app.state.control_plane = plane
    app.state.draining = False
    rooms = (
        workspace,
        endpoints,
        jobs,
        templates,
        logs,
        models,
        runs,
        artifacts,
        datasets,
        storage,
        bucket,
        kv,
        queue,
        photon,
        gc,
        secrets,
        tokens,
        audit,
        workspaces,
        metrics,
        nodes,
        absent,
    )
    for room in rooms:
        # Their routes and not the routers: a router in a router is matched twice, 0.2 ms a request in all.
        app.router.routes.extend(room.router.routes)

    @app.get("/", include_in_schema=False)
    def root() -> dict[str, str]:
        return {"name": "lepton-ai", "version": __version__, "api": "/api/v2/workspaces/<workspace>"}

    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """Whether the server lives: its event loop turns."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    async def readyz() -> dict[str, str]:
        """Whether the server takes work: the database can be written."""
        if app.state.draining:
            raise Unavailable("the server is stopping")
        await plane.database.write_async(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
        return {"status": "ok"}

    routes = list(app.router.routes)
    app.router.routes[:] = [ByNoun(routes)]
    app.openapi = lambda: document_of(app, routes)  # type: ignore[method-assign]  # FastAPI's own way to change it
    app.add_exception_handler(LeptonError, _lepton_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _fault)
    return Guard(app, plane.access, plane.settings.host)


async def _lepton_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, LeptonError)
    if isinstance(error, InternalError):
        _log(request, error)
    return _Answer(error)


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"field": ".".join(str(part) for part in found["loc"][1:]) or str(found["loc"][0]), "message": found["msg"]}
        for found in error.errors()[:_MOST_ERRORS]
    ]
    told = "; ".join(f"`{found['field']}`: {found['message']}" for found in errors[:5])
    return _Answer(InvalidInput(f"the request is wrong: {told}", errors=errors))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, LeptonError):  # ours, met while the framework read the body
        return _Answer(error.__cause__)
    if error.status_code == 404:
        return _Answer(NotFound(f"there is nothing at {request.url.path[:200]}", hint="GET /openapi.json lists all."))
    answer = _Answer(_StatusError(error.status_code, f"{request.method} {request.url.path[:200]}: {error.detail}"))
    answer.extra_headers = dict(error.headers or {})
    return answer


async def _fault(request: Request, error: Exception) -> Response:
    _log(request, error)
    return _Answer(InternalError("a fault of the server", hint="The server's log has more under this request id."))


class _StatusError(LeptonError):
    """An error that the framework found: a method that a path lacks, a body that is no JSON."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status  # type: ignore[misc] # this one class speaks for every status
        self.code = HTTPStatus(status).name.lower()  # type: ignore[misc]


class _Answer(Response):
    """Answers with an error in the shape that its route speaks."""

    extra_headers: dict[str, str] = {}  # noqa: RUF012 - replaced, never changed

    def __init__(self, error: LeptonError) -> None:
        super().__init__(status_code=error.status)
        self._error = error

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.lower().encode(), value.encode()) for name, value in self.extra_headers.items()]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await answer_error(self._error, scope, send_with_headers)


def _log(request: Request, error: Exception) -> None:
    log(
        "error",
        "request_failed",
        request_id=request.state.request_id,
        method=request.method,
        path=request.url.path,
        error=f"{type(error).__name__}: {error}",
        trace="".join(traceback.format_exception(error)),
    )
