"""What every error of the API must look like."""

import re
from typing import Any

from gateway_lab import Answer

PROTOCOL_ROUTES = re.compile(r"/(workspace|deployments|jobs|templates|logs)(/|\?|$)")


def assert_error(answer: Answer, status: int | range | tuple[int, ...], path: str = "") -> dict[str, Any]:
    """Check an error: its status, and a body with code, message and request id in the shape that its route speaks.

    Args:
        answer: What came.
        status: What must have come, or those that may.
        path: The path from the workspace, to know which shape it must have; "" for any.

    Returns:
        The body.
    """
    allowed = (status,) if isinstance(status, int) else status
    assert answer.status in allowed, (answer.status, answer.body[:500])
    body: dict[str, Any] = answer.json
    protocol = answer.headers["content-type"] == "application/json"
    if path:
        assert protocol == bool(PROTOCOL_ROUTES.match(path)), path
    if protocol:
        assert {"code", "message", "request_id"} <= body.keys() <= {"code", "message", "request_id", "hint", "errors"}
        assert body["message"]
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "code", "request_id"} <= body.keys()
        assert body["detail"]
        assert body["status"] == answer.status
    assert body["code"]
    assert body["request_id"] == answer.headers["x-request-id"]
    for word in (b"Traceback", b'File \\"', b"site-packages"):
        assert word not in answer.body
    return body
