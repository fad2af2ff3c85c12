"""The progress of a run: lines of JSON that its process appends, read while it goes on writing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOST_BYTES = 1 << 20
_TAIL_BYTES = 1 << 14


@dataclass(frozen=True)
class Progress:
    """Some lines of progress.

    Args:
        lines: The lines, oldest first.
        next: Where the next reading goes on.
    """

    lines: tuple[dict[str, Any], ...]
    next: int


def read_progress(path: Path, after: int = 0) -> Progress:
    """Read the whole lines from a place on, at most about a megabyte of them.

    Args:
        path: The file; one that is not there yet is empty.
        after: Where the last reading ended.
    """
    try:
        with path.open("rb") as file:
            file.seek(after)
            chunk = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return Progress((), after)
    whole = chunk[: chunk.rfind(b"\n") + 1]
    return Progress(_parsed(whole), after + len(whole))


def last_point(path: Path) -> dict[str, Any] | None:
    """The last point of the curve, None before the first."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read(_TAIL_BYTES)
    except FileNotFoundError:
        return None
    points = [line for line in _parsed(tail[: tail.rfind(b"\n") + 1]) if line.get("what") == "point"]
    return points[-1] if points else None


def _parsed(whole_lines: bytes) -> tuple[dict[str, Any], ...]:
    parsed = []
    for line in whole_lines.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue  # cut off by the end of its process
        if isinstance(value, dict):
            parsed.append(value)
    return tuple(parsed)
