"""What to do about an endpoint: a pure function of what was asked for, what is written down, and what was seen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from lepton_ai.infrastructure.compute.port import WorkerPhase
from lepton_ai.platform.model_management.endpoints.lifecycle import (
    ENDPOINT_LIFECYCLE,
    REPLICA_LIFECYCLE,
    EndpointReason,
    EndpointStatus,
    ReplicaReason,
    ReplicaStatus,
)
from lepton_ai.platform.model_management.endpoints.records import (
    Action,
    Endpoint,
    EndpointChange,
    EndpointState,
    Replica,
    ReplicaObservation,
)

START_TIMEOUT_MS = 60_000
COMMAND_START_TIMEOUT_MS = 900_000
"""A user's command may fetch and load what it needs before it listens."""
DRAIN_MS = 150
"""How long a replica lives on after the gateway stopped sending it requests, so that those on the way arrive."""
LOOK_AGAIN_MS = 300_000
"""How long an endpoint at peace is left alone; the health watch makes it due before, should a replica fall silent."""
DOUBT_MS = 250
"""How soon a replica that did not answer a probe is asked again: a dead one is out of service within three periods."""
PROBES_UNTIL_DEAD = 3
FAILURES_UNTIL_ERROR = 3
LONGEST_RETRY_MS = 30_000

_COMING = (ReplicaStatus.PENDING, ReplicaStatus.STARTING)
_CURRENT = (ReplicaStatus.PENDING, ReplicaStatus.STARTING, ReplicaStatus.READY)

NewReplica = Callable[[Endpoint, int], Replica]
"""Makes a pending replica for an endpoint at a time; ids and addresses come from outside."""


def decide(
    state: EndpointState, observation: Mapping[str, ReplicaObservation], now_ms: int, new_replica: NewReplica
) -> EndpointChange:
    """Decide one step.

    Args:
        state: The endpoint and those of its replicas that are not over.
        observation: What was seen of each of these replicas.
        now_ms: Wall time.
        new_replica: Makes the record of a replica that is needed.

    Returns:
        What to do, and what to write down after it was done.
    """
    endpoint = state.endpoint
    actions: list[Action] = []
    patience_ms = START_TIMEOUT_MS if endpoint.spec.command is None else COMMAND_START_TIMEOUT_MS
    waits = endpoint.waits_for_approval and any(_is_old(endpoint, replica) for replica in state.replicas)
    moved = [_advance(endpoint, waits, r, observation[r.id], now_ms, actions, patience_ms) for r in state.replicas]
    endpoint = _count_failures(endpoint, state.replicas, moved, now_ms)
    moved = _retire(endpoint, moved, now_ms)
    moved += [
        new_replica(endpoint, now_ms) for _ in range(_missing(endpoint, moved) if now_ms >= endpoint.retry_at_ms else 0)
    ]
    if endpoint.deleting and all(replica.is_over for replica in moved):
        return EndpointChange(None, tuple(moved), tuple(actions), observed=observation)
    reason = _reason(endpoint, moved)
    status = ENDPOINT_LIFECYCLE.status_of(reason)
    if not ENDPOINT_LIFECYCLE.allows(endpoint.status, status):
        raise AssertionError(f"decided an illegal transition of an endpoint: {endpoint.status} to {status}")
    last_words = next((replica.message for replica in moved if replica.status is ReplicaStatus.FAILED), "")
    endpoint = replace(
        endpoint,
        status=status,
        reason=reason,
        message=_sentence(reason, last_words or (endpoint.message if reason is endpoint.reason else "")),
    )
    known = {replica.id: replica for replica in state.replicas}
    changed = tuple(replica for replica in moved if known.get(replica.id) != replica)
    return EndpointChange(endpoint, changed, tuple(actions), _next_check_ms(endpoint, moved, now_ms), observation)


