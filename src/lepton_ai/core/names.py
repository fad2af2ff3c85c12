"""The rule for names that appear in paths: short, lower case, nothing that a shell or a URL reads otherwise."""

import re

from lepton_ai.core.errors import InvalidInput

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)


def check_name(noun: str, name: object, *, longest: int = 63) -> str:
    """Return the name if it follows the rule.

    Args:
        noun: What it names, for the message: `endpoint`.
        name: The name as it came.
        longest: The most characters allowed.

    Raises:
        InvalidInput: It does not; the message states the rule.

    Example:

        >>> check_name("endpoint", "digits-2")
        'digits-2'
        >>> check_name("endpoint", "Digits!")
        Traceback (most recent call last):
            ...
        lepton_ai.core.errors.InvalidInput: `endpoint` name must be 1 to 63 lower-case letters, digits and hyphens, ...
    """
    if not isinstance(name, str) or len(name) > longest or not _NAME.fullmatch(name):
        shown = repr(name if not isinstance(name, str) else name[:80])
        raise InvalidInput(
            f"`{noun}` name must be 1 to {longest} lower-case letters, digits and hyphens, beginning with a letter "
            f"and not ending with a hyphen, got {shown}",
            hint="For example: digits-2.",
        )
    return name
