"""What one can do about leftovers: look, and remove them."""

from collections.abc import Sequence

from lepton_ai.core.database import Database
from lepton_ai.core.events import Journal, record
from lepton_ai.platform.gc.collectors import Collector
from lepton_ai.platform.gc.records import Leftover


class Leftovers:
    """What nobody needs any more, in the whole cloud.

    Args:
        collectors: Where to look.
        database: Where events are kept.
        journal: What writes them.
    """

    def __init__(self, collectors: Sequence[Collector], database: Database, journal: Journal) -> None:
        self._collectors = collectors
        self._database = database
        self._journal = journal

    def list(self, older_than_s: float) -> Sequence[Leftover]:
        """What could be removed; nothing is touched."""
        return [leftover for collector in self._collectors for leftover in collector.find(older_than_s)]

    def remove(self, older_than_s: float, workspace_id: str, actor: str) -> Sequence[Leftover]:
        """Remove it; returns what went."""
        removed = [
            leftover
            for collector in self._collectors
            for leftover in collector.find(older_than_s)
            if collector.remove(leftover)
        ]
        size = sum(leftover.size_bytes for leftover in removed)
        message = f"{len(removed)} leftovers of {size} bytes were removed."
        event = self._journal.event(workspace_id, actor, "removed", "leftovers", "all", "asked", message)
        self._database.write(lambda connection: record(connection, event))
        return removed
