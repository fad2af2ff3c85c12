"""How endpoints and replicas may change: the tables that reconciler, documentation and tests read."""

from enum import StrEnum

from lepton_ai.core.lifecycle import Lifecycle, ReasonMeaning


class EndpointStatus(StrEnum):
    """Where an endpoint stands; the words are those of the protocol."""

    STARTING = "Starting"
    READY = "Ready"
    NOT_READY = "Not Ready"
    UPDATING = "Updating"
    SCALING = "Scaling"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    DELETING = "Deleting"
    ERROR = "Error"


class EndpointReason(StrEnum):
    """Why an endpoint stands there."""

    REPLICAS_START = "replicas_start"
    ALL_READY = "all_ready"
    DEGRADED = "degraded"
    NO_REPLICA_READY = "no_replica_ready"
    ROLLING_OUT = "rolling_out"
    AWAITS_APPROVAL = "awaits_approval"
    ROLLOUT_FAILS = "rollout_fails"
    CHANGING_COUNT = "changing_count"
    REPLICAS_END = "replicas_end"
    NO_REPLICAS_ASKED = "no_replicas_asked"
    ASLEEP = "asleep"
    BEING_REMOVED = "being_removed"
    REPLICAS_FAIL = "replicas_fail"
    PHOTON_NOT_RUN = "photon_not_run"


ENDPOINT_LIFECYCLE: Lifecycle[EndpointStatus, EndpointReason] = Lifecycle(
    "endpoint",
    {
        EndpointStatus.STARTING: "Replicas start; none was ready since the endpoint was made or started again.",
        EndpointStatus.READY: "At least one replica answers, and no change is under way.",
        EndpointStatus.NOT_READY: "No replica answers; replacements start, unless nothing here can run what it serves.",
        EndpointStatus.UPDATING: "Replicas of a new version start while those of the old one still answer.",
        EndpointStatus.SCALING: "The number of replicas changes while the others answer.",
        EndpointStatus.STOPPING: "It was asked to stop; replicas finish their requests.",
        EndpointStatus.STOPPED: "No replica is asked for and none runs.",
        EndpointStatus.DELETING: "It is being removed; replicas finish their requests.",
        EndpointStatus.ERROR: "Replicas end right after their start, again and again; attempts go on, ever slower.",
    },
    {
        EndpointReason.REPLICAS_START: ReasonMeaning(EndpointStatus.STARTING, "Replicas are starting."),
        EndpointReason.ALL_READY: ReasonMeaning(EndpointStatus.READY, "All replicas answer."),
        EndpointReason.DEGRADED: ReasonMeaning(
            EndpointStatus.READY, "It answers with fewer replicas than asked for; replacements start."
        ),
        EndpointReason.NO_REPLICA_READY: ReasonMeaning(
            EndpointStatus.NOT_READY, "No replica answers; replacements start."
        ),
        EndpointReason.ROLLING_OUT: ReasonMeaning(
            EndpointStatus.UPDATING, "New replicas start; the old ones answer until the new ones do."
        ),
        EndpointReason.AWAITS_APPROVAL: ReasonMeaning(
            EndpointStatus.UPDATING,
            "A new replica answers and waits for `lepton endpoint approve`; the old ones serve until then.",
        ),
        EndpointReason.ROLLOUT_FAILS: ReasonMeaning(
            EndpointStatus.UPDATING, "Replicas of the new version end at their start; the old version still answers."
        ),
        EndpointReason.CHANGING_COUNT: ReasonMeaning(EndpointStatus.SCALING, "The number of replicas is changing."),
        EndpointReason.REPLICAS_END: ReasonMeaning(EndpointStatus.STOPPING, "Replicas finish their requests and end."),
        EndpointReason.NO_REPLICAS_ASKED: ReasonMeaning(
            EndpointStatus.STOPPED, "It is stopped: no replicas are asked for."
        ),
        EndpointReason.ASLEEP: ReasonMeaning(
            EndpointStatus.STOPPED,
            "It sleeps; the next request starts a replica, waits for it and is answered.",
        ),
        EndpointReason.BEING_REMOVED: ReasonMeaning(EndpointStatus.DELETING, "It is being removed."),
        EndpointReason.REPLICAS_FAIL: ReasonMeaning(
            EndpointStatus.ERROR, "Replicas end right after their start; `lepton endpoint logs` shows why."
        ),
        EndpointReason.PHOTON_NOT_RUN: ReasonMeaning(
            EndpointStatus.NOT_READY, "This version of lepton-ai keeps photons; a later one runs them."
        ),
    },
    {
        EndpointStatus.STARTING: {
            EndpointStatus.READY,
            EndpointStatus.NOT_READY,
            EndpointStatus.ERROR,
            EndpointStatus.STOPPING,
            EndpointStatus.STOPPED,
            EndpointStatus.DELETING,
        },
        EndpointStatus.READY: {
            EndpointStatus.NOT_READY,
            EndpointStatus.UPDATING,
            EndpointStatus.SCALING,
            EndpointStatus.STOPPING,
            EndpointStatus.STOPPED,
            EndpointStatus.DELETING,
            EndpointStatus.ERROR,
        },
        EndpointStatus.NOT_READY: {
            EndpointStatus.READY,
            EndpointStatus.ERROR,
            EndpointStatus.UPDATING,
            EndpointStatus.SCALING,
            EndpointStatus.STOPPING,
            EndpointStatus.STOPPED,
            EndpointStatus.DELETING,
        },
        EndpointStatus.UPDATING: {
            EndpointStatus.READY,
            EndpointStatus.NOT_READY,
            EndpointStatus.SCALING,
            EndpointStatus.STOPPING,
            EndpointStatus.STOPPED,
            EndpointStatus.DELETING,
            EndpointStatus.ERROR,
        },
        EndpointStatus.SCALING: {
            EndpointStatus.READY,
            EndpointStatus.NOT_READY,
            EndpointStatus.UPDATING,
            EndpointStatus.STOPPING,
            EndpointStatus.STOPPED,
            EndpointStatus.DELETING,
            EndpointStatus.ERROR,
        },
        EndpointStatus.STOPPING: {
            EndpointStatus.STOPPED,
            EndpointStatus.STARTING,
            EndpointStatus.READY,
            EndpointStatus.SCALING,
            EndpointStatus.DELETING,
        },
        EndpointStatus.STOPPED: {EndpointStatus.STARTING, EndpointStatus.DELETING},
        EndpointStatus.DELETING: set(),
        EndpointStatus.ERROR: {
            EndpointStatus.READY,
            EndpointStatus.STARTING,
            EndpointStatus.UPDATING,
            EndpointStatus.SCALING,
            EndpointStatus.STOPPING,
            EndpointStatus.STOPPED,
            EndpointStatus.DELETING,
        },
    },
)


