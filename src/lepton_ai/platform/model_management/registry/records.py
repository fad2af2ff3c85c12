"""What the registry keeps: model versions that never change, and aliases that do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.core.names import check_name
from lepton_ai.platform.preprocessing.signature import Signature

CHAMPION = "champion"
"""The alias that the first version of a name gets by itself; later ones do not."""

REQUIRED_FILES = ("model.onnx", "signature.json")
"""What a replica cannot do without."""


@dataclass(frozen=True)
class ArtifactFile:
    """One file of a version: its content's SHA-256 and size."""

    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Manifest:
    """What a client sends to register a version; every file of it is already in the artifact store.

    Args:
        files: The files by name.
        signature: What the model takes and gives.
        metrics: Measured values by name, for people and gates.
        lineage: Where it comes from: data fingerprint, code, parent version.
        message: Why this version was made, in a user's words.
    """

    files: Mapping[str, ArtifactFile]
    signature: Signature
    metrics: Mapping[str, float] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""


@dataclass(frozen=True)
class ModelVersion:
    """One immutable version of a model."""

    id: str
    workspace_id: str
    name: str
    version: int
    manifest: Manifest
    created_at_ms: int
    created_by: str

    @property
    def size_bytes(self) -> int:
        """All its files together."""
        return sum(file.size_bytes for file in self.manifest.files.values())


@dataclass(frozen=True)
class ModelSummary:
    """One model name with its newest version and its aliases."""

    name: str
    versions: int
    latest: int
    created_at_ms: int
    aliases: Mapping[str, int]


@dataclass(frozen=True)
class AliasMove:
    """One entry of an alias's history: it never changes and never goes away."""

    id: str
    alias: str
    version: int | None
    previous: int | None
    at_ms: int
    actor: str
    reason: str


@dataclass(frozen=True)
class ModelReference:
    """How a user names a version: `digits`, `digits:3`, or `digits@champion`.

    Example:

        >>> ModelReference.parse("digits@champion")
        ModelReference(name='digits', version=None, alias='champion')
        >>> ModelReference.parse("digits:3")
        ModelReference(name='digits', version=3, alias=None)
        >>> str(ModelReference.parse("digits"))
        'digits@champion'
    """

    name: str
    version: int | None = None
    alias: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ModelReference":
        """Read a reference. Without version and alias it means the champion."""
        name, at, alias = text.partition("@")
        name, colon, version = name.partition(":")
        check_name("model", name)
        if at and colon:
            raise InvalidInput(f"a model is named by version or by alias, not both, got {text!r}")
        if colon and not (version.isascii() and version.isdigit() and 0 < int(version) < 2**31):
            raise InvalidInput(f"a model version is a whole number from 1, got {version!r}", hint=f"`{name}:1`, say.")
        if at:
            check_name("alias", alias)
        return cls(name, int(version) if colon else None, alias if at else (None if colon else CHAMPION))

    def __str__(self) -> str:
        return f"{self.name}:{self.version}" if self.version is not None else f"{self.name}@{self.alias}"
