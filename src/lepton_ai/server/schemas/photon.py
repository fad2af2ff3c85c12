"""Photons on the wire."""

from typing import Any

from pydantic import Field

from lepton_ai.server.schemas.common import Body


class PhotonStatusField(Body):
    """Whether the cloud itself brought it."""

    system_photon: bool = False


class PhotonItem(Body):
    """One version of a photon."""

    id: str
    created_at: int
    owner: str
    name: str
    model: str
    requirement_dependency: list[str]
    image: str
    cmd: list[Any] | None = None
    openapi_schema: dict[str, Any] | None = None
    deployment_template: dict[str, Any] | None = None
    size_bytes: int
    sha256: str
    status: PhotonStatusField = Field(default_factory=PhotonStatusField)
