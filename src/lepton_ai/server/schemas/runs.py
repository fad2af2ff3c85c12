"""Training runs on the wire."""

from typing import Any, Literal

from pydantic import Field

from lepton_ai.server.schemas.common import Body, Request
from lepton_ai.server.schemas.models import FileField

RunState = Literal[
    "queued", "starting", "running", "registering", "completed", "failed", "stopping", "stopped", "deleting"
]


class DataField(Body):
    """What to train on: a data set that the server has, or a file that was uploaded before."""

    dataset: str | None = Field(None, description="`NAME`, or `NAME/FILE` where it has several tables.")
    name: str | None = Field(None, max_length=200, description="What the uploaded data are called.")
    files: dict[str, FileField] | None = Field(None, min_length=1, max_length=1)


class CreateRun(Request):
    """The body of `POST /runs`."""

    model: str
    data: DataField
    target: str = Field(min_length=1, max_length=200)
    columns: dict[str, dict[str, Any]] = Field(default_factory=dict, max_length=10_000)
    budget_s: float | None = None
    steps: int | None = None
    epochs: int | None = None
    seed: int = 0


class RunItem(Body):
    """One training run.

    `progress` is the last point of its curves: `step`, `steps`, `epoch`, `loss`, `values`, `validation`, `rate`,
    `left_s`, as far as they are known.
    """

    id: str
    model: str
    state: RunState
    reason: str
    message: str
    data: str
    files: dict[str, FileField]
    target: str
    columns: dict[str, dict[str, Any]]
    budget_s: float | None
    steps: int | None
    epochs: int | None
    seed: int
    attempt: int
    failures: int
    checkpoint_step: int
    version: int | None
    progress: dict[str, Any] | None
    created_at: int
    changed_at: int
    started_at: int | None
    finished_at: int | None
    owner: str


class ProgressItem(Body):
    """What a run told of its progress, line by line, oldest first."""

    lines: list[dict[str, Any]]
    next: int
