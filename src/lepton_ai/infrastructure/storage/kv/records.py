"""What a key-value namespace holds, and how much."""

from collections.abc import Sequence
from dataclasses import dataclass

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
