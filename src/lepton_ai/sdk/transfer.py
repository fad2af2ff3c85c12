"""Files between this machine and a cloud, in chunks."""

from collections.abc import Callable, Iterator
from pathlib import Path

from lepton_ai.core.errors import NotFound
from lepton_ai.core.files import atomic_file

_CHUNK_BYTES = 1 << 20


def chunks_of(path: Path, progress: Callable[[int], object]) -> Iterator[bytes]:
    """A file's bytes, telling how many were read."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
            progress(len(chunk))


def require_file(path: Path) -> Path:
    """Return the path of a file.

    Raises:
        NotFound: There is none.
    """
    if not path.is_file():
        raise NotFound(f"there is no file {str(path)!r}")
    return path


def save(chunks: Iterator[bytes], path: Path, progress: Callable[[int], object]) -> Path:
    """Write a file that appears when it is whole."""
    with atomic_file(path, durable=False) as file:
        for chunk in chunks:
            file.write(chunk)
            progress(len(chunk))
    return path
