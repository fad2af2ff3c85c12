"""Queues from Python."""

from collections.abc import Sequence
from urllib.parse import quote

from lepton_ai.core.errors import Conflict
from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.server.schemas.queue import LengthItem, MessageItem, QueueItem


class Message:
    """One message that was received.

    Args:
        text: What was sent.
        deliveries: How often it was handed out, this time included.
    """

    def __init__(self, connection: Connection, queue: str, found: MessageItem) -> None:
        self._connection = connection
        self._queue = queue
        self._receipt = found.receipt
        self.text = found.message
        self.deliveries = found.deliveries

    def __repr__(self) -> str:
        return f"<Message {self.text[:40]!r}>"

    def acknowledge(self) -> None:
        """It is done: remove it from the queue for good.

        Raises:
            NotFound: Its lease ran out, and somebody else has it.
            Conflict: It was received without a lease, and is gone already.
        """
        if self._receipt is None:
            raise Conflict("this message is gone already", hint="Receive it with `lease_s` to acknowledge it.")
        self._connection.delete(f"/queue/{quote(self._queue, safe='')}/messages/{quote(self._receipt, safe='')}")


class Queue:
    """One queue: texts, first in, first out. Get it from `Cloud().queues`."""

    def __init__(self, connection: Connection, details: QueueItem) -> None:
        self._connection = connection
        self.details = details

    @property
    def name(self) -> str:
        """Its name."""
        return self.details.name

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"

    def send(self, message: str) -> None:
        """Put a message at the end. It is on disk when this returns, once, however often it had to be sent.

        Args:
            message: Up to 256 KiB.
        """
        self._connection.create(f"{self._address}/messages", {"message": message})

    def receive(self, lease_s: float | None = None) -> Message | None:
        """Take the oldest message; None where none waits.

        Args:
            lease_s: For how long nobody else gets it. It comes back then, unless it was acknowledged. Without, it is
                gone from the queue at once.
        """
        answer = self._connection.get(f"{self._address}/messages", lease_s=lease_s)
        found = [parsed(MessageItem, item, self._connection.url) for item in answer]
        return Message(self._connection, self.name, found[0]) if found else None

    def length(self) -> int:
        """How many messages wait; those held by a lease do not count."""
        return self._connection.read(LengthItem, f"{self._address}/length").length

    @property
    def _address(self) -> str:
        return f"/queue/{quote(self.name, safe='')}"


class Queues:
    """All queues of the workspace. Get it as `Cloud().queues`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Queue]:
        """All queues, by name."""
        return [Queue(self._connection, item) for item in self._connection.read_list(QueueItem, "/queue")]

    def get(self, name: str) -> Queue:
        """One queue.

        Raises:
            NotFound: There is none of that name.
        """
        return Queue(self._connection, self._connection.read(QueueItem, f"/queue/{quote(name, safe='')}"))

    def create(self, name: str) -> Queue:
        """Make a queue.

        Raises:
            AlreadyExists: It is there.
        """
        made = self._connection.create("/queue", {"name": name})
        return Queue(self._connection, parsed(QueueItem, made, self._connection.url))

    def remove(self, name: str) -> None:
        """Remove a queue with the messages in it."""
        self._connection.delete(f"/queue/{quote(name, safe='')}")
