"""What a workspace has used."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MeteredWorker:
    """A worker whose time is counted.

    Args:
        worker_id: Its id with the executor.
        workspace_id: Who pays.
        is_replica: Whether it serves an endpoint.
    """

    worker_id: str
    workspace_id: str
    is_replica: bool


@dataclass(frozen=True)
class Usage:
    """What was used in one hour, or in several.

    Args:
        hour_ms: When it began, wall time in milliseconds.
        cpu_s: Seconds on a core.
        replica_s: Seconds that replicas ran.
        worker_s: Seconds that any workers ran, replicas included.
    """

    hour_ms: int
    cpu_s: float = 0.0
    replica_s: float = 0.0
    worker_s: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            min(self.hour_ms, other.hour_ms),
            self.cpu_s + other.cpu_s,
            self.replica_s + other.replica_s,
            self.worker_s + other.worker_s,
        )
