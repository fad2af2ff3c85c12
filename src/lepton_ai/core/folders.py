"""The data folder's parts, and the short folder for sockets."""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lepton_ai.core.errors import PermissionDenied, StorageFull, Unavailable
from lepton_ai.core.files import remove_leftovers


@dataclass(frozen=True)
class DataFolder:
    """Where everything lies that must survive.

    Example:

        >>> DataFolder(Path("/data")).database.as_posix()
        '/data/lepton.db'
    """

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "lepton.db"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def volumes(self) -> Path:
        return self.root / "volumes"

    @property
    def objects(self) -> Path:
        return self.root / "objects"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def workers(self) -> Path:
        return self.run / "workers"

    @property
    def models(self) -> Path:
        return self.run / "models"

    @property
    def incoming(self) -> Path:
        """Uploads that nobody has looked at yet."""
        return self.run / "incoming"

    @property
    def training(self) -> Path:
        return self.root / "training"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def gateway(self) -> Path:
        return self.run / "gateway"

    @property
    def lock(self) -> Path:
        return self.run / "server.lock"

    @property
    def server_record(self) -> Path:
        return self.run / "server.json"

    @property
    def admin_token(self) -> Path:
        return self.root / "admin-token"

    @property
    def master_key(self) -> Path:
        return self.root / "master-key"

    def create(self) -> None:
        """Make the folders that are missing, readable by their owner alone.

        Raises:
            PermissionDenied, StorageFull, Unavailable: They cannot be made; the message says why.
        """
        try:
            inner = (
                self.artifacts,
                self.datasets,
                self.logs,
                self.training,
                self.jobs,
                self.run,
                self.workers,
                self.gateway,
            )
            for folder in (self.root, *inner):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except PermissionError as error:
            raise PermissionDenied(
                f"the data folder {self.root} cannot be made: {error.strerror}", hint="Choose another one: --data-dir."
            ) from error
        except OSError as error:
            kind = StorageFull if error.errno == 28 else Unavailable
            raise kind(
                f"the data folder {self.root} cannot be made: {error.strerror}", hint="Choose another one: --data-dir."
            ) from error

    def remove_leftovers(self) -> None:
        """Remove what a server that was killed was about to put in place. Call as the folder's sole owner."""
        for folder in (self.root, self.run, self.gateway, *self.workers.iterdir()):
            remove_leftovers(folder)
        for unfinished in (*self.models.glob(".*"), *self.training.glob("*/.data.*"), *self.run.glob("incoming")):
            shutil.rmtree(unfinished)
        for unfinished in self.jobs.glob("*/.*"):  # a working folder, or a file beside it
            if unfinished.is_dir():
                shutil.rmtree(unfinished)
            else:
                unfinished.unlink()


def socket_folder(data_dir: Path, environment: Mapping[str, str] | None = None) -> Path:
    """The folder for Unix sockets of one data folder, made if missing: short, and private to this user.

    Socket paths end at 108 bytes and data folders do not, so the sockets lie in the user's runtime folder (or the
    temporary one) under a name derived from the data folder's path.

    Raises:
        PermissionDenied: Somebody else owns a folder of that name.
    """
    environment = os.environ if environment is None else environment
    digest = hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:12]
    base = environment.get("XDG_RUNTIME_DIR", "")
    if not base or not os.access(base, os.W_OK) or len(base) > 60:
        base = tempfile.gettempdir()
    if len(base) > 60:
        base = "/tmp"  # noqa: S108 - the folder in it is private, see below
    folder = Path(base) / f"lepton-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)  # gone once everything is stopped: `remove_socket_folder`
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionDenied(
            f"{folder} is not a private folder of this user",
            hint="Remove it, or set XDG_RUNTIME_DIR to a folder of yours.",
        )
    return folder


def remove_socket_folder(data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
    """Remove that folder, once nobody listens there any more."""
    shutil.rmtree(socket_folder(data_dir, environment), ignore_errors=True)
