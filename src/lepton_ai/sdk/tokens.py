"""Tokens from Python: make them, list them, revoke them."""

from collections.abc import Sequence
from urllib.parse import quote

from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.server.schemas.tokens import TokenItem, TokenMade


class Tokens:
    """The tokens of the workspace. Get it as `Cloud().tokens`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[TokenItem]:
        """The tokens that are good, oldest first, without their values."""
        return self._connection.read_list(TokenItem, "/tokens")

    def create(self, name: str, *, role: str = "developer", expires_in_s: int | None = None) -> TokenMade:
        """Make a token. Its `value` is in the answer, and never again.

        Args:
            name: What to call it; events name it as the actor.
            role: `admin`, `developer`, `viewer` or `endpoint`.
            expires_in_s: How long it is good; None for until it is revoked.

        Raises:
            AlreadyExists: There is a token of that name.
            PermissionDenied: You are no admin of the workspace.
        """
        body = {"name": name, "role": role, "expires_in_s": expires_in_s}
        return parsed(TokenMade, self._connection.create("/tokens", body), self._connection.url)

    def revoke(self, name: str) -> None:
        """Revoke a token, by its name or its id. It stops working within a second everywhere.

        Raises:
            NotFound: There is none.
            Conflict: It is the last admin's token.
        """
        self._connection.delete(f"/tokens/{quote(name, safe='')}")
