"""Buckets from Python: objects under keys, and addresses that need no token."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from lepton_ai.infrastructure.storage.objects.records import check_key
from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.sdk.transfer import chunks_of, require_file, save
from lepton_ai.server.schemas.bucket import ObjectItem, ObjectsItem

_PAGE = 1000


class Bucket:
    """One bucket. Get it as `Cloud().buckets.private` or `.public`."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    def __repr__(self) -> str:
        return f"<Bucket {self.name}>"

    def list(self, prefix: str = "") -> Iterator[ObjectItem]:
        """All objects whose keys begin so, by key; fetched page by page."""
        token: str | None = None
        while token != "":
            answer = self._connection.get(
                f"/object_storage/{self.name}/", prefix=prefix or None, continuation_token=token, limit=_PAGE
            )
            page = parsed(ObjectsItem, answer, self._connection.url)
            yield from page.items
            token = page.nextContinuationToken

    def put(self, key: str, data: bytes | str | Path, *, progress: Callable[[int], object] = int) -> None:
        """Keep an object, in the place of one that is there. It is there, whole, when this returns.

        Args:
            data: Its bytes, or the path of a file of this machine.
            progress: Called with the number of bytes sent since the last call.
        """
        if isinstance(data, bytes):
            size, chunks = len(data), lambda: iter((data,))
        else:
            path = require_file(Path(data).expanduser())
            size, chunks = path.stat().st_size, partial(chunks_of, path, progress)
        with closing(self._without_token("PUT", key)) as link:
            link.upload("", chunks, size_bytes=size)

    def get(self, key: str) -> bytes:
        """The bytes of an object, for one that is small.

        Raises:
            NotFound: There is none.
        """
        with closing(self._without_token("GET", key)) as link:
            return link.fetch("")

    def download(self, key: str, target: str | Path = ".", *, progress: Callable[[int], object] = int) -> Path:
        """Copy an object to a file of this machine, which appears whole; returns where it is.

        Args:
            target: A folder, in which it gets the last part of its key as name, or the file.
        """
        path = Path(target).expanduser()
        if path.is_dir():
            path /= PurePosixPath(key).name
        with closing(self._without_token("GET", key)) as link, link.stream("") as chunks:
            return save(chunks, path, progress)

    def url(self, key: str) -> str:
        """An address to read an object by without a token: for 15 minutes from a private bucket, for good else."""
        return self._connection.location("GET", self._address(key))

    def remove(self, key: str) -> None:
        """Remove an object, if it is there."""
        self._connection.delete(self._address(key))

    def _without_token(self, method: str, key: str) -> Connection:
        # The address may be another server's: our token is not for it.
        return Connection(self._connection.location(method, self._address(key)), "")

    def _address(self, key: str) -> str:
        return f"/object_storage/{self.name}/{quote(check_key(key))}"


class Buckets:
    """The two buckets of the workspace. Get it as `Cloud().buckets`.

    Args:
        private: Read with a token, or by an address that is good for 15 minutes.
        public: Read by everybody who has the address.
    """

    def __init__(self, connection: Connection) -> None:
        self.private = Bucket(connection, "private")
        self.public = Bucket(connection, "public")
