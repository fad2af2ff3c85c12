"""The files that a job's workers start with: a list of paths and digests; the bytes are artifacts of their own.

There is no archive to unpack, so nothing in one can lead out of the folder, and a file that did not change is sent
once, whatever number of jobs use it.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_ai.core.errors import InvalidInput, TooLarge
from lepton_ai.infrastructure.storage.port import ArtifactStore

MOST_FILES = 10_000
MOST_BYTES = 2 << 30
MOST_LIST_BYTES = 4 << 20
LONGEST_PATH_BYTES = 1024
_DEEPEST = 64


@dataclass(frozen=True)
class FolderFile:
    """One file: the SHA-256 of its bytes, their number, and whether it may be executed."""

    sha256: str
    size_bytes: int
    executable: bool = False


def to_json(files: Mapping[str, FolderFile]) -> bytes:
    """The list of files as the bytes of an artifact; the same files give the same bytes."""
    described = {path: vars(file) for path, file in sorted(files.items())}
    return json.dumps({"version": 1, "files": described}, separators=(",", ":")).encode()


def from_json(data: bytes) -> dict[str, FolderFile]:
    """Read a list of files.

    Raises:
        InvalidInput: It is none, or a path leads out of the folder or crosses another.
        TooLarge: It names more files or bytes than allowed.
    """
    try:
        written = json.loads(data)
    except ValueError as error:
        raise InvalidInput("`working_folder` must name a list of files as JSON, which it is not") from error
    listed = written.get("files") if isinstance(written, dict) and written.get("version") == 1 else None
    if not isinstance(listed, dict):
        raise InvalidInput('`working_folder` must name {"version": 1, "files": {…}}')
    if len(listed) > MOST_FILES:
        raise TooLarge(f"a working folder may have at most {MOST_FILES} files, got {len(listed)}")
    files = {check_path(path): _file(path, value) for path, value in listed.items()}
    total_bytes = sum(file.size_bytes for file in files.values())
    if total_bytes > MOST_BYTES:
        raise TooLarge(f"a working folder may have at most {MOST_BYTES} bytes, got {total_bytes}")
    for path in files:
        for parent in _parents(path):
            if parent in files:
                raise InvalidInput(f"`working_folder`: {parent!r} is a file and a folder at once")
    return files


def check_path(path: str) -> str:
    """Return a path in a working folder if it stays inside.

    Raises:
        InvalidInput: It does not, or is too long or deep.

    Example:

        >>> check_path("src/train.py")
        'src/train.py'
        >>> check_path("../secret")
        Traceback (most recent call last):
            ...
        lepton_ai.core.errors.InvalidInput: a file of a working folder must have a plain path inside it, ...
    """
    parts = path.split("/")
    plain = all(part not in ("", ".", "..") and "\0" not in part and len(part.encode()) <= 255 for part in parts)
    if not plain or len(path.encode()) > LONGEST_PATH_BYTES or len(parts) > _DEEPEST:
        raise InvalidInput(f"a file of a working folder must have a plain path inside it, got {path[:100]!r}")
    return path


def read_list(digest: str, artifacts: ArtifactStore) -> dict[str, FolderFile]:
    """The files of a list that is in the store.

    Raises:
        InvalidInput: It is not there, or it is no list of files.
        TooLarge: It is larger than allowed.
    """
    size_bytes = artifacts.size(digest)
    if size_bytes is None:
        raise InvalidInput(
            f"`working_folder.sha256`: no artifact {digest} was uploaded",
            hint="Upload it first: PUT …/artifacts/SHA256.",
        )
    if size_bytes > MOST_LIST_BYTES:
        raise TooLarge(f"a list of files may have at most {MOST_LIST_BYTES} bytes, got {size_bytes}")
    return from_json(b"".join(artifacts.read(digest)))


def check_uploaded(files: Mapping[str, FolderFile], artifacts: ArtifactStore) -> None:
    """Refuse a list of files of which one was not uploaded.

    Raises:
        InvalidInput: The message names it.
    """
    for path, file in files.items():
        if artifacts.size(file.sha256) != file.size_bytes:
            raise InvalidInput(
                f"`working_folder`: no artifact of {file.size_bytes} bytes was uploaded for {path!r}",
                hint="Upload every file first: PUT …/artifacts/SHA256.",
            )


def lay_out(files: Mapping[str, FolderFile], artifacts: ArtifactStore, folder: Path) -> None:
    """Make a folder of these files, a copy of its own; whole or not at all. One that is there is taken as made.

    Raises:
        NotFound, InternalError: A file's bytes are gone or damaged.
    """
    if folder.exists():
        return
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    making = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}")
    making.mkdir(mode=0o700)
    try:
        for path, file in files.items():
            target = making / check_path(path)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = 0o700 if file.executable else 0o600
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as written:
                for chunk in artifacts.read(file.sha256):
                    written.write(chunk)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _file(path: str, value: Any) -> FolderFile:
    try:
        file = FolderFile(**value)
    except TypeError as error:
        raise InvalidInput(f"`working_folder`: {path[:100]!r} must have sha256 and size_bytes") from error
    right = isinstance(file.sha256, str) and isinstance(file.size_bytes, int) and isinstance(file.executable, bool)
    if not right or file.size_bytes < 0 or len(file.sha256) != 64 or not set(file.sha256) <= set("0123456789abcdef"):
        raise InvalidInput(f"`working_folder`: {path[:100]!r} must have a SHA-256 and a size in bytes")
    return file


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
