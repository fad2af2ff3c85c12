"""What one can do with secrets: make, list and remove them, hand one to a workload, change the master key."""

import hmac
import threading
from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping

from lepton_ai.core.access import DEFAULT_WORKSPACE
from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from lepton_ai.core.events import Journal, record
from lepton_ai.core.failpoints import failpoint
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import NewId
from lepton_ai.core.master_key import MasterKey, MasterKeyFile
from lepton_ai.infrastructure.storage.secrets import store
from lepton_ai.infrastructure.storage.secrets.envelope import (
    SecretUnreadable,
    new_data_key,
    seal,
    unseal,
    unwrap,
    wrap,
)
from lepton_ai.infrastructure.storage.secrets.records import MOST_SECRETS, NewSecret, Secret, Visibility


class Secrets:
    """The secrets of all workspaces.

    Args:
        database: Where they are kept, sealed.
        keys: The master key.
        clock: Where the time comes from.
        new_id: Where ids come from.
        journal: Where changes are written down.
    """

    def __init__(self, database: Database, keys: MasterKeyFile, clock: Clock, new_id: NewId, journal: Journal) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._new_id = new_id
        self._journal = journal
        self._rotating = threading.Lock()

    def create(
        self, workspace_id: str, new: Sequence[NewSecret], actor: str, key: str | None = None, request: bytes = b""
    ) -> list[Secret]:
        """Make secrets: all of them or none.

        Args:
            key: The client's idempotency key.
            request: What it asked for. Only a keyed digest of it is kept, from which no value can be guessed.

        Raises:
            AlreadyExists: A name is taken.
            InvalidInput: There are none, a name comes twice, or there would be too many.
        """
        names = [secret.name for secret in new]
        if not new:
            raise InvalidInput("at least one secret must be given")
        if len(set(names)) != len(names):
            raise InvalidInput(f"each `name` must come once, got {', '.join(sorted(names))[:200]}")
        now_ms = self._clock.now_ms()
        once = Once(key, hmac.digest(self._keys.derive("idempotency"), request, "sha256")) if key else None
        fresh_key = new_data_key()
        made = [
            Secret(self._new_id("sec"), workspace_id, secret.name, actor, secret.visibility, secret.tags, now_ms)
            for secret in new
        ]
        events = [
            self._journal.event(
                *(workspace_id, actor, "created", "secret", secret.name, "created", "The secret was made."),
                {"visibility": secret.visibility.value},
            )
            for secret in made
        ]

        def work(connection: Connection) -> list[Secret]:
            if once and (before := once.made_before(connection, workspace_id)):
                return [secret for secret in store.list_secrets(connection, workspace_id) if secret.id in before]
            data_key = self._data_key(connection, workspace_id, fresh_key)
            if store.count_secrets(connection, workspace_id) + len(new) > MOST_SECRETS:
                raise InvalidInput(f"a workspace may have {MOST_SECRETS} secrets")
            for secret, given in zip(made, new, strict=True):
                if store.find_secret(connection, workspace_id, secret.name) is not None:
                    raise AlreadyExists(
                        f"there is a secret {secret.name!r} already",
                        hint=f"Remove it first: lepton secret remove {secret.name}",
                    )
                sealed = seal(data_key, workspace_id, secret.name, secret.id, given.value)
                store.insert_secret(connection, secret, sealed)
            if once:
                once.remember(connection, workspace_id, [secret.id for secret in made], now_ms)
            record(connection, *events)
            return made

        with self._rotating:
            return self._database.write(work)

    def list(self, workspace_id: str, actor: str, *, is_admin: bool) -> Sequence[Secret]:
        """The secrets that somebody may see, by name, without their values."""
        found = self._database.read(lambda connection: store.list_secrets(connection, workspace_id))
        return [secret for secret in found if is_admin or _is_seen_by(secret, actor)]

    def remove(self, workspace_id: str, name: str, actor: str, *, is_admin: bool) -> None:
        """Remove a secret. What runs keeps what it was given.

        Raises:
            NotFound: There is none of that name that this actor may see.
        """
        event = self._journal.event(
            workspace_id, actor, "removed", "secret", name, "removed", "The secret was removed."
        )

        def work(connection: Connection) -> None:
            found = store.find_secret(connection, workspace_id, name)
            if found is None or not (is_admin or _is_seen_by(found[0], actor)):
                raise _no_secret(name)
            store.delete_secret(connection, found[0].id)
            record(connection, event)

        self._database.write(work)

    def value_of(self, workspace_id: str, name: str, actor: str | None = None) -> str:
        """A secret's value, for the environment of a workload. Hand it on, and write it nowhere.

        Args:
            actor: Who started the workload: a private secret of somebody else is not there for it. None asks in the
                name of the server itself.

        Raises:
            NotFound: There is none of that name.
            SecretUnreadable: It does not open.
        """

        def work(connection: Connection) -> tuple[Secret, bytes, bytes]:
            found = store.find_secret(connection, workspace_id, name)
            if found is None or not (actor is None or _is_seen_by(found[0], actor)):
                raise _no_secret(name)
            return *found, self._data_key(connection, workspace_id, None)

        with self._rotating:  # or the key that a row was just read under is gone
            secret, sealed, data_key = self._database.read(work)
        return unseal(data_key, workspace_id, name, secret.id, sealed)

    def rotate(self, actor: str) -> MasterKey:
        """Change the master key: every data key is sealed anew, in one transaction, and no secret is touched.

        Whatever a crash leaves behind can be read, and the next start goes on with it.
        """
        with self._rotating:
            fresh = self._keys.begin_rotation()
            self._finish_rotation(fresh, actor)
            return fresh

    def resume_rotation(self) -> None:
        """Go on with a rotation that a crash broke off. Call at the start."""
        with self._rotating:
            if len(self._keys.all()) > 1:
                self._finish_rotation(self._keys.current, "system")

    def _finish_rotation(self, fresh: MasterKey, actor: str) -> None:
        failpoint("secrets.before_rewrap")
        event = self._journal.event(
            *(DEFAULT_WORKSPACE, actor, "rotated", "master-key", fresh.id, "rotated", "The master key was changed.")
        )

        def work(connection: Connection) -> None:
            for row in store.list_data_keys(connection):
                if row["master_key_id"] != fresh.id:
                    data_key = self._opened(row)
                    sealed_anew = _sealed(fresh, row["workspace_id"], data_key)
                    store.update_data_key(connection, row["workspace_id"], sealed_anew)
            record(connection, event)

        self._database.write(work)
        failpoint("secrets.after_rewrap")
        self._keys.finish_rotation()

    def _data_key(self, connection: Connection, workspace_id: str, fresh: bytes | None) -> bytes:
        row = store.find_data_key(connection, workspace_id)
        if row is not None:
            return self._opened(row)
        if fresh is None:
            raise Conflict(f"workspace {workspace_id!r} has a secret, and no key to open it")
        store.insert_data_key(connection, workspace_id, _sealed(self._keys.current, workspace_id, fresh))
        return fresh

    def _opened(self, row: RowMapping) -> bytes:
        for master in self._keys.all():
            if master.id == row["master_key_id"]:
                return unwrap(master, row["workspace_id"], row["wrapped"])
        raise SecretUnreadable(
            f"the secrets of workspace {row['workspace_id']!r} were sealed by master key {row['master_key_id']}, "
            f"and <data-dir>/master-key holds {self._keys.current.id}",
            hint="Put the file that belongs to this database back, from your backup.",
        )


def _sealed(master: MasterKey, workspace_id: str, data_key: bytes) -> dict[str, object]:
    return {"master_key_id": master.id, "wrapped": wrap(master, workspace_id, data_key)}


def _is_seen_by(secret: Secret, actor: str) -> bool:
    return secret.visibility is Visibility.PUBLIC or secret.owner == actor


def _no_secret(name: str) -> NotFound:
    return NotFound(f"there is no secret {name[:128]!r}", hint="`lepton secret list` shows them.")
