"""The reconciler of training runs: makes the processes that run match the runs that are written down."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from lepton_ai.core import events
from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import InternalError, LeptonError, NotFound
from lepton_ai.core.ids import NewId
from lepton_ai.core.reconcile import Claim
from lepton_ai.infrastructure.compute.port import Executor, WorkerSpec
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.platform.model_management.registry.service import Registry
from lepton_ai.platform.model_management.runs import store
from lepton_ai.platform.model_management.runs.decide import decide
from lepton_ai.platform.model_management.runs.folder import RunFolder
from lepton_ai.platform.model_management.runs.lifecycle import RunStatus
from lepton_ai.platform.model_management.runs.records import Refusal, Run, RunChange, RunObservation

KIND = "training"
WORKER_MODULE = "lepton_ai.platform.frameworks.train_worker"
GRACE_S = 20.0
"""Enough to end the step at hand and write a checkpoint."""


class RunReconciler:
    """Starts the processes of runs in their turn, watches them, and registers what they made.

    Args:
        database: Where runs are kept.
        executor: What runs their processes.
        artifacts: Where their data come from and their models go to.
        registry: Where versions are registered.
        folder: Where each run has a folder.
        places: How many runs may have a process at once.
        clock: Where the time comes from.
        new_id: Where ids come from.
        journal: Where changes are written down.
    """

    name = "runs"

    def __init__(
        self,
        database: Database,
        executor: Executor,
        artifacts: ArtifactStore,
        registry: Registry,
        folder: Path,
        places: int,
        clock: Clock,
        new_id: NewId,
        journal: events.Journal,
    ) -> None:
        self._database = database
        self._executor = executor
        self._artifacts = artifacts
        self._registry = registry
        self._folder = folder
        self._places = places
        self._clock = clock
        self._new_id = new_id
        self._journal = journal

    def claim(self, now_ms: int, limit: int) -> Sequence[Claim[Run]]:
        if not self._database.read(lambda connection: store.has_due(connection, now_ms)):
            return ()
        lease_tokens = [self._new_id("lease") for _ in range(limit)]
        return self._database.write(lambda connection: store.claim(connection, now_ms, limit, lease_tokens))

    def next_due_ms(self) -> int | None:
        return self._database.read(store.next_due_ms)

    def observe(self, record: Run) -> RunObservation:
        folder = self._folder_of(record)
        seen = RunObservation(
            worker=self._executor.observe(record.worker_id),
            has_place=record.status is RunStatus.QUEUED and self._has_place(record),
            trains=folder.begun(record.attempt).exists(),
            checkpoint_step=folder.checkpoint_step(),
            has_model=folder.model.is_dir(),
            refusal=folder.read_refusal(record.attempt),
            has_leftovers=folder.has_leftovers(),
        )
        if record.status is not RunStatus.REGISTERING or not seen.has_model:
            return seen
        try:
            return replace(seen, manifest=folder.read_manifest(record))
        except LeptonError as error:
            return replace(seen, refusal=Refusal(error.code, error.message, error.hint, is_final=True))

    def decide(self, record: Run, observation: RunObservation, now_ms: int) -> RunChange:
        return decide(record, observation, now_ms)

    def act(self, record: Run, change: RunChange) -> None:
        folder = self._folder_of(record)
        for action in change.actions:
            if action == "submit":
                self._submit(record, folder)
            elif action == "stop":
                self._executor.stop(record.worker_id)
            elif action == "release":
                self._executor.release(record.worker_id)
            elif action == "store" and change.manifest is not None:
                folder.store_model(change.manifest, self._artifacts)
            elif action == "clear":
                folder.clear()
            elif action == "remove":
                folder.remove()

    def apply(self, claim: Claim[Run], change: RunChange, now_ms: int) -> bool:
        before, after = claim.record, change.run
        if after is None:
            return self._remove(claim)
        register = None
        if change.manifest is not None:
            # The version and the end of the run are one transaction: never one without the other, and never twice.
            where = (before.workspace_id, before.spec.model_name)
            register = self._registry.registration(*where, change.manifest, before.created_by)
        next_check_at_ms = None if change.next_check_ms is None else now_ms + change.next_check_ms
        changed = ("status_changed", "run", before.id, after.reason.value, after.message)
        event = self._journal.event(before.workspace_id, events.SYSTEM, *changed)

        def work(connection: Connection) -> bool:
            result = after
            if register is not None and store.has_lease(connection, claim.lease_token, before.id):
                version = register(connection)
                told = f"It registered {version.name}:{version.version}."
                result = replace(after, version=version.version, message=told)
            written = store.apply(connection, claim.lease_token, result, next_check_at_ms, self._places)
            if written and result.reason is not before.reason:
                events.record(connection, replace(event, message=f"{result.status.value}: {result.message}"))
            return written

        return self._database.write(work)

    def _submit(self, run: Run, folder: RunFolder) -> None:
        try:
            folder.prepare(run, self._artifacts)
        except (NotFound, InternalError) as error:  # the data are gone or damaged: no process will change that
            folder.write_refusal(run.attempt, error)
            return
        self._executor.submit(self._worker(run, folder))

    def _has_place(self, run: Run) -> bool:
        now_ms = self._clock.now_ms()
        ahead = self._database.read(lambda connection: store.count_ahead(connection, run.id, now_ms))
        return ahead < self._places

    def _remove(self, claim: Claim[Run]) -> bool:
        run = claim.record
        gone = ("gone", "run", run.id, "removed", "The run is gone.")
        event = self._journal.event(run.workspace_id, events.SYSTEM, *gone)

        def work(connection: Connection) -> bool:
            removed = store.remove(connection, claim.lease_token, run.id)
            if removed:
                events.record(connection, event)
            return removed

        return self._database.write(work)

    def _worker(self, run: Run, folder: RunFolder) -> WorkerSpec:
        argv = (sys.executable, "-m", WORKER_MODULE, str(folder.wish(run.attempt)))
        env = {"LEPTON_WORKSPACE_ID": run.workspace_id}
        return WorkerSpec(run.worker_id, KIND, argv, env, {"run": run.id}, grace_s=GRACE_S)

    def _folder_of(self, run: Run) -> RunFolder:
        return RunFolder(self._folder / run.id)
