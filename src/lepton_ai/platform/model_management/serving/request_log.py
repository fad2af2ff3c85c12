"""The structured log of a replica, one JSON object a line, which never holds up a request."""

import contextlib
import os
import select
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from lepton_ai.core.clock import Clock
from lepton_ai.platform.model_management.serving.wire import dump_json


class RequestLog:
    """The structured log: one JSON object a line.

    No bodies and no query strings, which may hold secrets.

    Args:
        write: Takes one line, with its newline.
        clock: Where the time comes from.
        common: What stands in every line: the model, its version, the replica.
    """

    def __init__(self, write: Callable[[bytes], None], clock: Clock, common: dict[str, str]) -> None:
        self._write = write
        self._clock = clock
        self._common = common

    def event(self, name: str, **facts: Any) -> None:
        """Write one line."""
        time = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).isoformat(timespec="milliseconds")
        self._write(dump_json({"time": time, "event": name, **self._common, **facts}) + b"\n")


def line_writer(descriptor: int) -> Callable[[bytes], None]:
    """A function that writes lines to an open file, and rather loses one than waits or fails.

    A full disk, or a reader of the pipe that has gone or has stopped reading, costs the line and not the answer.

    Args:
        descriptor: The open file: 1 for standard output.
    """
    waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)

    def write(line: bytes) -> None:
        with contextlib.suppress(OSError):
            # A pipe that is ready takes this many bytes at once, or so POSIX promises; a longer line goes in pieces.
            for start in range(0, len(line), select.PIPE_BUF):
                if waits and not poll.poll(0):
                    return
                os.write(descriptor, line[start : start + select.PIPE_BUF])

    return write
