"""Where the registry is kept: all its SQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    PrimaryKeyConstraint,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from lepton_ai.core.database import Json, metadata
from lepton_ai.platform.model_management.registry.records import (
    AliasMove,
    ArtifactFile,
    Manifest,
    ModelSummary,
    ModelVersion,
)
from lepton_ai.platform.preprocessing.signature import Signature

models_table = Table(
    "models",
    metadata,
    Column("workspace_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("last_version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "name"),
)

versions_table = Table(
    "model_versions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("workspace_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("files", Json, nullable=False),
    Column("signature", Json, nullable=False),
    Column("metrics", Json, nullable=False),
    Column("lineage", Json, nullable=False),
    Column("message", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),
    UniqueConstraint("workspace_id", "name", "version"),
)

aliases_table = Table(
    "model_aliases",
    metadata,
    Column("workspace_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("alias", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("workspace_id", "name", "alias"),
)

alias_moves_table = Table(
    "model_alias_moves",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("workspace_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("alias", String(64), nullable=False),
    Column("version", Integer),
    Column("previous", Integer),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("reason", Text, nullable=False),
)

# Built once: building a statement costs more than running it.
_TAKE_VERSION = (
    update(models_table)
    .where(models_table.c.workspace_id == bindparam("workspace"), models_table.c.name == bindparam("model"))
    .values(last_version=models_table.c.last_version + 1)
    .returning(models_table.c.last_version)
)
_INSERT_VERSION = insert(versions_table)
_FIND_VERSION = select(versions_table).where(
    versions_table.c.workspace_id == bindparam("workspace"),
    versions_table.c.name == bindparam("model"),
    versions_table.c.version == bindparam("number"),
)


def next_version(connection: Connection, workspace_id: str, name: str, now_ms: int) -> int:
    """Take the next version number of a name, making the model if it is new. Numbers are never used twice."""
    taken = connection.execute(_TAKE_VERSION, {"workspace": workspace_id, "model": name}).scalar()
    if taken is None:
        connection.execute(
            insert(models_table).values(workspace_id=workspace_id, name=name, last_version=1, created_at_ms=now_ms)
        )
        return 1
    return int(taken)


def insert_version(connection: Connection, version: ModelVersion) -> None:
    """Write a version."""
    manifest = version.manifest
    connection.execute(
        _INSERT_VERSION,
        {
            "id": version.id,
            "workspace_id": version.workspace_id,
            "name": version.name,
            "version": version.version,
            "files": {name: [file.digest, file.size_bytes] for name, file in manifest.files.items()},
            "signature": manifest.signature.to_json(),
            "metrics": dict(manifest.metrics),
            "lineage": dict(manifest.lineage),
            "message": manifest.message,
            "created_at_ms": version.created_at_ms,
            "created_by": version.created_by,
        },
    )


def find_version(connection: Connection, workspace_id: str, name: str, version: int) -> ModelVersion | None:
    """One version."""
    named = {"workspace": workspace_id, "model": name, "number": version}
    row = connection.execute(_FIND_VERSION, named).mappings().first()
    return _version(row) if row else None


def list_versions(connection: Connection, workspace_id: str, name: str) -> Sequence[ModelVersion]:
    """All versions of a name, newest first."""
    query = select(versions_table).filter_by(workspace_id=workspace_id, name=name)
    rows = connection.execute(query.order_by(versions_table.c.version.desc())).mappings()
    return [_version(row) for row in rows]


def list_models(connection: Connection, workspace_id: str) -> Sequence[ModelSummary]:
    """All names, in order."""
    counted = (
        select(
            versions_table.c.name, func.count().label("versions"), func.max(versions_table.c.version).label("latest")
        )
        .filter_by(workspace_id=workspace_id)
        .group_by(versions_table.c.name)
        .subquery()
    )
    query = (
        select(models_table.c.name, models_table.c.created_at_ms, counted.c.versions, counted.c.latest)
        .join(counted, counted.c.name == models_table.c.name)
        .where(models_table.c.workspace_id == workspace_id)
        .order_by(models_table.c.name)
    )
    aliases: dict[str, dict[str, int]] = {}
    for row in connection.execute(select(aliases_table).filter_by(workspace_id=workspace_id)).mappings():
        aliases.setdefault(row["name"], {})[row["alias"]] = row["version"]
    return [
        ModelSummary(row["name"], row["versions"], row["latest"], row["created_at_ms"], aliases.get(row["name"], {}))
        for row in connection.execute(query).mappings()
    ]


def digests(connection: Connection) -> set[str]:
    """The files that versions need, of all workspaces."""
    rows = connection.execute(select(versions_table.c.files)).scalars()
    return {digest for files in rows for digest, _ in files.values()}


def version_ids(connection: Connection) -> set[str]:
    """Every version of all workspaces."""
    return set(connection.execute(select(versions_table.c.id)).scalars())


def bytes_of(connection: Connection, workspace_id: str) -> int:
    """The size of all files of a workspace, each counted once."""
    rows = connection.execute(select(versions_table.c.files).filter_by(workspace_id=workspace_id)).scalars()
    return sum({digest: size for files in rows for digest, size in files.values()}.values())


def bytes_added(connection: Connection, workspace_id: str, manifest: Manifest) -> int:
    """How many bytes a manifest's files would add to a workspace: those of files that it does not have."""
    rows = connection.execute(select(versions_table.c.files).filter_by(workspace_id=workspace_id)).scalars()
    there = {digest for files in rows for digest, _ in files.values()}
    new = {file.digest: file.size_bytes for file in manifest.files.values() if file.digest not in there}
    return sum(new.values())


