"""Data sets on the wire."""

from lepton_ai.server.schemas.common import Body


class DatasetFileItem(Body):
    """One file of a data set."""

    name: str
    size_bytes: int
    sha256: str | None = None


class DatasetItem(Body):
    """One data set in reach of the server."""

    name: str
    title: str
    task: str
    rows: int | None
    source: str
    licence: str
    files: list[DatasetFileItem]
