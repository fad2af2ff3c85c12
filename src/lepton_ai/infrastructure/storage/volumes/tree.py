"""A folder that nobody gets out of: every path is walked name by name from an open folder, and no link is followed.

Jobs may write into a volume while it is read here. So nothing is checked first and opened later by its path: each step
opens the next name relative to the folder held open (`openat` with `O_NOFOLLOW`), whatever is swapped meanwhile.
"""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import NoReturn

from lepton_ai.core.errors import (
    Conflict,
    InvalidInput,
    LeptonError,
    NotFound,
    PermissionDenied,
    StorageFull,
    Unavailable,
)
from lepton_ai.core.failpoints import failpoint
from lepton_ai.infrastructure.storage.volumes.paths import INCOMING, VolumePath, path_text
from lepton_ai.infrastructure.storage.volumes.records import Entry, EntryKind

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a pipe that somebody put there must not wait for a writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderTree:
    """Files and folders below one root.

    Args:
        root: The root; it is there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, path: VolumePath) -> EntryKind | None:
        """What lies there, or None. A link is a file, whatever it points to."""
        if not path:
            return EntryKind.FOLDER
        with suppress(NotFound), _explained(path), self._folder(path[:-1]) as folder:
            return _kind(os.lstat(path[-1], dir_fd=folder).st_mode)
        return None

    def entries(self, path: VolumePath) -> Sequence[Entry]:
        """What a folder holds, by name.

        Raises:
            NotFound: There is no such folder.
        """
        found = []
        with _explained(path), self._folder(path) as folder, os.scandir(folder) as listed:
            for item in listed:
                with suppress(FileNotFoundError):  # removed meanwhile
                    entry = _entry(item.name, os.lstat(item.name, dir_fd=folder))
                    if path or item.name != INCOMING:
                        found.append(entry)
        return sorted(found, key=lambda entry: entry.name)

    def open(self, path: VolumePath) -> tuple[FileIO, int]:
        """Open a file for reading; returns it with its size.

        Raises:
            NotFound: There is no such file, or it is a link, a pipe or a device.
        """
        if not path:
            raise NotFound("there is no file without a name")
        with _explained(path), self._folder(path[:-1]) as folder:
            descriptor = os.open(path[-1], _READ, dir_fd=folder)
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                os.close(descriptor)
                raise NotFound(f"{path_text(path)!r} is not a plain file")
            return FileIO(descriptor), facts.st_size

    def make_folder(self, path: VolumePath) -> None:
        """Make a folder and those above it, as far as they are missing.

        Raises:
            Conflict: A file has one of these names.
        """
        with _explained(path), self._folder(path, make=True):
            pass

    def writer(self, path: VolumePath) -> "FileWriter":
        """Begin a file that appears when it is committed, in the place of one that is there.

        Raises:
            Conflict: A folder has that name, or a file has that of a folder above it.
        """
        if not path:
            raise InvalidInput("`path` must name the file", hint="Give the name after the folder: /models/weights.npz")
        with _explained(path), self._folder((), reach_incoming=True) as incoming:
            # Looked at again when it is put in place; here so that nobody sends a gigabyte for nothing.
            self._check_target(path)
            name = secrets.token_hex(12)
            return FileWriter(self, path, name, os.open(name, _CREATE, 0o644, dir_fd=incoming))

    def remove(self, path: VolumePath, *, with_contents: bool = False) -> None:
        """Remove a file, a link (never what it points to), or a folder.

        Args:
            with_contents: Remove what a folder holds, too.

        Raises:
            NotFound: There is nothing.
            Conflict: A folder is not empty, or it is the root.
        """
        if not path:
            raise Conflict("the root of a volume cannot be removed")
        with _explained(path), self._folder(path[:-1]) as folder:
            if _kind(os.lstat(path[-1], dir_fd=folder).st_mode) is EntryKind.FILE:
                os.unlink(path[-1], dir_fd=folder)
            elif with_contents:
                with _deep_enough(path):
                    shutil.rmtree(path[-1], dir_fd=folder)
            else:
                os.rmdir(path[-1], dir_fd=folder)
            os.fsync(folder)

    def used_bytes(self) -> int:
        """The size of all files."""
        total = 0
        with _explained(()), _deep_enough(()), self._folder(()) as root:
            for _, _, names, folder in os.fwalk(".", dir_fd=root, onerror=None):
                for name in names:
                    with suppress(OSError):
                        total += os.lstat(name, dir_fd=folder).st_size
        return total

    def remove_incoming(self) -> None:
        """Remove uploads that never ended. Nobody may be writing."""
        with self._folder(()) as root, suppress(FileNotFoundError):
            shutil.rmtree(INCOMING, dir_fd=root)

    def put_in_place(self, name: str, path: VolumePath) -> None:
        """Move a finished upload to its place, durably. For `FileWriter`."""
        with (
            _explained(path),
            self._folder((), reach_incoming=True) as incoming,
            self._folder(path[:-1], make=True) as folder,
        ):
            failpoint("volume.before_rename")
            os.replace(name, path[-1], src_dir_fd=incoming, dst_dir_fd=folder)
            os.fsync(folder)

    def discard(self, name: str) -> None:
        """Throw an upload away. For `FileWriter`."""
        with self._folder((), reach_incoming=True) as incoming, suppress(FileNotFoundError):
            os.unlink(name, dir_fd=incoming)

    def _check_target(self, path: VolumePath) -> None:
        for depth in range(1, len(path) + 1):
            found = self.find(path[:depth])
            if found is None:
                return
            expected = EntryKind.FILE if depth == len(path) else EntryKind.FOLDER
            if found is not expected:
                raise Conflict(
                    f"there is a {'folder' if expected is EntryKind.FILE else 'file'} at {path_text(path[:depth])!r}"
                )

    @contextmanager
    def _folder(self, path: VolumePath, *, make: bool = False, reach_incoming: bool = False) -> Iterator[int]:
        """A descriptor of a folder, reached name by name."""
        steps = (INCOMING,) if reach_incoming else path
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in steps:
                descriptor = _step(descriptor, name, make=make or reach_incoming)
            yield descriptor
        finally:
            os.close(descriptor)


class FileWriter:
    """One file on its way into a volume."""

    def __init__(self, tree: FolderTree, path: VolumePath, name: str, descriptor: int) -> None:
        self._tree = tree
        self._path = path
        self._name = name
        self._file = FileIO(descriptor, "w")

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        with _explained(self._path):
            left = memoryview(chunk)
            while left:
                left = left[self._file.write(left) :]

    def commit(self) -> int:
        """Put the file in its place, durable on disk; returns its size in bytes."""
        with _explained(self._path):
            os.fsync(self._file.fileno())
            size = os.fstat(self._file.fileno()).st_size
        self._file.close()
        self._tree.put_in_place(self._name, self._path)
        return size

    def abort(self) -> None:
        """Throw away what was written. Harmless after `commit`."""
        self._file.close()
        self._tree.discard(self._name)


def _step(folder: int, name: str, *, make: bool) -> int:
    """Go one name down, giving up the folder above."""
    try:
        inner = os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
        with suppress(FileExistsError):  # somebody else made it
            os.mkdir(name, 0o755, dir_fd=folder)
            os.fsync(folder)
        inner = os.open(name, _FOLDER, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        kind = Conflict if make else NotFound
        raise kind(f"{name!r} is not a folder") from error
    os.close(folder)
    return inner


@contextmanager
def _deep_enough(path: VolumePath) -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        hint = "Remove the inner folders first."
        raise Conflict(f"what is below {path_text(path)!r} is nested too deep to be walked", hint=hint) from error


def _entry(name: str, facts: os.stat_result) -> Entry:
    # A name that is no Unicode is shown as well as it can be.
    shown = os.fsencode(name).decode(errors="replace")
    return Entry(shown, _kind(facts.st_mode), facts.st_size, facts.st_mtime_ns // 1_000_000)


def _kind(mode: int) -> EntryKind:
    return EntryKind.FOLDER if stat.S_ISDIR(mode) else EntryKind.FILE


@contextmanager
def _explained(path: VolumePath) -> Iterator[None]:
    """Turn what the system says into our errors."""
    try:
        yield
    except OSError as error:
        _explain(error, path_text(path))


def _explain(error: OSError, shown: str) -> NoReturn:
    kinds: dict[int | None, tuple[type[LeptonError], str]] = {
        errno.ENOENT: (NotFound, f"there is nothing at {shown!r}"),
        errno.ENOTDIR: (NotFound, f"{shown!r} is not a folder"),
        errno.ELOOP: (NotFound, f"{shown!r} is a link, and links are not followed"),
        errno.ENXIO: (NotFound, f"{shown!r} is not a plain file"),
        errno.ENOTEMPTY: (Conflict, f"the folder {shown!r} is not empty"),
        errno.EISDIR: (Conflict, f"{shown!r} is a folder"),
        errno.EEXIST: (Conflict, f"{shown!r} is in the way"),
        errno.ENAMETOOLONG: (InvalidInput, f"`path` is too long for this disk: {shown[:80]!r}…"),
        errno.EACCES: (PermissionDenied, f"the server may not touch {shown!r}: {error.strerror}"),
        errno.EPERM: (PermissionDenied, f"the server may not touch {shown!r}: {error.strerror}"),
    }
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        raise StorageFull("no space left in the volume", hint="Free some space on that disk and try again.") from error
    kind, message = kinds.get(error.errno, (Unavailable, f"the disk does not answer for {shown!r}: {error.strerror}"))
    raise kind(message) from error
