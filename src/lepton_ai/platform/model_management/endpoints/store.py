"""Where endpoints and replicas are kept: all their SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from lepton_ai.core import leases
from lepton_ai.core.database import Json, metadata
from lepton_ai.core.reconcile import Claim
from lepton_ai.infrastructure.network.routes import Routing
from lepton_ai.platform.model_management.endpoints.lifecycle import (
    EndpointReason,
    EndpointStatus,
    ReplicaReason,
    ReplicaStatus,
)
from lepton_ai.platform.model_management.endpoints.records import (
    Command,
    Endpoint,
    EndpointSpec,
    EndpointState,
    PhotonReference,
    Replica,
    Variable,
    Watched,
)
from lepton_ai.platform.model_management.endpoints.scaling import Rule, Scaling

LEASE_MS = 15_000
_KEPT_REPLICAS = 20
_OVER = (ReplicaStatus.STOPPED.value, ReplicaStatus.FAILED.value)

endpoints_table = Table(
    "endpoints",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("workspace_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("spec", Json, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("message", Text, nullable=False),
    Column("deleting", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("retry_at_ms", BigInteger, nullable=False),
    Column("desired_replicas", Integer, nullable=False, server_default="1"),
    Column("approved_generation", Integer, nullable=False, server_default="1"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("lease_token", String(40)),
    Column("lease_until_ms", BigInteger, nullable=False),
    Column("next_check_at_ms", BigInteger, nullable=False),
    UniqueConstraint("workspace_id", "name"),
    Index("endpoints_due", "next_check_at_ms"),
)

replicas_table = Table(
    "replicas",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("endpoint_id", String(40), ForeignKey("endpoints.id", ondelete="CASCADE"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("message", Text, nullable=False),
    Column("address", String(200), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    Column("ready_at_ms", BigInteger),
    Column("finished_at_ms", BigInteger),
    Column("exit_code", Integer),
    Column("failed_probes", Integer, nullable=False),
    Index("replicas_by_endpoint", "endpoint_id", "status"),
)


def insert_endpoint(connection: Connection, endpoint: Endpoint) -> None:
    """Write a new endpoint, due at once."""
    connection.execute(
        insert(endpoints_table).values({**_row(endpoint), **leases.FREE, "next_check_at_ms": endpoint.created_at_ms})
    )


def update_endpoint(connection: Connection, endpoint: Endpoint) -> None:
    """Write what a user changed, due at once. Takes the lease away, so that a pass under way is dropped."""
    connection.execute(
        update(endpoints_table).filter_by(id=endpoint.id).values({**_row(endpoint), **leases.DUE_AT_ONCE})
    )


def find_endpoint(connection: Connection, workspace_id: str, name: str) -> Endpoint | None:
    """One endpoint."""
    row = connection.execute(select(endpoints_table).filter_by(workspace_id=workspace_id, name=name)).mappings().first()
    return _endpoint(row) if row else None


def list_endpoints(connection: Connection, workspace_id: str | None = None) -> Sequence[Endpoint]:
    """All endpoints of a workspace, or of every one, by name."""
    query = select(endpoints_table).order_by(endpoints_table.c.workspace_id, endpoints_table.c.name)
    if workspace_id is not None:
        query = query.filter_by(workspace_id=workspace_id)
    return [_endpoint(row) for row in connection.execute(query).mappings()]


def count_endpoints(connection: Connection, workspace_id: str) -> int:
    """How many endpoints a workspace has."""
    query = select(func.count()).select_from(endpoints_table).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query).scalar_one())


def count_replicas_asked(connection: Connection, workspace_id: str) -> int:
    """How many replicas the endpoints of a workspace ask for, all together."""
    return sum(
        endpoint.spec.min_replicas for endpoint in list_endpoints(connection, workspace_id) if not endpoint.deleting
    )


def replicas_of(connection: Connection, endpoint_id: str, *, live_only: bool = False) -> Sequence[Replica]:
    """An endpoint's replicas, oldest first."""
    query = select(replicas_table).filter_by(endpoint_id=endpoint_id).order_by(replicas_table.c.id)
    if live_only:
        query = query.where(replicas_table.c.status.not_in(_OVER))
    return [_replica(row) for row in connection.execute(query).mappings()]