class ReplicaStatus(StrEnum):
    """Where a replica stands."""

    PENDING = "Pending"
    STARTING = "Starting"
    READY = "Ready"
    DRAINING = "Draining"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"


class ReplicaReason(StrEnum):
    """Why a replica stands there."""

    WANTED = "wanted"
    PROCESS_STARTED = "process_started"
    AWAITS_APPROVAL = "awaits_approval"
    ANSWERS = "answers"
    ROUTED = "routed"
    RUNS = "runs"
    REPLACED = "replaced"
    NOT_NEEDED = "not_needed"
    NO_ANSWER = "no_answer"
    START_TIMED_OUT = "start_timed_out"
    DRAINED = "drained"
    ENDED_AS_ASKED = "ended_as_asked"
    EXITED = "exited"


REPLICA_LIFECYCLE: Lifecycle[ReplicaStatus, ReplicaReason] = Lifecycle(
    "replica",
    {
        ReplicaStatus.PENDING: "It is asked for; no process runs yet.",
        ReplicaStatus.STARTING: "Its process runs, and no request can reach it yet.",
        ReplicaStatus.READY: "It does its work: where it answers requests, the gateway sends it some.",
        ReplicaStatus.DRAINING: "It gets no new requests and finishes those at hand.",
        ReplicaStatus.STOPPING: "Its process was asked to end.",
        ReplicaStatus.STOPPED: "Its process ended as asked.",
        ReplicaStatus.FAILED: "Its process ended unasked.",
    },
    {
        ReplicaReason.WANTED: ReasonMeaning(ReplicaStatus.PENDING, "The endpoint needs one more replica."),
        ReplicaReason.PROCESS_STARTED: ReasonMeaning(ReplicaStatus.STARTING, "Its process has started."),
        ReplicaReason.AWAITS_APPROVAL: ReasonMeaning(
            ReplicaStatus.STARTING, "It answers, and gets requests once `lepton endpoint approve` was said."
        ),
        ReplicaReason.ANSWERS: ReasonMeaning(ReplicaStatus.STARTING, "It answers; the gateway takes over its address."),
        ReplicaReason.ROUTED: ReasonMeaning(ReplicaStatus.READY, "It answers, and the gateway sends it requests."),
        ReplicaReason.RUNS: ReasonMeaning(ReplicaStatus.READY, "It runs; no requests are sent to it."),
        ReplicaReason.REPLACED: ReasonMeaning(ReplicaStatus.DRAINING, "Replicas of a newer version answer."),
        ReplicaReason.NOT_NEEDED: ReasonMeaning(ReplicaStatus.DRAINING, "Fewer replicas are asked for."),
        ReplicaReason.NO_ANSWER: ReasonMeaning(ReplicaStatus.DRAINING, "It stopped answering its health checks."),
        ReplicaReason.START_TIMED_OUT: ReasonMeaning(ReplicaStatus.STOPPING, "It did not answer in time."),
        ReplicaReason.DRAINED: ReasonMeaning(ReplicaStatus.STOPPING, "Its requests are finished; it was asked to end."),
        ReplicaReason.ENDED_AS_ASKED: ReasonMeaning(ReplicaStatus.STOPPED, "It ended as asked."),
        ReplicaReason.EXITED: ReasonMeaning(ReplicaStatus.FAILED, "Its process ended unasked."),
    },
    {
        ReplicaStatus.PENDING: {ReplicaStatus.STARTING, ReplicaStatus.FAILED},
        ReplicaStatus.STARTING: {
            ReplicaStatus.READY,
            ReplicaStatus.DRAINING,
            ReplicaStatus.STOPPING,
            ReplicaStatus.FAILED,
        },
        ReplicaStatus.READY: {ReplicaStatus.DRAINING, ReplicaStatus.FAILED},
        ReplicaStatus.DRAINING: {ReplicaStatus.STOPPING, ReplicaStatus.STOPPED, ReplicaStatus.FAILED},
        ReplicaStatus.STOPPING: {ReplicaStatus.STOPPED},
        ReplicaStatus.STOPPED: set(),
        ReplicaStatus.FAILED: set(),
    },
)
