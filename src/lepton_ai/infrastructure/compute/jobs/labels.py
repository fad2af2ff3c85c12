"""Labels of jobs, and the selectors that look for them: `team=vision,stage!=test,owner`."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from lepton_ai.core.errors import InvalidInput

MOST_LABELS = 64
LONGEST_KEY = 63
LONGEST_VALUE = 256

Selector = Callable[[Mapping[str, str]], bool]

_KEY = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)", re.ASCII)
_TERM = re.compile(rf"(!?)\s*({_KEY})\s*(?:(==|=|!=)\s*([^=!,()]*))?", re.ASCII)
_COMMA = re.compile(r",(?![^()]*\))")


def check_labels(labels: Any) -> dict[str, str]:
    """Return labels if they follow the rule.

    Raises:
        InvalidInput: They do not; the message states the rule.
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping) or len(labels) > MOST_LABELS:
        raise InvalidInput(f"`metadata.labels` must be an object of at most {MOST_LABELS} texts")
    for key, value in labels.items():
        if not isinstance(key, str) or len(key) > LONGEST_KEY or not re.fullmatch(_KEY, key, re.ASCII):
            raise InvalidInput(
                f"`metadata.labels` keys must be 1 to {LONGEST_KEY} letters, digits, `.`, `_`, `-` and `/`, got {key!r}"
            )
        if not isinstance(value, str) or len(value) > LONGEST_VALUE or not value.isprintable():
            raise InvalidInput(
                f"`metadata.labels.{key}` must be a text of at most {LONGEST_VALUE} letters, got {value!r:.100}"
            )
    return dict(labels)


def parse_selector(text: str) -> Selector:
    """Read a selector: terms divided by commas, of which all must hold.

    Raises:
        InvalidInput: A term is none of `key`, `!key`, `key=value`, `key!=value`, `key in (a, b)`, `key notin (a, b)`.

    Example:

        >>> matches = parse_selector("team=vision,!old,stage in (a, b)")
        >>> matches({"team": "vision", "stage": "b"}), matches({"team": "vision", "stage": "c"})
        (True, False)
    """
    terms = [_term(term.strip()) for term in _COMMA.split(text) if term.strip()]
    return lambda labels: all(term(labels) for term in terms)


def _term(text: str) -> Selector:
    if found := _SET.fullmatch(text):
        key, word = found[1], found[2]
        values = {value.strip() for value in found[3].split(",")}
        if word == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    found = _TERM.fullmatch(text)
    if found is None or (found[1] and found[3]):
        raise InvalidInput(
            f"`query` must be a label selector, got {text[:80]!r}",
            hint="For example: team=vision,stage!=test,owner",
        )
    key, sign, value = found[2], found[3], (found[4] or "").strip()
    if sign is None:
        wanted = not found[1]
        return lambda labels: (key in labels) is wanted
    if sign == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value
