"""The OpenAPI document of one model: its own shapes, limits and labels, and an example that it answers."""

from math import prod
from typing import Any

from lepton_ai.platform.model_management.serving.named_rows import example_row, row_schema
from lepton_ai.platform.model_management.serving.served_model import ServedModel

_LARGEST_FLOAT32 = 3.4028234663852886e38
_MOST_EXAMPLE_NUMBERS = 4096


def openapi_document(served: ServedModel) -> dict[str, Any]:
    """The document that `GET /openapi.json` answers.

    Args:
        served: The model.

    Returns:
        OpenAPI 3.1 as plain JSON values. Its server address is relative, because a gateway puts a prefix before it.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": served.name,
            "version": served.version,
            "description": f"Predictions of the model `{served.name}`, version {served.version}.",
        },
        "servers": [{"url": "."}],
        "paths": {
            "/predict": {"post": _predict(served)},
            "/": {"get": _get("What is served here, and where to go on.")},
            "/healthz": {"get": _get("Whether this replica takes requests.", failures={"503": "It does not."})},
            "/metrics": {"get": _get("Prometheus metrics.", media_type="text/plain")},
            **_open_inference_paths(served),
        },
        "components": {"schemas": {"Problem": _PROBLEM, "ProtocolError": _PROTOCOL_ERROR}},
    }


def _predict(served: ServedModel) -> dict[str, Any]:
    body: dict[str, Any] = {"schema": _request_schema(served)}
    if (example := _example(served)) is not None:
        body["example"] = example
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "summary": "A prediction for each row.",
        "operationId": "predict",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": {
                "description": "One answer per row, in the same order.",
                "content": {"application/json": {"schema": _answer_schema(served)}},
            },
            "413": {"description": f"More than {served.max_body_bytes} bytes.", "content": problem},
            "415": {"description": "Not JSON by its content-type.", "content": problem},
            "422": {"description": "Wrong shape, type or value; `detail` says what was expected.", "content": problem},
        },
    }


def _request_schema(served: ServedModel) -> dict[str, Any]:
    if served.preprocessing is None:
        rows = [_nested(shape) for shape in served.row_shapes]
        described = f"Rows of shape {served.signature.row_shape}."
    else:
        rows = [row_schema(served.preprocessing.schema)]
        described = "Rows with a value by column."
    return {
        "type": "object",
        "required": ["inputs"],
        "additionalProperties": False,
        "properties": {
            "inputs": {
                "description": described,
                "type": "array",
                "minItems": 1,
                "maxItems": served.max_rows,
                "items": rows[0] if len(rows) == 1 else {"anyOf": rows},
            }
        },
    }


def _answer_schema(served: ServedModel) -> dict[str, Any]:
    number = {"type": "number"}
    if served.is_classifier:
        probability = {"type": "number", "minimum": 0, "maximum": 1}
        answer: dict[str, Any] = {
            "type": "object",
            "required": ["label", "probability", "probabilities"],
            "properties": {
                "label": {"enum": list(served.labels)},
                "probability": probability,
                "probabilities": _list_of(probability, served.class_count)
                | {"description": f"For {list(served.labels)[:100]}, in this order."},
            },
        }
        if served.promised_coverage is not None:
            answer["required"].append("labels")
            answer["properties"]["labels"] = _label_set(served, served.promised_coverage)
    else:
        shape = tuple(int(size or 0) for size in served.signature.outputs[0].shape[1:])
        answer = number if prod(shape) == 1 else _nested(shape)
    properties = {
        "outputs": {"type": "array", "items": answer},
        "model": {"const": served.name},
        "version": {"const": served.version},
    }
    if served.promises_intervals:
        properties["intervals"] = _intervals(served.promised_coverage)
    return {"type": "object", "required": list(properties), "properties": properties}


def _label_set(served: ServedModel, coverage: float) -> dict[str, Any]:
    return {
        "description": f"The labels that the row may have: the true one is among them for {coverage:.0%} of rows.",
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"enum": list(served.labels)},
    }


def _intervals(coverage: float | None) -> dict[str, Any]:
    return {
        "description": f"For each output its lower and upper end: the truth lies between for {coverage:.0%} of rows.",
        "type": "array",
        "items": _nested((2,)),
    }


def _example(served: ServedModel) -> dict[str, Any] | None:
    if served.preprocessing is not None:
        return {"inputs": [example_row(served.preprocessing.schema)]}
    shape = served.row_shapes[-1]
    if prod(shape) > _MOST_EXAMPLE_NUMBERS:
        return None
    row: Any = 0.0
    for size in reversed(shape):
        row = [row] * size
    return {"inputs": [row]}


def _nested(shape: tuple[int, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "number", "minimum": -_LARGEST_FLOAT32, "maximum": _LARGEST_FLOAT32}
    for size in reversed(shape):
        schema = _list_of(schema, size)
    return schema


def _list_of(item: dict[str, Any], size: int) -> dict[str, Any]:
    return {"type": "array", "minItems": size, "maxItems": size, "items": item}


def _open_inference_paths(served: ServedModel) -> dict[str, Any]:
    model = f"/v2/models/{served.name}"
    version = f"{model}/versions/{served.version}"
    failure = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ProtocolError"}}}}
    infer = {
        "summary": "A prediction, by the Open Inference Protocol v2 in JSON.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {
            "200": {"description": "The output tensor.", "content": {"application/json": {}}},
            **{status: {"description": text} | failure for status, text in _INFER_FAILURES.items()},
        },
    }
    paths: dict[str, Any] = {
        "/v2": {"get": _get("The server, by the Open Inference Protocol v2.")},
        "/v2/health/live": {"get": _get("Whether the process answers.")},
        "/v2/health/ready": {"get": _get("Whether it takes requests.", failures={"503": "It does not."})},
    }
    for base in (model, version):
        paths[base] = {"get": _get("The model's tensors.")}
        paths[f"{base}/ready"] = {"get": _get("Whether the model takes requests.", failures={"503": "It does not."})}
        paths[f"{base}/infer"] = {"post": infer}
    return paths


def _get(
    summary: str, *, media_type: str = "application/json", failures: dict[str, str] | None = None
) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": summary, "content": {media_type: {}}}}
    for status, description in (failures or {}).items():
        responses[status] = {"description": description}
    return {"summary": summary, "responses": responses}


_INFER_FAILURES = {"413": "The body is too large.", "415": "Not JSON.", "422": "Wrong shape, datatype or value."}
_PROBLEM = {
    "description": "RFC 9457, with a stable `code` and what to do about it.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "hint": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
_PROTOCOL_ERROR = {
    "type": "object",
    "required": ["error", "code", "request_id"],
    "properties": {
        "error": {"type": "string"},
        "code": {"type": "string"},
        "hint": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
