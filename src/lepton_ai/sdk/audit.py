"""The audit from Python: every change of the workspace, with who made it."""

from collections.abc import Iterator
from itertools import islice

from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.server.schemas.audit import AuditItem, AuditPage

_PAGE = 200


class Audit:
    """What was changed in the workspace. Get it as `Cloud().audit`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        *,
        noun: str | None = None,
        name: str | None = None,
        actor: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int | None = None,
    ) -> Iterator[AuditItem]:
        """What was changed, newest first; pages are fetched as they are needed.

        Args:
            noun: What kind of thing was changed: `endpoint`, `token`, `secret`, …
            name: Its name.
            actor: Who did it: a token's name, or `system`.
            since_ms: Not before this time, in milliseconds since 1970.
            until_ms: Before this time.
            limit: How many at most; None for all.
        """
        wanted = {"noun": noun, "name": name, "actor": actor, "since_ms": since_ms, "until_ms": until_ms}
        return islice(self._all({**wanted, "limit": _PAGE if limit is None else max(1, min(limit, _PAGE))}), limit)

    def _all(self, query: dict[str, object]) -> Iterator[AuditItem]:
        before: str | None = None
        while True:
            answer = self._connection.get("/audit", before=before, **query)
            page = parsed(AuditPage, answer, self._connection.url)
            yield from page.items
            before = page.next
            if before is None:
                return
