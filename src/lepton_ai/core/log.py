"""The server's log: one JSON line for each event, on stderr or in a file."""

import json
import sys
import time
from pathlib import Path
from typing import TextIO

_stream: TextIO | None = None


def log_to(path: Path) -> None:
    """Write to a file from now on, so that a terminal stays free for people."""
    global _stream
    _stream = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - open as long as the process lives


def log(level: str, event: str, **fields: object) -> None:
    """Write one line.

    Args:
        level: `info`, `warning` or `error`.
        event: A stable word for what happened.
        fields: What belongs to it. Never a token, a secret, or a request's body.
    """
    line = {"at_ms": time.time_ns() // 1_000_000, "level": level, "event": event, **fields}
    stream = _stream or sys.stderr
    stream.write(json.dumps(line, default=str) + "\n")
    stream.flush()
