"""Artifact store driver `local`: one file for each blob, named by its SHA-256, under the data folder."""

import errno
import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lepton_ai.core.errors import InternalError, InvalidInput, NotFound, StorageFull
from lepton_ai.core.failpoints import failpoint
from lepton_ai.core.files import sync_folder

_CHUNK_BYTES = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class LocalArtifactStore:
    """Blobs as files: written under a temporary name, synced, then renamed.

    Args:
        folder: Where they go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes: dict[str, int] = {}
        self._asked_at_s: dict[str, float] = {}
        self._lock = threading.Lock()
        self._incoming = folder / "incoming"
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left_over in self._incoming.iterdir():  # of a server that was killed while blobs came in
            left_over.unlink(missing_ok=True)

    def writer(self, digest: str) -> "LocalArtifactWriter":
        self.size(digest)  # whoever stores it again needs it
        return LocalArtifactWriter(self._path(digest), digest, self._incoming / secrets.token_hex(12))

    def size(self, digest: str) -> int | None:
        with self._lock:
            # A blob never changes, so its size is asked of the system once.
            if digest not in self._sizes:
                try:
                    self._sizes[digest] = self._path(digest).stat().st_size
                except FileNotFoundError:
                    return None
            self._asked_at_s[digest] = time.monotonic()
            return self._sizes[digest]

    def list(self) -> Iterator[tuple[str, int, float]]:
        now_s = time.time()
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                yield path.name, facts.st_size, now_s - facts.st_mtime

    def remove(self, digest: str, *, unless_asked_within_s: float) -> bool:
        path = self._path(digest)
        with self._lock:
            asked_at_s = self._asked_at_s.get(digest)
            if asked_at_s is not None and time.monotonic() - asked_at_s < unless_asked_within_s:
                return False
            path.unlink(missing_ok=True)
            self._sizes.pop(digest, None)
            self._asked_at_s.pop(digest, None)
        sync_folder(path.parent)
        return True

    def read(self, digest: str) -> Iterator[bytes]:
        path = self._path(digest)
        if not path.exists():
            raise NotFound(f"there is no artifact {digest}")
        return _checked_chunks(path, digest)

    def materialise(self, files: dict[str, str], folder: Path) -> None:
        if folder.exists():
            return
        making = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}")
        making.mkdir(mode=0o700, parents=True)
        try:
            for name, digest in files.items():
                if Path(name).name != name:
                    raise InvalidInput(f"`{name}` is not a plain file name")
                with open(making / name, "xb") as file:
                    for chunk in self.read(digest):
                        file.write(chunk)
            failpoint("model_folder.before_rename")
            if not folder.exists():
                making.rename(folder)
        except OSError as error:
            if not folder.exists():
                raise _as_lepton_error(error) from error
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _path(self, digest: str) -> Path:
        return self._folder / _checked(digest)[:2] / digest


class LocalArtifactWriter:
    """One blob on its way into the store."""

    def __init__(self, path: Path, digest: str, temporary: Path) -> None:
        self._path = path
        self._digest = digest
        self._temporary = temporary
        self._hash = hashlib.sha256()
        self._file = open(temporary, "xb")  # noqa: SIM115 - closed by commit or abort

    def write(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        try:
            self._file.write(chunk)
            failpoint("artifact.after_part")
        except OSError as error:
            raise _as_lepton_error(error) from error

    def commit(self) -> int:
        came = self._hash.hexdigest()
        if came != self._digest:
            self.abort()
            raise InvalidInput(
                f"the bytes sent have SHA-256 {came}, not {self._digest} as promised", hint="Send the file again."
            )
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            size = self._file.tell()
            self._file.close()
            failpoint("artifact.before_rename")
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            os.replace(self._temporary, self._path)
            failpoint("artifact.after_rename")
            sync_folder(self._path.parent)
            sync_folder(self._path.parent.parent)
        except OSError as error:
            self.abort()
            raise _as_lepton_error(error) from error
        return size

    def abort(self) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def open_driver(folder: Path) -> LocalArtifactStore:
    """Make the driver; found by its name."""
    return LocalArtifactStore(folder)


def _checked(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise InvalidInput(f"an artifact is named by its SHA-256, 64 hexadecimal digits, got {digest[:80]!r}")
    return digest


def _checked_chunks(path: Path, digest: str) -> Iterator[bytes]:
    hashed = hashlib.sha256()
    held = b""
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            hashed.update(chunk)
            if held:
                yield held
            held = chunk
    if hashed.hexdigest() != digest:
        raise InternalError(
            f"artifact {digest} is damaged on disk: its bytes no longer have that SHA-256",
            hint="Restore that file from a backup, or push the model again.",
        )
    if held:
        yield held


def _as_lepton_error(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull("no space left for artifacts", hint="Free some space on that disk and try again.")
    return error
