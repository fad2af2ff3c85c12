"""Leftovers from Python: files that nobody needs any more."""

from collections.abc import Sequence

from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.server.schemas.gc import LeftoverItem

DAY_S = 24 * 3600.0


class Leftovers:
    """What nobody needs any more, in the whole cloud. Get it as `Cloud().leftovers`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, *, older_than_s: float = DAY_S) -> Sequence[LeftoverItem]:
        """What could be removed; nothing is touched.

        Args:
            older_than_s: Only what has not changed for this time.

        Raises:
            PermissionDenied: The token is not of the workspace that runs the cloud.
        """
        answer = self._connection.get("/gc", older_than_s=older_than_s)
        return [parsed(LeftoverItem, item, self._connection.url) for item in answer]

    def remove(self, *, older_than_s: float = DAY_S) -> Sequence[LeftoverItem]:
        """Remove it for good; returns what went.

        Args:
            older_than_s: Only what has not changed for this time.
        """
        answer = self._connection.post("/gc", {"older_than_s": older_than_s})
        return [parsed(LeftoverItem, item, self._connection.url) for item in answer]
