"""What was read of the database once, for who looks again and again."""

from typing import Generic, TypeVar

from lepton_ai.core.database import Database, Work

Result = TypeVar("Result")


class Remembered(Generic[Result]):
    """Reads once, and anew only after something was written.

    Args:
        database: What is read. All that writes to it must be of this process.
        work: Reads it.
        fingerprint: Reads something small that is another one whenever `work` would read something else.
    """

    def __init__(self, database: Database, work: Work[Result], fingerprint: Work[object]) -> None:
        self._database = database
        self._work = work
        self._fingerprint = fingerprint
        self._known: tuple[int, object, Result] | None = None

    def __call__(self) -> Result:
        """What the database holds now."""
        commits, known = self._database.commits, self._known
        if known is not None and known[0] == commits:
            return known[2]
        fingerprint = self._database.read(self._fingerprint)
        is_same = known is not None and known[1] == fingerprint
        result = known[2] if known is not None and is_same else self._database.read(self._work)
        self._known = (commits, fingerprint, result)
        return result
