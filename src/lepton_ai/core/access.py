"""Who may come in: workspaces and their tokens. The database holds only a token's SHA-256."""

import hashlib
import secrets
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, String, Table, insert, select, update

from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database, metadata
from lepton_ai.core.errors import InvalidInput, NotFound, Unauthenticated
from lepton_ai.core.events import SYSTEM, Journal, record
from lepton_ai.core.ids import NewId
from lepton_ai.core.names import check_name

RESERVED_WORKSPACE_IDS = frozenset({"api", "docs", "metrics", "healthz", "readyz", "openapi.json", "console"})

workspaces_table = Table(
    "workspaces",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created_at_ms", BigInteger, nullable=False),
)

tokens_table = Table(
    "tokens",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("workspace_id", String(64), ForeignKey("workspaces.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("masked", String(40), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
)


@dataclass(frozen=True)
class Principal:
    """Who is asking: the token by name, and the workspace that it opens."""

    workspace_id: str
    token_id: str
    name: str

    def require_workspace(self, workspace_id: str) -> None:
        """Refuse a workspace that this token does not open; its very existence is not told.

        Raises:
            NotFound: It is another one, or none at all.
        """
        if workspace_id != self.workspace_id:
            raise NotFound(f"there is no workspace {workspace_id!r}", hint="`lepton whoami` shows yours.")


@dataclass(frozen=True)
class Token:
    """A token as it may be shown: without its value."""

    id: str
    workspace_id: str
    name: str
    masked: str
    created_at_ms: int


def new_token_value() -> str:
    """A fresh token: a prefix that scanners for leaked secrets can find, 240 random bits, and a checksum.

    Example:

        >>> value = new_token_value()
        >>> value.startswith("lep_"), looks_like_token(value), looks_like_token(value[:-1])
        (True, True, False)
    """
    body = f"lep_{secrets.token_urlsafe(30)}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def looks_like_token(value: str) -> bool:
    """Whether the checksum fits, so that a typing error is told apart from a token that was revoked."""
    body, _, checksum = value.rpartition("_")
    return body.startswith("lep_") and checksum == f"{zlib.crc32(body.encode()):08x}"


def digest_of(token: str) -> str:
    """The SHA-256 of a token in hexadecimal: what is stored, and what the gateway compares."""
    return hashlib.sha256(token.encode()).hexdigest()


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
        self._known: dict[str, Principal] = {}
        self._known_lock = threading.Lock()
        self._known_until_s = 0.0

    def create_workspace(self, workspace_id: str) -> bool:
        """Make a workspace unless it is there; returns whether it was made."""
        check_name("workspace", workspace_id)
        if workspace_id in RESERVED_WORKSPACE_IDS:
            raise InvalidInput(f"`workspace` may not be {workspace_id!r}: the server's own paths use that name")
        now_ms = self._clock.now_ms()
        event = self._journal.event(
            workspace_id, SYSTEM, "created", "workspace", workspace_id, "created", "The workspace was made."
        )

        def work(connection: Connection) -> bool:
            if connection.execute(select(workspaces_table.c.id).filter_by(id=workspace_id)).first():
                return False
            connection.execute(insert(workspaces_table).values(id=workspace_id, created_at_ms=now_ms))
            record(connection, event)
            return True

        return self._database.write(work)

    def issue_token(self, workspace_id: str, name: str, actor: str = SYSTEM) -> str:
        """Make a token and return its value: the only time that it is seen."""
        check_name("token", name)
        value = new_token_value()
        row = {
            "id": self._new_id("tok"),
            "workspace_id": workspace_id,
            "name": name,
            "digest": digest_of(value),
            "masked": f"{value[:8]}...{value[-3:]}",
            "created_at_ms": self._clock.now_ms(),
        }
        event = self._journal.event(
            workspace_id, actor, "issued", "token", name, "issued", f"Token {row['masked']} was issued."
        )

        def work(connection: Connection) -> None:
            connection.execute(insert(tokens_table).values(row))
            record(connection, event)

        self._database.write(work)
        self.forget()
        return value

    def revoke_tokens(self, workspace_id: str, name: str, actor: str = SYSTEM) -> int:
        """Revoke every token of that name; returns how many there were."""
        now_ms = self._clock.now_ms()
        event = self._journal.event(workspace_id, actor, "revoked", "token", name, "revoked", "The token was revoked.")

        def work(connection: Connection) -> int:
            revoked = connection.execute(
                update(tokens_table)
                .filter_by(workspace_id=workspace_id, name=name, revoked_at_ms=None)
                .values(revoked_at_ms=now_ms)
            ).rowcount
            if revoked:
                record(connection, event)
            return revoked

        revoked = self._database.write(work)
        self.forget()
        return revoked

    def tokens(self, workspace_id: str) -> list[Token]:
        """The workspace's tokens that are good, oldest first."""
        columns = [tokens_table.c[name] for name in ("id", "workspace_id", "name", "masked", "created_at_ms")]
        query = select(*columns).filter_by(workspace_id=workspace_id, revoked_at_ms=None).order_by(tokens_table.c.id)
        rows = self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [Token(**row) for row in rows]

    def digests(self, workspace_id: str) -> Mapping[str, str]:
        """The digests that open the workspace's endpoints, each with its principal's name; for the gateway."""
        return {
            digest: principal.name
            for digest, principal in self._principals().items()
            if principal.workspace_id == workspace_id
        }

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
        principal = self._principals().get(digest_of(token)) if scheme.lower() == "bearer" else None
        if principal is None:
            raise Unauthenticated(
                "this server does not know that token", hint="It may be revoked or of another server: `lepton login`."
            )
        return principal

    def forget(self) -> None:
        """Read the tokens anew at the next request."""
        with self._known_lock:
            self._known_until_s = 0.0

    def _principals(self) -> Mapping[str, Principal]:
        # Another server on the same database may revoke a token: what is known here is at most a second old.
        with self._known_lock:
            now_s = self._clock.monotonic_s()
            if now_s >= self._known_until_s:
                query = select(tokens_table).filter_by(revoked_at_ms=None)
                rows = self._database.read(lambda connection: connection.execute(query).mappings().all())
                self._known = {row["digest"]: Principal(row["workspace_id"], row["id"], row["name"]) for row in rows}
                self._known_until_s = now_s + 1.0
            return self._known
