"""Quotas: how much of each thing a workspace may have, checked in the transaction that makes the thing."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from lepton_ai.core.access.workspaces import Quota, find_workspace
from lepton_ai.core.errors import NotFound, PermissionDenied

Counter = Callable[[Connection, str], float]
"""How much of one thing a workspace has now."""


class QuotaExceeded(PermissionDenied):
    """The workspace may not have more of this. The message names the quota, its limit, and what is used."""

    code = "quota_exceeded"


class Quotas:
    """Refuses what would go beyond a workspace's quota.

    Args:
        counters: For each field of `Quota`, the counters whose sum is what a workspace has of it.
    """

    def __init__(self, counters: Mapping[str, tuple[Counter, ...]]) -> None:
        self._counters = counters

    def used(self, connection: Connection, workspace_id: str) -> Mapping[str, float]:
        """What a workspace has, by the fields of `Quota`."""
        return {name: self._count(connection, workspace_id, name) for name in vars(Quota())}

    def check(self, connection: Connection, workspace_id: str, **more: float | Callable[[], float]) -> None:
        """Refuse more than the quota allows. Call it before the thing is written, in the same transaction.

        Args:
            more: How much would be added, by the fields of `Quota`; what is zero or less is not looked at. A function
                where that takes long to find out: it is called only if there is a limit.

        Raises:
            QuotaExceeded: It would be too much.
            NotFound: The workspace was removed meanwhile.
        """
        workspace = find_workspace(connection, workspace_id)
        if workspace is None or workspace.removed_at_ms is not None:
            raise NotFound(f"there is no workspace {workspace_id!r}")
        for name, wanted in more.items():
            limit = getattr(workspace.quota, name)
            if limit is None:
                continue
            added = wanted() if callable(wanted) else wanted
            if added <= 0:
                continue
            used = self._count(connection, workspace_id, name)
            if used + added > limit:
                raise QuotaExceeded(
                    f"the quota of {_SAID[name]} is {limit:g} in workspace {workspace_id!r}: {used:g} are used, and "
                    f"{added:g} more were asked for",
                    hint="Remove something, or ask the server's admin: lepton workspace quota",
                )

    def _count(self, connection: Connection, workspace_id: str, name: str) -> float:
        return sum(counter(connection, workspace_id) for counter in self._counters.get(name, ()))


_SAID = {
    "endpoints": "endpoints",
    "jobs": "jobs",
    "replicas": "replicas",
    "cpus": "CPUs",
    "storage_bytes": "storage bytes",
}
