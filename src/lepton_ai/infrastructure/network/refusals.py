"""What the gateway answers by itself: problem documents, the same words whichever gateway runs."""

from dataclasses import dataclass
from typing import Any

from lepton_ai.core.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidInput,
    NotFound,
    PermissionDenied,
    TooLarge,
    Unauthenticated,
    Unavailable,
)


@dataclass(frozen=True)
class Refusal:
    """One answer that comes from the gateway and not from what stands behind it.

    Args:
        status: The HTTP status.
        code: The stable code, as in `core.errors`.
        detail: What was expected and what came.
        hint: What to do about it.
        headers: Further headers of the answer.
    """

    status: int
    code: str
    detail: str
    hint: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def as_problem(self, request_id: str) -> dict[str, Any]:
        """The body, as an RFC 9457 problem document.

        Args:
            request_id: The request's id; empty where the request could not be read.
        """
        problem = {
            "type": "about:blank",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        extensions = {"hint": self.hint, "request_id": request_id}
        return {**problem, **{name: value for name, value in extensions.items() if value}}


PROBLEM_TYPE = "application/problem+json"
_AGAIN_SOON = (("retry-after", "1"),)

ENDPOINT_UNKNOWN = Refusal(
    404,
    NotFound.code,
    "there is no endpoint under this path",
    "The path is /<workspace>/<endpoint>/…; `lepton endpoint list` shows the endpoints.",
)
TOKEN_REFUSED = Refusal(
    401,
    Unauthenticated.code,
    "this endpoint needs a token that may call it, as one header `Authorization: Bearer <token>`",
    "`lepton whoami` shows whether your token is still known.",
    (("www-authenticate", "Bearer"),),
)
ADDRESS_REFUSED = Refusal(
    403,
    PermissionDenied.code,
    "this endpoint may not be called from your address",
    "Its owner decides: `auth_config.ip_allowlist`.",
)
TOKEN_CHECK_FAILED = Refusal(500, InternalError.code, "the token could not be checked, so the request was refused")
PATH_REFUSED = Refusal(
    400,
    InvalidInput.code,
    "the path must be plain: no `.` or `..` as a part, no backslash, no encoded slash, no character outside ASCII",
    "Send the path of the resource itself.",
)
REQUEST_MALFORMED = Refusal(
    400, InvalidInput.code, "the request is not valid HTTP/1.1, or has a header name with an underscore"
)
REQUEST_TOO_SLOW = Refusal(408, DeadlineExceeded.code, "the request did not arrive in time")
HEADERS_TOO_LARGE = Refusal(
    431, TooLarge.code, "the headers must be at most 32 kB and 100 in number", "Send large values in the body."
)
NO_REPLICA = Refusal(
    503,
    Unavailable.code,
    "no replica of this endpoint is ready",
    "`lepton endpoint show` tells why; a starting endpoint is ready soon.",
    _AGAIN_SOON,
)
REPLICAS_UNREACHABLE = Refusal(
    503, Unavailable.code, "no replica of this endpoint could be reached", "Try again soon.", _AGAIN_SOON
)
REPLICA_BROKE_OFF = Refusal(
    502,
    Unavailable.code,
    "the replica broke off before it answered; it may have begun to work on the request",
    "`lepton endpoint logs` shows what the replica said last.",
)
ANSWER_TOO_SLOW = Refusal(
    504, DeadlineExceeded.code, "the replica did not answer in time", "The endpoint's time-out can be raised."
)
CONTROL_PLANE_DOWN = Refusal(
    503,
    Unavailable.code,
    "the control plane does not answer; endpoints go on answering meanwhile",
    "`lepton status` tells whether it runs, `lepton up` starts it.",
    _AGAIN_SOON,
)
CONTROL_PLANE_BROKE_OFF = Refusal(
    502,
    Unavailable.code,
    "the control plane broke off before it answered; it may have done what was asked",
    "Look at the object first, then repeat.",
)
CONTROL_PLANE_TOO_SLOW = Refusal(504, DeadlineExceeded.code, "the control plane did not answer in time")
OTHERWISE_REFUSED = Refusal(
    400,
    InvalidInput.code,
    "the gateway cannot pass this request on",
    "The documentation of the gateway lists its limits.",
)
GATEWAY_FAILED = Refusal(500, InternalError.code, "the gateway failed on this request")
