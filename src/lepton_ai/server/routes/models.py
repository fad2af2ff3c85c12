"""Models over HTTP: register versions, look them up, move aliases."""

from fastapi import APIRouter, Response

from lepton_ai.core.errors import NotFound
from lepton_ai.core.idempotency import Once
from lepton_ai.platform.model_management.registry.records import (
    AliasMove,
    ArtifactFile,
    Manifest,
    ModelReference,
    ModelVersion,
)
from lepton_ai.platform.preprocessing.signature import Signature
from lepton_ai.server.dependencies import WORKSPACE, Caller, IdempotencyKey, Plane
from lepton_ai.server.schemas.models import (
    AliasMoveItem,
    FileField,
    ModelDetails,
    ModelItem,
    MoveAlias,
    RegisterVersion,
    Removed,
    Version,
)

router = APIRouter(prefix=f"{WORKSPACE}/models", tags=["models"])


@router.get("")
def list_models(plane: Plane, caller: Caller) -> list[ModelItem]:
    """All models of the workspace."""
    return [
        ModelItem(
            name=model.name,
            versions=model.versions,
            latest=model.latest,
            aliases=dict(model.aliases),
            created_at=model.created_at_ms,
        )
        for model in plane.registry.models(caller.workspace_id)
    ]


@router.get("/{name}")
def get_model(name: str, plane: Plane, caller: Caller) -> ModelDetails:
    """One model with versions, aliases and the history of its aliases."""
    details = plane.registry.details(caller.workspace_id, name)
    by_version: dict[int, list[str]] = {}
    for alias, version in details.aliases.items():
        by_version.setdefault(version, []).append(alias)
    return ModelDetails(
        name=name,
        aliases=dict(details.aliases),
        versions=[_version(version, by_version.get(version.version, [])) for version in details.versions],
        history=[_move(move) for move in details.history],
    )


@router.post("/{name}/versions", status_code=201)
async def register_version(
    name: str, body: RegisterVersion, plane: Plane, caller: Caller, key: IdempotencyKey = None
) -> Version:
    """Register a version of files that were uploaded before. It appears whole or not at all."""
    manifest = Manifest(
        files={file: ArtifactFile(field.sha256, field.size_bytes) for file, field in body.files.items()},
        signature=Signature.from_json(body.signature),
        metrics=body.metrics,
        lineage=body.lineage,
        message=body.message,
    )
    once = Once(key, f"{name}\n{body.model_dump_json()}".encode()) if key else None
    return _version(await plane.registry.register(caller.workspace_id, name, manifest, caller.name, once))


@router.get("/{name}/versions/{reference}")
async def get_version(  # one indexed read: quicker here than a thread's wake-up
    name: str, reference: str, plane: Plane, caller: Caller
) -> Version:
    """One version, by number or by alias."""
    return _version(plane.registry.resolve(caller.workspace_id, _reference(name, reference)))


@router.get("/{name}/versions/{reference}/files/{file}")
def get_file(name: str, reference: str, file: str, plane: Plane, caller: Caller) -> Response:
    """Where the bytes of one file of a version are."""
    version = plane.registry.resolve(caller.workspace_id, _reference(name, reference))
    if file not in version.manifest.files:
        raise NotFound(
            f"{name}:{version.version} has no file {file!r}", hint=f"Files: {sorted(version.manifest.files)}"
        )
    digest = version.manifest.files[file].digest
    return Response(status_code=307, headers={"location": f"../../../../../artifacts/{digest}"})


@router.delete("/{name}/versions/{version}")
def remove_version(name: str, version: int, plane: Plane, caller: Caller) -> Removed:
    """Remove one version that nothing uses."""
    in_use = plane.endpoints.versions_in_use(caller.workspace_id, name)
    return Removed(removed=plane.registry.remove(caller.workspace_id, name, version, caller.name, in_use))


@router.delete("/{name}")
def remove_model(name: str, plane: Plane, caller: Caller) -> Removed:
    """Remove a model with all its versions."""
    in_use = plane.endpoints.versions_in_use(caller.workspace_id, name)
    return Removed(removed=plane.registry.remove(caller.workspace_id, name, None, caller.name, in_use))


@router.put("/{name}/aliases/{alias}")
def move_alias(name: str, alias: str, body: MoveAlias, plane: Plane, caller: Caller) -> AliasMoveItem:
    """Point an alias at a version. Its history keeps where it pointed before, and why it was moved."""
    move = plane.registry.move_alias(caller.workspace_id, name, alias, body.version, body.reason, caller.name)
    return _move(move)


def _reference(name: str, reference: str) -> ModelReference:
    return ModelReference.parse(f"{name}:{reference}" if reference[:1].isdigit() else f"{name}@{reference}")


def _version(version: ModelVersion, aliases: list[str] | None = None) -> Version:
    manifest = version.manifest
    return Version(
        id=version.id,
        name=version.name,
        version=version.version,
        files={
            name: FileField(sha256=file.digest, size_bytes=file.size_bytes) for name, file in manifest.files.items()
        },
        signature=manifest.signature.to_json(),
        metrics=dict(manifest.metrics),
        lineage=dict(manifest.lineage),
        message=manifest.message,
        size_bytes=version.size_bytes,
        created_at=version.created_at_ms,
        created_by=version.created_by,
        aliases=aliases or [],
    )


def _move(move: AliasMove) -> AliasMoveItem:
    return AliasMoveItem(
        alias=move.alias,
        version=move.version,
        previous=move.previous,
        at=move.at_ms,
        actor=move.actor,
        reason=move.reason,
    )
