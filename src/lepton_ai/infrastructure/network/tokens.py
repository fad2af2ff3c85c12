"""Who sent a request: the bearer token's SHA-256 must be one that the route knows."""

import hashlib
import re
from collections.abc import Mapping, Sequence

_TOKEN = r"[A-Za-z0-9._~+/-]+=*"  # noqa: S105 - what one looks like
_BEARER = re.compile(f"bearer ({_TOKEN})", re.IGNORECASE)
_LONGEST_TOKEN = 512


def is_token(value: str) -> bool:
    """Whether a request can bring this as its bearer token.

    Example:

        >>> is_token("lep_abc"), is_token("***"), is_token("")
        (True, False, False)
    """
    return len(value) <= _LONGEST_TOKEN and re.fullmatch(_TOKEN, value) is not None


def principal_of(authorizations: Sequence[str], digests: Mapping[str, str]) -> str | None:
    """The principal that a request's token stands for; None when it may not call.

    Use it for every request to an endpoint; `drivers/token_check.lua` follows the same rule.

    Args:
        authorizations: All values of the request's `Authorization` headers.
        digests: SHA-256 of a token in hexadecimal -> the principal's name.

    Example:

        >>> digest = hashlib.sha256(b"secret").hexdigest()
        >>> principal_of(["Bearer secret"], {digest: "ada"})
        'ada'
        >>> principal_of(["Bearer secret", "Bearer secret"], {digest: "ada"}) is None
        True
    """
    if len(authorizations) != 1:
        return None
    match = _BEARER.fullmatch(authorizations[0])
    if match is None or len(match[1]) > _LONGEST_TOKEN:
        return None
    return digests.get(hashlib.sha256(match[1].encode("ascii")).hexdigest()) or None
