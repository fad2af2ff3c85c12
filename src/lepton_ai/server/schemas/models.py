"""Models on the wire."""

from typing import Any

from pydantic import Field

from lepton_ai.server.schemas.common import Body, Request


class FileField(Body):
    """One file of a version, which was uploaded before."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)


class RegisterVersion(Request):
    """The body of `POST /models/{name}/versions`. Upload every file first: `PUT /artifacts/{sha256}`."""

    files: dict[str, FileField] = Field(min_length=1, max_length=64)
    signature: dict[str, Any]
    metrics: dict[str, float] = Field(default_factory=dict, max_length=256)
    lineage: dict[str, Any] = Field(default_factory=dict)
    message: str = Field("", max_length=4000)


class Version(Body):
    """One immutable version of a model."""

    id: str
    name: str
    version: int
    files: dict[str, FileField]
    signature: dict[str, Any]
    metrics: dict[str, float]
    lineage: dict[str, Any]
    message: str
    size_bytes: int
    created_at: int
    created_by: str
    aliases: list[str] = Field(default_factory=list)


class ModelItem(Body):
    """One model name."""

    name: str
    versions: int
    latest: int
    aliases: dict[str, int]
    created_at: int


class AliasMoveItem(Body):
    """One entry of an alias's history."""

    alias: str
    version: int | None
    previous: int | None
    at: int
    actor: str
    reason: str


class ModelDetails(Body):
    """One model with everything under its name."""

    name: str
    aliases: dict[str, int]
    versions: list[Version]
    history: list[AliasMoveItem]


class MoveAlias(Request):
    """The body of `PUT /models/{name}/aliases/{alias}`."""

    version: int = Field(ge=1, lt=2**31)
    reason: str = Field("", max_length=4000)


class Removed(Body):
    """How many versions were removed."""

    removed: int