def live_replicas(connection: Connection) -> Sequence[Replica]:
    """Every replica that is not over, of all endpoints."""
    query = select(replicas_table).where(replicas_table.c.status.not_in(_OVER)).order_by(replicas_table.c.id)
    return [_replica(row) for row in connection.execute(query).mappings()]


def replica_ids(connection: Connection) -> set[str]:
    """Every replica that is on record, those that are over included."""
    return set(connection.execute(select(replicas_table.c.id)).scalars())


def has_due(connection: Connection, now_ms: int) -> bool:
    """Whether `claim` would find something; a read, so that an idle server writes nothing."""
    return leases.has_due(connection, endpoints_table, now_ms)


def next_due_ms(connection: Connection) -> int | None:
    """When the next endpoint is due."""
    return leases.next_due_ms(connection, endpoints_table)


def claim(connection: Connection, now_ms: int, limit: int, lease_tokens: Sequence[str]) -> list[Claim[EndpointState]]:
    """Take due endpoints, each under a lease of its own."""
    taken = leases.lease(connection, endpoints_table, now_ms, LEASE_MS, limit, lease_tokens)
    return [
        Claim(EndpointState(_endpoint(row), tuple(replicas_of(connection, row["id"], live_only=True))), lease_token)
        for row, lease_token in taken
    ]


def apply(
    connection: Connection, lease_token: str, endpoint: Endpoint, replicas: Sequence[Replica], next_check_at_ms: int
) -> bool:
    """Write a pass's result and give the lease back, if the lease still stands."""
    written = connection.execute(
        update(endpoints_table)
        .filter_by(id=endpoint.id, lease_token=lease_token)
        .values(
            status=endpoint.status.value,
            reason=endpoint.reason.value,
            message=endpoint.message,
            failures=endpoint.failures,
            retry_at_ms=endpoint.retry_at_ms,
            **leases.given_back(endpoints_table, next_check_at_ms),
        )
    ).rowcount
    if not written:
        return False
    for replica in replicas:
        values = vars(replica) | {"status": replica.status.value, "reason": replica.reason.value}
        if not connection.execute(update(replicas_table).filter_by(id=replica.id).values(values)).rowcount:
            connection.execute(insert(replicas_table).values(values))
    if any(replica.is_over for replica in replicas):
        _forget_old_replicas(connection, endpoint.id)
    return True


def remove(connection: Connection, lease_token: str, endpoint_id: str) -> bool:
    """Remove an endpoint for good, if the lease still stands."""
    return leases.remove(connection, endpoints_table, lease_token, endpoint_id)


def make_due(connection: Connection, replica_id: str) -> None:
    """Something happened to this replica: look at its endpoint soon."""
    owner = select(replicas_table.c.endpoint_id).filter_by(id=replica_id).scalar_subquery()
    connection.execute(update(endpoints_table).where(endpoints_table.c.id == owner).values(next_check_at_ms=0))


def fingerprint(connection: Connection) -> object:
    """Something small that is another one after each change that gateway, scaler or health watch care about.

    A user's change has another time, a replica's another moment; what comes or goes changes the counts. A pass of the
    reconciler that changed nothing leaves it as it was.
    """
    endpoint, replica = endpoints_table.c, replicas_table.c
    endpoints = select(
        func.count(),
        func.sum(endpoint.updated_at_ms),
        func.sum(endpoint.desired_replicas),
        func.sum(endpoint.generation),
        func.sum(endpoint.deleting),
    )
    replicas = select(func.count(), func.sum(replica.changed_at_ms)).where(replica.status.not_in(_OVER))
    return tuple(connection.execute(endpoints).one()), tuple(connection.execute(replicas).one())


def watched(connection: Connection) -> list[Watched]:
    """The replicas whose health is watched: those that are ready."""
    specs = {endpoint.id: endpoint.spec for endpoint in list_endpoints(connection)}
    return [
        Watched(replica.id, specs[replica.endpoint_id], replica.address)
        for replica in live_replicas(connection)
        if replica.status is ReplicaStatus.READY
    ]


