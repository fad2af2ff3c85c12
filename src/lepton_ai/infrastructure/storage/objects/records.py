"""What a bucket holds, and what its keys may be."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lepton_ai.core.errors import InvalidInput, NotFound

LONGEST_KEY_BYTES = 1024
LINK_LIFE_S = 900
"""How long an address with a signature is good."""


class BucketName(StrEnum):
    """The buckets that every workspace has."""

    PRIVATE = "private"
    """Read with a token, or by an address with a signature."""
    PUBLIC = "public"
    """Read by everybody who knows the address; written with a token."""


@dataclass(frozen=True)
class Bucket:
    """One bucket of a workspace."""

    workspace_id: str
    name: BucketName


@dataclass(frozen=True)
class StoredObject:
    """One object."""

    key: str
    size_bytes: int
    changed_at_ms: int


@dataclass(frozen=True)
class ObjectPage:
    """Some objects, by key.

    Args:
        objects: The objects.
        more: Whether there are others behind the last one.
    """

    objects: Sequence[StoredObject]
    more: bool


def bucket_of(workspace_id: str, name: str) -> Bucket:
    """A bucket by its name.

    Raises:
        NotFound: It is neither `private` nor `public`.
    """
    try:
        return Bucket(workspace_id, BucketName(name))
    except ValueError:
        raise NotFound(f"there is no bucket {name[:80]!r}", hint="There are two: private and public.") from None


def check_key(key: str) -> str:
    """Return the key, without slashes in front, if it follows the rule that every store keeps.

    Raises:
        InvalidInput: It does not.

    Example:

        >>> check_key("/reports/2026/june.pdf")
        'reports/2026/june.pdf'
    """
    key = key.lstrip("/")
    size = len(key.encode(errors="replace"))
    names = key.split("/")
    if not 0 < size <= LONGEST_KEY_BYTES or not key.isprintable() or any(name in ("", ".", "..") for name in names):
        raise InvalidInput(
            f"`key` must be 1 to {LONGEST_KEY_BYTES} bytes of printable characters, in parts that are not empty and "
            f"not `.` or `..`, got {key[:80]!r}"
        )
    return key
