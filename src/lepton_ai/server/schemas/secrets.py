"""Secrets on the wire: the protocol's `SecretItem`. A value comes in and never goes out."""

from typing import Literal

from pydantic import Field, RootModel, model_validator

from lepton_ai.server.schemas.common import Body, check_json


class SecretItem(Body):
    """A secret, without its value."""

    name: str
    owner: str
    tags: list[str]
    visibility: Literal["public", "private"]
    created_at: int


class NewSecretItem(Body):
    """A secret that is to be made. What its owner is, the server knows."""

    name: str
    value: str = Field(repr=False)
    visibility: Literal["public", "private"] | None = None
    tags: list[str] | None = None
    owner: str | None = None


class CreateSecrets(RootModel[list[NewSecretItem]]):
    """The body of `POST …/usersecrets`."""

    root: list[NewSecretItem] = Field(max_length=100)

    @model_validator(mode="before")
    @classmethod
    def _check(cls, value: object) -> object:
        return check_json(value)


class MasterKeyItem(Body):
    """The master key in use, by its id."""

    id: str
