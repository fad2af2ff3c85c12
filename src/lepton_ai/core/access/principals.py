"""Who asks: a token is looked up by its digest, in what was read from the database less than a moment ago."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from lepton_ai.core.access.roles import ALLOWED, Need, Role
from lepton_ai.core.access.tokens import digest_of, good_tokens
from lepton_ai.core.access.workspaces import DEFAULT_WORKSPACE
from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import NotFound, PermissionDenied, Unauthenticated

_KNOWN_FOR_S = 0.4
"""Another server on the same database may revoke a token. With the gateway's own pause that makes less than 1 s."""


@dataclass(frozen=True)
class Principal:
    """Who is asking: the token by name, the workspace that it opens, and its role there.

    Args:
        expires_at_ms: When the token ends; None for never.
        workload_id: The worker that it was made for, if it was made for one.
    """

    workspace_id: str
    token_id: str
    name: str
    role: Role
    expires_at_ms: int | None = None
    workload_id: str | None = None

    @property
    def is_root(self) -> bool:
        """Whether it looks after the whole server: an admin of the workspace `default`."""
        return self.role is Role.ADMIN and self.workspace_id == DEFAULT_WORKSPACE

    def may(self, need: Need) -> bool:
        """Whether it may do what needs this."""
        return self.is_root if need is Need.ROOT else need in ALLOWED[self.role]

    def require(self, need: Need) -> None:
        """Refuse what its role does not allow.

        Raises:
            PermissionDenied: The message names the role and what was needed.
        """
        if self.may(need):
            return
        if need is Need.ROOT:
            raise PermissionDenied(
                f"only an admin of the workspace {DEFAULT_WORKSPACE!r} may do this, got a token of role "
                f"{self.role.value!r} in {self.workspace_id!r}"
            )
        raise PermissionDenied(
            f"this needs the right to {_SAID[need]}, which a token of role {self.role.value!r} does not have",
            hint="An admin of the workspace can make another one: lepton token create --role developer",
        )

    def require_workspace(self, workspace_id: str) -> None:
        """Refuse a workspace that this token does not open; its very existence is not told.

        Raises:
            NotFound: It is another one, or none at all.
        """
        if workspace_id != self.workspace_id:
            raise NotFound(f"there is no workspace {workspace_id[:64]!r}", hint="`lepton whoami` shows yours.")


_SAID = {
    Need.READ: "read the workspace",
    Need.WRITE: "change things in the workspace",
    Need.PREDICT: "call endpoints",
    Need.ADMIN: "look after the workspace's tokens",
}


class Principals:
    """All tokens that are good, by their digests.

    Args:
        database: Where they are kept.
        clock: Where the time comes from.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._by_digest: Mapping[str, Principal] = {}
        self._known_until_s = 0.0

    def authenticate(self, authorization: str | None) -> Principal:
        """Find out who asks from the `Authorization` header.

        Raises:
            Unauthenticated: No token, or one that this server does not know. The token is never repeated.
        """
        if not authorization:
            raise Unauthenticated(
                "a token is needed: `Authorization: Bearer <token>`",
                hint="`lepton login` stores one; on the server's machine it lies in <data-dir>/admin-token.",
            )
        scheme, _, token = authorization.partition(" ")
        principal = self._known().get(digest_of(token)) if scheme.lower() == "bearer" else None
        if principal is None:
            raise Unauthenticated(
                "this server does not know that token", hint="It may be revoked or of another server: `lepton login`."
            )
        if principal.expires_at_ms is not None and principal.expires_at_ms <= self._clock.now_ms():
            raise Unauthenticated("this token has expired", hint="An admin can make another: lepton token create NAME")
        return principal

    def digests(self, workspace_id: str) -> Mapping[str, str]:
        """The digests that open the workspace's endpoints, each with its principal's name."""
        now_ms = self._clock.now_ms()
        return {
            digest: principal.name
            for digest, principal in self._known().items()
            if principal.workspace_id == workspace_id
            and principal.may(Need.PREDICT)
            and (principal.expires_at_ms is None or principal.expires_at_ms > now_ms)
        }

    def workloads(self) -> frozenset[str]:
        """The workers that have a token of their own."""
        return frozenset(found.workload_id for found in self._known().values() if found.workload_id is not None)

    def forget(self) -> None:
        """Read the tokens anew at the next request."""
        with self._lock:
            self._known_until_s = 0.0

    def _known(self) -> Mapping[str, Principal]:
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s >= self._known_until_s:
                tokens = self._database.read(good_tokens)
                self._by_digest = {
                    digest: Principal(
                        token.workspace_id,
                        token.id,
                        token.name,
                        token.role,
                        token.expires_at_ms,
                        token.workload_id,
                    )
                    for digest, token in tokens
                }
                self._known_until_s = now_s + _KNOWN_FOR_S
            return self._by_digest
