"""Tokens on the wire: the protocol's list, and a token that is made."""

from typing import Literal

from pydantic import Field

from lepton_ai.server.schemas.common import Body, Request


class TokenItem(Body):
    """A token, without its value."""

    id: str
    name: str
    role: str
    masked_value: str
    created_at: int
    expires_at: int | None = Field(None, description="Milliseconds since 1970; null for never.")


class CreateToken(Request):
    """The body of `POST …/tokens`."""

    name: str
    role: Literal["admin", "developer", "viewer", "endpoint"] = "developer"
    expires_in_s: int | None = Field(None, ge=1, lt=2**31)


class TokenMade(TokenItem):
    """A token with its value, which is shown this once."""

    value: str
