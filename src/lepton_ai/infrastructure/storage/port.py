"""The port of an artifact store: bytes under the SHA-256 of their content."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class ArtifactWriter(Protocol):
    """One blob on its way in."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        ...

    def commit(self) -> int:
        """Make the blob visible under its digest, durable on disk, and return its size in bytes.

        Raises:
            InvalidInput: The bytes do not have the digest that was promised; nothing is kept.
        """
        ...

    def abort(self) -> None:
        """Throw away what was written. Harmless after `commit`."""
        ...


class ArtifactStore(Protocol):
    """Keeps blobs that never change. What is visible is whole; what `commit` returned from is on disk."""

    def writer(self, digest: str) -> ArtifactWriter:
        """Begin to store a blob whose SHA-256 will be `digest`."""
        ...

    def size(self, digest: str) -> int | None:
        """The size of a blob in bytes, or None when there is none."""
        ...

    def read(self, digest: str) -> Iterator[bytes]:
        """The blob in chunks. The last chunk comes only if the digest fits: damaged bytes are never passed on whole.

        Raises:
            NotFound: There is no such blob.
            InternalError: Its bytes were damaged on disk; the message names it.
        """
        ...

    def list(self) -> Iterator[tuple[str, int, float]]:
        """Every blob: its digest, its size in bytes, and how many seconds ago it was stored."""
        ...

    def remove(self, digest: str, *, unless_asked_within_s: float) -> bool:
        """Remove a blob for good, unless somebody asked for its size, or stored it, within that time.

        Whoever is about to name a blob in a record asks for its size first: so none is removed that is being named.

        Returns:
            Whether it is gone.
        """
        ...

    def materialise(self, files: dict[str, str], folder: Path) -> None:
        """Make a folder of named files out of blobs, each checked against its digest; whole or not at all.

        Args:
            files: Digest by file name.
            folder: The folder to make. If it is there, it is taken as made.
        """
        ...
