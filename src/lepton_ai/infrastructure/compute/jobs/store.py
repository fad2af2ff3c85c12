"""Where jobs and their workers are kept: all their SQL."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    and_,
    func,
    insert,
    or_,
    select,
    update,
)

from lepton_ai.core import leases
from lepton_ai.core.database import Json, metadata
from lepton_ai.core.reconcile import Claim
from lepton_ai.infrastructure.compute.jobs.lifecycle import (
    HOLDS_ROOM,
    JOB_LIFECYCLE,
    OVER,
    WORKER_LIFECYCLE,
    WORKER_LIVES,
    JobReason,
    JobStatus,
    WorkerReason,
    WorkerStatus,
)
from lepton_ai.infrastructure.compute.jobs.queue import Queued, Usage, fits
from lepton_ai.infrastructure.compute.jobs.records import Job, JobState, Worker
from lepton_ai.infrastructure.compute.jobs.spec import read_spec
from lepton_ai.infrastructure.compute.port import Capacity

LEASE_MS = 60_000
"""Longer than it takes to lay out a working folder for each worker."""

_HOLDS_ROOM = [status.value for status in HOLDS_ROOM]
_OVER = [status.value for status in OVER]
_LIVES = [status.value for status in WORKER_LIVES]
_MOST_AT_A_TURN = 64
_MOST_IDS = 500

jobs_table = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("workspace_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("document", Json, nullable=False),
    Column("labels", Json, nullable=False),
    Column("visibility", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("message", Text, nullable=False),
    Column("turn", Integer, nullable=False),  # less goes first: the index has one direction for all its columns
    Column("cpus", Float, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("retry_at_ms", BigInteger, nullable=False),
    Column("master_port", Integer, nullable=False),
    Column("outcome", String(20)),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    Column("started_at_ms", BigInteger),
    Column("finished_at_ms", BigInteger),
    Column("created_by", String(80), nullable=False),
    Column("wake_at_ms", BigInteger),  # none: nothing is due by time alone
    Column("lease_token", String(40)),
    Column("lease_until_ms", BigInteger, nullable=False),
    Column("next_check_at_ms", BigInteger),  # none: only time, a turn or a user brings it on
    Index("jobs_by_workspace", "workspace_id", "created_at_ms", "id"),
    Index("jobs_by_name", "workspace_id", "name"),
    Index("jobs_by_turn", "status", "turn", "created_at_ms", "id"),
    Index("jobs_due", "next_check_at_ms"),
    Index("jobs_by_wake", "wake_at_ms"),
)

job_workers_table = Table(
    "job_workers",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("index", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("message", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("started_at_ms", BigInteger),
    Column("finished_at_ms", BigInteger),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Index("job_workers_by_job", "job_id", "attempt", "index"),
    Index("job_workers_by_status", "status"),
)

_TURN = (jobs_table.c.turn, jobs_table.c.created_at_ms, jobs_table.c.id)
"""The order of the queue: the higher priority first, and then who came first."""


def insert_job(connection: Connection, job: Job) -> None:
    """Write a new job. Nothing is done about it until its turn or its time comes."""
    connection.execute(insert(jobs_table).values({**_row(job), **leases.FREE, "next_check_at_ms": None}))


def update_job(connection: Connection, job: Job) -> None:
    """Write what a user changed, due at once. Takes the lease away, so that a pass under way is dropped."""
    connection.execute(update(jobs_table).filter_by(id=job.id).values({**_row(job), **leases.DUE_AT_ONCE}))


def is_taken(connection: Connection, job_id: str) -> bool:
    """Whether there is a job of that id, in any workspace."""
    return connection.execute(select(jobs_table.c.id).filter_by(id=job_id)).first() is not None


def find_job(connection: Connection, workspace_id: str, reference: str) -> Job | None:
    """One job, by its id or as the newest one of a name."""
    query = select(jobs_table).filter_by(workspace_id=workspace_id)
    row = connection.execute(query.filter_by(id=reference)).mappings().first()
    if row is None:
        newest = (jobs_table.c.created_at_ms.desc(), jobs_table.c.id.desc())
        row = connection.execute(query.filter_by(name=reference).order_by(*newest).limit(1)).mappings().first()
    return as_job(row) if row else None


def find_worker(connection: Connection, workspace_id: str, worker_id: str) -> Worker | None:
    """One worker of a workspace's jobs."""
    owner = select(jobs_table.c.id).filter_by(workspace_id=workspace_id)
    query = select(job_workers_table).where(job_workers_table.c.id == worker_id, job_workers_table.c.job_id.in_(owner))
    row = connection.execute(query).mappings().first()
    return _worker(row) if row else None


