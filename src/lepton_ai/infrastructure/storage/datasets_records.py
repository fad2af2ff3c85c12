"""What a data set is: one folder with files, and the record `dataset.json` that tells where they come from."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from lepton_ai.core.errors import InvalidInput

RECORD_NAME = "dataset.json"

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class DatasetFile:
    """One file of a data set.

    Args:
        name: Its path inside the folder, with `/` between the parts.
        bytes: Its size.
        sha256: Its digest in hexadecimal; None where no record was written.
    """

    name: str
    bytes: int
    sha256: str | None = None


@dataclass(frozen=True)
class Description:
    """What people say about a data set. Every part may be left out.

    Args:
        title: The name for people.
        task: What it is for, as `image classification, 10 classes`.
        rows: How many rows or images it holds.
        source: Where it comes from.
        licence: Under which licence.
        licence_note: What else one must know to use it rightly, such as what was changed.
        citation: Whom to cite.
    """

    title: str = ""
    task: str = ""
    rows: int | None = None
    source: str = ""
    licence: str = ""
    licence_note: str = ""
    citation: str = ""


@dataclass(frozen=True)
class Dataset:
    """One data set of the catalogue.

    Args:
        name: Its name, which is that of its folder.
        folder: Where its files lie.
        files: Its files.
        about: What people say about it.
        added_at: When it was added, as an ISO 8601 time in UTC; empty where no record was written.
    """

    name: str
    folder: Path
    files: tuple[DatasetFile, ...]
    about: Description = field(default_factory=Description)
    added_at: str = ""

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(file.bytes for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values: the record, and the folder."""
        return {"name": self.name, "folder": str(self.folder), "bytes": self.bytes, **_record(self)}


class FileState(StrEnum):
    """How a file on disk stands to its record."""

    OK = "ok"  # the bytes are those that were recorded
    CHANGED = "changed"  # the bytes are others
    MISSING = "missing"  # recorded, but not there
    NOT_RECORDED = "not recorded"  # there, but no digest to compare with


@dataclass(frozen=True)
class FileCheck:
    """One file and what the comparison with the record gave."""

    name: str
    bytes: int
    state: FileState


@dataclass(frozen=True)
class DatasetCheck:
    """A data set whose files were compared with their record."""

    dataset: Dataset
    files: tuple[FileCheck, ...]

    @property
    def changed(self) -> bool:
        """Whether a recorded file is gone or holds other bytes."""
        return any(file.state in (FileState.CHANGED, FileState.MISSING) for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values: the data set, with a `state` at each file."""
        digests = {file.name: file.sha256 for file in self.dataset.files}
        files = [{**asdict(file), "sha256": digests.get(file.name)} for file in self.files]
        return {**self.dataset.to_json(), "files": files, "changed": self.changed}


def check_name(name: str) -> str:
    """The name itself, if it is a good one for a data set.

    Raises:
        InvalidInput: It is not.

    Example:

        >>> check_name("ward_7")
        'ward_7'
        >>> check_name("Ward 7")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        lepton_ai.core.errors.InvalidInput: the name of a data set must begin with a letter a-z ..., got 'Ward 7'
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "the name of a data set must begin with a letter a-z and go on with at most 62 of a-z, 0-9, `_`, `-`, "
            f"got {name!r}",
            hint=f"Take a name such as `{suggest_name(name)}`.",
        )
    return name


def suggest_name(text: str) -> str:
    """The nearest good name for a data set.

    Example:

        >>> suggest_name("Ward 7 (June).csv")
        'ward_7_june'
        >>> suggest_name("2024")
        'data_2024'
    """
    stem = text.lower()
    while (suffix := PurePosixPath(stem).suffix) and not suffix[1:].isdigit():
        stem = stem.removesuffix(suffix)
    words = "_".join(re.findall(r"[a-z0-9-]+", stem)).strip("-_")
    if not words or not words[0].isalpha():
        words = f"data_{words}".rstrip("_")
    return words[:63]


def write_record(dataset: Dataset) -> bytes:
    """The bytes of `dataset.json` for this data set."""
    # ASCII with escapes: a file name that is not valid UTF-8 goes through it and back unharmed.
    return (json.dumps({"name": dataset.name, **_record(dataset)}, indent=2) + "\n").encode()


def read_record(folder: Path) -> Dataset | None:
    """Read a data set's record from its folder.

    Returns:
        The data set, named after the folder; None when there is no record in it.

    Raises:
        InvalidInput: There is a `dataset.json`, but it is not such a record; the message says what is wrong.
    """
    path = folder / RECORD_NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    try:
        value = json.loads(text)
        if not isinstance(value, dict):
            raise ValueError(f"it must be an object, got {type(value).__name__}")
        return Dataset(
            name=folder.name,
            folder=folder,
            files=tuple(_file_from_json(entry) for entry in value["files"]),
            about=_description_from_json(value),
            added_at=str(value.get("added_at", "")),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        wrong = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InvalidInput(
            f"{path} is not the record of a data set: {wrong}",
            hint="`lepton data add` writes a good one; give a file of your own another name.",
        ) from error


def _record(dataset: Dataset) -> dict[str, Any]:
    return {**asdict(dataset.about), "added_at": dataset.added_at, "files": [asdict(file) for file in dataset.files]}


def _description_from_json(value: Mapping[str, Any]) -> Description:
    parts: dict[str, Any] = {}
    for spec in fields(Description):
        part = value.get(spec.name)
        if part is None:
            continue
        wanted = int if spec.name == "rows" else str
        if not isinstance(part, wanted):
            raise ValueError(f"`{spec.name}` must be of type {wanted.__name__}, got {part!r}")
        parts[spec.name] = part
    return Description(**parts)


def _file_from_json(value: Any) -> DatasetFile:
    name, size, digest = value["name"], value["bytes"], value.get("sha256")
    parts = PurePosixPath(str(name)).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise ValueError(f"a file's `name` must be a path inside the folder, got {name!r}")
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"`bytes` of {name!r} must be a whole number, got {size!r}")
    if digest is not None and not re.fullmatch("[0-9a-f]{64}", str(digest)):
        raise ValueError(f"`sha256` of {name!r} must be 64 hexadecimal digits, got {digest!r}")
    return DatasetFile(str(name), size, digest)
