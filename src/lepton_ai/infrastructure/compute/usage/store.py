"""Where usage is kept: one row for each workspace and hour."""

from collections.abc import Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    select,
    update,
)

from lepton_ai.core.database import metadata
from lepton_ai.infrastructure.compute.usage.records import Usage

usage_table = Table(
    "usage",
    metadata,
    Column("workspace_id", String(64), nullable=False),
    Column("hour_ms", BigInteger, nullable=False),
    Column("cpu_s", Float, nullable=False),
    Column("replica_s", Float, nullable=False),
    Column("worker_s", Float, nullable=False),
    PrimaryKeyConstraint("workspace_id", "hour_ms"),
)


def add_usage(connection: Connection, used: Mapping[str, Usage]) -> None:
    """Add to the hour that each belongs to."""
    table = usage_table.c
    for workspace_id, more in used.items():
        grown = {
            "cpu_s": table.cpu_s + more.cpu_s,
            "replica_s": table.replica_s + more.replica_s,
            "worker_s": table.worker_s + more.worker_s,
        }
        hour = {"workspace_id": workspace_id, "hour_ms": more.hour_ms}
        if not connection.execute(update(usage_table).filter_by(**hour).values(grown)).rowcount:
            connection.execute(insert(usage_table).values(vars(more) | hour))


def usage_of(connection: Connection, workspace_id: str, since_ms: int, until_ms: int) -> Sequence[Usage]:
    """What a workspace used in each hour that began in a span of time."""
    table = usage_table.c
    query = (
        select(table.hour_ms, table.cpu_s, table.replica_s, table.worker_s)
        .where(table.workspace_id == workspace_id, table.hour_ms >= since_ms, table.hour_ms < until_ms)
        .order_by(table.hour_ms)
    )
    return [Usage(**row) for row in connection.execute(query).mappings()]
