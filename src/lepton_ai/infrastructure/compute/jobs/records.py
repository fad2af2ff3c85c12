"""What a job is: what was asked for, its workers, and what the world looked like."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lepton_ai.infrastructure.compute.jobs.lifecycle import (
    OVER,
    WORKER_LIVES,
    JobReason,
    JobStatus,
    WorkerReason,
    WorkerStatus,
)
from lepton_ai.infrastructure.compute.jobs.spec import JobSpec
from lepton_ai.infrastructure.compute.port import WorkerState
from lepton_ai.infrastructure.compute.shapes import shape_named


@dataclass(frozen=True)
class Job:
    """One job.

    Args:
        name: What the user called it; several may have the same.
        document: The spec as it came, unknown fields too.
        spec: What is acted on of it.
        attempt: Counts its gangs of workers; 0 before the first.
        failures: How many gangs failed since it was last asked to start.
        retry_at_ms: After a failure: not before this time does it queue again.
        master_port: A port that was free when this gang started, for its workers to meet at.
        outcome: How it ended, once it is over; kept when it is archived.
    """

    id: str
    workspace_id: str
    name: str
    document: Mapping[str, Any]
    spec: JobSpec
    labels: Mapping[str, str]
    visibility: str
    status: JobStatus
    reason: JobReason
    message: str
    attempt: int
    failures: int
    retry_at_ms: int
    master_port: int
    outcome: JobStatus | None
    created_at_ms: int
    changed_at_ms: int
    started_at_ms: int | None
    finished_at_ms: int | None
    created_by: str

    @property
    def is_over(self) -> bool:
        """Whether it goes no further by itself."""
        return self.status in OVER

    @property
    def cpus(self) -> float:
        """How many CPUs its workers count for together."""
        return self.spec.workers * shape_named(self.spec.resource_shape).cpus

    @property
    def memory_bytes(self) -> int:
        """How much memory its workers count for together."""
        return self.spec.workers * shape_named(self.spec.resource_shape).memory_bytes

    @property
    def wake_at_ms(self) -> int | None:
        """When something is due by time alone: its start, its next attempt, its archiving."""
        if self.status is JobStatus.AWAITING:
            return self.spec.start_at_ms
        if self.status is JobStatus.PENDING_RETRY:
            return self.retry_at_ms
        ends = self.status in OVER and self.status is not JobStatus.ARCHIVED
        if ends and self.spec.ttl_s is not None and self.finished_at_ms is not None:
            return self.finished_at_ms + self.spec.ttl_s * 1000
        return None


@dataclass(frozen=True)
class Worker:
    """One try of one worker of a job.

    Args:
        id: As the protocol has it: the job's id, the index, five characters.
        index: Which worker of the gang it is: its rank.
        attempt: Which gang it belongs to.
    """

    id: str
    job_id: str
    index: int
    attempt: int
    status: WorkerStatus
    reason: WorkerReason
    message: str
    created_at_ms: int
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    exit_code: int | None = None
    signal: int | None = None

    @property
    def lives(self) -> bool:
        """Whether it may have a process."""
        return self.status in WORKER_LIVES

    @property
    def process_id(self) -> str:
        """Its name among the executor's workers. No name of a replica or a run has a full stop there."""
        return f"job.{self.id}"


@dataclass(frozen=True)
class JobState:
    """A job with the workers of its current gang: what the reconciler claims.

    Args:
        workers: Every try of them, oldest first.
        tries: How many workers of each index there ever were, which numbers the next.
        has_turn: Whether it is its turn to start, and there is room.
    """

    job: Job
    workers: tuple[Worker, ...] = ()
    tries: Mapping[int, int] = field(default_factory=dict)
    has_turn: bool = False


@dataclass(frozen=True)
class JobObservation:
    """What the world says about a job.

    Args:
        processes: The processes of its living workers, by the worker's id.
        refusals: Why a worker could not be started, by its id.
        free_port: A port that is free now, for a gang that is to start.
    """

    processes: Mapping[str, WorkerState] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    free_port: int = 0


@dataclass(frozen=True)
class Action:
    """Something to do before a change is written: `submit`, `stop`; for the whole job `clear`, `remove`."""

    verb: str
    worker_id: str = ""


@dataclass(frozen=True)
class JobChange:
    """What the reconciler decided.

    Args:
        job: The job as it will be; None when it is to be removed for good.
        workers: Workers as they will be: those that changed, and new ones.
        actions: What to do before this is written. Doing it twice is the same as once.
        next_check_ms: How long until the next look, if no hint comes first; None when only time or a turn brings it on.
    """

    job: Job | None
    workers: tuple[Worker, ...] = ()
    actions: tuple[Action, ...] = ()
    next_check_ms: int | None = None
