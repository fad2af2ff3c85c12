"""Errors as HTTP answers: problem documents (RFC 9457), and the Open Inference Protocol's own form under `/v2`."""

from collections.abc import Mapping

from starlette.responses import Response

from lepton_ai.core.errors import LeptonError
from lepton_ai.platform.model_management.serving.wire import dump_json


class UnsupportedMediaType(LeptonError):
    """The body is of a kind that the server does not read."""

    code = "unsupported_media_type"
    status = 415


class MethodNotAllowed(LeptonError):
    """The path exists, but not for this method."""

    code = "method_not_allowed"
    status = 405


def problem_response(
    error: LeptonError, path: str, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer for an error.

    Args:
        error: What went wrong.
        path: The path that was asked for: below `/v2` the protocol there wants `{"error": …}`.
        request_id: Leads to the line in the log.
        headers: Further headers.
    """
    problem = error.as_problem() | {"request_id": request_id}
    if path == "/v2" or path.startswith("/v2/"):
        hint = {"hint": error.hint} if error.hint else {}
        body = dump_json({"error": error.message, "code": error.code, **hint, "request_id": request_id})
        return Response(body, error.status, headers, "application/json")
    return Response(dump_json(problem), error.status, headers, "application/problem+json")