def workers_of(connection: Connection, job_id: str, attempt: int | None = None) -> Sequence[Worker]:
    """A job's workers, those of all its gangs or of one, oldest first."""
    query = select(job_workers_table).filter_by(job_id=job_id)
    if attempt is not None:
        query = query.filter_by(attempt=attempt)
    columns = job_workers_table.c
    rows = connection.execute(query.order_by(columns.attempt, columns.created_at_ms, columns.index, columns.id))
    return [_worker(row) for row in rows.mappings()]


def count_jobs(connection: Connection, workspace_id: str) -> tuple[int, int]:
    """How many jobs of a workspace are not archived, and how many of them hold room."""
    query = select(jobs_table.c.status, func.count()).filter_by(workspace_id=workspace_id)
    counts = {row[0]: row[1] for row in connection.execute(query.group_by(jobs_table.c.status))}
    alive = sum(counts.values()) - counts.get(JobStatus.ARCHIVED.value, 0)
    return alive, sum(counts.get(status, 0) for status in _HOLDS_ROOM)


def count_all(connection: Connection, workspace_id: str) -> int:
    """How many jobs of a workspace are kept, archived ones too."""
    query = select(func.count()).select_from(jobs_table).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query).scalar_one())


def working_folders(connection: Connection) -> set[str]:
    """The lists of files that jobs start with, of all workspaces, by their digests."""
    documents = connection.execute(select(jobs_table.c.document)).scalars()
    return {document["working_folder"]["sha256"] for document in documents if document.get("working_folder")}


def count_unfinished(connection: Connection, workspace_id: str) -> int:
    """How many jobs of a workspace are not over."""
    query = select(func.count()).select_from(jobs_table).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query.where(jobs_table.c.status.not_in(_OVER))).scalar_one())


def cpus_of_unfinished(connection: Connection, workspace_id: str) -> float:
    """How many CPUs the jobs of a workspace that are not over count for together."""
    query = select(func.coalesce(func.sum(jobs_table.c.cpus), 0.0)).filter_by(workspace_id=workspace_id)
    return float(connection.execute(query.where(jobs_table.c.status.not_in(_OVER))).scalar_one())


def workspaces_of(connection: Connection, job_ids: Sequence[str]) -> dict[str, str]:
    """The workspace of each of some jobs."""
    query = select(jobs_table.c.id, jobs_table.c.workspace_id).where(jobs_table.c.id.in_(job_ids))
    return {row[0]: row[1] for row in connection.execute(query)}


def count_workers(connection: Connection, job_ids: Sequence[str]) -> Counter[tuple[str, int, WorkerStatus]]:
    """How many workers jobs have, by job, gang and status."""
    columns = job_workers_table.c
    key = (columns.job_id, columns.attempt, columns.status)
    counted: Counter[tuple[str, int, WorkerStatus]] = Counter()
    for first in range(0, len(job_ids), _MOST_IDS):
        some = job_ids[first : first + _MOST_IDS]
        for row in connection.execute(select(*key, func.count()).where(columns.job_id.in_(some)).group_by(*key)):
            counted[row[0], row[1], WorkerStatus(row[2])] = row[3]
    return counted


def living_workers(connection: Connection) -> Sequence[Worker]:
    """Every worker that may have a process, of all jobs."""
    query = select(job_workers_table).where(job_workers_table.c.status.in_(_LIVES)).order_by(job_workers_table.c.id)
    return [_worker(row) for row in connection.execute(query).mappings()]


