"""What a queue holds."""

from dataclasses import dataclass

LARGEST_MESSAGE_BYTES = 256 * 1024
LONGEST_LEASE_S = 12 * 3600


@dataclass(frozen=True)
class Queue:
    """Messages in the order in which they were sent."""

    id: str
    workspace_id: str
    name: str
    created_at_ms: int
    created_by: str


@dataclass(frozen=True)
class Received:
    """One message that was taken from a queue.

    Args:
        message: What was sent.
        receipt: With a lease: what to acknowledge it by. None: it is gone from the queue already.
        deliveries: How often it was handed out, this time included.
    """

    message: str
    receipt: str | None
    deliveries: int
