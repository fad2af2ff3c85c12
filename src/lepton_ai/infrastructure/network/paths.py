"""What a request's path means: which endpoint, and what is left for the replica."""

import re
from dataclasses import dataclass

_UNSAFE = re.compile(r"[^!-~]|[\\#]|%2f|%5c|%00", re.IGNORECASE)
_DOT = re.compile(r"%2e", re.IGNORECASE)
_PARAMETERS = re.compile(r"(;|%3b).*", re.IGNORECASE)


@dataclass(frozen=True)
class EndpointPath:
    """A path on the endpoints' port, taken apart.

    Args:
        endpoint: `<workspace>/<name>`.
        target: The path and query that the replica receives; begins with `/`.
    """

    endpoint: str
    target: str


def is_plain(target: str) -> bool:
    """Whether a path means the same to everybody who reads it.

    A part of one or two dots (also encoded, also followed by `;`), a backslash or an encoded slash may lead elsewhere
    in the eyes of the next reader: such a path is refused rather than mended. `drivers/token_check.lua` has the same
    rule.

    Example:

        >>> is_plain("/default/digits/predict?x=.."), is_plain("/default/a/%2E%2e;x/b")
        (True, False)
    """
    path = target.partition("?")[0]
    if not path.startswith("/") or _UNSAFE.search(path):
        return False
    parts = _DOT.sub(".", path).split("/")
    return not any(_PARAMETERS.sub("", part) in (".", "..") for part in parts)


def endpoint_path(target: str) -> EndpointPath | None:
    """Take a plain path apart; None when it names no endpoint. Repeated slashes count as one.

    Example:

        >>> endpoint_path("/default/digits//predict?top=3")
        EndpointPath(endpoint='default/digits', target='/predict?top=3')
        >>> endpoint_path("/default/digits").target
        '/'
    """
    path, question_mark, query = target.partition("?")
    parts = re.sub("/+", "/", path).split("/", 3)[1:]
    if len(parts) < 2 or not all(parts[:2]):
        return None
    rest = parts[2] if len(parts) == 3 else ""
    return EndpointPath(f"{parts[0]}/{parts[1]}", f"/{rest}{question_mark}{query}")
