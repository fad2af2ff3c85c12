"""What a training run is: what was asked for, where it stands, and what the world looked like."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lepton_ai.infrastructure.compute.port import WorkerState
from lepton_ai.platform.model_management.registry.records import ArtifactFile, Manifest
from lepton_ai.platform.model_management.runs.lifecycle import OVER, RunReason, RunStatus


@dataclass(frozen=True)
class RunSpec:
    """What a user asked for. It never changes, and the data it names never do either.

    Args:
        model_name: The model that a version is registered of.
        data_name: What the user called the data: `adult.csv`, or `adult/adult-train.csv.gz` of the catalogue.
        files: The data by file name, in the artifact store.
        target: The column to predict.
        columns: What the user says about columns, by name: any of `kind`, `roles`, `unit`, `low`, `high` and so on.
        budget_s: How long to train. At most one of this, steps and epochs is given.
        steps: How many steps to train.
        epochs: How often to pass over the rows.
        seed: Decides split, initial weights and order.
    """

    model_name: str
    data_name: str
    files: Mapping[str, ArtifactFile]
    target: str
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    budget_s: float | None = None
    steps: int | None = None
    epochs: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Run:
    """One training run.

    Args:
        attempt: Counts its processes; 0 before the first.
        failures: How many processes in a row ended unasked without having come further.
        checkpoint_step: How far the last complete checkpoint was when a process last ended.
        retry_at_ms: After failures: not before this time is another process started.
        version: The version it registered.
    """

    id: str
    workspace_id: str
    spec: RunSpec
    status: RunStatus
    reason: RunReason
    message: str
    attempt: int
    failures: int
    checkpoint_step: int
    retry_at_ms: int
    version: int | None
    created_at_ms: int
    changed_at_ms: int
    started_at_ms: int | None
    finished_at_ms: int | None
    created_by: str

    @property
    def worker_id(self) -> str:
        """Names the process of this attempt."""
        return f"{self.id}.{self.attempt}"

    @property
    def is_over(self) -> bool:
        """Whether nothing will change it by itself any more."""
        return self.status in OVER


@dataclass(frozen=True)
class Refusal:
    """What a worker wrote down about its own end.

    Args:
        code: The error's stable code.
        is_final: Whether trying again can change nothing.
    """

    code: str
    message: str
    hint: str | None
    is_final: bool


@dataclass(frozen=True)
class RunObservation:
    """What the world says about a run.

    Args:
        worker: The process of this attempt.
        has_place: Whether one more run may have a process.
        trains: Whether the process has got as far as training.
        checkpoint_step: How far the last complete checkpoint is; 0 when there is none.
        has_model: Whether the model it made is on disk, whole.
        manifest: That model as a version, once it is to be registered.
        refusal: What the process of this attempt said about its end.
        has_leftovers: Whether there is anything to clear away.
    """

    worker: WorkerState
    has_place: bool = False
    trains: bool = False
    checkpoint_step: int = 0
    has_model: bool = False
    manifest: Manifest | None = None
    refusal: Refusal | None = None
    has_leftovers: bool = False


@dataclass(frozen=True)
class RunChange:
    """What the reconciler decided.

    Args:
        run: The run as it will be; None when it is to be removed for good.
        actions: What to do before this is written: `submit`, `stop`, `release`, `store`, `clear`, `remove`. Doing it
            twice is the same as once.
        manifest: The version to register when this is written, in the same transaction.
        next_check_ms: How long until the next look, if no hint comes first; None when nothing is left to look at.
    """

    run: Run | None
    actions: tuple[str, ...] = ()
    manifest: Manifest | None = None
    next_check_ms: int | None = None
