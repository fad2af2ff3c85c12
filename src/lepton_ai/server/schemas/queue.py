"""Queues on the wire."""

from pydantic import Field

from lepton_ai.server.schemas.common import Body, Request


class CreateQueue(Request):
    """The body of `POST /queue`."""

    name: str


class QueueItem(Body):
    """One queue."""

    name: str
    created_at: int
    owner: str


class LengthItem(Body):
    """How many messages wait."""

    length: int


class SendMessage(Request):
    """The body of `POST /queue/{name}/messages`."""

    message: str


class MessageItem(Body):
    """One message. `receipt` is there where it was asked for with a lease."""

    message: str
    receipt: str | None = Field(None)
    deliveries: int = 1
