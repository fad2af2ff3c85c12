"""How jobs and their workers may change: the tables that reconciler, documentation and tests read."""

from enum import StrEnum

from lepton_ai.core.lifecycle import Lifecycle, ReasonMeaning


class JobStatus(StrEnum):
    """Where a job stands, in the protocol's words."""

    AWAITING = "Awaiting"
    QUEUEING = "Queueing"
    STARTING = "Starting"
    RUNNING = "Running"
    RESTARTING = "Restarting"
    PENDING_RETRY = "PendingRetry"
    TERMINATING = "Terminating"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    ARCHIVED = "Archived"
    DELETING = "Deleting"


class JobReason(StrEnum):
    """Why a job stands there."""

    START_AT = "start_at"
    ASKED = "asked"
    STARTED_AGAIN = "started_again"
    CLOUD_STOPPED = "cloud_stopped"
    RETRIES = "retries"
    WORKERS_START = "workers_start"
    WORKERS_RUN = "workers_run"
    WORKER_FAILED = "worker_failed"
    BACKS_OFF = "backs_off"
    GIVES_UP = "gives_up"
    ALL_COMPLETED = "all_completed"
    EXITED = "exited"
    KILLED = "killed"
    OUT_OF_MEMORY = "out_of_memory"
    LOST = "lost"
    REFUSED = "refused"
    STOP_ASKED = "stop_asked"
    STOPPED_AS_ASKED = "stopped_as_asked"
    TIME_TO_LIVE_OVER = "time_to_live_over"
    ARCHIVED_AS_ASKED = "archived_as_asked"
    BEING_REMOVED = "being_removed"


class WorkerStatus(StrEnum):
    """Where one worker of a job stands."""

    STARTING = "Starting"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"


class WorkerReason(StrEnum):
    """Why a worker stands there."""

    STARTS = "starts"
    RUNS = "runs"
    FINISHED = "finished"
    EXITED = "exited"
    KILLED = "killed"
    OUT_OF_MEMORY = "out_of_memory"
    LOST = "lost"
    REFUSED = "refused"
    STOPPED_AS_ASKED = "stopped_as_asked"
    CLOUD_STOPPED = "cloud_stopped"


_S, _R = JobStatus, JobReason

JOB_LIFECYCLE: Lifecycle[JobStatus, JobReason] = Lifecycle(
    "job",
    {
        _S.AWAITING: "It waits for the time that it was asked to start at.",
        _S.QUEUEING: "It waits for its turn, and for room for all of its workers at once; none runs.",
        _S.STARTING: "Its workers start.",
        _S.RUNNING: "At least one of its workers runs.",
        _S.RESTARTING: "A worker failed for good; the others are stopped, and then all start anew.",
        _S.PENDING_RETRY: "No worker runs; after a pause it queues for its next attempt.",
        _S.TERMINATING: "A worker failed for good; the others are stopped, and then it has failed.",
        _S.COMPLETED: "Every worker has completed.",
        _S.FAILED: "It failed, and is not tried again by itself.",
        _S.STOPPING: "It was asked to stop; its workers are ending.",
        _S.STOPPED: "It was stopped as asked. It can be started again, from the beginning.",
        _S.ARCHIVED: "It is over and put aside; its record and its logs are kept, its workers' folders are not.",
        _S.DELETING: "It is being removed.",
    },
    {
        _R.START_AT: ReasonMeaning(_S.AWAITING, "It waits for the time that it was asked to start at."),
        _R.ASKED: ReasonMeaning(_S.QUEUEING, "It waits for its turn."),
        _R.STARTED_AGAIN: ReasonMeaning(_S.QUEUEING, "It was asked to start again, and waits for its turn."),
        _R.CLOUD_STOPPED: ReasonMeaning(
            _S.QUEUEING, "The cloud was stopped while it ran; it starts anew when the cloud does."
        ),
        _R.RETRIES: ReasonMeaning(_S.QUEUEING, "It waits for its turn to be tried again."),
        _R.WORKERS_START: ReasonMeaning(_S.STARTING, "Its workers start."),
        _R.WORKERS_RUN: ReasonMeaning(_S.RUNNING, "It runs."),
        _R.WORKER_FAILED: ReasonMeaning(_S.RESTARTING, "A worker failed; the others are stopped for the next attempt."),
        _R.BACKS_OFF: ReasonMeaning(_S.PENDING_RETRY, "It failed, and is tried again after a pause."),
        _R.GIVES_UP: ReasonMeaning(_S.TERMINATING, "A worker failed for good; the others are stopped."),
        _R.ALL_COMPLETED: ReasonMeaning(_S.COMPLETED, "Every worker has completed."),
        _R.EXITED: ReasonMeaning(_S.FAILED, "A worker ended with an exit code that is not 0."),
        _R.KILLED: ReasonMeaning(_S.FAILED, "A worker was killed by a signal."),
        _R.OUT_OF_MEMORY: ReasonMeaning(_S.FAILED, "A worker was killed because memory ran out."),
        _R.LOST: ReasonMeaning(_S.FAILED, "A worker vanished: its supervisor was killed, or the machine restarted."),
        _R.REFUSED: ReasonMeaning(_S.FAILED, "A worker could not be started."),
        _R.STOP_ASKED: ReasonMeaning(_S.STOPPING, "It was asked to stop."),
        _R.STOPPED_AS_ASKED: ReasonMeaning(_S.STOPPED, "It was stopped as asked."),
        _R.TIME_TO_LIVE_OVER: ReasonMeaning(_S.ARCHIVED, "It was archived: its time to live after its end is over."),
        _R.ARCHIVED_AS_ASKED: ReasonMeaning(_S.ARCHIVED, "It was archived as asked."),
        _R.BEING_REMOVED: ReasonMeaning(_S.DELETING, "It is being removed."),
    },
    {
        _S.AWAITING: {_S.QUEUEING, _S.STOPPED, _S.DELETING},
        _S.QUEUEING: {_S.STARTING, _S.STOPPED, _S.DELETING},
        _S.STARTING: {
            *(_S.RUNNING, _S.COMPLETED, _S.RESTARTING, _S.TERMINATING, _S.PENDING_RETRY, _S.FAILED, _S.QUEUEING),
            *(_S.STOPPING, _S.DELETING),
        },
        _S.RUNNING: {
            *(_S.COMPLETED, _S.RESTARTING, _S.TERMINATING, _S.PENDING_RETRY, _S.FAILED, _S.QUEUEING),
            *(_S.STOPPING, _S.DELETING),
        },
        _S.RESTARTING: {_S.PENDING_RETRY, _S.STOPPING, _S.DELETING},
        _S.PENDING_RETRY: {_S.QUEUEING, _S.STOPPED, _S.DELETING},
        _S.TERMINATING: {_S.FAILED, _S.STOPPING, _S.DELETING},
        _S.COMPLETED: {_S.ARCHIVED, _S.DELETING},
        _S.FAILED: {_S.ARCHIVED, _S.DELETING},
        _S.STOPPING: {_S.STOPPED, _S.DELETING},
        _S.STOPPED: {_S.QUEUEING, _S.AWAITING, _S.ARCHIVED, _S.DELETING},
        _S.ARCHIVED: {_S.DELETING},
        _S.DELETING: set(),
    },
)

