"""What one can do with key-value namespaces: the verbs that the doors call."""

from collections.abc import Sequence

from sqlalchemy import Connection

from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import AlreadyExists, NotFound, TooLarge
from lepton_ai.core.events import Journal, record
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import NewId
from lepton_ai.core.names import check_name
from lepton_ai.infrastructure.storage.kv import store
from lepton_ai.infrastructure.storage.kv.records import LARGEST_VALUE_BYTES, KeyPage, Namespace, check_key


class KeyValues:
    """The key-value namespaces of all workspaces. What `put` returned from is on disk.

    Args:
        database: Where they are kept.
        clock: Where the time comes from.
        new_id: Where ids come from.
        journal: Where changes of namespaces are written down; values come and go without an event.
    """

    def __init__(self, database: Database, clock: Clock, new_id: NewId, journal: Journal) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._journal = journal

    async def create(self, workspace_id: str, name: str, actor: str, once: Once | None = None) -> Namespace:
        """Make a namespace.

        Args:
            once: The client's idempotency key: the same request again gives what it made.

        Raises:
            InvalidInput: The name breaks the rule; a blank one too.
            AlreadyExists: It is there.
        """
        check_name("namespace", name)
        made = Namespace(self._new_id("kv"), workspace_id, name, self._clock.now_ms(), actor)
        event = self._journal.event(workspace_id, actor, "created", "kv", name, "asked", "The namespace was made.")

        def work(connection: Connection) -> Namespace:
            taken = store.find_namespace(connection, workspace_id, name)
            if taken and once and once.made_before(connection, workspace_id) == taken.id:
                return taken
            if taken:
                raise AlreadyExists(f"there is a key-value namespace {name!r} already")
            store.insert_namespace(connection, made)
            if once:
                once.remember(connection, workspace_id, made.id, made.created_at_ms)
            record(connection, event)
            return made

        return await self._database.write_async(work)

    def get_namespace(self, workspace_id: str, name: str) -> Namespace:
        """One namespace.

        Raises:
            NotFound: There is none of that name.
        """
        return self._database.read(lambda connection: _require(connection, workspace_id, name))

    def list(self, workspace_id: str) -> Sequence[Namespace]:
        """All namespaces of a workspace, by name."""
        return self._database.read(lambda connection: store.list_namespaces(connection, workspace_id))

    async def remove(self, workspace_id: str, name: str, actor: str) -> None:
        """Remove a namespace with all that is in it."""
        event = self._journal.event(workspace_id, actor, "removed", "kv", name, "asked", "The namespace was removed.")

        def work(connection: Connection) -> None:
            store.remove_namespace(connection, _require(connection, workspace_id, name).id)
            record(connection, event)

        await self._database.write_async(work)

    async def put(self, workspace_id: str, name: str, key: str, value: bytes) -> None:
        """Keep a value under a key, in the place of the one there was.

        Raises:
            InvalidInput, TooLarge: The key or the value breaks its rule.
        """
        check_key(key)
        if len(value) > LARGEST_VALUE_BYTES:
            raise TooLarge(
                f"a value may have at most {LARGEST_VALUE_BYTES} bytes, got {len(value)}",
                hint="Keep larger things in a bucket, and their key here.",
            )
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> None:
            store.put_value(connection, _require(connection, workspace_id, name).id, key, value, now_ms)

        await self._database.write_async(work)

    def get(self, workspace_id: str, name: str, key: str) -> bytes:
        """The value under a key.

        Raises:
            NotFound: There is no such namespace or key.
        """

        def work(connection: Connection) -> bytes | None:
            return store.find_value(connection, _require(connection, workspace_id, name).id, key)

        value = self._database.read(work)
        if value is None:
            raise NotFound(f"there is no key {key[:80]!r} in namespace {name!r}")
        return value

    async def remove_key(self, workspace_id: str, name: str, key: str) -> bool:
        """Remove a key, if it is there; returns whether it was."""

        def work(connection: Connection) -> bool:
            return store.remove_value(connection, _require(connection, workspace_id, name).id, key)

        return await self._database.write_async(work)

    def keys(self, workspace_id: str, name: str, *, cursor: int = 0, limit: int = 0, prefix: str = "") -> KeyPage:
        """Some keys, in the order in which they were first written.

        Args:
            cursor: Where to begin: 0, or the cursor of the page before.
            limit: How many at most; 0 for all.
            prefix: Only keys that begin so.
        """

        def work(connection: Connection) -> KeyPage:
            namespace = _require(connection, workspace_id, name)
            return store.list_keys(connection, namespace.id, cursor, limit, prefix)

        return self._database.read(work)


def _require(connection: Connection, workspace_id: str, name: str) -> Namespace:
    found = store.find_namespace(connection, workspace_id, name)
    if found is None:
        raise NotFound(
            f"there is no key-value namespace {name[:80]!r} in workspace {workspace_id!r}",
            hint="`lepton kv list` shows them.",
        )
    return found
