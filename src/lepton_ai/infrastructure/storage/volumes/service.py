"""What one can do with volumes: the verbs that the doors call."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

from lepton_ai.core.database import Database
from lepton_ai.core.errors import Conflict, InvalidInput, NotFound
from lepton_ai.core.events import Journal, record
from lepton_ai.core.files import sync_folder
from lepton_ai.core.names import check_name
from lepton_ai.infrastructure.storage.volumes.paths import parse_path
from lepton_ai.infrastructure.storage.volumes.records import DEFAULT_VOLUME, Entry, EntryKind, Volume
from lepton_ai.infrastructure.storage.volumes.tree import FileWriter, FolderTree

_TAKEN = "du"
"""`/storage/du` is the question how much all volumes use."""


class Volumes:
    """The volumes of all workspaces: plain files, that jobs and people read and write.

    Args:
        folder: Where they lie, as `<workspace>/<volume>/`.
        database: Where events are kept.
        journal: What writes them.
    """

    def __init__(self, folder: Path, database: Database, journal: Journal) -> None:
        self._folder = folder
        self._database = database
        self._journal = journal

    def root(self, workspace_id: str, volume: str) -> Path:
        """The folder of a volume on this machine, for what mounts it.

        Raises:
            NotFound: There is no such volume.
        """
        check_name("volume", volume)
        folder = self._folder / workspace_id / volume
        if volume == DEFAULT_VOLUME:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise NotFound(
                f"there is no volume {volume!r} in workspace {workspace_id!r}",
                hint=f"Make it: lepton storage mkdir / --volume {volume}",
            )
        return folder

    def list(self, workspace_id: str) -> Sequence[Volume]:
        """The volumes of a workspace, by name, with what they use."""
        self.root(workspace_id, DEFAULT_VOLUME)
        found = sorted(folder.name for folder in (self._folder / workspace_id).iterdir() if folder.is_dir())
        return [Volume(name, self._tree(workspace_id, name).used_bytes()) for name in found]

    def make(self, workspace_id: str, volume: str, actor: str) -> None:
        """Make a volume, unless it is there."""
        check_name("volume", volume)
        if volume == _TAKEN:
            raise InvalidInput(f"`volume` may not be {volume!r}: a route of the API has that name")
        folder = self._folder / workspace_id / volume
        if folder.is_dir():
            return
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        sync_folder(folder.parent)
        event = self._journal.event(workspace_id, actor, "created", "volume", volume, "asked", "The volume was made.")
        self._database.write(lambda connection: record(connection, event))

    def find(self, workspace_id: str, volume: str, path: str) -> EntryKind | None:
        """What lies at a path, or None."""
        with suppress(NotFound):
            return self._tree(workspace_id, volume).find(parse_path(path))
        return None

    def entries(self, workspace_id: str, volume: str, path: str) -> Sequence[Entry]:
        """What a folder holds, by name."""
        return self._tree(workspace_id, volume).entries(parse_path(path))

    def open(self, workspace_id: str, volume: str, path: str) -> tuple[FileIO, int]:
        """Open a file for reading; returns it with its size."""
        return self._tree(workspace_id, volume).open(parse_path(path))

    def make_folder(self, workspace_id: str, volume: str, path: str, actor: str) -> None:
        """Make a folder, with those above it; for the root, the volume itself."""
        names = parse_path(path)
        if not names:
            self.make(workspace_id, volume, actor)
        self._tree(workspace_id, volume).make_folder(names)

    def writer(self, workspace_id: str, volume: str, path: str) -> FileWriter:
        """Begin a file that appears, whole, when it is committed."""
        return self._tree(workspace_id, volume).writer(parse_path(path))

    def remove(self, workspace_id: str, volume: str, path: str, actor: str, *, with_contents: bool = False) -> None:
        """Remove a file or a folder; for the root and its contents, the volume itself."""
        names = parse_path(path)
        if names or not with_contents:
            self._tree(workspace_id, volume).remove(names, with_contents=with_contents)
            return
        if volume == DEFAULT_VOLUME:
            raise Conflict(
                f"the volume {volume!r} cannot be removed: every workspace has it", hint="Remove what is in it."
            )
        root = self.root(workspace_id, volume)
        event = self._journal.event(
            workspace_id, actor, "removed", "volume", volume, "asked", "The volume was removed."
        )
        self._database.write(lambda connection: record(connection, event))
        shutil.rmtree(root)
        sync_folder(root.parent)

    def remove_incoming(self) -> None:
        """Remove uploads that a server which was killed left behind. Call as the folder's sole owner."""
        for folder in self._folder.glob("*/*/"):
            FolderTree(folder).remove_incoming()

    def _tree(self, workspace_id: str, volume: str) -> FolderTree:
        return FolderTree(self.root(workspace_id, volume))
