"""Tokens over HTTP."""

from typing import Any

from fastapi import APIRouter

from lepton_ai.core.access import Role, Token
from lepton_ai.core.idempotency import Once
from lepton_ai.server.dependencies import WORKSPACE, Caller, IdempotencyKey, Plane
from lepton_ai.server.schemas.tokens import CreateToken, TokenItem, TokenMade

router = APIRouter(prefix=f"{WORKSPACE}/tokens", tags=["tokens"])


@router.get("")
def list_tokens(plane: Plane, caller: Caller) -> list[TokenItem]:
    """The tokens that are good, without their values."""
    return [TokenItem(**_item(token)) for token in plane.access.tokens(caller.workspace_id)]


@router.post("", status_code=201)
def create_token(body: CreateToken, plane: Plane, caller: Caller, key: IdempotencyKey = None) -> TokenMade:
    """Make a token. Its value is in this answer, and never again."""
    once = Once(key, body.model_dump_json().encode()) if key else None
    made = plane.access.issue(
        caller.workspace_id, body.name, Role(body.role), caller.name, expires_in_s=body.expires_in_s, once=once
    )
    return TokenMade(**_item(made.token), value=made.value)


@router.delete("/{name}")
def revoke_token(name: str, plane: Plane, caller: Caller) -> TokenItem:
    """Revoke a token, by its name or its id. It stops working within a second everywhere."""
    revoked = plane.access.revoke(caller.workspace_id, name, caller.name)
    plane.gateway.hint()
    return TokenItem(**_item(revoked))


def _item(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "masked_value": token.masked,
        "created_at": token.created_at_ms,
        "expires_at": token.expires_at_ms,
    }
