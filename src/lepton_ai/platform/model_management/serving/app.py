"""The routes of a model server, as an ASGI application."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

import lepton_ai
from lepton_ai.core.clock import Clock
from lepton_ai.core.errors import InternalError, LeptonError, NotFound, TooLarge, Unavailable
from lepton_ai.core.ids import NewId
from lepton_ai.platform.model_management.serving.body import read_json_body
from lepton_ai.platform.model_management.serving.metrics import Metrics
from lepton_ai.platform.model_management.serving.observer import Observer
from lepton_ai.platform.model_management.serving.open_inference import model_metadata, read_infer, write_infer
from lepton_ai.platform.model_management.serving.openapi import openapi_document
from lepton_ai.platform.model_management.serving.problems import MethodNotAllowed, problem_response
from lepton_ai.platform.model_management.serving.request_log import RequestLog
from lepton_ai.platform.model_management.serving.served_model import ServedModel
from lepton_ai.platform.model_management.serving.wire import decode_predict, dump_json, encode_predict, parse_json
from lepton_ai.platform.model_management.serving.worker import Predictor

_LARGE_BODY_BYTES = 256 << 10
_CLIENT_GONE = 499  # nobody reads it; so it stands in the log, as in other servers' logs

Read = TypeVar("Read")


def build_app(
    served: ServedModel,
    predictor: Predictor,
    *,
    log: RequestLog,
    clock: Clock,
    new_id: NewId,
    is_ready: Callable[[], bool] = lambda: True,
) -> ASGIApp:
    """The application that answers for one model.

    Args:
        served: What is served.
        predictor: What gives the model's outputs.
        log: Where each request leaves a line.
        clock: For durations.
        new_id: Makes the id of a request that brings none.
        is_ready: Whether new requests are welcome; False while the process stops.
    """
    metrics = Metrics(served)
    api = _ModelApi(served, predictor, metrics, is_ready)
    app = Starlette(
        routes=api.routes(),
        exception_handlers={
            LeptonError: _lepton_error,
            HTTPException: _http_error,
            ClientDisconnect: _client_gone,
            Exception: _unexpected,
        },
    )
    app.router.redirect_slashes = False  # a redirect would name our own address, not the gateway's
    return Observer(app, log=log, metrics=metrics, clock=clock, new_id=new_id)


class _ModelApi:
    def __init__(
        self, served: ServedModel, predictor: Predictor, metrics: Metrics, is_ready: Callable[[], bool]
    ) -> None:
        self._served = served
        self._predictor = predictor
        self._metrics = metrics
        self._is_ready = is_ready
        self._openapi = dump_json(openapi_document(served))

    def routes(self) -> list[Route]:
        routes = [
            Route("/", self.index),
            Route("/predict", self.predict, methods=["POST"]),
            Route("/healthz", self.healthz),
            Route("/metrics", self.metrics),
            Route("/openapi.json", self.openapi),
            Route("/v2", self.v2_server),
            Route("/v2/health/live", self.v2_live),
            Route("/v2/health/ready", self.v2_ready),
        ]
        for base in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            routes += [
                Route(base, self.v2_model),
                Route(f"{base}/ready", self.v2_model_ready),
                Route(f"{base}/infer", self.v2_infer, methods=["POST"]),
            ]
        return routes

    async def index(self, _request: Request) -> Response:
        served = self._served
        return _json(
            {
                "model": served.name,
                "version": served.version,
                "task": served.signature.task,
                "input_shape": served.signature.inputs[0].shape,
                "columns": served.columns,
                "labels": served.labels if served.is_classifier else None,
                "max_rows": served.max_rows,
                "max_body_bytes": served.max_body_bytes,
                "links": {
                    "predict": "predict",
                    "openapi": "openapi.json",
                    "health": "healthz",
                    "metrics": "metrics",
                    "open_inference": f"v2/models/{served.name}",
                },
            }
        )

    async def predict(self, request: Request) -> Response:
        rows = await self._read(request, decode_predict)
        outputs = await self._predictor.predict(rows)
        answer = encode_predict(outputs, self._served)
        request.state.rows = len(rows)
        return _json_bytes(answer)

    async def healthz(self, _request: Request) -> Response:
        self._check_ready()
        return _json({"status": "ok"})

    async def metrics(self, _request: Request) -> Response:
        return Response(self._metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def openapi(self, _request: Request) -> Response:
        return _json_bytes(self._openapi)

    async def v2_server(self, _request: Request) -> Response:
        return _json({"name": "lepton-ai", "version": lepton_ai.__version__, "extensions": []})

    async def v2_live(self, _request: Request) -> Response:
        return _json({"live": True})

    async def v2_ready(self, _request: Request) -> Response:
        self._check_ready()
        return _json({"ready": True})

    async def v2_model(self, request: Request) -> Response:
        self._check_named(request)
        return _json(model_metadata(self._served))

    async def v2_model_ready(self, request: Request) -> Response:
        self._check_named(request)
        self._check_ready()
        return _json({"name": self._served.name, "ready": True})

    async def v2_infer(self, request: Request) -> Response:
        self._check_named(request)
        asked = await self._read(request, read_infer)
        outputs = await self._predictor.predict(asked.rows)
        answer = write_infer(outputs, asked, self._served)
        request.state.rows = len(asked.rows)
        return _json_bytes(answer)

    async def _read(self, request: Request, decode: Callable[[Any, ServedModel], Read]) -> Read:
        body = await read_json_body(request, self._served.max_body_bytes)
        if len(body) < _LARGE_BODY_BYTES:
            return self._decode(body, decode)
        # Beyond a millisecond or so the event loop should not wait for it.
        return await asyncio.to_thread(self._decode, body, decode)

    def _decode(self, body: bytes, decode: Callable[[Any, ServedModel], Read]) -> Read:
        return decode(parse_json(body, self._served), self._served)

    def _check_ready(self) -> None:
        if not self._is_ready():
            raise Unavailable("this replica is stopping", hint="Send the request again.")

    def _check_named(self, request: Request) -> None:
        model, version = request.path_params["model"], request.path_params.get("version")
        if model != self._served.name:
            raise NotFound(f"no model {model[:80]!r} here", hint=f"This server has {self._served.name!r}.")
        if version not in (None, self._served.version):
            raise NotFound(f"no version {version[:80]!r} here", hint=f"This server has {self._served.version!r}.")


def _json(value: Any) -> Response:
    return _json_bytes(dump_json(value))


def _json_bytes(body: bytes) -> Response:
    return Response(body, media_type="application/json")


async def _lepton_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, LeptonError)
    if error.status >= 500:
        request.state.error = error.message
    headers = {"connection": "close"} if isinstance(error, TooLarge) else None
    return problem_response(error, request.scope["path"], request.state.request_id, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: a path it does not know, or a method not meant for it."""
    assert isinstance(error, HTTPException)
    path, request_id = request.scope["path"], request.state.request_id
    if error.status_code != 405:
        not_found = NotFound(f"no path {path[:200]!r} here", hint="`GET /` and `/openapi.json` list the paths.")
        return problem_response(not_found, path, request_id)
    methods = sorted((error.headers or {}).get("Allow", "").split(", "))
    headers = {"allow": ", ".join([*methods, "OPTIONS"])}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    not_allowed = MethodNotAllowed(f"{path[:200]} takes {' and '.join(methods)}, got {request.method}")
    return problem_response(not_allowed, path, request_id, headers)


async def _client_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_CLIENT_GONE)


async def _unexpected(request: Request, _error: Exception) -> Response:
    fault = InternalError("something went wrong here", hint="The log has the details under the request id.")
    return problem_response(fault, request.scope["path"], request.state.request_id)