def count_silence(connection: Connection, replica_id: str) -> None:
    """A replica that is ready did not answer: count it, and look at its endpoint soon."""
    ready = replicas_table.c.status == ReplicaStatus.READY.value
    silent = update(replicas_table).where(replicas_table.c.id == replica_id, ready)
    connection.execute(silent.values(failed_probes=replicas_table.c.failed_probes + 1))
    make_due(connection, replica_id)


def free_all_leases(connection: Connection) -> None:
    """Give back the leases of a server that is gone. Only whoever holds the data folder's lock may do this."""
    leases.free_all(connection, endpoints_table)


def all_replicas_stopped(connection: Connection, now_ms: int) -> None:
    """Write down that the whole cloud was stopped: no replica runs, and what served does not answer."""
    ended = ReplicaReason.ENDED_AS_ASKED
    connection.execute(
        update(replicas_table)
        .where(replicas_table.c.status.not_in(_OVER))
        .values(
            status=ReplicaStatus.STOPPED.value,
            reason=ended.value,
            message="The cloud was stopped.",
            changed_at_ms=now_ms,
            finished_at_ms=now_ms,
        )
    )
    down = EndpointReason.NO_REPLICA_READY
    serving = [EndpointStatus.READY.value, EndpointStatus.UPDATING.value, EndpointStatus.SCALING.value]
    connection.execute(
        update(endpoints_table)
        .where(endpoints_table.c.status.in_(serving))
        .values(status=EndpointStatus.NOT_READY.value, reason=down.value, message="The cloud was stopped.")
    )


def versions_in_use(connection: Connection, workspace_id: str, model_name: str) -> dict[int, str]:
    """The versions of a model that endpoints serve, each with one endpoint's name."""
    return {
        endpoint.spec.model_version: endpoint.name
        for endpoint in list_endpoints(connection, workspace_id)
        if endpoint.spec.model_name == model_name and endpoint.spec.model_version is not None
    }


def _forget_old_replicas(connection: Connection, endpoint_id: str) -> None:
    kept = (
        select(replicas_table.c.id)
        .where(replicas_table.c.endpoint_id == endpoint_id, replicas_table.c.status.in_(_OVER))
        .order_by(replicas_table.c.id.desc())
        .limit(_KEPT_REPLICAS)
    )
    connection.execute(
        delete(replicas_table).where(
            replicas_table.c.endpoint_id == endpoint_id,
            replicas_table.c.status.in_(_OVER),
            replicas_table.c.id.not_in(kept),
        )
    )


def _row(endpoint: Endpoint) -> dict[str, Any]:
    return vars(endpoint) | {
        "spec": asdict(endpoint.spec),
        "status": endpoint.status.value,
        "reason": endpoint.reason.value,
    }


def _endpoint(row: RowMapping) -> Endpoint:
    names = [name for name in Endpoint.__dataclass_fields__ if name not in ("spec", "status", "reason")]
    return Endpoint(
        **{name: row[name] for name in names},
        spec=_spec(row["spec"]),
        status=EndpointStatus(row["status"]),
        reason=EndpointReason(row["reason"]),
    )


def _spec(written: Mapping[str, Any]) -> EndpointSpec:
    command, tokens, photon, scaling = (written.get(name) for name in ("command", "api_tokens", "photon", "scaling"))
    return EndpointSpec(
        **{
            **written,
            "command": None if command is None else Command(tuple(command["argv"]), command["port"]),
            "variables": tuple(Variable(**each) for each in written.get("variables", ())),
            "api_tokens": None if tokens is None else tuple(tokens),
            "allowed_networks": tuple(written.get("allowed_networks", ())),
            "scaling": None if scaling is None else Scaling(scaling["most"], Rule(**scaling["rule"])),
            "routing": Routing(**written.get("routing", {})),
            "photon": None if photon is None else PhotonReference(**photon),
        }
    )


def _replica(row: RowMapping) -> Replica:
    values = dict(row) | {"status": ReplicaStatus(row["status"]), "reason": ReplicaReason(row["reason"])}
    return Replica(**values)
