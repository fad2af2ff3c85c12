"""Named places where a test can make the process die, fail or wait; nothing at all unless a test asks for it.

`LEPTON_FAILPOINTS="database.before_commit=kill@3"` kills the process (SIGKILL) at the third pass of that place. The
actions are `kill`, `error`, `sleep:SECONDS`; without `@N` they act at every pass. Workers do not inherit the variable.
"""

import os
import signal
import threading
import time
from dataclasses import dataclass


@dataclass
class _Armed:
    action: str
    seconds: float
    only_pass: int | None
    passes: int = 0


def parse_failpoints(text: str) -> dict[str, _Armed]:
    """Read the variable's text.

    Example:

        >>> armed = parse_failpoints("artifact.before_rename=sleep:0.5;database.before_commit=kill@3")
        >>> armed["artifact.before_rename"].seconds, armed["database.before_commit"].only_pass
        (0.5, 3)
    """
    armed = {}
    for part in filter(None, text.split(";")):
        name, _, action = part.partition("=")
        action, _, only_pass = action.partition("@")
        kind, _, seconds = action.partition(":")
        if kind not in ("kill", "error", "sleep"):
            raise ValueError(f"LEPTON_FAILPOINTS: {part!r} is not NAME=kill|error|sleep:SECONDS[@PASS]")
        armed[name] = _Armed(kind, float(seconds or 0), int(only_pass) if only_pass else None)
    return armed


_ARMED = parse_failpoints(os.environ.get("LEPTON_FAILPOINTS", ""))
_LOCK = threading.Lock()


class FailpointError(OSError):
    """The error that an `error` failpoint raises."""


def failpoint(name: str) -> None:
    """Mark a place. Costs one look into an empty dictionary when no test asked for anything."""
    if _ARMED:
        _pass(name)


def _pass(name: str) -> None:
    armed = _ARMED.get(name)
    if armed is None:
        return
    with _LOCK:
        armed.passes += 1
        if armed.only_pass is not None and armed.passes != armed.only_pass:
            return
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if armed.action == "error":
        raise FailpointError(f"failpoint {name}")
    time.sleep(armed.seconds)
