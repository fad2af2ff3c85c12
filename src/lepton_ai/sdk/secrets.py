"""Secrets from Python: make them, list their names, remove them. A value goes in and never comes out."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.server.schemas.secrets import MasterKeyItem, SecretItem


class Secrets:
    """The secrets of the workspace. Get it as `Cloud().secrets`."""

    def __init__(self, connection: Connection, server: Connection) -> None:
        self._connection = connection
        self._server = server

    def list(self) -> Sequence[SecretItem]:
        """The secrets that you may see, by name, without their values."""
        return self._connection.read_list(SecretItem, "/usersecrets")

    def create(
        self, values: Mapping[str, str], *, visibility: str = "private", tags: Sequence[str] = ()
    ) -> Sequence[SecretItem]:
        """Make secrets: all of them or none.

        Args:
            values: Their values by name, such as `{"HUGGING_FACE_HUB_TOKEN": "hf_…"}`.
            visibility: `private`: your workloads get them; `public`: everybody's in the workspace do.
            tags: Words to find them by.

        Raises:
            AlreadyExists: A name is taken.
            InvalidInput: A name or a value breaks its rule.
        """
        body = [
            {"name": name, "value": value, "visibility": visibility, "tags": list(tags)}
            for name, value in values.items()
        ]
        made = self._connection.create("/usersecrets", body)
        return [parsed(SecretItem, item, self._connection.url) for item in made]

    def remove(self, name: str) -> None:
        """Remove a secret. What runs keeps what it was given.

        Raises:
            NotFound: There is none that you may see.
        """
        self._connection.delete(f"/usersecrets/{quote(name, safe='')}")

    def rotate(self) -> str:
        """Change the server's master key, which seals all secrets; returns the new one's id. For admins of the server.

        Raises:
            PermissionDenied: You are none.
        """
        return parsed(MasterKeyItem, self._server.post("/master-key", None), self._server.url).id
