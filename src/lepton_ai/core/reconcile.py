"""The loop that makes the world match the records: claim, observe, decide, act, apply.

A row is claimed with a fresh lease token in a short transaction; the world is observed outside of it; a pure function
decides; actions are idempotent and use names derived from the row's id; the result is applied only where the lease
token still stands. Zero rows means that somebody else went on: the result is dropped. Crashes at any point are repaired
by the next pass, because nothing is remembered between passes but the rows.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from lepton_ai.core.clock import Clock
from lepton_ai.core.failpoints import failpoint

Record = TypeVar("Record")
Observation = TypeVar("Observation")
Change = TypeVar("Change")


_SHORTEST_PAUSE_S = 0.01
"""So that a row which is due and cannot be taken keeps no core busy."""


@dataclass(frozen=True)
class Claim(Generic[Record]):
    """A row that this loop may work on until the lease ends."""

    record: Record
    lease_token: str


class Reconciler(Protocol[Record, Observation, Change]):
    """What one kind of thing brings to the loop."""

    name: str

    def claim(self, now_ms: int, limit: int) -> Sequence[Claim[Record]]:
        """Take due rows, each with a fresh lease."""
        ...

    def next_due_ms(self) -> int | None:
        """When the next row is due, by wall time. None: no row waits for a time."""
        ...

    def observe(self, record: Record) -> Observation:
        """Look at the world. No transaction is open."""
        ...

    def decide(self, record: Record, observation: Observation, now_ms: int) -> Change:
        """Say what to do and what to write. Pure."""
        ...

    def act(self, record: Record, change: Change) -> None:
        """Do it. Called again after a crash, so doing it twice must be the same as doing it once."""
        ...

    def apply(self, claim: Claim[Record], change: Change, now_ms: int) -> bool:
        """Write it if the lease still stands, and give the lease back. False: it does not, and nothing was written."""
        ...


def reconcile_once(reconciler: Reconciler[Record, Observation, Change], claim: Claim[Record], clock: Clock) -> bool:
    """Take one claimed row through observe, decide, act and apply.

    Returns:
        Whether the result was written.
    """
    failpoint(f"{reconciler.name}.after_claim")
    observation = reconciler.observe(claim.record)
    failpoint(f"{reconciler.name}.after_observe")
    change = reconciler.decide(claim.record, observation, clock.now_ms())
    failpoint(f"{reconciler.name}.before_act")
    reconciler.act(claim.record, change)
    failpoint(f"{reconciler.name}.before_apply")
    applied = reconciler.apply(claim, change, clock.now_ms())
    failpoint(f"{reconciler.name}.after_apply")
    return applied


def pause_until(due_ms: int | None, now_ms: int, longest_s: float) -> float:
    """How long a loop may pause, should no hint come.

    Args:
        due_ms: When the next row is due; None: none waits for a time.
        now_ms: Wall time, as `due_ms`.
        longest_s: The longest pause.

    Example:

        >>> pause_until(10_250, 10_000, longest_s=1.0), pause_until(None, 10_000, longest_s=1.0)
        (0.25, 1.0)
    """
    until_s = longest_s if due_ms is None else (due_ms - now_ms) / 1000
    return min(max(until_s, _SHORTEST_PAUSE_S), longest_s)


class ReconcileLoop(Generic[Record, Observation, Change]):
    """Runs one reconciler in the background: when a row is due, at every hint, and at least once per interval.

    Args:
        reconciler: The kind of thing to look after.
        clock: Where the time comes from.
        report: Called with each exception, which costs its row this pass and nothing else.
        interval_s: The longest pause between two passes, for what a lost hint or another server brought.
        parallel: How many rows are worked on at once.
    """

    def __init__(
        self,
        reconciler: Reconciler[Record, Observation, Change],
        clock: Clock,
        report: Callable[[str, Exception], None],
        *,
        interval_s: float = 1.0,
        parallel: int = 8,
    ) -> None:
        self._reconciler = reconciler
        self._clock = clock
        self._report = report
        self._interval_s = interval_s
        self._hinted = threading.Event()
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix=f"{reconciler.name}-row")
        self._thread = threading.Thread(target=self._run, name=f"{reconciler.name}-loop", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hint(self) -> None:
        """Look soon: something changed. Losing a hint costs no more than one interval."""
        self._hinted.set()

    def stop(self) -> None:
        """Finish the rows at hand and end."""
        self._stopping.set()
        self._hinted.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stopping.is_set():
            self._hinted.wait(pause_s)
            self._hinted.clear()
            pause_s = self._interval_s
            try:
                self._pass()
                pause_s = pause_until(self._reconciler.next_due_ms(), self._clock.now_ms(), self._interval_s)
            except Exception as error:  # noqa: BLE001 - the loop outlives a database that is full or locked
                self._report(self._reconciler.name, error)

    def _pass(self) -> None:
        claims = self._reconciler.claim(self._clock.now_ms(), limit=64)
        passes: list[Future[bool]] = [
            self._pool.submit(reconcile_once, self._reconciler, claim, self._clock) for claim in claims
        ]
        for done in passes:
            try:
                done.result()
            except Exception as error:  # noqa: BLE001 - one bad row must not stop the others
                self._report(self._reconciler.name, error)