def count_versions(connection: Connection, workspace_id: str) -> int:
    """How many versions a workspace has, of all models."""
    query = select(func.count()).select_from(versions_table).filter_by(workspace_id=workspace_id)
    return int(connection.execute(query).scalar_one())


def aliases_of(connection: Connection, workspace_id: str, name: str) -> Mapping[str, int]:
    """The aliases of a name with the version that each points to."""
    query = select(aliases_table.c.alias, aliases_table.c.version).filter_by(workspace_id=workspace_id, name=name)
    return {row.alias: row.version for row in connection.execute(query.order_by(aliases_table.c.alias))}


def move_alias(connection: Connection, workspace_id: str, name: str, move: AliasMove) -> None:
    """Point an alias at a version (or at nothing) and write the move down."""
    key = {"workspace_id": workspace_id, "name": name, "alias": move.alias}
    connection.execute(delete(aliases_table).filter_by(**key))
    if move.version is not None:
        connection.execute(insert(aliases_table).values(**key, version=move.version))
    connection.execute(insert(alias_moves_table).values(workspace_id=workspace_id, name=name, **vars(move)))


def alias_moves(connection: Connection, workspace_id: str, name: str) -> Sequence[AliasMove]:
    """The history of a name's aliases, oldest first."""
    query = select(alias_moves_table).filter_by(workspace_id=workspace_id, name=name).order_by(alias_moves_table.c.id)
    wanted = ("id", "alias", "version", "previous", "at_ms", "actor", "reason")
    return [AliasMove(**{key: row[key] for key in wanted}) for row in connection.execute(query).mappings()]


def delete_versions(connection: Connection, workspace_id: str, name: str, version: int | None) -> int:
    """Remove one version, or all of a name. The numbers stay taken."""
    query = delete(versions_table).filter_by(workspace_id=workspace_id, name=name)
    return connection.execute(query if version is None else query.filter_by(version=version)).rowcount


def _version(row: RowMapping) -> ModelVersion:
    files: Mapping[str, Any] = row["files"]
    manifest = Manifest(
        {name: ArtifactFile(digest, size) for name, (digest, size) in files.items()},
        Signature.from_json(row["signature"]),
        row["metrics"],
        row["lineage"],
        row["message"],
    )
    return ModelVersion(
        row["id"],
        row["workspace_id"],
        row["name"],
        row["version"],
        manifest,
        row["created_at_ms"],
        row["created_by"],
    )
