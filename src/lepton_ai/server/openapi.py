"""The OpenAPI document: what the routes say of themselves, and how every one of them refuses."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from lepton_ai.server.guard import speaks_protocol

_TEXT = {"type": "string"}
_COMMON = {
    "code": {**_TEXT, "description": "Stable, and the same in SDK and CLI."},
    "hint": {**_TEXT, "description": "What to do."},
    "errors": {"type": "array", "items": {"type": "object"}, "description": "One for each field that is wrong."},
    "request_id": _TEXT,
}
_SCHEMAS = {
    "Problem": {
        "type": "object",
        "description": "Why a request was refused: a problem document (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": {**_TEXT, "description": "What was expected, and what came."},
            **_COMMON,
        },
    },
    "Refusal": {
        "type": "object",
        "description": "Why a request was refused, in the form that the protocol's clients read.",
        "required": ["code", "message"],
        "properties": {"message": {**_TEXT, "description": "What was expected, and what came."}, **_COMMON},
    },
}
_RESPONSES = {
    "Problem": ("application/problem+json", "The request was refused; `status` and `code` say why."),
    "Refusal": ("application/json", "The request was refused; the status and `code` say why."),
}
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")


def document_of(app: FastAPI, routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The document of an application's routes, made once.

    Any status beyond those that a route names is a refusal: which ones can come depends on more than the route (rights,
    quotas, the disk), so they are told together.
    """
    if app.openapi_schema is None:
        app.openapi_schema = _with_refusals(get_openapi(title=app.title, version=app.version, routes=routes))
    return app.openapi_schema


def _with_refusals(document: dict[str, Any]) -> dict[str, Any]:
    for path, operations in document["paths"].items():
        name = "Refusal" if speaks_protocol(path) else "Problem"
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"$ref": f"#/components/responses/{name}"}
    components = document.setdefault("components", {})
    schemas = {name: each for name, each in components.get("schemas", {}).items() if name not in _OF_FASTAPI}
    components["schemas"] = dict(sorted({**schemas, **_SCHEMAS}.items()))
    components["responses"] = {
        name: {"description": told, "content": {kind: {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
        for name, (kind, told) in _RESPONSES.items()
    }
    return document
