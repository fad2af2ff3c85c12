"""What all bodies share: unknown fields are refused, and numbers are numbers."""

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

_DEEPEST = 32


class Body(BaseModel):
    """A request or answer body. A misspelt field is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class Kept(Body):
    """A part of the Lepton protocol: what this server does not know is kept, and given back."""

    model_config = ConfigDict(extra="allow")


class Request(Body):
    """The whole body of a request. Whatever it holds, it can be written down and sent back."""

    @model_validator(mode="before")
    @classmethod
    def _check(cls, value: Any) -> Any:
        return check_json(value)


def check_json(value: Any, depth: int = _DEEPEST) -> Any:
    """Return a value that JSON can carry to everybody and back; refuse NaN, huge numbers, half letters and deep nests.

    Raises:
        ValueError: It cannot; the message says why.
    """
    if depth == 0:
        raise ValueError(f"nested more than {_DEEPEST} deep")
    if isinstance(value, dict):
        for key, item in value.items():
            check_json(key)
            check_json(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            check_json(item, depth - 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"numbers must be finite, got {value}")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("whole numbers must fit into 64 bits")
    elif isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError("texts must be valid Unicode") from error
    return value