def _advance(
    endpoint: Endpoint,
    waits: bool,
    replica: Replica,
    seen: ReplicaObservation,
    now_ms: int,
    actions: list[Action],
    patience_ms: int,
) -> Replica:
    """Bring one replica up to what was seen, adding what to do to its worker."""
    worker = seen.worker
    if worker.is_over:
        actions.append(Action("release", replica.id))
        asked = replica.status is ReplicaStatus.STOPPING
        ended = _move(
            replica, ReplicaReason.ENDED_AS_ASKED if asked else ReplicaReason.EXITED, now_ms, message=worker.ending
        )
        return replace(ended, finished_at_ms=worker.finished_at_ms or now_ms, exit_code=worker.exit_code)
    if replica.status is ReplicaStatus.PENDING:
        actions.append(Action("submit", replica.id))
        return _move(replica, ReplicaReason.PROCESS_STARTED, now_ms)
    if worker.phase is WorkerPhase.ABSENT:
        # The record says that it was started, and nothing is there: its files were removed, or it never came up.
        if replica.reason is ReplicaReason.PROCESS_STARTED and now_ms - replica.changed_at_ms < patience_ms:
            actions.append(Action("submit", replica.id))
            return replica
        gone = ReplicaReason.ENDED_AS_ASKED if replica.status is ReplicaStatus.STOPPING else ReplicaReason.EXITED
        return replace(_move(replica, gone, now_ms, message="its process is gone"), finished_at_ms=now_ms)
    if replica.reason is ReplicaReason.PROCESS_STARTED:
        if seen.answers:
            if endpoint.spec.serves:
                answers = ReplicaReason.AWAITS_APPROVAL if waits else ReplicaReason.ANSWERS
                return _move(replica, answers, now_ms)
            return replace(_move(replica, ReplicaReason.RUNS, now_ms), ready_at_ms=now_ms)
        if now_ms - replica.changed_at_ms >= patience_ms:
            actions.append(Action("stop", replica.id))
            return _move(replica, ReplicaReason.START_TIMED_OUT, now_ms)
        return replica
    if replica.reason is ReplicaReason.AWAITS_APPROVAL and seen.answers and not waits:
        return _move(replica, ReplicaReason.ANSWERS, now_ms)
    if replica.reason is ReplicaReason.ANSWERS and seen.answers and seen.routed:
        return replace(_move(replica, ReplicaReason.ROUTED, now_ms), ready_at_ms=now_ms)
    came_up = replica.takes_requests or replica.reason is ReplicaReason.AWAITS_APPROVAL
    if came_up and seen.answers is not None:
        failed = 0 if seen.answers else replica.failed_probes + 1
        if failed >= PROBES_UNTIL_DEAD:
            return _move(replace(replica, failed_probes=failed), ReplicaReason.NO_ANSWER, now_ms)
        return replica if failed == replica.failed_probes else replace(replica, failed_probes=failed)
    if replica.status is ReplicaStatus.DRAINING and seen.routed is False and now_ms - replica.changed_at_ms >= DRAIN_MS:
        actions.append(Action("stop", replica.id))
        return _move(replica, ReplicaReason.DRAINED, now_ms)
    if replica.status is ReplicaStatus.STOPPING:
        actions.append(Action("stop", replica.id))
    return replica


def _is_old(endpoint: Endpoint, replica: Replica) -> bool:
    return replica.generation != endpoint.generation and replica.status is ReplicaStatus.READY


def _count_failures(endpoint: Endpoint, before: Sequence[Replica], after: Sequence[Replica], now_ms: int) -> Endpoint:
    """Count replicas of this generation that ended without ever answering; an answer starts the count anew."""
    current = [(old, new) for old, new in zip(before, after, strict=True) if new.generation == endpoint.generation]
    if any(new.status is ReplicaStatus.READY and old.status is not ReplicaStatus.READY for old, new in current):
        return replace(endpoint, failures=0, retry_at_ms=0)
    timed_out = ReplicaReason.START_TIMED_OUT
    failed = sum(
        (new.status is ReplicaStatus.FAILED and old.status in _COMING) or (new.reason is timed_out and old != new)
        for old, new in current
    )
    if not failed:
        return endpoint
    failures = endpoint.failures + failed
    pause_ms = min(LONGEST_RETRY_MS, 500 * 2 ** min(failures - 1, 10))
    return replace(endpoint, failures=failures, retry_at_ms=now_ms + pause_ms)


def _retire(endpoint: Endpoint, replicas: list[Replica], now_ms: int) -> list[Replica]:
    """Take out of service what is too much or too old, keeping as many answering as were asked for."""
    desired = _desired(endpoint)
    ready_new = sum(r.generation == endpoint.generation and r.status is ReplicaStatus.READY for r in replicas)
    keep_old = max(0, desired - ready_new)
    keep_new = desired
    result = {}
    # The ones to keep come first: ready before starting, older before younger.
    for replica in sorted(replicas, key=lambda r: (r.status is not ReplicaStatus.READY, r.id)):
        kept = replica
        if replica.status in _CURRENT:
            if replica.generation == endpoint.generation:
                keep_new -= 1
                if keep_new < 0:
                    kept = _move(replica, ReplicaReason.NOT_NEEDED, now_ms)
            else:
                keep_old -= 1
                if keep_old < 0 or replica.status is not ReplicaStatus.READY:
                    kept = _move(replica, ReplicaReason.REPLACED, now_ms)
        result[replica.id] = kept
    return [result[replica.id] for replica in replicas]


