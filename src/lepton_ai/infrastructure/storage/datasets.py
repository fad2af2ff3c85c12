"""The catalogue of data sets: folders that are looked through in order, and one of them that data is added to."""

import hashlib
import os
import secrets
import shutil
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lepton_ai.core.clock import Clock, SystemClock
from lepton_ai.core.errors import AlreadyExists, Conflict, InvalidInput, NotFound, PermissionDenied
from lepton_ai.core.files import sync_folder, write_atomically
from lepton_ai.core.folders import DataFolder
from lepton_ai.core.settings import Settings
from lepton_ai.infrastructure.storage.datasets_copy import copy_files, plan_copy
from lepton_ai.infrastructure.storage.datasets_records import (
    RECORD_NAME,
    Dataset,
    DatasetCheck,
    DatasetFile,
    Description,
    FileCheck,
    FileState,
    check_name,
    read_record,
    write_record,
)

# What is not yet, or no longer, a data set: names with a dot are passed over.
_ADDING = ".adding-"
_REMOVED = ".removed-"
_ABANDONED_AFTER_S = 24 * 3600


def open_catalogue(settings: Settings) -> "Catalogue":
    """The catalogue that the settings describe.

    It looks through the folders of `LEPTON_DATASETS`, then `<data-dir>/datasets`, then `examples/data` of a source
    checkout.
    """
    home = DataFolder(settings.data_dir).datasets
    named = [Path(folder).expanduser().absolute() for folder in settings.datasets]
    examples = examples_folder(Path(__file__).resolve())
    return Catalogue([*named, home, *([examples] if examples else [])], home)


