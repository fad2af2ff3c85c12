"""Data sets from Python: the catalogue that the settings describe."""

import os
from collections.abc import Callable
from pathlib import Path

from lepton_ai.core.settings import Settings, load_settings
from lepton_ai.infrastructure.storage.datasets import open_catalogue
from lepton_ai.infrastructure.storage.datasets_records import Dataset, DatasetCheck, Description, suggest_name


class Datasets:
    """The data sets on this machine, which need no running cloud.

    They lie in the folders of `LEPTON_DATASETS`, in `<data-dir>/datasets`, and in `examples/data` of a source
    checkout; the first of a name counts.

    Args:
        settings: By default those of the environment and the configuration file.

    Example:

        >>> import tempfile
        >>> datasets = Datasets(Settings(data_dir=Path(tempfile.mkdtemp())))
        >>> table = Path(tempfile.mkdtemp()) / "Visits.csv"
        >>> _ = table.write_text("age,stay")
        >>> datasets.add(table).name
        'visits'
        >>> datasets.show("visits").changed
        False
        >>> datasets.remove("visits")
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._catalogue = open_catalogue(settings or load_settings()[0])

    @property
    def missing_folders(self) -> tuple[Path, ...]:
        """Folders that `LEPTON_DATASETS` names and that do not exist."""
        return self._catalogue.missing_folders

    def list(self) -> tuple[Dataset, ...]:
        """All data sets, by name."""
        return self._catalogue.list()

    def get(self, name: str) -> Dataset:
        """One data set; `.folder` is where its files lie.

        Raises:
            NotFound: There is none of this name.
        """
        return self._catalogue.get(name)

    def show(self, name: str) -> DatasetCheck:
        """One data set with each file compared with its recorded digest.

        Raises:
            NotFound: There is none of this name.
        """
        return self._catalogue.show(name)

    def add(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        about: Description | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> Dataset:
        """Copy a file or a folder into `<data-dir>/datasets`. It appears whole or not at all.

        Args:
            path: The file or folder.
            name: By default made from the file's name: `Ward 7.csv` becomes `ward_7`.
            about: Title, source, licence and so on.
            on_bytes: Called with the number of bytes after each piece copied.

        Raises:
            AlreadyExists: The name is taken.
            NotFound: There is nothing under the path.
            InvalidInput: The name or the path cannot be used; the message says why.
            StorageFull: The disk is full.
        """
        path = Path(path).expanduser()
        return self._catalogue.add(path, suggest_name(path.resolve().name) if name is None else name, about, on_bytes)

    def remove(self, name: str) -> None:
        """Remove a data set that was added.

        Raises:
            NotFound: There is none of this name.
            Conflict: It lies in a folder that Lepton only reads.
        """
        self._catalogue.remove(name)
