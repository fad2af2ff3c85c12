"""The reconciler of endpoints: makes the processes that run match the endpoints that are written down."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Connection

from lepton_ai.core import events
from lepton_ai.core.database import Database
from lepton_ai.core.ids import NewId
from lepton_ai.core.reconcile import Claim
from lepton_ai.infrastructure.compute.port import Executor, WorkerPhase
from lepton_ai.infrastructure.compute.ports import free_port
from lepton_ai.infrastructure.network.routes import host_and_port
from lepton_ai.platform.model_management.endpoints import store
from lepton_ai.platform.model_management.endpoints.decide import decide
from lepton_ai.platform.model_management.endpoints.lifecycle import (
    REPLICA_LIFECYCLE,
    ReplicaReason,
    ReplicaStatus,
)
from lepton_ai.platform.model_management.endpoints.probe import Probe
from lepton_ai.platform.model_management.endpoints.records import (
    Action,
    Endpoint,
    EndpointChange,
    EndpointState,
    Replica,
    ReplicaObservation,
)
from lepton_ai.platform.model_management.endpoints.workers import Workers

_PROBED = (ReplicaStatus.STARTING, ReplicaStatus.READY)
_LOOPBACK = "127.0.0.1"


class EndpointReconciler:
    """Brings replicas up, watches them, and takes them down.

    Args:
        database: Where endpoints are kept.
        executor: What runs the replicas.
        workers: Says how a replica is run.
        socket_folder: Where the replicas' sockets go.
        is_routed: Whether the gateway sends requests to a replica; None while that changes.
        probe: Asks replicas whether they answer.
        replicas_changed: Called when gateway and health watch must learn something new.
        new_id: Where ids come from.
        journal: Where changes are written down.
    """

    name = "endpoints"

    def __init__(
        self,
        database: Database,
        executor: Executor,
        workers: Workers,
        socket_folder: Path,
        is_routed: Callable[[str], bool | None],
        probe: Probe,
        replicas_changed: Callable[[], None],
        new_id: NewId,
        journal: events.Journal,
    ) -> None:
        self._database = database
        self._executor = executor
        self._workers = workers
        self._socket_folder = socket_folder
        self._is_routed = is_routed
        self._probe = probe
        self._replicas_changed = replicas_changed
        self._new_id = new_id
        self._journal = journal
        self._ports_lock = threading.Lock()
        self._promised: dict[str, set[int]] = {}
        """By endpoint: ports of replicas that are not written down yet, because their pass is under way."""
        self._probes = ThreadPoolExecutor(8, thread_name_prefix="probe")

    def claim(self, now_ms: int, limit: int) -> Sequence[Claim[EndpointState]]:
        if not self._database.read(lambda connection: store.has_due(connection, now_ms)):
            return ()
        lease_tokens = [self._new_id("lease") for _ in range(limit)]
        return self._database.write(lambda connection: store.claim(connection, now_ms, limit, lease_tokens))

    def next_due_ms(self) -> int | None:
        return self._database.read(store.next_due_ms)

    def observe(self, record: EndpointState) -> Mapping[str, ReplicaObservation]:
        answers = self._probe.of(record.endpoint.spec)
        seen = self._probes.map(lambda replica: self._see(replica, answers), record.replicas)
        return dict(zip([r.id for r in record.replicas], seen, strict=True))

    def decide(
        self, record: EndpointState, observation: Mapping[str, ReplicaObservation], now_ms: int
    ) -> EndpointChange:
        with self._ports_lock:  # a pass before this one wrote down what it promised, or failed
            self._promised[record.endpoint.id] = set()
        return decide(record, observation, now_ms, self._new_replica)

    def act(self, record: EndpointState, change: EndpointChange) -> None:
        for action in change.actions:
            self._do(record, action)

    def apply(self, claim: Claim[EndpointState], change: EndpointChange, now_ms: int) -> bool:
        before, after = claim.record.endpoint, change.endpoint
        happened = self._events(claim.record, change)

        def work(connection: Connection) -> bool:
            if after is None:
                written = store.remove(connection, claim.lease_token, before.id)
            else:
                written = store.apply(
                    connection, claim.lease_token, after, change.replicas, now_ms + change.next_check_ms
                )
            if written:
                events.record(connection, *happened)
            return written

        try:
            written = self._database.write(work)
        finally:
            with self._ports_lock:
                self._promised.pop(before.id, None)
        if after != before or change.replicas:
            self._replicas_changed()
        return written

    def close(self) -> None:
        """Stop probing."""
        self._probes.shutdown()

    def _see(self, replica: Replica, answers: Callable[[str], bool]) -> ReplicaObservation:
        worker = self._executor.observe(replica.id)
        asked = replica.status in _PROBED and worker.phase is WorkerPhase.RUNNING
        return ReplicaObservation(worker, answers(replica.address) if asked else None, self._is_routed(replica.id))

    def _new_replica(self, endpoint: Endpoint, now_ms: int) -> Replica:
        replica_id = self._new_id("rep")
        return Replica(
            id=replica_id,
            endpoint_id=endpoint.id,
            generation=endpoint.generation,
            status=ReplicaStatus.PENDING,
            reason=ReplicaReason.WANTED,
            message=REPLICA_LIFECYCLE.sentence(ReplicaReason.WANTED),
            address=self._address(endpoint, replica_id),
            created_at_ms=now_ms,
            changed_at_ms=now_ms,
        )

    def _address(self, endpoint: Endpoint, replica_id: str) -> str:
        command = endpoint.spec.command
        if command is None:
            return f"unix:{self._socket_folder / replica_id}.sock"
        if command.port is None:
            return ""
        # A command that does not heed PORT listens where it said: the first replica gets that very port.
        with self._ports_lock:
            given = {replica.address for replica in self._database.read(store.live_replicas)}
            taken = {host_and_port(address)[1] for address in given if address.startswith("tcp:")}
            port = free_port(command.port, taken.union(*self._promised.values()))
            self._promised.setdefault(endpoint.id, set()).add(port)
        return f"tcp:{_LOOPBACK}:{port}"

    def _do(self, state: EndpointState, action: Action) -> None:
        if action.verb == "submit":
            if self._executor.observe(action.replica_id).phase is not WorkerPhase.ABSENT:
                return  # before a crash it was started, with a token that another one would end
            replica = next(replica for replica in state.replicas if replica.id == action.replica_id)
            self._executor.submit(self._workers.of(state.endpoint, replica))
        elif action.verb == "stop":
            self._executor.stop(action.replica_id)
        else:
            self._executor.release(action.replica_id)
            (self._socket_folder / f"{action.replica_id}.sock").unlink(missing_ok=True)

    def _events(self, record: EndpointState, change: EndpointChange) -> list[events.Event]:
        before, after = record.endpoint, change.endpoint
        where = (before.workspace_id, events.SYSTEM)
        known = {replica.id: replica for replica in record.replicas}
        happened = []
        for replica in change.replicas:
            old = known.get(replica.id)
            if old is None or old.status is not replica.status:
                happened.append(
                    self._journal.event(
                        *where,
                        *("replica_changed", "endpoint", before.name, replica.reason.value),
                        f"Replica {replica.id}: {replica.status.value}. {replica.message}",
                    )
                )
        if after is None:
            gone = ("gone", "endpoint", before.name, "removed", "The endpoint is gone.")
            happened.append(self._journal.event(*where, *gone))
        elif after.reason is not before.reason:
            changed = ("status_changed", "endpoint", before.name, after.reason.value)
            happened.append(self._journal.event(*where, *changed, f"{after.status.value}: {after.message}"))
        return happened
