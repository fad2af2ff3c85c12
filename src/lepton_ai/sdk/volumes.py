"""Volumes from Python: plain files in the cloud."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from lepton_ai.core.errors import InvalidInput
from lepton_ai.infrastructure.storage.volumes.paths import parse_path
from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.sdk.transfer import chunks_of, require_file, save
from lepton_ai.server.schemas.storage import EntryItem, UploadedItem, VolumeItem


class Volume:
    """One volume. Get it from `Cloud().volumes`.

    Paths begin at its root and are written with slashes: `/models/digits/weights.npz`.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    def __repr__(self) -> str:
        return f"<Volume {self.name}>"

    def list(self, path: str = "/") -> Sequence[EntryItem]:
        """What a folder holds, by name.

        Raises:
            NotFound: There is no such folder.
        """
        answer = self._connection.get(self._address(path, folder=True))
        return [parsed(EntryItem, item, self._connection.url) for item in answer]

    def exists(self, path: str) -> bool:
        """Whether something lies there."""
        return self._connection.exists(self._address(path))

    def is_folder(self, path: str) -> bool:
        """Whether it is a folder, and no file.

        Raises:
            NotFound: There is nothing.
        """
        return self._connection.head(self._address(path)).get("x-lepton-type") == "dir"

    def make_folder(self, path: str) -> None:
        """Make a folder with those above it. One that is there is left as it is."""
        self._connection.put(self._address(path))

    def upload(self, source: str | Path, path: str = "/", *, progress: Callable[[int], object] = int) -> str:
        """Copy a file of this machine to the cloud; it appears whole, in the place of one that is there.

        Args:
            source: The file.
            path: Where to: with a slash at the end a folder, in which it keeps its name.
            progress: Called with the number of bytes sent since the last call.

        Returns:
            The path that it has there.

        Raises:
            NotFound: There is no such file here.
            Conflict: A folder has that name there.
        """
        found = require_file(Path(source).expanduser())
        target = f"{path}{found.name}" if path.endswith("/") else path
        answer = self._connection.send_file(
            self._address(target), "file", found.name, partial(chunks_of, found, progress)
        )
        return parsed(UploadedItem, answer, self._connection.url).path

    def upload_folder(
        self, source: str | Path, path: str = "/", *, progress: Callable[[int], object] = int
    ) -> Sequence[str]:
        """Copy a folder of this machine, with what is below it, to the cloud. Links in it are left out.

        Args:
            path: The folder there that takes what this one holds.

        Returns:
            The paths of the files there.
        """
        root = Path(source).expanduser()
        if not root.is_dir():
            raise InvalidInput(f"`source` must be a folder, got {str(source)!r}")
        files = sorted(file for file in root.rglob("*") if file.is_file() and not file.is_symlink())
        base = PurePosixPath("/", path)
        return [self.upload(file, str(base / file.relative_to(root).as_posix()), progress=progress) for file in files]

    def download(self, path: str, target: str | Path = ".", *, progress: Callable[[int], object] = int) -> Path:
        """Copy a file of the cloud to this machine; it appears whole.

        Args:
            target: Where to: a folder, in which it keeps its name, or the file.

        Returns:
            Where it is.

        Raises:
            NotFound: There is no such file.
            InvalidInput: It is a folder.
        """
        found = Path(target).expanduser()
        if found.is_dir():
            found /= PurePosixPath(path).name
        self._require_file(path)
        with self._connection.stream(self._address(path)) as chunks:
            return save(chunks, found, progress)

    def read(self, path: str) -> bytes:
        """The bytes of a file, for one that is small."""
        self._require_file(path)
        return self._connection.fetch(self._address(path))

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file or a folder that is empty; with `recursive` a folder with what it holds.

        Raises:
            NotFound: There is nothing.
            Conflict: The folder is not empty.
        """
        self._connection.delete(self._address(path) + ("?removeall=true" if recursive else ""))

    def _require_file(self, path: str) -> None:
        if self.is_folder(path):
            raise InvalidInput(f"{path!r} is a folder", hint=f"See what it holds: lepton storage ls {path}")

    def _address(self, path: str, *, folder: bool = False) -> str:
        # Checked here as well: an address with `..` in it would be another one before it is sent.
        plain = "/".join(parse_path(path))
        slash = "/" if folder and plain else ""
        return f"/storage/{quote(self.name, safe='')}/{quote(plain)}{slash}"


class Volumes:
    """All volumes of the workspace. Get it as `Cloud().volumes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[VolumeItem]:
        """All volumes, with what they hold."""
        return self._connection.read_list(VolumeItem, "/storage")

    def get(self, name: str = "default") -> Volume:
        """One volume. Whether it is there shows when it is used; `default` always is."""
        return Volume(self._connection, name)

    def create(self, name: str) -> Volume:
        """Make a volume, unless it is there."""
        volume = self.get(name)
        volume.make_folder("/")
        return volume

    def remove(self, name: str) -> None:
        """Remove a volume with all its files.

        Raises:
            Conflict: It is the default one.
        """
        self.get(name).remove("/", recursive=True)
