"""Waiting for another process: the one place where tests may pause."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], timeout_s: float = 10.0, interval_s: float = 0.02) -> None:
    """Wait until `condition()` is true, at a border between processes only.

    Raises:
        AssertionError: It did not become true in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {condition}"
        time.sleep(interval_s)
