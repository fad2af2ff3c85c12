"""The error tree: one root, stable codes, and the same error in HTTP, SDK and CLI.

LeptonError
├── InvalidInput          422  the request is wrong: the message names field, rule and value
├── Unauthenticated       401  no token, or one that this server does not know
├── PermissionDenied      403  the token is good, but not for this
├── NotFound              404
├── Conflict              409  what is there forbids it
│   └── AlreadyExists     409
├── PreconditionFailed    412  it changed since it was read (If-Match)
├── TooLarge              413
├── NotSupported          501  known, but this installation cannot do it
├── Unavailable           503  try again later
├── DeadlineExceeded      504
├── StorageFull           507
├── MissingPackage        500  an optional package is not installed
└── InternalError         500  a fault of ours
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class LeptonError(Exception):
    """The root of every error this project raises on purpose.

    Catch it to handle anything that Lepton reports; catch a subclass to handle one case. `str(error)` is the message.

    Args:
        message: What was expected and what came instead.
        hint: What to do about it, as one sentence or a command to type.
        errors: Details by field for bad input, each `{"field": ..., "message": ...}`.
        request_id: The id under which the server logged the request, if there was one.

    Example:

        >>> error = InvalidInput("`port` must be from 1 to 65535, got port=0", hint="Choose a free port.")
        >>> error.code, error.status
        ('invalid_input', 422)
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.errors = tuple(dict(error) for error in errors)
        self.request_id = request_id

    def as_problem(self) -> dict[str, Any]:
        """This error as an RFC 9457 problem document, extended by `code`, `hint`, `errors` and `request_id`."""
        problem: dict[str, Any] = {
            "type": "about:blank",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.message,
            "code": self.code,
        }
        if self.hint:
            problem["hint"] = self.hint
        if self.errors:
            problem["errors"] = list(self.errors)
        if self.request_id:
            problem["request_id"] = self.request_id
        return problem


class InvalidInput(LeptonError):
    """The request is wrong. The message names the field, the rule and the value that came."""

    code = "invalid_input"
    status = 422


class Unauthenticated(LeptonError):
    """No token came, or one that this server does not know."""

    code = "unauthenticated"
    status = 401
    exit_code = 4


class PermissionDenied(LeptonError):
    """The token is good, but it does not allow this."""

    code = "permission_denied"
    status = 403
    exit_code = 4


class NotFound(LeptonError):
    """There is nothing under this name."""

    code = "not_found"
    status = 404
    exit_code = 3


class Conflict(LeptonError):
    """What is there already forbids it."""

    code = "conflict"
    status = 409


class AlreadyExists(Conflict):
    """The name is taken."""

    code = "already_exists"


class PreconditionFailed(LeptonError):
    """The object changed since it was read (`If-Match`)."""

    code = "precondition_failed"
    status = 412


class TooLarge(LeptonError):
    """More bytes or rows than the limit allows."""

    code = "too_large"
    status = 413


class NotSupported(LeptonError):
    """Known, but this installation cannot do it."""

    code = "not_supported"
    status = 501


class Unavailable(LeptonError):
    """Not now; the same request may succeed later."""

    code = "unavailable"
    status = 503


class DeadlineExceeded(LeptonError):
    """It did not finish within the time given."""

    code = "deadline_exceeded"
    status = 504
    exit_code = 5


class StorageFull(LeptonError):
    """The disk is full. Reads still work, and writes do again once there is space."""

    code = "storage_full"
    status = 507


class MissingPackage(LeptonError):
    """An optional package is not installed; the hint holds the command that installs it."""

    code = "missing_package"


class InternalError(LeptonError):
    """A fault of ours. The request id leads to the log."""

    code = "internal_error"


def error_class(code: str, status: int) -> type[LeptonError]:
    """The class for an error that came over the wire.

    Args:
        code: The stable code of the problem document.
        status: The HTTP status, which decides where the code is not known.

    Example:

        >>> error_class("already_exists", 409).__name__
        'AlreadyExists'
        >>> error_class("from_a_newer_server", 404).__name__
        'NotFound'
    """
    classes = _all_classes(LeptonError)
    for candidate in classes:
        if candidate.code == code:
            return candidate
    for candidate in classes:
        if candidate.status == status and candidate is not LeptonError:
            return candidate
    return LeptonError


def _all_classes(root: type[LeptonError]) -> list[type[LeptonError]]:
    found = [root]
    for child in root.__subclasses__():
        found.extend(_all_classes(child))
    return found
