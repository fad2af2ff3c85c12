"""Object store driver `s3`: objects in a bucket of S3, or of anything that obstore reaches by an address."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import InvalidInput, MissingPackage, NotFound, Unavailable
from lepton_ai.core.ids import NewId
from lepton_ai.infrastructure.storage.objects.records import Bucket, ObjectPage, StoredObject

_SIGNED_BY = ("s3", "gs", "az")
_PART_BYTES = 8 << 20


class S3ObjectStore:
    """Objects under `<workspace>/<bucket>/<key>` of one store.

    Args:
        store: The store, as obstore has it.
        makes_links: Whether it signs addresses by itself.
    """

    def __init__(self, store: Any, *, makes_links: bool) -> None:
        import obstore

        self._obstore = obstore
        self._store = store
        self._makes_links = makes_links

    def writer(self, bucket: Bucket, key: str) -> "S3ObjectWriter":
        path = _path(bucket, key)
        return S3ObjectWriter(self, bucket, key, self._obstore.open_writer(self._store, path, buffer_size=_PART_BYTES))

    def find(self, bucket: Bucket, key: str) -> StoredObject | None:
        try:
            return _stored(self._obstore.head(self._store, _path(bucket, key)), bucket)
        except FileNotFoundError:
            return None
        except self._obstore.exceptions.BaseError as error:
            raise _unavailable(error) from error

    def read(self, bucket: Bucket, key: str) -> tuple[StoredObject, Iterator[bytes]]:
        try:
            found = self._obstore.get(self._store, _path(bucket, key))
        except FileNotFoundError as error:
            raise NotFound(f"there is no object {key[:80]!r} in bucket {bucket.name}") from error
        except self._obstore.exceptions.BaseError as error:
            raise _unavailable(error) from error
        return _stored(found.meta, bucket), (bytes(chunk) for chunk in found.stream())

    def list(self, bucket: Bucket, prefix: str, after: str, limit: int) -> ObjectPage:
        root = _path(bucket, "")
        # The store compares whole names of a path, a prefix here is any text: it asks for the names, we for the rest.
        folder = prefix.rpartition("/")[0]
        found: list[StoredObject] = []
        try:
            offset = _path(bucket, after) if after else None
            for batch in self._obstore.list(self._store, root + folder or None, offset=offset):  # by key
                for facts in batch:
                    stored = _stored(facts, bucket)
                    if stored.key.startswith(prefix) and stored.key > after:
                        found.append(stored)
                if len(found) > limit:
                    break
        except self._obstore.exceptions.BaseError as error:
            raise _unavailable(error) from error
        return ObjectPage(found[:limit], len(found) > limit)

    def remove(self, bucket: Bucket, key: str) -> None:
        try:
            self._obstore.delete(self._store, _path(bucket, key))
        except FileNotFoundError:
            return
        except self._obstore.exceptions.BaseError as error:
            raise _unavailable(error) from error

    def orphans(self) -> Sequence[tuple[str, int, float]]:
        return ()  # parts that were never put together are removed by a rule of the store itself

    def remove_orphan(self, name: str) -> bool:  # noqa: ARG002
        return False

    def link(self, method: str, bucket: Bucket, key: str, life_s: int) -> str | None:
        if not self._makes_links:
            return None
        signed: str = self._obstore.sign(self._store, method, _path(bucket, key), timedelta(seconds=life_s))
        return signed


class S3ObjectWriter:
    """One object on its way in: in parts, that the store puts together at the end."""

    def __init__(self, owner: S3ObjectStore, bucket: Bucket, key: str, writer: Any) -> None:
        self._owner = owner
        self._bucket = bucket
        self._key = key
        self._writer = writer

    def write(self, chunk: bytes) -> None:
        try:
            self._writer.write(chunk)
        except OSError as error:
            raise _unavailable(error) from error

    def commit(self) -> StoredObject:
        try:
            self._writer.close()
        except OSError as error:
            raise _unavailable(error) from error
        stored = self._owner.find(self._bucket, self._key)
        if stored is None:
            raise Unavailable("the object store does not show what it took", hint="Send it again.")
        return stored

    def abort(self) -> None:
        # Parts that were never put together are no object; the store's own rule removes them.
        self._writer = None


def open_driver(folder: object, url: str, database: Database, clock: Clock, new_id: NewId) -> S3ObjectStore:  # noqa: ARG001
    """Make the driver; found by its name.

    Raises:
        MissingPackage: obstore is not installed.
        InvalidInput: The address is no store's.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        raise MissingPackage(
            "objects in S3 need the package obstore, which is not installed", hint="pip install 'lepton-ai[s3]'"
        ) from error
    try:
        store = from_url(url)
    except (BaseError, ValueError) as error:
        raise InvalidInput(f"`object_store_url` is no store's address: {error}") from error
    return S3ObjectStore(store, makes_links=url.partition(":")[0] in _SIGNED_BY)


def _path(bucket: Bucket, key: str) -> str:
    return f"{bucket.workspace_id}/{bucket.name}/{key}"


def _stored(facts: Any, bucket: Bucket) -> StoredObject:
    changed_at_ms = int(facts["last_modified"].timestamp() * 1000)
    return StoredObject(facts["path"].removeprefix(_path(bucket, "")), facts["size"], changed_at_ms)


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"the object store does not answer: {error}"[:500], hint="Try again in a moment.")
