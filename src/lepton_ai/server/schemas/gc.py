"""Leftovers on the wire."""

from typing import Literal

from pydantic import Field

from lepton_ai.server.schemas.common import Body, Request


class LeftoverItem(Body):
    """One thing that nobody needs any more."""

    kind: Literal["artifact", "object", "log", "run_folder", "model_folder"]
    name: str
    size_bytes: int


class RemoveLeftovers(Request):
    """The body of `POST /gc`."""

    older_than_s: float = Field(ge=0, le=1e9)
