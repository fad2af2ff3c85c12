"""Key-value namespaces on the wire."""

from lepton_ai.server.schemas.common import Body


class NamespaceMetadata(Body):
    """What a namespace is called, and when and by whom it was made."""

    id: str
    name: str
    created_at: int
    owner: str


class NamespaceStatus(Body):
    """The protocol's place for an address of a server of its own; there is none here."""

    redis_url: str = ""


class NamespaceItem(Body):
    """One namespace."""

    name: str
    metadata: NamespaceMetadata
    status: NamespaceStatus = NamespaceStatus()


class KeysItem(Body):
    """Some keys; `cursor` is where to go on, and null at the end."""

    keys: list[str]
    cursor: int | None