class Catalogue:
    """Finds data sets by name in several folders, and adds new ones to one of them.

    A data set is a folder inside one of the search folders. Where it has a `dataset.json`, that says what it is; a
    folder without one counts too, as plain files. The same name in two folders means the first.

    Args:
        search_folders: The folders to look through, in this order. Those that do not exist are passed over.
        home_folder: The one of them that data sets are added to and removed from.
        clock: Where the time of adding comes from.

    Example:

        >>> import tempfile
        >>> home = Path(tempfile.mkdtemp())
        >>> table = home / "visits.csv"
        >>> _ = table.write_text("age,stay" + chr(10) + "41,3" + chr(10))
        >>> catalogue = Catalogue([home / "datasets"], home / "datasets")
        >>> catalogue.add(table, "visits", Description(licence="CC0 1.0")).files[0].bytes
        14
        >>> [dataset.name for dataset in catalogue.list()]
        ['visits']
        >>> catalogue.find_file("visits", "visits.csv").read_text().splitlines()[0]
        'age,stay'
    """

    def __init__(self, search_folders: Sequence[Path], home_folder: Path, clock: Clock | None = None) -> None:
        self.search_folders = tuple(search_folders)
        self.home_folder = home_folder
        self._clock = clock or SystemClock()

    @property
    def missing_folders(self) -> tuple[Path, ...]:
        """Search folders that were named but do not exist; the home folder, which is made on use, is never one."""
        return tuple(folder for folder in self.search_folders if folder != self.home_folder and not folder.is_dir())

    def list(self) -> tuple[Dataset, ...]:
        """All data sets by name. One whose record cannot be read is shown as plain files."""
        found: dict[str, Dataset] = {}
        for folder in self._dataset_folders():
            if folder.name in found:
                continue
            try:
                dataset = _read(folder)
            except InvalidInput:
                dataset = _plain(folder)
            if dataset.files:
                found[folder.name] = dataset
        return tuple(found[name] for name in sorted(found))

    def get(self, name: str) -> Dataset:
        """One data set, without looking into its files.

        Raises:
            NotFound: No search folder holds it.
            InvalidInput: Its record cannot be read.
        """
        for folder in self._dataset_folders():
            if folder.name == name:
                return _read(folder)
        raise NotFound(f"there is no data set {name!r}", hint="`lepton data list` shows those that there are.")

    def show(self, name: str) -> DatasetCheck:
        """One data set with each file compared with its record, which reads all of its bytes.

        Raises:
            NotFound: No search folder holds it.
            InvalidInput: Its record cannot be read.
        """
        dataset = self.get(name)
        checks = [_check(dataset.folder, file) for file in dataset.files]
        recorded = {file.name for file in dataset.files}
        checks += [
            FileCheck(file.name, file.bytes, FileState.NOT_RECORDED)
            for file in _plain(dataset.folder).files
            if file.name not in recorded
        ]
        return DatasetCheck(dataset, tuple(sorted(checks, key=lambda check: check.name)))

    def find_file(self, dataset_name: str, file_name: str) -> Path | None:
        """The file of this name in the data set of this name, or lying by itself in a search folder.

        The second is how Keras keeps its downloads, so a copy of a Keras cache works as a search folder.

        Returns:
            The path of the first one found, or None.
        """
        for part in (dataset_name, file_name):
            if not part or Path(part).name != part or part == "..":
                return None
        for folder in self.search_folders:
            for path in (folder / dataset_name / file_name, folder / file_name):
                # A folder that may not be entered counts as one without the file.
                with suppress(OSError):
                    if path.is_file():
                        return path
        return None

    def add(
        self,
        path: Path,
        name: str,
        about: Description | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> Dataset:
        """Copy a file or a folder into the home folder as a data set, which appears whole or not at all.

        Args:
            path: The file or folder. What a `dataset.json` in the folder says about the data is taken over.
            name: The name: a letter a-z, then at most 62 of a-z, 0-9, `_`, `-`.
            about: What is known about the data; it goes before what the folder's own `dataset.json` says.
            on_bytes: Called with the number of bytes after each piece copied, for a progress bar.

        Returns:
            The new data set.

        Raises:
            AlreadyExists: The name is taken.
            NotFound: There is nothing under the path.
            InvalidInput: The name cannot be one, or the path holds no file, a link that leads out of it, or something
                that is not a file; the message names it.
            StorageFull: The disk is full.
        """
        check_name(name)
        self._check_free(name)
        files = plan_copy(path)
        source = path.resolve()
        if self.home_folder.resolve().is_relative_to(source):
            raise InvalidInput(
                f"{path} holds the data folder {self.home_folder} itself", hint="Add a folder that lies elsewhere."
            )
        own_record = read_record(source) if source.is_dir() else None
        with self._new_folder() as folder:
            copied = copy_files(files, folder, on_bytes)
            added_at = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            dataset = Dataset(
                name,
                self.home_folder / name,
                copied,
                _join(about or Description(), own_record.about if own_record else Description()),
                added_at,
            )
            write_atomically(folder / RECORD_NAME, write_record(dataset))
            try:
                # Fails when the name was taken meanwhile: a folder never replaces one that holds something.
                folder.rename(dataset.folder)
            except OSError as error:
                self._check_free(name)
                raise InvalidInput(f"{dataset.folder} cannot be made: {error.strerror}") from error
        sync_folder(self.home_folder)
        return dataset

    def remove(self, name: str) -> None:
        """Remove a data set that was added to the home folder.

        Raises:
            NotFound: There is no such data set.
            Conflict: It lies in another search folder, which Lepton only reads.
        """
        folder = next((found for found in _subfolders(self.home_folder) if found.name == name), None)
        if folder is None:
            raise Conflict(
                f"the data set {name!r} lies in {self.get(name).folder}, which Lepton only reads",
                hint="Remove that folder yourself, or take its parent out of LEPTON_DATASETS.",
            )
        # It vanishes in one step; what is left of a removal that is cut short goes with the next `add`.
        doomed = self.home_folder / f"{_REMOVED}{secrets.token_hex(6)}"
        folder.rename(doomed)
        sync_folder(self.home_folder)
        shutil.rmtree(doomed, ignore_errors=True)

    def _dataset_folders(self) -> Iterator[Path]:
        for search_folder in self.search_folders:
            yield from _subfolders(search_folder)

    def _check_free(self, name: str) -> None:
        if self.home_folder in self.search_folders:
            first = self.search_folders[: self.search_folders.index(self.home_folder) + 1]
        else:
            first = (self.home_folder,)
        # A name that only the later folders know may be taken: the new data set then comes before theirs.
        for folder in first:
            if folder / name in _subfolders(folder) and any((folder / name).iterdir()):
                raise AlreadyExists(
                    f"there is already a data set {name!r} in {folder}",
                    hint=f"Choose another name, or type `lepton data remove {name}` first."
                    if folder == self.home_folder
                    else "Choose another name.",
                )

    @contextmanager
    def _new_folder(self) -> Iterator[Path]:
        folder = self.home_folder / f"{_ADDING}{secrets.token_hex(6)}"
        try:
            self.home_folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.home_folder.mkdir(mode=0o700, exist_ok=True)
            self._clear_leftovers()
            folder.mkdir()
        except OSError as error:
            raise PermissionDenied(
                f"the folder {self.home_folder} cannot be written to: {error.strerror}",
                hint="Choose another data folder: --data-dir.",
            ) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _clear_leftovers(self) -> None:
        for leftover in self.home_folder.glob(f"{_REMOVED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        for leftover in self.home_folder.glob(f"{_ADDING}*"):
            # A young one may belong to another process that is adding right now.
            with suppress(OSError):
                if self._clock.now_ms() / 1000 - leftover.stat().st_mtime > _ABANDONED_AFTER_S:
                    shutil.rmtree(leftover, ignore_errors=True)


def examples_folder(module: Path) -> Path | None:
    """`examples/data` of the source checkout that a module of ours lies in; None for an ordinary installation.

    Args:
        module: The path of the module's file.
    """
    for parent in module.parents:
        folder = parent / "examples" / "data"
        if folder.is_dir():
            with suppress(OSError, tomllib.TOMLDecodeError):
                project = tomllib.loads((parent / "pyproject.toml").read_text(encoding="utf-8"))
                if project.get("project", {}).get("name") == "lepton-ai":
                    return folder
    return None


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".") and entry.is_dir()]
    except OSError:
        return []  # a search folder that is not there, or that may not be read


def _read(folder: Path) -> Dataset:
    return read_record(folder) or _plain(folder)


def _plain(folder: Path) -> Dataset:
    files = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            with suppress(OSError):
                if path.is_file() and path != folder / RECORD_NAME:
                    files.append(DatasetFile(path.relative_to(folder).as_posix(), path.stat().st_size))
    return Dataset(folder.name, folder, tuple(files))


def _check(folder: Path, file: DatasetFile) -> FileCheck:
    path = folder / file.name
    try:
        size = path.stat().st_size
        if file.sha256 is None:
            return FileCheck(file.name, size, FileState.NOT_RECORDED)
        with open(path, "rb") as reader:
            same = hashlib.file_digest(reader, "sha256").hexdigest() == file.sha256
    except OSError:
        return FileCheck(file.name, file.bytes, FileState.MISSING)
    return FileCheck(file.name, size, FileState.OK if same else FileState.CHANGED)


def _join(first: Description, second: Description) -> Description:
    """`first`, with the gaps filled from `second`."""
    empty = Description()
    missing = {key: value for key, value in vars(second).items() if getattr(first, key) == getattr(empty, key)}
    return replace(first, **missing)
