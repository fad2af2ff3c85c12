"""Data sets over HTTP: what is in reach of the server."""

from fastapi import APIRouter

from lepton_ai.infrastructure.storage.datasets_records import Dataset
from lepton_ai.server.dependencies import WORKSPACE, Caller, Plane
from lepton_ai.server.schemas.datasets import DatasetFileItem, DatasetItem

router = APIRouter(prefix=f"{WORKSPACE}/datasets", tags=["datasets"])


@router.get("")
def list_datasets(plane: Plane, caller: Caller) -> list[DatasetItem]:  # noqa: ARG001
    """All data sets in reach."""
    return [_item(dataset) for dataset in plane.datasets.list()]


@router.get("/{name}")
def get_dataset(name: str, plane: Plane, caller: Caller) -> DatasetItem:  # noqa: ARG001
    """One data set."""
    return _item(plane.datasets.get(name))


def _item(dataset: Dataset) -> DatasetItem:
    about = dataset.about
    return DatasetItem(
        name=dataset.name,
        title=about.title,
        task=about.task,
        rows=about.rows,
        source=about.source,
        licence=about.licence,
        files=[DatasetFileItem(name=file.name, size_bytes=file.bytes, sha256=file.sha256) for file in dataset.files],
    )
