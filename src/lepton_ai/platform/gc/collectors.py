"""Where things are left over: one collector for each sort of place."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from lepton_ai.core.clock import Clock
from lepton_ai.infrastructure.storage.objects.port import ObjectStore
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.platform.gc.records import Leftover, LeftoverKind

ASKED_FOR_S = 3600
"""A file that was asked for within this time may be about to be named: it stays."""

Names = Callable[[], set[str]]
"""What some feature's records name."""


class Collector(Protocol):
    """Finds what is left over in one place, and removes it."""

    def find(self, older_than_s: float) -> Sequence[Leftover]:
        """What nobody needs, and has not changed for that time."""
        ...

    def remove(self, leftover: Leftover) -> bool:
        """Remove one; returns False where somebody needs it after all."""
        ...


class ArtifactCollector:
    """Files of the artifact store that nobody names.

    Args:
        artifacts: The store.
        named: What the records of each feature name that keeps files there.
    """

    def __init__(self, artifacts: ArtifactStore, named: Sequence[Names]) -> None:
        self._artifacts = artifacts
        self._named = named

    def find(self, older_than_s: float) -> Sequence[Leftover]:
        stored = list(self._artifacts.list())  # first: what comes later is young
        needed = set().union(*(names() for names in self._named))
        return [
            Leftover(LeftoverKind.ARTIFACT, digest, size)
            for digest, size, age_s in stored
            if digest not in needed and age_s >= older_than_s
        ]

    def remove(self, leftover: Leftover) -> bool:
        # Whoever is about to name a file asks the store for it first, and the store remembers.
        return self._artifacts.remove(leftover.name, unless_asked_within_s=ASKED_FOR_S)


class ObjectCollector:
    """Files of the object store that nobody names.

    Args:
        objects: The store.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def find(self, older_than_s: float) -> Sequence[Leftover]:
        return [
            Leftover(LeftoverKind.OBJECT, name, size)
            for name, size, age_s in self._objects.orphans()
            if age_s >= older_than_s
        ]

    def remove(self, leftover: Leftover) -> bool:
        return self._objects.remove_orphan(leftover.name)


class FileCollector:
    """Files and folders that are called after a record, once that record is gone. Ids are never used twice.

    Args:
        kind: What they are.
        folder: Where they lie.
        pattern: Which of the names there are looked at.
        owner: The id in a name.
        needed: The ids of the records that there are.
        clock: Where the time comes from.
    """

    def __init__(
        self,
        kind: LeftoverKind,
        folder: Path,
        pattern: str,
        owner: Callable[[str], str],
        needed: Names,
        clock: Clock,
    ) -> None:
        self._kind = kind
        self._folder = folder
        self._pattern = pattern
        self._owner = owner
        self._needed = needed
        self._clock = clock

    def find(self, older_than_s: float) -> Sequence[Leftover]:
        listed = sorted(self._folder.glob(self._pattern))
        needed = self._needed()
        found = []
        for path in listed:
            if self._owner(path.name) in needed:
                continue
            with suppress(FileNotFoundError):
                if self._clock.now_ms() / 1000 - path.stat().st_mtime >= older_than_s:
                    found.append(Leftover(self._kind, path.name, _size(path)))
        return found

    def remove(self, leftover: Leftover) -> bool:
        path = self._folder / leftover.name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        return True


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
