"""Key-value namespaces from Python."""

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from lepton_ai.infrastructure.storage.kv.records import check_key
from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.server.schemas.kv import KeysItem, NamespaceItem

_PAGE = 1000


class Namespace:
    """One namespace: values, as bytes, under keys. Get it from `Cloud().kv`."""

    def __init__(self, connection: Connection, details: NamespaceItem) -> None:
        self._connection = connection
        self.details = details

    @property
    def name(self) -> str:
        """Its name."""
        return self.details.name

    def __repr__(self) -> str:
        return f"<Namespace {self.name}>"

    def get(self, key: str) -> bytes:
        """The value under a key.

        Raises:
            NotFound: There is none.
        """
        return self._connection.fetch(self._address(key))

    def put(self, key: str, value: bytes | str) -> None:
        """Keep a value under a key, in the place of the one there was. It is on disk when this returns.

        Args:
            key: Up to 256 bytes.
            value: Up to 256 KiB; text is kept as UTF-8.
        """
        data = value.encode() if isinstance(value, str) else value
        self._connection.send_file(self._address(key), "value", "value", lambda: iter((data,)))

    def remove(self, key: str) -> bool:
        """Remove a key; returns whether it was there."""
        return bool(self._connection.delete(self._address(key))["removed"])

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All keys that begin so, in the order in which they were first written; fetched page by page."""
        cursor: int | None = 0
        while cursor is not None:
            answer = self._connection.get(
                f"/kv/namespaces/{quote(self.name, safe='')}/keys", cursor=cursor, limit=_PAGE, prefix=prefix or None
            )
            page = parsed(KeysItem, answer, self._connection.url)
            yield from page.keys
            cursor = page.cursor

    def _address(self, key: str) -> str:
        return f"/kv/namespaces/{quote(self.name, safe='')}/values/{quote(check_key(key))}"


class KeyValues:
    """All key-value namespaces of the workspace. Get it as `Cloud().kv`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Namespace]:
        """All namespaces, by name."""
        found = self._connection.read_list(NamespaceItem, "/kv/namespaces")
        return [Namespace(self._connection, item) for item in found]

    def get(self, name: str) -> Namespace:
        """One namespace.

        Raises:
            NotFound: There is none of that name.
        """
        address = f"/kv/namespaces/{quote(name, safe='')}"
        return Namespace(self._connection, self._connection.read(NamespaceItem, address))

    def create(self, name: str) -> Namespace:
        """Make a namespace.

        Raises:
            AlreadyExists: It is there.
        """
        made = self._connection.create(f"/kv/namespaces/{quote(name, safe='')}", None)
        return Namespace(self._connection, parsed(NamespaceItem, made, self._connection.url))

    def remove(self, name: str) -> None:
        """Remove a namespace with all that is in it."""
        self._connection.delete(f"/kv/namespaces/{quote(name, safe='')}")
