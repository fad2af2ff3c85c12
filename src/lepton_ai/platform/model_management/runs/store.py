"""Where training runs are kept: all their SQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    case,
    func,
    insert,
    or_,
    select,
    update,
)

from lepton_ai.core import leases
from lepton_ai.core.database import Json, metadata
from lepton_ai.core.reconcile import Claim
from lepton_ai.platform.model_management.registry.records import ArtifactFile
from lepton_ai.platform.model_management.runs.lifecycle import ACTIVE, RUN_LIFECYCLE, RunReason, RunStatus
from lepton_ai.platform.model_management.runs.records import Run, RunSpec

LEASE_MS = 60_000
"""Longer than it takes to store a large model."""

_ACTIVE = [status.value for status in ACTIVE]

runs_table = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("workspace_id", String(64), nullable=False),
    Column("model_name", String(64), nullable=False),
    Column("spec", Json, nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("message", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("checkpoint_step", Integer, nullable=False),
    Column("retry_at_ms", BigInteger, nullable=False),
    Column("version", Integer),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    Column("started_at_ms", BigInteger),
    Column("finished_at_ms", BigInteger),
    Column("created_by", String(80), nullable=False),
    Column("lease_token", String(40)),
    Column("lease_until_ms", BigInteger, nullable=False),
    Column("next_check_at_ms", BigInteger),  # none: nothing is left to look at
    Index("runs_by_model", "workspace_id", "model_name", "id"),
    Index("runs_due", "next_check_at_ms"),
)


def insert_run(connection: Connection, run: Run) -> None:
    """Write a new run, due at once."""
    connection.execute(insert(runs_table).values({**_row(run), **leases.DUE_AT_ONCE}))


def update_run(connection: Connection, run: Run) -> None:
    """Write what a user changed, due at once. Takes the lease away, so that a pass under way is dropped."""
    connection.execute(update(runs_table).filter_by(id=run.id).values({**_row(run), **leases.DUE_AT_ONCE}))


def find_run(connection: Connection, workspace_id: str, reference: str) -> Run | None:
    """One run, by its id or as the newest one of a model's name."""
    query = select(runs_table).filter_by(workspace_id=workspace_id)
    row = connection.execute(query.filter_by(id=reference)).mappings().first()
    if row is None:
        newest = query.filter_by(model_name=reference).order_by(runs_table.c.id.desc()).limit(1)
        row = connection.execute(newest).mappings().first()
    return _run(row) if row else None


def list_runs(connection: Connection, workspace_id: str | None = None) -> Sequence[Run]:
    """All runs of a workspace, or of every one, newest first."""
    query = select(runs_table).order_by(runs_table.c.id.desc())
    if workspace_id is not None:
        query = query.filter_by(workspace_id=workspace_id)
    return [_run(row) for row in connection.execute(query).mappings()]


def digests(connection: Connection) -> set[str]:
    """The files that runs need, of all workspaces."""
    rows = connection.execute(select(runs_table.c.spec)).scalars()
    return {file["digest"] for spec in rows for file in spec["files"].values()}


def run_ids(connection: Connection) -> set[str]:
    """Every run of all workspaces."""
    return set(connection.execute(select(runs_table.c.id)).scalars())


def active_runs(connection: Connection) -> Sequence[Run]:
    """Every run that has a process, or is about to lose it, of all workspaces."""
    with_process = [*_ACTIVE, RunStatus.DELETING.value]
    query = select(runs_table).where(runs_table.c.status.in_(with_process)).order_by(runs_table.c.id)
    return [_run(row) for row in connection.execute(query).mappings()]


def count_runs(connection: Connection, workspace_id: str) -> int:
    """How many runs a workspace has, those that are over included."""
    query = select(func.count()).select_from(runs_table).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query).scalar_one())


def count_unfinished(connection: Connection, workspace_id: str) -> int:
    """How many runs of a workspace wait, or have a process."""
    going = [RunStatus.QUEUED.value, RunStatus.REGISTERING.value, *_ACTIVE]
    query = select(func.count()).select_from(runs_table).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query.where(runs_table.c.status.in_(going))).scalar_one())


def count_ahead(connection: Connection, run_id: str, now_ms: int) -> int:
    """How many runs have a process, or were there before this one and wait for nothing but their turn."""
    table = runs_table.c
    waits = (table.status == RunStatus.QUEUED.value) & (table.id < run_id) & (table.retry_at_ms <= now_ms)
    query = select(func.count()).where(or_(table.status.in_(_ACTIVE), waits))
    return int(connection.execute(query).scalar_one())


