"""What one can do with photons: the verbs that the doors call. Running them is not among these."""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection

from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import InvalidInput, NotFound, PermissionDenied, StorageFull, TooLarge
from lepton_ai.core.events import Journal, record, with_details
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import NewId
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.platform.photons import store
from lepton_ai.platform.photons.inspect import inspect_archive
from lepton_ai.platform.photons.records import LARGEST_PHOTON_BYTES, Photon, PhotonNamespace

_CHUNK_BYTES = 1 << 20


class Photons:
    """The photons of all workspaces.

    Args:
        database: Where they are kept.
        artifacts: Where their archives are.
        incoming: A folder for archives that are not looked at yet.
        clock: Where the time comes from.
        new_id: Where ids come from.
        journal: Where changes are written down.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        incoming: Path,
        clock: Clock,
        new_id: NewId,
        journal: Journal,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._incoming = incoming
        self._clock = clock
        self._new_id = new_id
        self._journal = journal

    def receive(self) -> "IncomingPhoton":
        """Begin to take an archive."""
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        return IncomingPhoton(self._incoming / secrets.token_hex(12))

    def add(
        self,
        workspace_id: str,
        namespace: PhotonNamespace,
        incoming: "IncomingPhoton",
        actor: str,
        key: str | None = None,
    ) -> Photon:
        """Look at an archive that has come, and keep it as a new version.

        Args:
            key: The client's idempotency key: the same archive again gives the photon that it made.

        Raises:
            InvalidInput: It is no photon.
        """
        digest = incoming.finish()
        spec = inspect_archive(incoming.path)
        once = Once(key, f"photon {namespace} {digest}".encode()) if key else None
        self._store(incoming.path, digest)
        photon = Photon(
            id=f"{spec.name}-{self._new_id('pho').removeprefix('pho-')}",
            workspace_id=workspace_id,
            namespace=namespace,
            spec=spec,
            digest=digest,
            size_bytes=incoming.path.stat().st_size,
            created_at_ms=self._clock.now_ms(),
            created_by=actor,
        )
        event = self._journal.event(workspace_id, actor, "pushed", "photon", spec.name, "pushed", "It was pushed.")

        def work(connection: Connection) -> Photon:
            if once and (made := once.made_before(connection, workspace_id)):
                return _require(connection, workspace_id, namespace, made)
            if self._artifacts.size(digest) is None:
                raise NotFound("the archive was removed while it was registered", hint="Push it again.")
            store.insert_photon(connection, photon)
            if once:
                once.remember(connection, workspace_id, photon.id, photon.created_at_ms)
            record(connection, with_details(event, id=photon.id, namespace=namespace.value, digest=digest))
            return photon

        return self._database.write(work)

    def list(self, workspace_id: str, namespace: PhotonNamespace) -> Sequence[Photon]:
        """The photons that a workspace may read, newest first."""
        return self._database.read(lambda connection: store.list_photons(connection, workspace_id, namespace))

    def get(self, workspace_id: str, namespace: PhotonNamespace, photon_id: str) -> Photon:
        """One photon.

        Raises:
            NotFound: There is none that this workspace may read.
        """
        return self._database.read(lambda connection: _require(connection, workspace_id, namespace, photon_id))

    def content(self, photon: Photon) -> Iterator[bytes]:
        """Its archive in chunks, checked while it is read."""
        return self._artifacts.read(photon.digest)

    def remove(self, workspace_id: str, namespace: PhotonNamespace, photon_id: str, actor: str) -> Photon:
        """Remove one version. Its archive goes with `lepton gc`.

        Raises:
            PermissionDenied: It is public, and of another workspace.
        """
        photon = self.get(workspace_id, namespace, photon_id)
        if photon.workspace_id != workspace_id:
            raise PermissionDenied(f"photon {photon_id!r} is another workspace's: only that one may remove it")
        name = photon.spec.name
        event = self._journal.event(workspace_id, actor, "removed", "photon", name, "asked", "It was removed.")

        def work(connection: Connection) -> None:
            store.remove_photon(connection, photon.id)
            record(connection, with_details(event, id=photon.id))

        self._database.write(work)
        return photon

    def _store(self, path: Path, digest: str) -> None:
        if self._artifacts.size(digest) is not None:
            return
        writer = self._artifacts.writer(digest)
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    writer.write(chunk)
            writer.commit()
        finally:
            writer.abort()


class IncomingPhoton:
    """An archive on its way in.

    Args:
        path: The file that takes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "xb")  # noqa: SIM115 - closed by finish or discard
        self._hash = hashlib.sha256()
        self._size_bytes = 0

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._size_bytes += len(chunk)
        if self._size_bytes > LARGEST_PHOTON_BYTES:
            raise TooLarge(f"a photon may have at most {LARGEST_PHOTON_BYTES} bytes")
        self._hash.update(chunk)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise StorageFull(f"the archive cannot be kept: {error.strerror}", hint="Free some space.") from error

    def finish(self) -> str:
        """No more bytes come; returns the SHA-256 of those that came."""
        self._file.close()
        if not self._size_bytes:
            raise InvalidInput("the archive is empty")
        return self._hash.hexdigest()

    def discard(self) -> None:
        """Remove the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def _require(connection: Connection, workspace_id: str, namespace: PhotonNamespace, photon_id: str) -> Photon:
    found = store.find_photon(connection, workspace_id, photon_id, namespace)
    if found is None:
        raise NotFound(f"there is no {namespace} photon {photon_id[:80]!r}", hint="`lepton photon list` shows them.")
    return found
