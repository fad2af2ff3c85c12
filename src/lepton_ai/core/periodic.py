"""Something that is done again and again in the background, while the server runs."""

import threading
from collections.abc import Callable


class Periodic:
    """A thread that does one round after another.

    Args:
        name: What it is called, in logs and among threads.
        round_: One round; returns how long to pause until the next, in seconds.
        report: Called with the name and an exception of a round, which costs that round and nothing else.
        first_pause_s: How long to pause before the first round, and after a round that failed before any did well.
    """

    def __init__(
        self,
        name: str,
        round_: Callable[[], float],
        report: Callable[[str, Exception], None],
        *,
        first_pause_s: float = 0.0,
    ) -> None:
        self._name = name
        self._round = round_
        self._report = report
        self._pause_s = first_pause_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the round at hand, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_s):
            try:
                self._pause_s = self._round()
            except Exception as error:  # noqa: BLE001 - the next round tries again
                self._pause_s = max(self._pause_s, 1.0)
                self._report(self._name, error)
