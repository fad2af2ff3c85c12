"""What one can do with queues: the verbs that the doors call."""

from collections.abc import Sequence

from sqlalchemy import Connection

from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import AlreadyExists, InvalidInput, NotFound, TooLarge
from lepton_ai.core.events import Journal, record
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import NewId
from lepton_ai.core.names import check_name
from lepton_ai.infrastructure.storage.queues import store
from lepton_ai.infrastructure.storage.queues.records import LARGEST_MESSAGE_BYTES, LONGEST_LEASE_S, Queue, Received


class Queues:
    """The queues of all workspaces: first in, first out. What `send` returned from is on disk.

    Args:
        database: Where they are kept.
        clock: Where the time comes from.
        new_id: Where ids come from.
        journal: Where changes of queues are written down; messages come and go without an event.
    """

    def __init__(self, database: Database, clock: Clock, new_id: NewId, journal: Journal) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._journal = journal

    async def create(self, workspace_id: str, name: str, actor: str, once: Once | None = None) -> Queue:
        """Make a queue.

        Args:
            once: The client's idempotency key: the same request again gives what it made.

        Raises:
            InvalidInput: The name breaks the rule; a blank one too.
            AlreadyExists: It is there.
        """
        check_name("queue", name)
        made = Queue(self._new_id("que"), workspace_id, name, self._clock.now_ms(), actor)
        event = self._journal.event(workspace_id, actor, "created", "queue", name, "asked", "The queue was made.")

        def work(connection: Connection) -> Queue:
            taken = store.find_queue(connection, workspace_id, name)
            if taken and once and once.made_before(connection, workspace_id) == taken.id:
                return taken
            if taken:
                raise AlreadyExists(f"there is a queue {name!r} already")
            store.insert_queue(connection, made)
            if once:
                once.remember(connection, workspace_id, made.id, made.created_at_ms)
            record(connection, event)
            return made

        return await self._database.write_async(work)

    def list(self, workspace_id: str) -> Sequence[Queue]:
        """All queues of a workspace, by name."""
        return self._database.read(lambda connection: store.list_queues(connection, workspace_id))

    def get(self, workspace_id: str, name: str) -> Queue:
        """One queue.

        Raises:
            NotFound: There is none of that name.
        """
        return self._database.read(lambda connection: _require(connection, workspace_id, name))

    async def remove(self, workspace_id: str, name: str, actor: str) -> None:
        """Remove a queue with the messages in it."""
        event = self._journal.event(workspace_id, actor, "removed", "queue", name, "asked", "The queue was removed.")

        def work(connection: Connection) -> None:
            store.remove_queue(connection, _require(connection, workspace_id, name).id)
            record(connection, event)

        await self._database.write_async(work)

    def length(self, workspace_id: str, name: str) -> int:
        """How many messages wait; those that somebody holds by a lease do not count."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> int:
            return store.count_visible(connection, _require(connection, workspace_id, name).id, now_ms)

        return self._database.read(work)

    async def send(self, workspace_id: str, name: str, message: str, once: Once | None = None) -> None:
        """Put a message at the end of a queue.

        Args:
            once: The client's idempotency key: the same request again sends nothing more.

        Raises:
            TooLarge: The message is longer than allowed.
        """
        size = len(message.encode())
        if size > LARGEST_MESSAGE_BYTES:
            raise TooLarge(
                f"a message may have at most {LARGEST_MESSAGE_BYTES} bytes, got {size}",
                hint="Keep larger things in a bucket, and send their key.",
            )
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> None:
            queue = _require(connection, workspace_id, name)
            if once and once.made_before(connection, workspace_id):
                return
            store.insert_message(connection, queue.id, message, now_ms)
            if once:
                once.remember(connection, workspace_id, queue.id, now_ms)

        await self._database.write_async(work)

    async def receive(self, workspace_id: str, name: str, lease_s: float | None = None) -> Received | None:
        """Take the oldest message, or None where none waits.

        Without a lease it is gone at once: a receiver that dies with it loses it (at most once). With one it is hidden
        for that time and comes back unless it is acknowledged (at least once).

        Args:
            lease_s: For how long nobody else gets it.
        """
        if lease_s is not None and not 0 < lease_s <= LONGEST_LEASE_S:
            raise InvalidInput(f"`lease_s` must be above 0 and at most {LONGEST_LEASE_S} seconds, got {lease_s:g}")
        now_ms = self._clock.now_ms()
        receipt = None if lease_s is None else self._new_id("msg")

        def work(connection: Connection) -> Received | None:
            queue = _require(connection, workspace_id, name)
            row = store.first_visible(connection, queue.id, now_ms)
            if row is None:
                return None
            if receipt is None or lease_s is None:
                store.remove_message(connection, row["position"])
            else:
                store.lease_message(connection, row["position"], receipt, now_ms + round(lease_s * 1000))
            return Received(row["message"], receipt, row["deliveries"] + 1)

        return await self._database.write_async(work)

    async def acknowledge(self, workspace_id: str, name: str, receipt: str) -> None:
        """Remove a message that was received with a lease, for good.

        Raises:
            NotFound: Nobody holds it by this receipt: the lease ran out and somebody else got it, or it is done.
        """

        def work(connection: Connection) -> None:
            if not store.remove_received(connection, _require(connection, workspace_id, name).id, receipt):
                raise NotFound(
                    f"no message of queue {name!r} is held by receipt {receipt[:80]!r}",
                    hint="Its lease ran out, and it was given to somebody else: ask for longer leases.",
                )

        await self._database.write_async(work)


def _require(connection: Connection, workspace_id: str, name: str) -> Queue:
    found = store.find_queue(connection, workspace_id, name)
    if found is None:
        raise NotFound(
            f"there is no queue {name[:80]!r} in workspace {workspace_id!r}", hint="`lepton queue list` shows them."
        )
    return found
