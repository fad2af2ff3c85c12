"""What one can do with training runs: the verbs that the doors call."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from lepton_ai.core import events
from lepton_ai.core.access.quotas import Quotas
from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import Conflict, InvalidInput, NotFound
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import NewId
from lepton_ai.core.names import check_name
from lepton_ai.platform.model_management.runs import store
from lepton_ai.platform.model_management.runs.decide import move
from lepton_ai.platform.model_management.runs.lifecycle import RUN_LIFECYCLE, RunReason, RunStatus
from lepton_ai.platform.model_management.runs.records import Run, RunSpec

LONGEST_BUDGET_S = 30 * 24 * 3600.0
MOST_STEPS = 10**9

Changed = Callable[[Run, int], Run]


class Runs:
    """The training runs of all workspaces.

    Args:
        database: Where they are kept.
        clock: Where the time comes from.
        new_id: Where ids come from.
        journal: Where changes are written down.
        hint: Called after each change, so that the reconciler looks at once.
        quotas: How much a workspace may have.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        new_id: NewId,
        journal: events.Journal,
        hint: Callable[[], None],
        quotas: Quotas,
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._journal = journal
        self._hint = hint
        self._quotas = quotas

    async def create(self, workspace_id: str, spec: RunSpec, actor: str, once: Once | None = None) -> Run:
        """Ask for a run. It trains when it is its turn; its files are in the artifact store already.

        Args:
            once: The client's idempotency key: the same request again gives the run that it made.

        Raises:
            InvalidInput: The name or a number breaks its rule.
            QuotaExceeded: The workspace may not have another.
        """
        check_spec(spec)
        now_ms = self._clock.now_ms()
        reason = RunReason.ASKED
        run = Run(
            id=self._new_id("run"),
            workspace_id=workspace_id,
            spec=spec,
            status=RUN_LIFECYCLE.status_of(reason),
            reason=reason,
            message=RUN_LIFECYCLE.sentence(reason),
            attempt=0,
            failures=0,
            checkpoint_step=0,
            retry_at_ms=0,
            version=None,
            created_at_ms=now_ms,
            changed_at_ms=now_ms,
            started_at_ms=None,
            finished_at_ms=None,
            created_by=actor,
        )
        event = self._journal.event(
            *(workspace_id, actor, "created", "run", run.id, "asked", "The run was asked for."),
            {"model": spec.model_name, "data": spec.data_name, "target": spec.target},
        )

        def work(connection: Connection) -> Run:
            if once and (made := once.made_before(connection, workspace_id)):
                return _require(connection, workspace_id, made)
            self._quotas.check(connection, workspace_id, jobs=1, cpus=1)
            store.insert_run(connection, run)
            if once:
                once.remember(connection, workspace_id, run.id, now_ms)
            events.record(connection, event)
            return run

        made = await self._database.write_async(work)
        self._hint()
        return made

    def get(self, workspace_id: str, reference: str) -> Run:
        """One run, by its id, or by a model's name for the newest run of it.

        Raises:
            NotFound: There is none.
        """
        return self._database.read(lambda connection: _require(connection, workspace_id, reference))

    def list(self, workspace_id: str) -> Sequence[Run]:
        """All runs of a workspace, newest first."""
        return self._database.read(lambda connection: store.list_runs(connection, workspace_id))

    def list_all(self) -> Sequence[Run]:
        """All runs of all workspaces."""
        return self._database.read(store.list_runs)

    async def stop(self, workspace_id: str, reference: str, actor: str) -> Run:
        """Stop a run once it has written a last checkpoint. One that was stopped already stays as it is.

        Raises:
            NotFound: There is none.
            Conflict: It has trained already.
        """

        def changed(run: Run, now_ms: int) -> Run:
            if run.status in (RunStatus.STOPPING, RunStatus.STOPPED):
                return run
            if run.status not in (RunStatus.QUEUED, RunStatus.STARTING, RunStatus.RUNNING):
                raise Conflict(f"{run.id} is {run.status.value}: there is nothing to stop")
            waits = run.status is RunStatus.QUEUED
            return move(run, RunReason.STOPPED_AS_ASKED if waits else RunReason.STOP_ASKED, now_ms)

        return await self._change(workspace_id, reference, "stopped", "It was asked to stop.", actor, changed)

    async def resume(self, workspace_id: str, reference: str, actor: str) -> Run:
        """Let a run that was stopped, or that failed, go on from its last checkpoint.

        Raises:
            NotFound: There is none.
            Conflict: It is not over, or its model is registered.
        """

        def changed(run: Run, now_ms: int) -> Run:
            if run.status not in (RunStatus.STOPPED, RunStatus.FAILED):
                raise Conflict(
                    f"{run.id} is {run.status.value}: only one that was stopped or has failed can go on",
                    hint="`lepton train --help` shows how to ask for a new one.",
                )
            return move(replace(run, failures=0, retry_at_ms=0), RunReason.RESUMED, now_ms)

        return await self._change(workspace_id, reference, "resumed", "It was asked to go on.", actor, changed)

    async def remove(self, workspace_id: str, reference: str, actor: str) -> Run:
        """Remove a run with its checkpoints, stopping it first. A version that it registered stays.

        Raises:
            NotFound: There is none.
        """

        def changed(run: Run, now_ms: int) -> Run:
            return run if run.status is RunStatus.DELETING else move(run, RunReason.BEING_REMOVED, now_ms)

        return await self._change(workspace_id, reference, "removed", "It is being removed.", actor, changed)

    def events(self, workspace_id: str, reference: str) -> Sequence[events.Event]:
        """What happened to a run, oldest first."""

        def work(connection: Connection) -> Sequence[events.Event]:
            run = _require(connection, workspace_id, reference)
            return events.events_of(connection, workspace_id, "run", run.id)

        return self._database.read(work)

    async def _change(
        self, workspace_id: str, reference: str, action: str, message: str, actor: str, changed: Changed
    ) -> Run:
        now_ms = self._clock.now_ms()
        event = self._journal.event(workspace_id, actor, action, "run", reference, "asked", message)

        def work(connection: Connection) -> Run:
            before = _require(connection, workspace_id, reference)
            after = changed(before, now_ms)
            if before.is_over and after.status is RunStatus.QUEUED:  # it is resumed
                self._quotas.check(connection, workspace_id, jobs=1, cpus=1)
            if after != before:
                store.update_run(connection, after)
                events.record(connection, replace(event, object_name=before.id))
            return after

        result = await self._database.write_async(work)
        self._hint()
        return result


