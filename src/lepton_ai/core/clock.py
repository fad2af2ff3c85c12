"""Time, passed in: the system's clock for the product, one that a test turns by hand."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the code asks for the time. Wall time is for people and records, monotonic time for leases and waits."""

    def now_ms(self) -> int:
        """Wall time in milliseconds since 1970-01-01 UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that only ever grow, whatever happens to the wall clock."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when it is told to.

    Example:

        >>> clock = ManualClock(now_ms=1_000)
        >>> clock.advance(2.5)
        >>> clock.now_ms()
        3500
    """

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic_s = 0.0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._now_ms += round(seconds * 1000)
        self._monotonic_s += seconds

    def turn_wall_clock(self, seconds: float) -> None:
        """Move wall time alone, in either direction, as an administrator or NTP does."""
        self._now_ms += round(seconds * 1000)
