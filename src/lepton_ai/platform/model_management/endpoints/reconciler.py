"""The reconciler of endpoints: makes the processes that run match the endpoints that are written down."""

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Connection

from lepton_ai.core import events
from lepton_ai.core.database import Database
from lepton_ai.core.ids import NewId
from lepton_ai.core.reconcile import Claim
from lepton_ai.infrastructure.compute.port import Executor, WorkerPhase, WorkerSpec
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.platform.model_management.endpoints import store
from lepton_ai.platform.model_management.endpoints.decide import decide
from lepton_ai.platform.model_management.endpoints.lifecycle import (
    REPLICA_LIFECYCLE,
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
from lepton_ai.platform.model_management.registry.records import ModelReference
from lepton_ai.platform.model_management.registry.service import resolve

_PROBED = (ReplicaStatus.STARTING, ReplicaStatus.READY)
SERVED_FILES = ("model.onnx", "signature.json", "preprocessing.json", "decision.json")
"""What a replica gets of a version's files."""


class EndpointReconciler:
    """Brings replicas up, watches them, and takes them down.

    Args:
        database: Where endpoints are kept.
        executor: What runs the replicas.
        artifacts: Where model files come from.
        models_folder: Where a version's files are laid out for its replicas.
        socket_folder: Where the replicas' sockets go.
        is_routed: Whether the gateway may still send requests to a replica.
        answers: The health probe.
        routes_changed: Called when the gateway must learn something new.
        new_id: Where ids come from.
        journal: Where changes are written down.
    """

    name = "endpoints"

    def __init__(
        self,
        database: Database,
        executor: Executor,
        artifacts: ArtifactStore,
        models_folder: Path,
        socket_folder: Path,
        is_routed: Callable[[str], bool],
        answers: Callable[[str], bool],
        routes_changed: Callable[[], None],
        new_id: NewId,
        journal: events.Journal,
    ) -> None:
        self._database = database
        self._executor = executor
        self._artifacts = artifacts
        self._models_folder = models_folder
        self._socket_folder = socket_folder
        self._is_routed = is_routed
        self._answers = answers
        self._routes_changed = routes_changed
        self._new_id = new_id
        self._journal = journal
        self._probes = ThreadPoolExecutor(8, thread_name_prefix="probe")

    def claim(self, now_ms: int, limit: int) -> Sequence[Claim[EndpointState]]:
        if not self._database.read(lambda connection: store.has_due(connection, now_ms)):
            return ()
        lease_tokens = [self._new_id("lease") for _ in range(limit)]
        return self._database.write(lambda connection: store.claim(connection, now_ms, limit, lease_tokens))

    def observe(self, record: EndpointState) -> Mapping[str, ReplicaObservation]:
        return dict(zip([r.id for r in record.replicas], self._probes.map(self._see, record.replicas), strict=True))

    def decide(
        self, record: EndpointState, observation: Mapping[str, ReplicaObservation], now_ms: int
    ) -> EndpointChange:
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

        written = self._database.write(work)
        if after != before or change.replicas:
            self._routes_changed()
        return written

    def close(self) -> None:
        """Stop probing."""
        self._probes.shutdown()

    def _see(self, replica: Replica) -> ReplicaObservation:
        worker = self._executor.observe(replica.id)
        asked = replica.status in _PROBED and worker.phase is WorkerPhase.RUNNING
        return ReplicaObservation(
            worker, self._answers(replica.address) if asked else None, self._is_routed(replica.id)
        )

    def _new_replica(self, endpoint: Endpoint, now_ms: int) -> Replica:
        replica_id = self._new_id("rep")
        return Replica(
            id=replica_id,
            endpoint_id=endpoint.id,
            generation=endpoint.generation,
            status=ReplicaStatus.PENDING,
            reason=ReplicaReason.WANTED,
            message=REPLICA_LIFECYCLE.sentence(ReplicaReason.WANTED),
            address=f"unix:{self._socket_folder / replica_id}.sock",
            created_at_ms=now_ms,
            changed_at_ms=now_ms,
        )

    def _do(self, state: EndpointState, action: Action) -> None:
        if action.verb == "submit":
            replica = next(replica for replica in state.replicas if replica.id == action.replica_id)
            self._executor.submit(self._worker(state.endpoint, replica))
        elif action.verb == "stop":
            self._executor.stop(action.replica_id)
        else:
            self._executor.release(action.replica_id)
            (self._socket_folder / f"{action.replica_id}.sock").unlink(missing_ok=True)

    def _worker(self, endpoint: Endpoint, replica: Replica) -> WorkerSpec:
        spec = endpoint.spec
        reference = ModelReference(spec.model_name, spec.model_version)
        version = self._database.read(lambda connection: resolve(connection, endpoint.workspace_id, reference))
        folder = self._models_folder / version.id
        files = version.manifest.files
        self._artifacts.materialise({name: files[name].digest for name in SERVED_FILES if name in files}, folder)
        argv = [
            *(sys.executable, "-m", "lepton_ai.platform.model_management.serving.model_server"),
            *("--artifact", str(folder), "--address", replica.address, "--replica", replica.id),
            *("--model", version.name, "--version", str(version.version)),
        ]
        env = {
            "LEPTON_WORKSPACE_ID": endpoint.workspace_id,
            "LEPTON_DEPLOYMENT_NAME": endpoint.name,
            "LEPTON_REPLICA_ID": replica.id,
        }
        return WorkerSpec(replica.id, "replica", tuple(argv), env, {"endpoint": endpoint.name})

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
