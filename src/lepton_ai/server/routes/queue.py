"""Queues over HTTP: the protocol's `/queue`, with leases as our own."""

from typing import Annotated

from fastapi import APIRouter, Query

from lepton_ai.core.idempotency import Once
from lepton_ai.infrastructure.storage.queues.records import LONGEST_LEASE_S, Queue
from lepton_ai.server.dependencies import WORKSPACE, Caller, IdempotencyKey, Plane
from lepton_ai.server.schemas.queue import CreateQueue, LengthItem, MessageItem, QueueItem, SendMessage

router = APIRouter(prefix=f"{WORKSPACE}/queue", tags=["queue"])


@router.get("")
def list_queues(plane: Plane, caller: Caller) -> list[QueueItem]:
    """All queues of the workspace."""
    return [_item(queue) for queue in plane.queues.list(caller.workspace_id)]


@router.post("", status_code=201)
async def create_queue(body: CreateQueue, plane: Plane, caller: Caller, key: IdempotencyKey = None) -> QueueItem:
    """Make a queue. It can be used at once."""
    once = Once(key, body.model_dump_json().encode()) if key else None
    return _item(await plane.queues.create(caller.workspace_id, body.name, caller.name, once))


@router.get("/{queue}")
def get_queue(queue: str, plane: Plane, caller: Caller) -> QueueItem:
    """One queue."""
    return _item(plane.queues.get(caller.workspace_id, queue))


@router.delete("/{queue}")
async def remove_queue(queue: str, plane: Plane, caller: Caller) -> dict[str, str]:
    """Remove a queue with the messages in it."""
    await plane.queues.remove(caller.workspace_id, queue, caller.name)
    return {"name": queue}


@router.get("/{queue}/length")
def length(queue: str, plane: Plane, caller: Caller) -> LengthItem:
    """How many messages wait; those held by a lease do not count."""
    return LengthItem(length=plane.queues.length(caller.workspace_id, queue))


@router.post("/{queue}/messages", status_code=201)
async def send(
    queue: str, body: SendMessage, plane: Plane, caller: Caller, key: IdempotencyKey = None
) -> dict[str, str]:
    """Put a message at the end of a queue. The answer comes when it is on disk."""
    once = Once(key, f"{queue} ".encode() + body.model_dump_json().encode()) if key else None
    await plane.queues.send(caller.workspace_id, queue, body.message, once)
    return {"queue": queue}


@router.get("/{queue}/messages")
async def receive(
    queue: str,
    plane: Plane,
    caller: Caller,
    lease_s: Annotated[float | None, Query(gt=0, le=LONGEST_LEASE_S)] = None,
) -> list[MessageItem]:
    """Take the oldest message: a list of one, or of none.

    Without `lease_s` it is gone at once, as the protocol has it. With it the message is hidden for that time and comes
    back to the queue unless it is acknowledged by its receipt.
    """
    received = await plane.queues.receive(caller.workspace_id, queue, lease_s)
    if received is None:
        return []
    return [MessageItem(message=received.message, receipt=received.receipt, deliveries=received.deliveries)]


@router.delete("/{queue}/messages/{receipt}")
async def acknowledge(queue: str, receipt: str, plane: Plane, caller: Caller) -> dict[str, str]:
    """Remove a message that was received with a lease, for good."""
    await plane.queues.acknowledge(caller.workspace_id, queue, receipt)
    return {"receipt": receipt}


def _item(queue: Queue) -> QueueItem:
    return QueueItem(name=queue.name, created_at=queue.created_at_ms, owner=queue.created_by)
