"""Photons from Python: push them, list them, fetch them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from lepton_ai.core.errors import NotFound
from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.sdk.transfer import chunks_of, require_file, save
from lepton_ai.server.schemas.photon import PhotonItem


class Photons:
    """The photons that the workspace may read. Get it as `Cloud().photons`.

    A photon is an archive that `lep photon create` made. They are kept, not run: that comes with a later version.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def push(self, path: str | Path, *, public: bool = False, progress: Callable[[int], object] = int) -> PhotonItem:
        """Keep an archive as a new version of the photon that it holds.

        Args:
            path: The file.
            public: Whether every workspace of the cloud may read it.
            progress: Called with the number of bytes sent since the last call.

        Raises:
            NotFound: There is no such file.
            InvalidInput: It is no photon.
        """
        found = require_file(Path(path).expanduser())
        answer = self._connection.send_file(_address(public), "file", found.name, partial(chunks_of, found, progress))
        return parsed(PhotonItem, answer, self._connection.url)

    def list(self, *, public: bool = False) -> Sequence[PhotonItem]:
        """All versions of all photons, newest first."""
        return self._connection.read_list(PhotonItem, _address(public))

    def get(self, reference: str, *, public: bool = False) -> PhotonItem:
        """One version, by its id, or by a photon's name for its newest.

        Raises:
            NotFound: There is none.
        """
        found = [item for item in self.list(public=public) if reference in (item.id, item.name)]
        exact = [item for item in found if item.id == reference]
        if not found:
            raise NotFound(f"there is no photon {reference!r}", hint="`lepton photon list` shows them.")
        return (exact or found)[0]

    def fetch(
        self, reference: str, target: str | Path = ".", *, public: bool = False, progress: Callable[[int], object] = int
    ) -> Path:
        """Copy an archive to a file of this machine; returns where it is.

        Args:
            target: A folder, in which it is called NAME.photon, or the file.
        """
        photon = self.get(reference, public=public)
        path = Path(target).expanduser()
        if path.is_dir():
            path /= f"{photon.name}.photon"
        with self._connection.stream(f"{_address(public, photon.id)}/content") as chunks:
            return save(chunks, path, progress)

    def remove(self, photon_id: str, *, public: bool = False) -> None:
        """Remove one version.

        Raises:
            NotFound: There is none of that id.
        """
        self._connection.delete(_address(public, photon_id))


def _address(public: bool, photon_id: str | None = None) -> str:
    namespace = "public" if public else "private"
    return f"/photons/{namespace}" + (f"/{quote(photon_id, safe='')}" if photon_id is not None else "")
