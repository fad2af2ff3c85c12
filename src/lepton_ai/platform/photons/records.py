"""What a photon is: an archive that somebody pushed, and what it says about itself."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lepton_ai.core.errors import InvalidInput, NotFound

LARGEST_PHOTON_BYTES = 512 << 20

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_LONGEST_NAME = 32
_LONGEST_TEXT = 1000


class PhotonNamespace(StrEnum):
    """Who may read a photon."""

    PRIVATE = "private"
    """Its workspace."""
    PUBLIC = "public"
    """Every workspace of this cloud; its own alone may remove it."""


@dataclass(frozen=True)
class PhotonSpec:
    """What a photon says about itself, checked.

    Args:
        name: What it is called; several photons of one name are its versions.
        model: What it was made of, such as `py:counter.py:Counter`.
        requirement_dependency: The packages that it needs, as pip takes them.
        image: The container image that it asks for.
        metadata: All that its `metadata.json` holds.
    """

    name: str
    model: str
    requirement_dependency: Sequence[str]
    image: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Photon:
    """One version of a photon.

    Args:
        digest: The SHA-256 of its archive, which lies in the artifact store.
    """

    id: str
    workspace_id: str
    namespace: PhotonNamespace
    spec: PhotonSpec
    digest: str
    size_bytes: int
    created_at_ms: int
    created_by: str


def namespace_of(text: str) -> PhotonNamespace:
    """A namespace by its name.

    Raises:
        NotFound: It is neither `private` nor `public`.
    """
    try:
        return PhotonNamespace(text)
    except ValueError:
        raise NotFound(f"there are no photons {text[:80]!r}", hint="There are two sorts: private and public.") from None


def spec_of(metadata: Mapping[str, Any]) -> PhotonSpec:
    """What an archive's `metadata.json` says, checked.

    Raises:
        InvalidInput: A field is missing or of another kind; the message names it.
    """
    name, model = metadata.get("name"), metadata.get("model")
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"`name` in metadata.json must be 1 to {_LONGEST_NAME} lower-case letters, digits and hyphens, beginning "
            f"with a letter, got {_shown(name)}"
        )
    if not isinstance(model, str) or not 0 < len(model) <= _LONGEST_TEXT:
        raise InvalidInput(f"`model` in metadata.json must be a text, got {_shown(model)}")
    image = metadata.get("image") or ""
    if not isinstance(image, str) or len(image) > _LONGEST_TEXT:
        raise InvalidInput(f"`image` in metadata.json must be a text, got {_shown(image)}")
    needs = metadata.get("requirement_dependency") or []
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        raise InvalidInput(f"`requirement_dependency` in metadata.json must be a list of texts, got {_shown(needs)}")
    for key, kind, said in (
        ("cmd", list, "a list"),
        ("openapi_schema", dict, "an object"),
        ("deployment_template", dict, "an object"),
    ):
        value = metadata.get(key)
        if value is not None and not isinstance(value, kind):
            raise InvalidInput(f"`{key}` in metadata.json must be {said}, got {_shown(value)}")
    return PhotonSpec(name, model, tuple(needs), image, dict(metadata))


def _shown(value: object) -> str:
    return ascii(value)[:80]
