"""The port of an object store: bytes under keys, in buckets."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from lepton_ai.infrastructure.storage.objects.records import Bucket, ObjectPage, StoredObject


class ObjectWriter(Protocol):
    """One object on its way in."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        ...

    def commit(self) -> StoredObject:
        """Make the object visible, whole and durable, in the place of one that is there."""
        ...

    def abort(self) -> None:
        """Throw away what was written. Harmless after `commit`."""
        ...


class ObjectStore(Protocol):
    """Keeps objects. What is visible is whole; what `commit` returned from is durable."""

    def writer(self, bucket: Bucket, key: str) -> ObjectWriter:
        """Begin to store an object."""
        ...

    def find(self, bucket: Bucket, key: str) -> StoredObject | None:
        """What is known of an object, or None."""
        ...

    def read(self, bucket: Bucket, key: str) -> tuple[StoredObject, Iterator[bytes]]:
        """An object and its bytes in chunks: those that it had when the reading began.

        Raises:
            NotFound: There is none.
        """
        ...

    def list(self, bucket: Bucket, prefix: str, after: str, limit: int) -> ObjectPage:
        """Objects whose keys begin with `prefix` and lie behind `after`, by key in the order of their bytes."""
        ...

    def remove(self, bucket: Bucket, key: str) -> None:
        """Remove an object, if it is there."""
        ...

    def orphans(self) -> Sequence[tuple[str, int, float]]:
        """What a crash left behind: its name, its size in bytes, and how many seconds ago it was written."""
        ...

    def remove_orphan(self, name: str) -> bool:
        """Remove one of these; returns whether it is gone."""
        ...

    def link(self, method: str, bucket: Bucket, key: str, life_s: int) -> str | None:
        """An address of the store itself that is good for one method for some time; None if it makes none."""
        ...
