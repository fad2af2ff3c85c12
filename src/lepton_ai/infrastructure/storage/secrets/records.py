"""What a secret is, and the rules for its name and value."""

import re
from dataclasses import dataclass
from enum import StrEnum

from lepton_ai.core.errors import InvalidInput

LONGEST_VALUE_BYTES = 64 << 10
MOST_SECRETS = 1000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_RESERVED = re.compile(r"lepton_", re.IGNORECASE)
_TAG = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,62}[\x21-\x7e])?")


class Visibility(StrEnum):
    """Who sees a secret."""

    PUBLIC = "public"
    """Everybody in the workspace sees its name and may use it."""
    PRIVATE = "private"
    """Its owner and the workspace's admins see its name; only its owner's workloads get it."""


@dataclass(frozen=True)
class Secret:
    """A secret as it may be shown: without its value.

    Args:
        owner: The name of the token that made it.
    """

    id: str
    workspace_id: str
    name: str
    owner: str
    visibility: Visibility
    tags: tuple[str, ...]
    created_at_ms: int


@dataclass(frozen=True, repr=False)
class NewSecret:
    """A secret that is to be made, with its value, which no `repr` shows.

    Raises:
        InvalidInput: The name, the value or a tag breaks its rule. The value is never repeated.
    """

    name: str
    value: str
    visibility: Visibility = Visibility.PRIVATE
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidInput(
                "a secret's `name` must be 1 to 128 letters, digits, `_`, `-` and `.`, beginning with a letter or `_`, "
                f"got {self.name[:80]!r}",
                hint="For example: HUGGING_FACE_HUB_TOKEN.",
            )
        if _RESERVED.match(self.name):
            raise InvalidInput(f"a secret's `name` may not begin with LEPTON_, got {self.name!r}: that is the server's")
        size = len(self.value.encode())
        if not 0 < size <= LONGEST_VALUE_BYTES:
            raise InvalidInput(f"the value of {self.name!r} must have 1 to {LONGEST_VALUE_BYTES} bytes, got {size}")
        if "\0" in self.value:
            raise InvalidInput(f"the value of {self.name!r} may not hold a NUL: no environment variable can")
        if len(self.tags) > 32 or not all(_TAG.fullmatch(tag) for tag in self.tags):
            raise InvalidInput(f"the tags of {self.name!r} must be up to 32 printable words of 1 to 64 characters")
