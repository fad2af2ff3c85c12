"""Waits until a thing that is being removed is gone."""

import time
from collections.abc import Callable

from lepton_ai.core.errors import DeadlineExceeded, NotFound

_POLL_S = 0.1


def wait_until_gone(refresh: Callable[[], object], what: str, *, timeout_s: float) -> None:
    """Ask where it stands until the server does not know it any more.

    Args:
        refresh: Asks the server.
        what: What it is, for the error.
        timeout_s: How long to wait.

    Raises:
        DeadlineExceeded: It is still there.
    """
    give_up_at_s = time.monotonic() + timeout_s
    while True:
        try:
            refresh()
        except NotFound:
            return
        if time.monotonic() > give_up_at_s:
            raise DeadlineExceeded(f"{what} is still being removed after {timeout_s:g} s")
        time.sleep(_POLL_S)
