"""What a key-value namespace holds, and how much."""

from collections.abc import Sequence
from dataclasses import dataclass

from lepton_ai.core.errors import InvalidInput

LONGEST_KEY_BYTES = 256
LARGEST_VALUE_BYTES = 256 * 1024


@dataclass(frozen=True)
class Namespace:
    """A named set of keys."""

    id: str
    workspace_id: str
    name: str
    created_at_ms: int
    created_by: str


@dataclass(frozen=True)
class KeyPage:
    """Some keys of a namespace, in the order in which they were first written.

    Args:
        keys: The keys.
        cursor: Where the next page begins; None when there is none.
    """

    keys: Sequence[str]
    cursor: int | None


def check_key(key: str) -> str:
    """Return the key if it follows the rule.

    Raises:
        InvalidInput: It does not; a blank one, too, and one that a client would bend as part of an address.

    Example:

        >>> check_key("users/7/colour")
        'users/7/colour'
    """
    size = len(key.encode(errors="replace"))
    bent = any(name in (".", "..") for name in key.split("/"))
    if not 0 < size <= LONGEST_KEY_BYTES or not key.isprintable() or not key.strip() or bent:
        raise InvalidInput(
            f"`key` must be 1 to {LONGEST_KEY_BYTES} bytes of printable characters, not blank, and without parts that "
            f"are `.` or `..`, got {key[:80]!r}"
        )
    return key
