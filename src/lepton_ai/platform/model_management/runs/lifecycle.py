"""How training runs may change: the table that reconciler, documentation and tests read."""

from enum import StrEnum

from lepton_ai.core.lifecycle import Lifecycle, ReasonMeaning


class RunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    REGISTERING = "registering"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DELETING = "deleting"


class RunReason(StrEnum):
    """Why a run stands there."""

    ASKED = "asked"
    RESTARTS = "restarts"
    CLOUD_STOPPED = "cloud_stopped"
    RESUMED = "resumed"
    WORKER_STARTS = "worker_starts"
    TRAINS = "trains"
    TRAINED = "trained"
    REGISTERED = "registered"
    REFUSED = "refused"
    NOT_REGISTERED = "not_registered"
    OUT_OF_MEMORY = "out_of_memory"
    KILLED = "killed"
    EXITED = "exited"
    LOST = "lost"
    STOP_ASKED = "stop_asked"
    STOPPED_AS_ASKED = "stopped_as_asked"
    BEING_REMOVED = "being_removed"


RUN_LIFECYCLE: Lifecycle[RunStatus, RunReason] = Lifecycle(
    "run",
    {
        RunStatus.QUEUED: "It waits for its turn; no process runs.",
        RunStatus.STARTING: "Its process starts, reads the data and builds the net.",
        RunStatus.RUNNING: "It trains.",
        RunStatus.REGISTERING: "It has trained; its model is on disk and becomes a version.",
        RunStatus.COMPLETED: "Its model is registered.",
        RunStatus.FAILED: "It ended without a model, and is not tried again by itself.",
        RunStatus.STOPPING: "It was asked to stop; its process writes a last checkpoint.",
        RunStatus.STOPPED: "It was stopped as asked. It can go on from its last checkpoint.",
        RunStatus.DELETING: "It is being removed.",
    },
    {
        RunReason.ASKED: ReasonMeaning(RunStatus.QUEUED, "It waits for its turn."),
        RunReason.RESTARTS: ReasonMeaning(
            RunStatus.QUEUED, "Its process ended unasked; it goes on from its last checkpoint."
        ),
        RunReason.CLOUD_STOPPED: ReasonMeaning(
            RunStatus.QUEUED, "The cloud was stopped; it goes on from its last checkpoint at the next start."
        ),
        RunReason.RESUMED: ReasonMeaning(
            RunStatus.QUEUED, "It was asked to go on from its last checkpoint, and waits for its turn."
        ),
        RunReason.WORKER_STARTS: ReasonMeaning(RunStatus.STARTING, "Its process starts."),
        RunReason.TRAINS: ReasonMeaning(RunStatus.RUNNING, "It trains."),
        RunReason.TRAINED: ReasonMeaning(RunStatus.REGISTERING, "It has trained; its model is being registered."),
        RunReason.REGISTERED: ReasonMeaning(RunStatus.COMPLETED, "Its model is registered."),
        RunReason.REFUSED: ReasonMeaning(RunStatus.FAILED, "The data or the wishes cannot be trained on."),
        RunReason.NOT_REGISTERED: ReasonMeaning(RunStatus.FAILED, "The model it made cannot be registered."),
        RunReason.OUT_OF_MEMORY: ReasonMeaning(RunStatus.FAILED, "The machine has too little memory for it."),
        RunReason.KILLED: ReasonMeaning(RunStatus.FAILED, "Its process was killed by a signal again and again."),
        RunReason.EXITED: ReasonMeaning(
            RunStatus.FAILED, "Its process ends by itself again and again; `lepton train logs` shows why."
        ),
        RunReason.LOST: ReasonMeaning(RunStatus.FAILED, "Its process vanished again and again."),
        RunReason.STOP_ASKED: ReasonMeaning(RunStatus.STOPPING, "It was asked to stop."),
        RunReason.STOPPED_AS_ASKED: ReasonMeaning(
            RunStatus.STOPPED, "It was stopped as asked; `lepton train resume` lets it go on."
        ),
        RunReason.BEING_REMOVED: ReasonMeaning(RunStatus.DELETING, "It is being removed."),
    },
    {
        RunStatus.QUEUED: {
            RunStatus.STARTING,
            RunStatus.REGISTERING,
            RunStatus.STOPPED,
            RunStatus.DELETING,
        },
        RunStatus.STARTING: {
            RunStatus.RUNNING,
            RunStatus.REGISTERING,
            RunStatus.QUEUED,
            RunStatus.FAILED,
            RunStatus.STOPPING,
            RunStatus.DELETING,
        },
        RunStatus.RUNNING: {
            RunStatus.REGISTERING,
            RunStatus.QUEUED,
            RunStatus.FAILED,
            RunStatus.STOPPING,
            RunStatus.DELETING,
        },
        RunStatus.REGISTERING: {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.DELETING},
        RunStatus.COMPLETED: {RunStatus.DELETING},
        RunStatus.FAILED: {RunStatus.QUEUED, RunStatus.DELETING},
        RunStatus.STOPPING: {RunStatus.STOPPED, RunStatus.DELETING},
        RunStatus.STOPPED: {RunStatus.QUEUED, RunStatus.DELETING},
        RunStatus.DELETING: set(),
    },
)

ACTIVE = (RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING)
"""A run that has a process, and so takes a place."""

OVER = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.STOPPED)
"""A run that nothing will change by itself any more."""
