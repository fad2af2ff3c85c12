"""Files that are either whole or absent: temporary name, fsync, rename, fsync of the folder."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lepton_ai.core.errors import StorageFull
from lepton_ai.core.failpoints import failpoint


@contextmanager
def atomic_file(path: Path, *, mode: int = 0o644, durable: bool = True) -> Iterator[BinaryIO]:
    """Write a file that appears under its name only when it is complete.

    Args:
        path: The final name. A file that is already there is replaced in one step.
        mode: Permission bits; `0o600` for anything secret.
        durable: Whether the bytes must survive a power cut. False for what is made anew at each start.

    Yields:
        The open file to write to. If the block raises, nothing appears and nothing is left behind.

    Raises:
        StorageFull: The disk is full.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        failpoint("file.before_rename")
        os.replace(temporary, path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                f"no space left to write {path}", hint="Free some space on that disk and try again."
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Put `data` under `path` in one step. See `atomic_file`."""
    with atomic_file(path, mode=mode, durable=durable) as file:
        file.write(data)


def remove_leftovers(folder: Path) -> None:
    """Remove what `atomic_file` was writing into a folder when its process was killed. Nobody else may be writing."""
    for path in folder.glob(".?*." + "[0-9a-f]" * 12 + ".tmp"):
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
