"""Where photons are kept: all their SQL."""

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    RowMapping,
    String,
    Table,
    delete,
    func,
    insert,
    or_,
    select,
)

from lepton_ai.core.database import Json, metadata
from lepton_ai.platform.photons.records import Photon, PhotonNamespace, spec_of

photons_table = Table(
    "photons",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("workspace_id", String(64), nullable=False),
    Column("namespace", String(16), nullable=False),
    Column("name", String(64), nullable=False),
    Column("metadata", Json, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),
    Index("photons_by_name", "workspace_id", "namespace", "name"),
    Index("photons_by_digest", "digest"),
)


def insert_photon(connection: Connection, photon: Photon) -> None:
    """Write a new photon."""
    row = vars(photon) | {"namespace": photon.namespace.value, "name": photon.spec.name}
    del row["spec"]
    connection.execute(insert(photons_table).values({**row, "metadata": dict(photon.spec.metadata)}))


def find_photon(
    connection: Connection, workspace_id: str, photon_id: str, namespace: PhotonNamespace | None = None
) -> Photon | None:
    """One photon that a workspace may read, of one namespace or of either."""
    table = photons_table.c
    readable = or_(table.workspace_id == workspace_id, table.namespace == PhotonNamespace.PUBLIC.value)
    query = select(photons_table).filter_by(id=photon_id).where(readable)
    if namespace is not None:
        query = query.filter_by(namespace=namespace.value)
    row = connection.execute(query).mappings().first()
    return _photon(row) if row else None


def list_photons(connection: Connection, workspace_id: str, namespace: PhotonNamespace) -> Sequence[Photon]:
    """The photons of a namespace that a workspace may read, newest first."""
    query = select(photons_table).filter_by(namespace=namespace.value).order_by(photons_table.c.id.desc())
    if namespace is PhotonNamespace.PRIVATE:
        query = query.filter_by(workspace_id=workspace_id)
    return [_photon(row) for row in connection.execute(query).mappings()]


def count_photons(connection: Connection, workspace_id: str) -> int:
    """How many photons a workspace has."""
    query = select(func.count()).select_from(photons_table).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query).scalar_one())


def bytes_of(connection: Connection, workspace_id: str) -> int:
    """The size of a workspace's archives."""
    query = select(func.sum(photons_table.c.size_bytes)).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query).scalar_one() or 0)


def remove_photon(connection: Connection, photon_id: str) -> None:
    """Remove one photon."""
    connection.execute(delete(photons_table).filter_by(id=photon_id))


def digests(connection: Connection) -> set[str]:
    """The archives that photons need."""
    return set(connection.execute(select(photons_table.c.digest)).scalars())


def _photon(row: RowMapping) -> Photon:
    return Photon(
        id=row["id"],
        workspace_id=row["workspace_id"],
        namespace=PhotonNamespace(row["namespace"]),
        spec=spec_of(row["metadata"]),
        digest=row["digest"],
        size_bytes=row["size_bytes"],
        created_at_ms=row["created_at_ms"],
        created_by=row["created_by"],
    )
