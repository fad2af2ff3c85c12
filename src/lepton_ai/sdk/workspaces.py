"""Workspaces from Python: for admins of the server to make and limit, and what one's own has used."""

from collections.abc import Sequence

from lepton_ai.core.errors import NotFound
from lepton_ai.core.names import check_name
from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.server.schemas.workspace import Workspace
from lepton_ai.server.schemas.workspaces import UsageAnswer, WorkspaceItem, WorkspaceMade


class Workspaces:
    """All workspaces of the server that you look after. Get it as `Cloud().workspaces`."""

    def __init__(self, connection: Connection, server: Connection) -> None:
        self._connection = connection
        self._server = server

    def list(self) -> Sequence[WorkspaceItem]:
        """The workspaces with their quotas and what they have: for an admin of the server all of them."""
        return self._server.read_list(WorkspaceItem, "/workspaces")

    def get(self, name: str) -> WorkspaceItem:
        """One of them.

        Raises:
            NotFound: There is none of that name, or it is not yours to look after.
        """
        for found in self.list():
            if found.id == name:
                return found
        raise NotFound(f"there is no workspace {name!r}", hint="`lepton workspace list` shows them.")

    def create(self, name: str) -> WorkspaceMade:
        """Make a workspace. The `token` of its first admin is in the answer, and never again.

        Raises:
            AlreadyExists: The name is taken.
            PermissionDenied: You are no admin of the server.
        """
        return parsed(WorkspaceMade, self._server.create("/workspaces", {"name": name}), self._server.url)

    def remove(self, name: str) -> None:
        """Remove a workspace that is empty. Its history stays, and so its name is not given again.

        Raises:
            Conflict: Something is in it; the message says what.
        """
        self._server.delete(f"/workspaces/{check_name('workspace', name)}")

    def set_quota(self, name: str, **limits: float | None) -> WorkspaceItem:
        """Change how much a workspace may have at once.

        Args:
            limits: `endpoints`, `jobs`, `replicas`, `cpus`, `storage_bytes`; None is without limit, what is left out
                stays as it is.

        Raises:
            InvalidInput: There is no such limit, or it is below zero.
        """
        quota = {**self.get(name).quota.model_dump(), **limits}
        return parsed(WorkspaceItem, self._server.put(f"/workspaces/{name}/quota", quota), self._server.url)

    def reset_admin(self, name: str) -> WorkspaceMade:
        """Give a workspace a new token `admin`, in place of one that was lost.

        Raises:
            NotFound: There is no such workspace.
        """
        path = f"/workspaces/{check_name('workspace', name)}/admin-token"
        return parsed(WorkspaceMade, self._server.post(path, None), self._server.url)

    def current(self) -> Workspace:
        """The workspace that this connection opens: how much is in it."""
        return self._connection.read(Workspace, "/workspace")

    def usage(self, *, since_ms: int | None = None, until_ms: int | None = None) -> UsageAnswer:
        """What the workspace of this connection used, hour by hour; by default in the last 24 hours."""
        answer = self._connection.get("/usage", since_ms=since_ms, until_ms=until_ms)
        return parsed(UsageAnswer, answer, self._connection.url)
