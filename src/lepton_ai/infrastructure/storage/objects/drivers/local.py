"""Object store driver `local`: a file for each object, under a name of its own, and a row that says which one counts.

The row is written once the file is on disk, so an object is whole or as it was before. A file that a crash left without
a row is nobody's: `lepton gc` removes it.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import NotFound, StorageFull
from lepton_ai.core.failpoints import failpoint
from lepton_ai.core.files import sync_folder
from lepton_ai.core.ids import NewId
from lepton_ai.infrastructure.storage.objects import store
from lepton_ai.infrastructure.storage.objects.records import Bucket, ObjectPage, StoredObject

_CHUNK_BYTES = 1 << 20
_TRIES = 10
"""How often a reader looks again whose file was replaced between its row and its opening."""


class LocalObjectStore:
    """Objects as files.

    Args:
        folder: Where they go.
        database: Where their rows are.
        clock: Where the time comes from.
        new_id: Where the names of files come from.
    """

    def __init__(self, folder: Path, database: Database, clock: Clock, new_id: NewId) -> None:
        self._folder = folder
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self.being_written: set[str] = set()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def writer(self, bucket: Bucket, key: str) -> "LocalObjectWriter":
        return LocalObjectWriter(self, bucket, key, self._new_id("obj"))

    def find(self, bucket: Bucket, key: str) -> StoredObject | None:
        found = self._database.read(lambda connection: store.find_object(connection, bucket, key))
        return found[0] if found else None

    def read(self, bucket: Bucket, key: str) -> tuple[StoredObject, Iterator[bytes]]:
        for _ in range(_TRIES):
            found = self._database.read(lambda connection: store.find_object(connection, bucket, key))
            if found is None:
                break
            with suppress(FileNotFoundError):  # replaced or removed since
                return found[0], _chunks(FileIO(self.path(found[1])))
        raise NotFound(f"there is no object {key[:80]!r} in bucket {bucket.name}")

    def list(self, bucket: Bucket, prefix: str, after: str, limit: int) -> ObjectPage:
        found = self._database.read(lambda connection: store.list_objects(connection, bucket, prefix, after, limit + 1))
        return ObjectPage(found[:limit], len(found) > limit)

    def remove(self, bucket: Bucket, key: str) -> None:
        blob = self._database.write(lambda connection: store.remove_object(connection, bucket, key))
        if blob is not None:
            self.path(blob).unlink(missing_ok=True)

    def orphans(self) -> Sequence[tuple[str, int, float]]:
        listed = [path for path in self._folder.glob("??/*") if path.is_file()]
        # In this order: what is no longer being written when we look has its row when we read the rows.
        being_written = set(self.being_written)
        needed = self._database.read(store.blobs)
        found = []
        for path in listed:
            if path.name not in being_written and path.name not in needed:
                with suppress(FileNotFoundError):
                    facts = path.stat()
                    found.append((path.name, facts.st_size, self.now_ms() / 1000 - facts.st_mtime))
        return found

    def remove_orphan(self, name: str) -> bool:
        self.path(name).unlink(missing_ok=True)
        return True

    def link(self, method: str, bucket: Bucket, key: str, life_s: int) -> str | None:  # noqa: ARG002
        return None

    def path(self, blob: str) -> Path:
        """Where a file lies. The last letters of its name are random, so no folder gets all of them."""
        return self._folder / blob[-2:] / blob

    def put(self, bucket: Bucket, stored: StoredObject, blob: str) -> None:
        """Make a file on disk the object. For `LocalObjectWriter`."""
        before = self._database.write(lambda connection: store.put_object(connection, bucket, stored, blob))
        if before is not None:
            self.path(before).unlink(missing_ok=True)

    def now_ms(self) -> int:
        """The time of a change. For `LocalObjectWriter`."""
        return self._clock.now_ms()


class LocalObjectWriter:
    """One object on its way in."""

    def __init__(self, owner: LocalObjectStore, bucket: Bucket, key: str, blob: str) -> None:
        self._owner = owner
        self._bucket = bucket
        self._key = key
        self._blob = blob
        self._path = owner.path(blob)
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        owner.being_written.add(blob)
        self._file = open(self._path, "xb")  # noqa: SIM115 - closed by commit or abort
        self._kept = False

    def write(self, chunk: bytes) -> None:
        try:
            self._file.write(chunk)
        except OSError as error:
            raise _as_lepton_error(error) from error

    def commit(self) -> StoredObject:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            size = self._file.tell()
            self._file.close()
            sync_folder(self._path.parent)
            sync_folder(self._path.parent.parent)
        except OSError as error:
            raise _as_lepton_error(error) from error
        failpoint("object.before_row")
        stored = StoredObject(self._key, size, self._owner.now_ms())
        self._owner.put(self._bucket, stored, self._blob)
        self._kept = True
        return stored

    def abort(self) -> None:
        with suppress(OSError):  # a full disk, told already
            self._file.close()
        if not self._kept:
            self._path.unlink(missing_ok=True)
        self._owner.being_written.discard(self._blob)


def open_driver(folder: Path, url: str, database: Database, clock: Clock, new_id: NewId) -> LocalObjectStore:  # noqa: ARG001
    """Make the driver; found by its name."""
    return LocalObjectStore(folder, database, clock, new_id)


def _chunks(file: FileIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _as_lepton_error(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull("no space left for objects", hint="Free some space on that disk and try again.")
    return error
