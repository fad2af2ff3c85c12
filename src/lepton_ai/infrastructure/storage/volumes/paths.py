"""The one door for paths into a volume: text from a request becomes plain names, or an error."""

from lepton_ai.core.errors import InvalidInput

LONGEST_NAME_BYTES = 255
LONGEST_PATH_BYTES = 4096
DEEPEST = 128
INCOMING = ".lepton-incoming"
"""A folder at the root of each volume for uploads under way. Nobody reaches it through a path."""

VolumePath = tuple[str, ...]
"""A place in a volume as plain names from its root down; empty for the root itself."""


def parse_path(text: str) -> VolumePath:
    """Take a path apart into names that mean nothing but themselves.

    Slashes at either end, and several in a row, count as one. Everything else that could lead elsewhere is refused.

    Args:
        text: The path as it came, decoded once.

    Raises:
        InvalidInput: It goes up, holds a character that no file name should, or is too long.

    Example:

        >>> parse_path("/models//digits/weights.npz")
        ('models', 'digits', 'weights.npz')
        >>> parse_path("a/../../etc/passwd")
        Traceback (most recent call last):
            ...
        lepton_ai.core.errors.InvalidInput: `path` may not hold the name '..'
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput("`path` must be valid Unicode") from error
    if size > LONGEST_PATH_BYTES:
        raise InvalidInput(f"`path` may have at most {LONGEST_PATH_BYTES} bytes, got {size}")
    names = tuple(name for name in text.split("/") if name)
    if len(names) > DEEPEST:
        raise InvalidInput(f"`path` may be at most {DEEPEST} folders deep, got {len(names)}")
    for name in names:
        _check(name)
    if names[:1] == (INCOMING,):
        raise InvalidInput(f"`path` may not begin with {INCOMING}: uploads under way lie there")
    return names


def path_text(names: VolumePath) -> str:
    """A path as it is shown: from the volume's root, with a slash in front."""
    return "/" + "/".join(names)


def _check(name: str) -> None:
    if name in (".", ".."):
        raise InvalidInput(f"`path` may not hold the name {name!r}")
    if "\\" in name or not all(letter.isprintable() for letter in name):
        raise InvalidInput(f"`path` may not hold backslashes or characters that cannot be printed, got {name[:80]!r}")
    if len(name.encode()) > LONGEST_NAME_BYTES:
        raise InvalidInput(f"a name in `path` may have at most {LONGEST_NAME_BYTES} bytes, got {name[:80]!r}…")
