"""The data of a run: found in the catalogue, and copied into the artifact store so that they stay what they are."""

import hashlib
from pathlib import Path

from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.infrastructure.storage.datasets import Catalogue
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.platform.model_management.registry.records import ArtifactFile

TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".data", ".parquet")
"""How the name of a file ends that a run can read as a table."""

_CHUNK_BYTES = 1 << 20


def find_table(catalogue: Catalogue, reference: str) -> Path:
    """The one table that a user means.

    Args:
        catalogue: Where to look.
        reference: A data set's name, or `NAME/FILE` where it has several tables.

    Raises:
        NotFound: There is no such data set, or it has no such file.
        InvalidInput: It has no table, or several.
    """
    name, slash, file = reference.partition("/")
    dataset = catalogue.get(name)
    names = [found.name for found in dataset.files]
    if slash:
        if file not in names:
            raise NotFound(f"data set {name!r} has no file {file!r}", hint=f"Its files: {', '.join(names)}.")
        return dataset.folder / file
    tables = [found for found in names if found.endswith(TABLE_SUFFIXES)]
    if len(tables) != 1:
        came = f"{len(tables)} of them: {', '.join(tables)}" if tables else f"only {', '.join(names)}"
        raise InvalidInput(
            f"data set {name!r} must have one table to train on, got {came}",
            hint=f"Name the file: {name}/{(tables or names)[0]}.",
        )
    return dataset.folder / tables[0]


def store_table(path: Path, artifacts: ArtifactStore) -> dict[str, ArtifactFile]:
    """Copy a file into the artifact store, unless it is there already; returns it by its name."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = artifacts.size(digest)
        if size is None:
            writer = artifacts.writer(digest)
            try:
                file.seek(0)
                while chunk := file.read(_CHUNK_BYTES):
                    writer.write(chunk)
                size = writer.commit()
            finally:
                writer.abort()
    return {path.name: ArtifactFile(digest, size)}