def check_spec(spec: RunSpec) -> None:
    """Refuse what no run can be made of.

    Raises:
        InvalidInput: A name or a number breaks its rule, or two lengths are given.
    """
    check_name("model", spec.model_name)
    if not spec.target:
        raise InvalidInput("`target` must name the column to predict, got target=''")
    given = [name for name in ("budget_s", "steps", "epochs") if getattr(spec, name) is not None]
    if len(given) > 1:
        raise InvalidInput(
            f"a run is as long as a budget, a number of steps or a number of epochs says, got {' and '.join(given)}",
            hint="Give one of them.",
        )
    if spec.budget_s is not None and not (1 <= spec.budget_s <= LONGEST_BUDGET_S and math.isfinite(spec.budget_s)):
        raise InvalidInput(f"`budget_s` must be from 1 to {LONGEST_BUDGET_S:.0f} seconds, got {spec.budget_s:g}")
    for name in ("steps", "epochs"):
        value = getattr(spec, name)
        if value is not None and not 1 <= value <= MOST_STEPS:
            raise InvalidInput(f"`{name}` must be from 1 to {MOST_STEPS}, got {value}")
    if not 0 <= spec.seed < 2**31:
        raise InvalidInput(f"`seed` must be from 0 to {2**31 - 1}, got {spec.seed}")


def _require(connection: Connection, workspace_id: str, reference: str) -> Run:
    run = store.find_run(connection, workspace_id, reference)
    if run is None:
        raise NotFound(
            f"there is no run {reference!r} in workspace {workspace_id!r}, and none of a model of that name",
            hint="`lepton train list` shows them.",
        )
    return run
