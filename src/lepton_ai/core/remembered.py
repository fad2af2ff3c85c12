"""What was read of the database once, for who looks again and again."""

from typing import Generic, TypeVar

from sqlalchemy import Connection

from lepton_ai.core.database import Database, Work

Result = TypeVar("Result")


def _no_sign(_connection: Connection) -> object:
    return None


class Remembered(Generic[Result]):
    """Reads once, and anew only after something was written.

    Args:
        database: What is read. All that writes to it must be of this process.
        work: Reads it.
        sign: Reads something small that is another one whenever `work` would read something else. Left out: every write
            counts as a change.
    """

    def __init__(self, database: Database, work: Work[Result], sign: Work[object] = _no_sign) -> None:
        self._database = database
        self._work = work
        self._sign = sign
        self._known: tuple[int, object, Result] | None = None

    def __call__(self) -> Result:
        """What the database holds now."""
        commits, known = self._database.commits, self._known
        if known is not None and known[0] == commits:
            return known[2]
        sign = self._database.read(self._sign)
        if known is None or self._sign is _no_sign or known[1] != sign:
            self._known = (commits, sign, self._database.read(self._work))
        else:
            self._known = (commits, sign, known[2])
        return self._known[2]
