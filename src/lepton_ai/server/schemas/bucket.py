"""Buckets on the wire: the protocol's object storage."""

from lepton_ai.server.schemas.common import Body


class ObjectItem(Body):
    """One object."""

    key: str
    size: int
    last_modified: int


class ObjectsItem(Body):
    """Some objects, by key; `nextContinuationToken` is where to go on, and empty at the end."""

    items: list[ObjectItem]
    prefix: str
    nextContinuationToken: str  # noqa: N815 - the protocol's name


class LinkItem(Body):
    """An address that needs no token."""

    url: str
