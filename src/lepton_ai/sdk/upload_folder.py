"""Sends a folder of this machine to the cloud, for jobs to work in: each file once, however often it is sent."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from lepton_ai.core.errors import InvalidInput, NotFound, TooLarge
from lepton_ai.infrastructure.compute.jobs.working_folder import (
    MOST_BYTES,
    MOST_FILES,
    FolderFile,
    check_path,
    to_json,
)
from lepton_ai.sdk.connection import Connection

EXCLUDED = (".git", ".hg", ".svn", ".venv", "venv", "__pycache__", "node_modules", ".mypy_cache", ".pytest_cache")
"""What is never sent, besides what `.leptonignore` or else `.gitignore` in the folder says."""

_IGNORE_FILES = (".leptonignore", ".gitignore")
_CHUNK_BYTES = 1 << 20


def upload_folder(connection: Connection, folder: str | Path, progress: Callable[[int], object] = int) -> str:
    """Send a folder and return the SHA-256 of its list of files, which a job names as its working folder.

    Args:
        folder: The folder. Links in it are followed only to files inside it.
        progress: Called with the number of bytes sent since the last call.

    Raises:
        NotFound: There is no such folder.
        TooLarge: It has more files or bytes than a job may bring along.
        InvalidInput: A file's name cannot be sent.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise NotFound(f"there is no folder {str(folder)!r}")
    found = list(files_to_send(root))
    files = {}
    for path, file in found:
        digest = _digest_of(file)
        size_bytes = file.stat().st_size
        files[check_path(path)] = FolderFile(digest, size_bytes, bool(file.stat().st_mode & stat.S_IXUSR))
        _send(connection, digest, partial(_chunks, file))
        progress(size_bytes)
    listed = to_json(files)
    digest = hashlib.sha256(listed).hexdigest()
    _send(connection, digest, lambda: iter((listed,)))
    return digest


def files_to_send(root: Path) -> Iterator[tuple[str, Path]]:
    """The files of a folder that are sent, as paths within it.

    Raises:
        TooLarge: There are more files or bytes than a job may bring along.
    """
    patterns = _patterns(root)
    inside = root.resolve()
    count = size_bytes = 0
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = sorted(name for name in folders if not _is_left_out(here / name, patterns, is_folder=True))
        for name in sorted(names):
            relative, file = here / name, Path(folder) / name
            if _is_left_out(relative, patterns, is_folder=False) or not file.is_file():
                continue
            if not file.resolve().is_relative_to(inside):
                continue  # a link that leads out of the folder
            count += 1
            size_bytes += file.stat().st_size
            if count > MOST_FILES or size_bytes > MOST_BYTES:
                raise TooLarge(
                    f"a working folder may have at most {MOST_FILES} files and {MOST_BYTES} bytes, and {root} has more",
                    hint="Leave data out with a .leptonignore file, or send a folder of the code alone.",
                )
            yield relative.as_posix(), file


def _patterns(root: Path) -> Sequence[str]:
    for name in _IGNORE_FILES:
        try:
            lines = (root / name).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{root / name} cannot be read: {error}") from error
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return ()


def _is_left_out(path: Path, patterns: Sequence[str], *, is_folder: bool) -> bool:
    if path.name in EXCLUDED:
        return True
    left_out = False
    for pattern in patterns:  # the last one that fits counts
        wanted = pattern.lstrip("!")
        only_folders, wanted = wanted.endswith("/"), wanted.strip("/")
        if only_folders and not is_folder:
            continue
        anchored = "/" in pattern.lstrip("!").rstrip("/")
        if fnmatch(path.as_posix() if anchored else path.name, wanted):
            left_out = not pattern.startswith("!")
    return left_out


def _send(connection: Connection, digest: str, chunks: Callable[[], Iterator[bytes]]) -> None:
    if not connection.exists(f"/artifacts/{digest}"):
        connection.upload(f"/artifacts/{digest}", chunks)


def _digest_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            yield chunk
