"""What a volume holds."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_VOLUME = "default"
"""The volume that every workspace has."""


class EntryKind(StrEnum):
    """What lies under a name. A link, a socket or a device counts as a file, and is never opened."""

    FOLDER = "dir"
    FILE = "file"


@dataclass(frozen=True)
class Entry:
    """One name in a folder."""

    name: str
    kind: EntryKind
    size_bytes: int
    changed_at_ms: int


@dataclass(frozen=True)
class Volume:
    """One volume of a workspace."""

    name: str
    used_bytes: int