WORKER_LIFECYCLE: Lifecycle[WorkerStatus, WorkerReason] = Lifecycle(
    "worker",
    {
        WorkerStatus.STARTING: "Its process starts.",
        WorkerStatus.RUNNING: "Its process runs.",
        WorkerStatus.COMPLETED: "Its process ended with exit code 0.",
        WorkerStatus.FAILED: "Its process ended otherwise, unasked.",
        WorkerStatus.STOPPED: "Its process was ended as asked.",
    },
    {
        WorkerReason.STARTS: ReasonMeaning(WorkerStatus.STARTING, "It starts."),
        WorkerReason.RUNS: ReasonMeaning(WorkerStatus.RUNNING, "It runs."),
        WorkerReason.FINISHED: ReasonMeaning(WorkerStatus.COMPLETED, "It completed."),
        WorkerReason.EXITED: ReasonMeaning(WorkerStatus.FAILED, "It ended with an exit code that is not 0."),
        WorkerReason.KILLED: ReasonMeaning(WorkerStatus.FAILED, "It was killed by a signal."),
        WorkerReason.OUT_OF_MEMORY: ReasonMeaning(WorkerStatus.FAILED, "It was killed because memory ran out."),
        WorkerReason.LOST: ReasonMeaning(WorkerStatus.FAILED, "It vanished, and how it ended was not seen."),
        WorkerReason.REFUSED: ReasonMeaning(WorkerStatus.FAILED, "It could not be started."),
        WorkerReason.STOPPED_AS_ASKED: ReasonMeaning(WorkerStatus.STOPPED, "It was stopped."),
        WorkerReason.CLOUD_STOPPED: ReasonMeaning(WorkerStatus.STOPPED, "The cloud was stopped."),
    },
    {
        WorkerStatus.STARTING: {
            *(WorkerStatus.RUNNING, WorkerStatus.COMPLETED, WorkerStatus.FAILED, WorkerStatus.STOPPED),
        },
        WorkerStatus.RUNNING: {WorkerStatus.COMPLETED, WorkerStatus.FAILED, WorkerStatus.STOPPED},
        WorkerStatus.COMPLETED: set(),
        WorkerStatus.FAILED: set(),
        WorkerStatus.STOPPED: set(),
    },
)

HOLDS_ROOM = (_S.STARTING, _S.RUNNING, _S.RESTARTING, _S.TERMINATING, _S.STOPPING, _S.DELETING)
"""A job whose workers may run, and so take room on the machine."""

WAITS = (_S.AWAITING, _S.QUEUEING, _S.PENDING_RETRY)
"""A job of which nothing runs yet."""

OVER = (_S.COMPLETED, _S.FAILED, _S.STOPPED, _S.ARCHIVED)
"""A job that goes no further by itself."""

WORKER_LIVES = (WorkerStatus.STARTING, WorkerStatus.RUNNING)
"""A worker that may have a process."""