def usage(connection: Connection, but_for: str = "") -> Usage:
    """What the jobs that hold room count for together."""
    table = jobs_table.c
    sums = select(
        func.coalesce(func.sum(table.cpus), 0.0), func.coalesce(func.sum(table.memory_bytes), 0), func.count()
    )
    row = connection.execute(sums.where(table.status.in_(_HOLDS_ROOM), table.id != but_for)).one()
    return Usage(float(row[0]), int(row[1]), int(row[2]))


def first_in_queue(connection: Connection, room: Capacity, limit: int = _MOST_AT_A_TURN) -> Sequence[Queued]:
    """Those that are next in the queue and could ever start."""
    table = jobs_table.c
    query = select(table.id, table.cpus, table.memory_bytes).where(
        table.status == JobStatus.QUEUEING.value, table.memory_bytes <= room.memory_bytes
    )
    rows = connection.execute(query.order_by(*_TURN).limit(limit))
    return [Queued(row.id, row.cpus, row.memory_bytes) for row in rows]


def places_in_queue(connection: Connection, room: Capacity) -> Mapping[str, int]:
    """How many are before each one that waits for its turn, those that can never start left out."""
    table = jobs_table.c
    query = select(table.id, table.memory_bytes).where(table.status == JobStatus.QUEUEING.value).order_by(*_TURN)
    places, ahead = {}, 0
    for row in connection.execute(query):
        places[row.id] = ahead
        ahead += row.memory_bytes <= room.memory_bytes
    return places


def has_due(connection: Connection, now_ms: int) -> bool:
    """Whether something is due; a read, so that an idle server writes nothing."""
    if leases.has_due(connection, jobs_table, now_ms):
        return True
    return connection.execute(select(jobs_table.c.id).where(_woken(now_ms)).limit(1)).first() is not None


def next_due_ms(connection: Connection) -> int | None:
    """When the next job is due, by a check or by time alone."""
    woken = select(func.min(jobs_table.c.wake_at_ms)).where(jobs_table.c.next_check_at_ms.is_(None))
    times = (leases.next_due_ms(connection, jobs_table), connection.execute(woken).scalar())
    return min((time for time in times if time is not None), default=None)


def claim(
    connection: Connection, now_ms: int, limit: int, lease_tokens: Sequence[str], turns: Sequence[str]
) -> list[Claim[JobState]]:
    """Take due jobs, each under a lease of its own: by a check that is due, by time, or by their turn.

    Args:
        turns: Those whose turn it is.
    """
    unheld = or_(jobs_table.c.lease_token.is_(None), jobs_table.c.lease_until_ms <= now_ms)
    due = update(jobs_table).values(next_check_at_ms=0)
    connection.execute(due.where(_woken(now_ms), unheld))
    if turns:
        waits = and_(jobs_table.c.id.in_(turns), jobs_table.c.status == JobStatus.QUEUEING.value)
        connection.execute(due.where(waits, unheld))
    taken = leases.lease(connection, jobs_table, now_ms, LEASE_MS, limit, lease_tokens)
    return [Claim(_state(connection, as_job(row), row["id"] in turns), lease_token) for row, lease_token in taken]


def apply(
    connection: Connection,
    lease_token: str,
    job: Job,
    workers: Sequence[Worker],
    next_check_at_ms: int | None,
    room: Capacity,
) -> bool:
    """Write a pass's result and give the lease back, if the lease still stands.

    Args:
        room: How much there is. A job that is to start and has no room by now stays queued.
    """
    mine = update(jobs_table).filter_by(id=job.id, lease_token=lease_token)
    if job.status is JobStatus.STARTING:
        before = connection.execute(select(jobs_table.c.status).filter_by(id=job.id)).scalar()
        need = Queued(job.id, job.cpus, job.memory_bytes)
        if before == JobStatus.QUEUEING.value and not fits(need, usage(connection, but_for=job.id), room):
            connection.execute(mine.values(**leases.FREE, next_check_at_ms=None))
            return False
    if not connection.execute(mine.values({**_row(job), **leases.given_back(jobs_table, next_check_at_ms)})).rowcount:
        return False
    for worker in workers:
        _write_worker(connection, worker)
    return True