def _missing(endpoint: Endpoint, replicas: Sequence[Replica]) -> int:
    current = [r for r in replicas if r.generation == endpoint.generation and r.status in _CURRENT]
    missing = _desired(endpoint) - len(current)
    old_ones_serve = any(_is_old(endpoint, replica) for replica in replicas)
    if (
        old_ones_serve
    ):  # one new one at a time, so that a rollout needs room for one replica more, not for twice as many
        missing = min(missing, 1 - sum(r.status in _COMING for r in current))
    return max(0, missing)


def _desired(endpoint: Endpoint) -> int:
    return 0 if endpoint.deleting or endpoint.spec.photon else endpoint.desired_replicas


def _reason(endpoint: Endpoint, replicas: Sequence[Replica]) -> EndpointReason:
    live = [replica for replica in replicas if not replica.is_over]
    ready = [replica for replica in live if replica.status is ReplicaStatus.READY]
    ready_new = [replica for replica in ready if replica.generation == endpoint.generation]
    desired = _desired(endpoint)
    if endpoint.deleting:
        return EndpointReason.BEING_REMOVED
    if endpoint.spec.photon and endpoint.spec.min_replicas and not live:
        return EndpointReason.PHOTON_NOT_RUN
    if desired == 0:
        if live:
            return EndpointReason.REPLICAS_END
        return EndpointReason.ASLEEP if endpoint.spec.wakes else EndpointReason.NO_REPLICAS_ASKED
    if len(ready) > len(ready_new) and any(r.reason is ReplicaReason.AWAITS_APPROVAL for r in live):
        return EndpointReason.AWAITS_APPROVAL
    if len(ready) > len(ready_new):
        failing = endpoint.failures >= FAILURES_UNTIL_ERROR
        return EndpointReason.ROLLOUT_FAILS if failing else EndpointReason.ROLLING_OUT
    if len(ready_new) >= desired:
        leaving = any(replica.status in (ReplicaStatus.DRAINING, ReplicaStatus.STOPPING) for replica in live)
        scaling = endpoint.status is EndpointStatus.SCALING and leaving
        return EndpointReason.CHANGING_COUNT if scaling else EndpointReason.ALL_READY
    if endpoint.failures >= FAILURES_UNTIL_ERROR and not ready:
        return EndpointReason.REPLICAS_FAIL
    if endpoint.failures >= FAILURES_UNTIL_ERROR:
        return EndpointReason.DEGRADED
    if endpoint.status in (EndpointStatus.STARTING, EndpointStatus.STOPPED, EndpointStatus.STOPPING):
        return EndpointReason.REPLICAS_START
    if not ready:
        failing = endpoint.status is EndpointStatus.ERROR
        return EndpointReason.REPLICAS_FAIL if failing else EndpointReason.NO_REPLICA_READY
    if endpoint.status is EndpointStatus.SCALING:
        return EndpointReason.CHANGING_COUNT
    return EndpointReason.DEGRADED


def _sentence(reason: EndpointReason, last_words: str) -> str:
    sentence = ENDPOINT_LIFECYCLE.sentence(reason)
    troubled = (EndpointReason.REPLICAS_FAIL, EndpointReason.ROLLOUT_FAILS, EndpointReason.DEGRADED)
    if reason in (*troubled, EndpointReason.NO_REPLICA_READY) and last_words and not last_words.startswith(sentence):
        return f"{sentence} The last one: {last_words.rstrip('.')}."
    return last_words if last_words.startswith(sentence) else sentence


def _next_check_ms(endpoint: Endpoint, replicas: Sequence[Replica], now_ms: int) -> int:
    if any(not replica.is_over and replica.status is not ReplicaStatus.READY for replica in replicas):
        return 100
    if any(replica.failed_probes for replica in replicas if not replica.is_over):
        return DOUBT_MS
    if endpoint.retry_at_ms > now_ms and _missing(endpoint, replicas):
        return endpoint.retry_at_ms - now_ms
    return LOOK_AGAIN_MS


def _move(replica: Replica, reason: ReplicaReason, now_ms: int, *, message: str = "") -> Replica:
    status = REPLICA_LIFECYCLE.status_of(reason)
    REPLICA_LIFECYCLE.check(replica.status, status)
    return replace(
        replica,
        status=status,
        reason=reason,
        message=message or REPLICA_LIFECYCLE.sentence(reason),
        changed_at_ms=now_ms,
    )
