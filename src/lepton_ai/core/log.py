"""The server's log: one JSON line for each event on stderr."""

import json
import sys
import time


def log(level: str, event: str, **fields: object) -> None:
    """Write one line.

    Args:
        level: `info`, `warning` or `error`.
        event: A stable word for what happened.
        fields: What belongs to it. Never a token, a secret, or a request's body.
    """
    line = {"at_ms": time.time_ns() // 1_000_000, "level": level, "event": event, **fields}
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()