def has_due(connection: Connection, now_ms: int) -> bool:
    """Whether `claim` would find something; a read, so that an idle server writes nothing."""
    return leases.has_due(connection, runs_table, now_ms)


def next_due_ms(connection: Connection) -> int | None:
    """When the next run is due."""
    return leases.next_due_ms(connection, runs_table)


def claim(connection: Connection, now_ms: int, limit: int, lease_tokens: Sequence[str]) -> list[Claim[Run]]:
    """Take due runs, each under a lease of its own."""
    taken = leases.lease(connection, runs_table, now_ms, LEASE_MS, limit, lease_tokens)
    return [Claim(_run(row), lease_token) for row, lease_token in taken]


def apply(connection: Connection, lease_token: str, run: Run, next_check_at_ms: int | None, places: int) -> bool:
    """Write a pass's result and give the lease back, if the lease still stands.

    Args:
        places: How many runs may have a process. One that is to start beyond that stays queued, however many passes
            found the same place free.
    """
    given_back = leases.given_back(runs_table, next_check_at_ms)
    values = {**_row(run), **given_back}
    query = update(runs_table).filter_by(id=run.id, lease_token=lease_token)
    if run.status is RunStatus.STARTING:
        others = runs_table.alias()
        taken = select(func.count()).where(others.c.status.in_(_ACTIVE), others.c.id != run.id).scalar_subquery()
        query = query.where(or_(runs_table.c.status != RunStatus.QUEUED.value, taken < places))
    if connection.execute(query.values(values)).rowcount:
        return True
    # Where the place was gone, the lease goes back all the same.
    connection.execute(update(runs_table).filter_by(id=run.id, lease_token=lease_token).values(given_back))
    return False


def has_lease(connection: Connection, lease_token: str, run_id: str) -> bool:
    """Whether a lease still stands."""
    query = select(runs_table.c.id).filter_by(id=run_id, lease_token=lease_token)
    return connection.execute(query).first() is not None


def remove(connection: Connection, lease_token: str, run_id: str) -> bool:
    """Remove a run for good, if the lease still stands."""
    return leases.remove(connection, runs_table, lease_token, run_id)


def make_due(connection: Connection, run_id: str) -> None:
    """Something happened to this run: look soon."""
    connection.execute(update(runs_table).filter_by(id=run_id).values(next_check_at_ms=0))


def free_all_leases(connection: Connection) -> None:
    """Give back the leases of a server that is gone. Only whoever holds the data folder's lock may do this."""
    leases.free_all(connection, runs_table)


def all_runs_interrupted(connection: Connection, now_ms: int) -> None:
    """Write down that the whole cloud was stopped: what trained goes on at the next start, what was stopping is."""
    table = runs_table.c
    for statuses, reason in (
        ((RunStatus.STARTING, RunStatus.RUNNING), RunReason.CLOUD_STOPPED),
        ((RunStatus.STOPPING,), RunReason.STOPPED_AS_ASKED),
    ):
        status = RUN_LIFECYCLE.status_of(reason)
        connection.execute(
            update(runs_table)
            .where(table.status.in_([before.value for before in statuses]))
            .values(
                status=status.value,
                reason=reason.value,
                message=RUN_LIFECYCLE.sentence(reason),
                changed_at_ms=now_ms,
                finished_at_ms=case((table.status == RunStatus.STOPPING.value, now_ms), else_=None),
            )
        )


def _row(run: Run) -> dict[str, Any]:
    spec = vars(run.spec) | {"files": {name: vars(file) for name, file in run.spec.files.items()}}
    return vars(run) | {
        "model_name": run.spec.model_name,
        "spec": spec,
        "status": run.status.value,
        "reason": run.reason.value,
    }


def _run(row: RowMapping) -> Run:
    names = [name for name in Run.__dataclass_fields__ if name not in ("spec", "status", "reason")]
    return Run(
        **{name: row[name] for name in names},
        spec=_spec(row["spec"]),
        status=RunStatus(row["status"]),
        reason=RunReason(row["reason"]),
    )


def _spec(written: Mapping[str, Any]) -> RunSpec:
    files = {name: ArtifactFile(**file) for name, file in written["files"].items()}
    return RunSpec(**{**written, "files": files})
