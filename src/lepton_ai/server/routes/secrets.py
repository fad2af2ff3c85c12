"""Secrets over HTTP: the protocol's `/usersecrets`, and `/secrets` of older clients."""

from fastapi import APIRouter

from lepton_ai.core.access import Principal, Role
from lepton_ai.infrastructure.storage.secrets.records import NewSecret, Secret, Visibility
from lepton_ai.server.control_plane import ControlPlane
from lepton_ai.server.dependencies import WORKSPACE, Asker, Caller, IdempotencyKey, Plane
from lepton_ai.server.schemas.secrets import CreateSecrets, MasterKeyItem, NewSecretItem, SecretItem

router = APIRouter(tags=["secrets"])


@router.get(f"{WORKSPACE}/usersecrets")
def list_secrets(plane: Plane, caller: Caller) -> list[SecretItem]:
    """The secrets that the caller may see, without their values."""
    return [_item(secret) for secret in _seen(plane, caller)]


@router.post(f"{WORKSPACE}/usersecrets", status_code=201)
def create_secrets(body: CreateSecrets, plane: Plane, caller: Caller, key: IdempotencyKey = None) -> list[SecretItem]:
    """Make secrets: all of them or none."""
    return [_item(secret) for secret in _create(body, plane, caller, key)]


@router.delete(f"{WORKSPACE}/usersecrets/{{name}}")
def remove_secret(name: str, plane: Plane, caller: Caller) -> dict[str, str]:
    """Remove a secret. What runs keeps what it was given."""
    plane.secrets.remove(caller.workspace_id, name, caller.name, is_admin=_is_admin(caller))
    return {"removed": name}


@router.get(f"{WORKSPACE}/secrets")
def list_secret_names(plane: Plane, caller: Caller) -> list[str]:
    """The names of the secrets that the caller may see, as clients up to 0.23 ask for them."""
    return [secret.name for secret in _seen(plane, caller)]


@router.post(f"{WORKSPACE}/secrets", status_code=201)
def create_secrets_of_old(
    body: CreateSecrets, plane: Plane, caller: Caller, key: IdempotencyKey = None
) -> list[SecretItem]:
    """Make secrets, as clients up to 0.23 do. Those had no visibility: everybody in the workspace sees them."""
    return [_item(secret) for secret in _create(body, plane, caller, key, Visibility.PUBLIC)]


@router.delete(f"{WORKSPACE}/secrets/{{name}}")
def remove_secret_of_old(name: str, plane: Plane, caller: Caller) -> dict[str, str]:
    """Remove a secret, as clients up to 0.23 do."""
    return remove_secret(name, plane, caller)


@router.post("/api/v2/master-key")
def rotate_master_key(plane: Plane, asker: Asker) -> MasterKeyItem:
    """Change the server's master key. No secret is lost, whatever happens meanwhile."""
    return MasterKeyItem(id=plane.secrets.rotate(asker.name).id)


def _create(
    body: CreateSecrets,
    plane: ControlPlane,
    caller: Principal,
    key: str | None,
    visibility: Visibility = Visibility.PRIVATE,
) -> list[Secret]:
    new = [_new(item, visibility) for item in body.root]
    return plane.secrets.create(caller.workspace_id, new, caller.name, key, body.model_dump_json().encode())


def _new(item: NewSecretItem, visibility: Visibility) -> NewSecret:
    chosen = Visibility(item.visibility) if item.visibility else visibility
    return NewSecret(item.name, item.value, chosen, tuple(item.tags or ()))


def _seen(plane: ControlPlane, caller: Principal) -> list[Secret]:
    return list(plane.secrets.list(caller.workspace_id, caller.name, is_admin=_is_admin(caller)))


def _is_admin(caller: Principal) -> bool:
    return caller.role is Role.ADMIN


def _item(secret: Secret) -> SecretItem:
    return SecretItem(
        name=secret.name,
        owner=secret.owner,
        tags=list(secret.tags),
        visibility=secret.visibility.value,
        created_at=secret.created_at_ms,
    )
