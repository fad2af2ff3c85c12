"""What was read of the database once, for who looks again and again."""

from typing import Generic, TypeVar

from lepton_ai.core.database import Database, Work

Result = TypeVar("Result")


class Remembered(Generic[Result]):
    """Reads once, and anew only after something was written.

    Args:
        database: What is read. All that writes to it must be of this process.
        work: Reads it.
    """

    def __init__(self, database: Database, work: Work[Result]) -> None:
        self._database = database
        self._work = work
        self._known: tuple[int, Result] | None = None

    def __call__(self) -> Result:
        """What the database holds now."""
        commits, known = self._database.commits, self._known
        if known is None or known[0] != commits:
            self._known = known = (commits, self._database.read(self._work))
        return known[1]