def remove(connection: Connection, lease_token: str, job_id: str) -> bool:
    """Remove a job for good with its workers, if the lease still stands."""
    return leases.remove(connection, jobs_table, lease_token, job_id)


def make_due(connection: Connection, worker_id: str) -> None:
    """Something happened to this worker: look at its job soon."""
    owner = select(job_workers_table.c.job_id).filter_by(id=worker_id).scalar_subquery()
    connection.execute(update(jobs_table).where(jobs_table.c.id == owner).values(next_check_at_ms=0))


def free_all_leases(connection: Connection) -> None:
    """Give back the leases of a server that is gone, and look at what may run.

    Only whoever holds the data folder's lock may do this.
    """
    table = jobs_table.c
    connection.execute(update(jobs_table).where(table.lease_token.is_not(None)).values(leases.FREE))
    connection.execute(update(jobs_table).where(table.status.in_(_HOLDS_ROOM)).values(next_check_at_ms=0))


def all_jobs_interrupted(connection: Connection, now_ms: int) -> None:
    """Write down that the whole cloud was stopped: no worker runs, and what ran starts anew at the next start."""
    ended = WorkerReason.CLOUD_STOPPED
    connection.execute(
        update(job_workers_table)
        .where(job_workers_table.c.status.in_(_LIVES))
        .values(
            status=WORKER_LIFECYCLE.status_of(ended).value,
            reason=ended.value,
            message=WORKER_LIFECYCLE.sentence(ended),
            finished_at_ms=now_ms,
        )
    )
    queued = JobReason.CLOUD_STOPPED
    running = [JobStatus.STARTING.value, JobStatus.RUNNING.value]
    connection.execute(
        update(jobs_table)
        .where(jobs_table.c.status.in_(running))
        .values(
            status=JOB_LIFECYCLE.status_of(queued).value,
            reason=queued.value,
            message=JOB_LIFECYCLE.sentence(queued),
            changed_at_ms=now_ms,
            next_check_at_ms=None,
            **leases.FREE,
        )
    )


def _woken(now_ms: int) -> Any:
    """What is due by time alone and nobody has yet been told to look at."""
    return and_(jobs_table.c.wake_at_ms <= now_ms, jobs_table.c.next_check_at_ms.is_(None))


def _state(connection: Connection, job: Job, has_turn: bool) -> JobState:
    counted = select(job_workers_table.c.index, func.count()).filter_by(job_id=job.id).group_by("index")
    tries = {row[0]: row[1] for row in connection.execute(counted)}
    workers = tuple(workers_of(connection, job.id, job.attempt)) if tries else ()
    return JobState(job, workers, tries, has_turn)


def _write_worker(connection: Connection, worker: Worker) -> None:
    values = vars(worker) | {"status": worker.status.value, "reason": worker.reason.value}
    if not connection.execute(update(job_workers_table).filter_by(id=worker.id).values(values)).rowcount:
        connection.execute(insert(job_workers_table).values(values))


def _row(job: Job) -> dict[str, Any]:
    return {name: value for name, value in vars(job).items() if name != "spec"} | {
        "document": dict(job.document),
        "labels": dict(job.labels),
        "status": job.status.value,
        "reason": job.reason.value,
        "outcome": job.outcome.value if job.outcome else None,
        "turn": -job.spec.priority,
        "cpus": job.cpus,
        "memory_bytes": job.memory_bytes,
        "wake_at_ms": job.wake_at_ms,
    }


def as_job(row: RowMapping) -> Job:
    """A row as the job that it holds."""
    names = [name for name in Job.__dataclass_fields__ if name not in ("spec", "status", "reason", "outcome")]
    return Job(
        **{name: row[name] for name in names},
        spec=read_spec(row["document"]),
        status=JobStatus(row["status"]),
        reason=JobReason(row["reason"]),
        outcome=JobStatus(row["outcome"]) if row["outcome"] else None,
    )


def _worker(row: RowMapping) -> Worker:
    values = dict(row) | {"status": WorkerStatus(row["status"]), "reason": WorkerReason(row["reason"])}
    return Worker(**values)
