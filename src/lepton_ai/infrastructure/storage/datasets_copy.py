"""Copying what a user names into the data folder: ordinary files only, and nothing from outside the named folder."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from lepton_ai.core.errors import InvalidInput, NotFound, StorageFull
from lepton_ai.core.files import sync_folder
from lepton_ai.infrastructure.storage.datasets_records import RECORD_NAME, DatasetFile

_CHUNK_BYTES = 1 << 20


def plan_copy(source: Path) -> dict[str, Path]:
    """Which files to copy: the name each gets inside the data set -> the ordinary file to read.

    Args:
        source: A file, or a folder taken with all its sub-folders. A `dataset.json` at its top is left out.

    Raises:
        NotFound: There is nothing under this path.
        InvalidInput: It holds no file, or something that cannot be copied; the message names it.
    """
    try:
        source = source.resolve(strict=True)
        if not source.is_dir():
            return {source.name: _ordinary(source, source)}
        files = dict(_files_below(source, source))
    except FileNotFoundError as error:
        raise NotFound(f"there is nothing at {source}", hint="Name a file, or a folder with files.") from error
    except OSError as error:  # no permission, or a circle of links
        raise InvalidInput(f"{error.filename or source} cannot be read: {error.strerror}") from error
    files.pop(RECORD_NAME, None)
    if not files:
        raise InvalidInput(f"the folder {source} holds no files", hint="Name a file, or a folder with files.")
    return files


def copy_files(
    files: dict[str, Path], target: Path, on_bytes: Callable[[int], None] | None = None
) -> tuple[DatasetFile, ...]:
    """Copy the planned files into an empty folder, so that they survive a power cut.

    Args:
        files: What `plan_copy` returned.
        target: An empty folder.
        on_bytes: Called with the number of bytes after each piece, for a progress bar.

    Returns:
        The copied files with the digests of the bytes that were written.

    Raises:
        StorageFull: The disk is full.
        InvalidInput: A file has gone or has turned into something else since it was planned.
    """
    try:
        copied = tuple(_copy(name, path, target / name, on_bytes) for name, path in sorted(files.items()))
        for folder, _, _ in os.walk(target):
            sync_folder(Path(folder))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                f"no space left in {target.parent}", hint="Free some space on that disk and try again."
            ) from error
        raise InvalidInput(f"{error.filename or target} cannot be copied: {error.strerror}") from error
    return copied


def _files_below(folder: Path, root: Path) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            found.extend(_files_below(entry, root))
        else:
            found.append((entry.relative_to(root).as_posix(), _ordinary(entry, root)))
    return found


def _ordinary(entry: Path, root: Path) -> Path:
    path = entry.resolve(strict=True) if entry.exists() else entry
    if entry.is_symlink() and not path.is_relative_to(root):
        raise InvalidInput(
            f"{entry} is a link that leads out of {root}",
            hint="Put the file itself there, or leave the link out.",
        )
    if not path.is_file():
        kind = "a link to a folder" if path.is_dir() else "no ordinary file"
        raise InvalidInput(f"{entry} is {kind}, and only ordinary files can be added", hint="Leave it out.")
    return path


def _copy(name: str, source: Path, target: Path, on_bytes: Callable[[int], None] | None) -> DatasetFile:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    # The folder may change while we read: never follow a link put there meanwhile, never wait for a pipe.
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as reader, open(target, "xb") as writer:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidInput(f"{source} is no ordinary file any more")
        while chunk := reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            if on_bytes:
                on_bytes(len(chunk))
        writer.flush()
        os.fsync(writer.fileno())
    return DatasetFile(name, size, digest.hexdigest())
