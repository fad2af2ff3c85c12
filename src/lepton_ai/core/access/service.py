"""What one can do with workspaces and tokens: the verbs that the doors call."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from lepton_ai.core.access import tokens as token_store
from lepton_ai.core.access import workspaces as workspace_store
from lepton_ai.core.access.principals import Principal, Principals
from lepton_ai.core.access.quotas import Counter
from lepton_ai.core.access.roles import Role
from lepton_ai.core.access.tokens import Token, digest_of, masked, new_token_value
from lepton_ai.core.access.workspaces import DEFAULT_WORKSPACE, Quota, Workspace, check_workspace_id
from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database, Result, Work
from lepton_ai.core.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from lepton_ai.core.events import SYSTEM, Event, Journal, record
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import NewId
from lepton_ai.core.names import check_name

ADMIN_TOKEN = "admin"  # noqa: S105 - a name, not a value
"""The first token of a workspace."""

LONGEST_EXPIRY_S = 10 * 366 * 24 * 3600


@dataclass(frozen=True)
class IssuedToken:
    """A token with its value: the only time that it is seen."""

    token: Token
    value: str


class Access:
    """Workspaces and tokens.

    Args:
        database: Where they are kept.
        clock: Where the time comes from.
        new_id: Where ids come from.
        journal: Where changes are written down.
    """

    def __init__(self, database: Database, clock: Clock, new_id: NewId, journal: Journal) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._journal = journal
        self._principals = Principals(database, clock)
        self._absent: frozenset[str] = frozenset()

    def authenticate(self, authorization: str | None) -> Principal:
        """Find out who asks from the `Authorization` header.

        Raises:
            Unauthenticated: No token, or one that this server does not know, or one that has expired.
        """
        return self._principals.authenticate(authorization)

    def digests(self, workspace_id: str) -> Mapping[str, str]:
        """The digests that open the workspace's endpoints, each with its principal's name; for the gateway."""
        return self._principals.digests(workspace_id)

    def forget(self) -> None:
        """Read the tokens anew at the next request."""
        self._principals.forget()

    def workspaces(self) -> Sequence[Workspace]:
        """All workspaces, by name."""
        return self._database.read(workspace_store.list_workspaces)

    def workspace(self, workspace_id: str) -> Workspace:
        """One workspace.

        Raises:
            NotFound: There is none of that name.
        """
        return self._database.read(lambda connection: _require(connection, workspace_id))

    def create_workspace(self, workspace_id: str) -> bool:
        """Make a workspace unless it is there; returns whether it was made."""
        check_workspace_id(workspace_id)
        now_ms = self._clock.now_ms()
        events = self._told(workspace_id, SYSTEM, "created", "The workspace was made.")

        def work(connection: Connection) -> bool:
            if workspace_store.find_workspace(connection, workspace_id) is not None:
                return False
            workspace_store.insert_workspace(connection, workspace_id, now_ms)
            record(connection, *events)
            return True

        return self._database.write(work)

    def open_workspace(self, workspace_id: str, actor: str, once: Once | None = None) -> IssuedToken:
        """Make a workspace with the token of its first admin.

        Args:
            once: The client's idempotency key. The same request again gives the token another value, since whoever
                repeats it has not seen the first.

        Raises:
            InvalidInput: The name breaks its rule.
            AlreadyExists: The name is taken.
            Conflict: A workspace of that name was removed: its history is not handed on to another.
        """
        check_workspace_id(workspace_id)
        now_ms = self._clock.now_ms()
        token, value = self._new_token(workspace_id, ADMIN_TOKEN, Role.ADMIN)
        events = self._told(workspace_id, actor, "created", "The workspace was made.")

        def work(connection: Connection) -> IssuedToken:
            if once and (made := once.made_before(connection, DEFAULT_WORKSPACE)):
                return _with_new_value(connection, made, value)
            found = workspace_store.find_workspace(connection, workspace_id)
            if found is not None and found.removed_at_ms is not None:
                raise Conflict(
                    f"a workspace {workspace_id!r} was removed, and its history is kept", hint="Choose another name."
                )
            if found is not None:
                raise AlreadyExists(f"there is a workspace {workspace_id!r} already")
            workspace_store.insert_workspace(connection, workspace_id, now_ms)
            token_store.insert_token(connection, token, digest_of(value))
            if once:
                once.remember(connection, DEFAULT_WORKSPACE, token.id, now_ms)
            record(connection, *events)
            return IssuedToken(token, value)

        return self._write(work)

    def set_quota(self, workspace_id: str, quota: Quota, actor: str) -> Workspace:
        """Set how much a workspace may have. What it has already stays.

        Raises:
            NotFound: There is none of that name.
            InvalidInput: A limit is below zero.
        """
        for name, limit in vars(quota).items():
            if limit is not None and limit < 0:
                raise InvalidInput(f"`{name}` must be 0 or more, got {limit}")
        events = self._told(
            workspace_id, actor, "quota_set", "The quota was set.", details={"quota": dict(vars(quota))}
        )

        def work(connection: Connection) -> Workspace:
            _require(connection, workspace_id)
            workspace_store.set_quota(connection, workspace_id, quota)
            record(connection, *events)
            return _require(connection, workspace_id)

        return self._database.write(work)

    def remove_workspace(self, workspace_id: str, contents: Mapping[str, Counter], actor: str) -> None:
        """Remove an empty workspace. Its tokens end; its history stays, and so its name is not given again.

        Args:
            contents: What must not be there any more, by name.

        Raises:
            NotFound: There is none of that name.
            Conflict: Something is in it, or it is the server's first.
        """
        if workspace_id == DEFAULT_WORKSPACE:
            raise Conflict(f"the workspace {DEFAULT_WORKSPACE!r} is the server's first and stays")
        now_ms = self._clock.now_ms()
        events = self._told(workspace_id, actor, "removed", "The workspace was removed.")

        def work(connection: Connection) -> None:
            _require(connection, workspace_id)
            found = {name: counter(connection, workspace_id) for name, counter in contents.items()}
            if any(found.values()):
                told = ", ".join(f"{name} ({number:g})" for name, number in found.items() if number)
                raise Conflict(f"workspace {workspace_id!r} is not empty: {told}", hint="Remove these first.")
            token_store.revoke(connection, now_ms, workspace_id=workspace_id)
            workspace_store.mark_removed(connection, workspace_id, now_ms)
            record(connection, *events)

        self._write(work)

    def issue_token(self, workspace_id: str, name: str, actor: str = SYSTEM) -> str:
        """Make an admin's token and return its value: the only time that it is seen."""
        return self.issue(workspace_id, name, Role.ADMIN, actor).value

    def issue(
        self,
        workspace_id: str,
        name: str,
        role: Role,
        actor: str,
        *,
        expires_in_s: float | None = None,
        once: Once | None = None,
    ) -> IssuedToken:
        """Make a token.

        Args:
            expires_in_s: How long it is good; None for until it is revoked.
            once: The client's idempotency key. The same request again gives the token another value, since whoever
                repeats it has not seen the first.

        Raises:
            InvalidInput: The name or the time breaks its rule.
            AlreadyExists: A token of that name is good.
        """
        check_name("token", name)
        if expires_in_s is not None and not 1 <= expires_in_s <= LONGEST_EXPIRY_S:
            raise InvalidInput(f"`expires_in_s` must be from 1 to {LONGEST_EXPIRY_S} seconds, got {expires_in_s:g}")
        now_ms = self._clock.now_ms()
        expires_at_ms = None if expires_in_s is None else now_ms + int(expires_in_s * 1000)
        token, value = self._new_token(workspace_id, name, role, expires_at_ms)
        event = self._journal.event(
            *(workspace_id, actor, "issued", "token", name, "issued", f"Token {token.masked} was issued."),
            {"role": role.value, "expires_at_ms": expires_at_ms},
        )

        def work(connection: Connection) -> IssuedToken:
            if once and (made := once.made_before(connection, workspace_id)):
                return _with_new_value(connection, made, value)
            good = [found for _, found in token_store.good_tokens(connection, workspace_id)]
            if any(found.name == name and not found.is_expired(now_ms) for found in good):
                raise AlreadyExists(
                    f"there is a token {name!r} already", hint=f"Revoke it first: lepton token revoke {name}"
                )
            token_store.insert_token(connection, token, digest_of(value))
            if once:
                once.remember(connection, workspace_id, token.id, now_ms)
            record(connection, event)
            return IssuedToken(token, value)

        return self._write(work)

    def reset_admin(self, workspace_id: str, actor: str) -> IssuedToken:
        """Give a workspace a new token `admin`, in place of one that was lost.

        Raises:
            NotFound: There is no such workspace.
            Conflict: It is the server's first, whose token lies in a file.
        """
        if workspace_id == DEFAULT_WORKSPACE:
            raise Conflict(
                f"the admin's token of {DEFAULT_WORKSPACE!r} lies in <data-dir>/admin-token",
                hint="To replace it, remove that file and start the server again.",
            )
        now_ms = self._clock.now_ms()
        token, value = self._new_token(workspace_id, ADMIN_TOKEN, Role.ADMIN)
        events = self._told(workspace_id, actor, "admin_reset", "Its token `admin` was replaced.")

        def work(connection: Connection) -> IssuedToken:
            _require(connection, workspace_id)
            token_store.revoke(connection, now_ms, workspace_id=workspace_id, name=ADMIN_TOKEN)
            token_store.insert_token(connection, token, digest_of(value))
            record(connection, *events)
            return IssuedToken(token, value)

        return self._write(work)

    def revoke_tokens(self, workspace_id: str, name: str, actor: str = SYSTEM) -> int:
        """Revoke every token of that name; returns how many there were."""
        now_ms = self._clock.now_ms()
        event = self._revoked(workspace_id, name, actor)

        def work(connection: Connection) -> int:
            revoked = token_store.revoke(connection, now_ms, workspace_id=workspace_id, name=name)
            if revoked:
                record(connection, event)
            return revoked

        return self._write(work)

    def revoke(self, workspace_id: str, name: str, actor: str) -> Token:
        """Revoke a token, by its name or its id. It stops working here at once, elsewhere within a second.

        Raises:
            NotFound: There is no such token.
            Conflict: It is the last that may look after the workspace's tokens.
        """
        now_ms = self._clock.now_ms()
        event = self._revoked(workspace_id, name, actor)

        def work(connection: Connection) -> Token:
            good = [token for _, token in token_store.good_tokens(connection, workspace_id) if not token.workload_id]
            found = next((token for token in good if name in (token.name, token.id)), None)
            if found is None:
                raise NotFound(f"there is no token {name[:64]!r}", hint="`lepton token list` shows them.")
            lasting = [token for token in good if token.role is Role.ADMIN and token.expires_at_ms is None]
            if lasting == [found]:
                raise Conflict(
                    f"{found.name!r} is the last admin's token of workspace {workspace_id!r} that does not expire",
                    hint="Make another first: lepton token create NAME --role admin",
                )
            token_store.revoke(connection, now_ms, id=found.id)
            record(connection, event)
            return found

        return self._write(work)

    def tokens(self, workspace_id: str) -> list[Token]:
        """The workspace's tokens that are good, oldest first. Those of workers are not among them."""
        now_ms = self._clock.now_ms()
        good = self._database.read(lambda connection: token_store.good_tokens(connection, workspace_id))
        return [token for _, token in good if token.workload_id is None and not token.is_expired(now_ms)]

    def issue_workload_token(self, workspace_id: str, workload_id: str) -> str:
        """Make a token for one worker, to act in its workspace as a developer may. It dies with the worker.

        Asked again for the same worker, the earlier one ends: nobody kept its value. No event is written, as the
        worker's own events tell when it began and ended.

        Args:
            workload_id: The worker's id.
        """
        token, value = self._new_token(workspace_id, workload_id[:64], Role.WORKLOAD, workload_id=workload_id)

        def work(connection: Connection) -> None:
            token_store.forget_workload(connection, workload_id)
            token_store.insert_token(connection, token, digest_of(value))

        self._write(work)
        return value

    def retire_workload(self, workload_id: str) -> None:
        """End a worker's token, if it has one: the worker is over."""
        if workload_id in self._principals.workloads():
            self._write(lambda connection: token_store.forget_workload(connection, workload_id))

    def retire_workloads_except(self, alive: Collection[str]) -> None:
        """End the tokens of workers that are not among these, and were not the last time either.

        Twice, as a token is made before its worker: the first time it may be on its way.
        """
        absent = self._principals.workloads() - frozenset(alive)
        for workload_id in absent & self._absent:
            self.retire_workload(workload_id)
        self._absent = absent

    def _new_token(
        self,
        workspace_id: str,
        name: str,
        role: Role,
        expires_at_ms: int | None = None,
        workload_id: str | None = None,
    ) -> tuple[Token, str]:
        value = new_token_value()
        now_ms = self._clock.now_ms()
        token_id = self._new_id("tok")
        return Token(token_id, workspace_id, name, masked(value), now_ms, role, expires_at_ms, workload_id), value

    def _told(
        self, workspace_id: str, actor: str, action: str, message: str, details: Mapping[str, object] | None = None
    ) -> list[Event]:
        """What was done to a workspace, told there and to the server's admins."""
        where = [workspace_id] if workspace_id == DEFAULT_WORKSPACE else [workspace_id, DEFAULT_WORKSPACE]
        return [
            self._journal.event(place, actor, action, "workspace", workspace_id, action, message, details)
            for place in where
        ]

    def _revoked(self, workspace_id: str, name: str, actor: str) -> Event:
        return self._journal.event(workspace_id, actor, "revoked", "token", name, "revoked", "The token was revoked.")

    def _write(self, work: Work[Result]) -> Result:
        result = self._database.write(work)
        self.forget()
        return result


def _require(connection: Connection, workspace_id: str) -> Workspace:
    workspace = workspace_store.find_workspace(connection, workspace_id)
    if workspace is None or workspace.removed_at_ms is not None:
        raise NotFound(f"there is no workspace {workspace_id[:64]!r}", hint="`lepton workspace list` shows them.")
    return workspace


def _with_new_value(connection: Connection, token_id: str, value: str) -> IssuedToken:
    token_store.replace_value(connection, token_id, digest_of(value), masked(value))
    token = token_store.find_token(connection, token_id)
    good = [] if token is None else token_store.good_tokens(connection, token.workspace_id)
    if token is None or token_id not in {found.id for _, found in good}:
        raise Conflict("this request made a token before, and that one was revoked", hint="Use a fresh key.")
    return IssuedToken(token, value)
