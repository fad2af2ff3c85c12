"""What one can do with the registry: register versions, look them up, move aliases."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from lepton_ai.core import events
from lepton_ai.core.access.quotas import Quotas
from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database, Work
from lepton_ai.core.errors import Conflict, InvalidInput, NotFound
from lepton_ai.core.failpoints import failpoint
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import NewId
from lepton_ai.core.names import check_name
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.platform.model_management.registry import store
from lepton_ai.platform.model_management.registry.records import (
    CHAMPION,
    REQUIRED_FILES,
    AliasMove,
    Manifest,
    ModelReference,
    ModelSummary,
    ModelVersion,
)

# A client writes these files into a folder: a name must be a plain one everywhere.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class ModelDetails:
    """One model with everything under its name."""

    name: str
    versions: Sequence[ModelVersion]
    aliases: Mapping[str, int]
    history: Sequence[AliasMove]


class Registry:
    """Models by name and version.

    Args:
        database: Where versions and aliases are kept.
        artifacts: Where their files are.
        clock: Where the time comes from.
        new_id: Where ids come from.
        journal: Where changes are written down.
        quotas: How much a workspace may have.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        clock: Clock,
        new_id: NewId,
        journal: events.Journal,
        quotas: Quotas,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._clock = clock
        self._new_id = new_id
        self._journal = journal
        self._quotas = quotas

    async def register(
        self, workspace_id: str, name: str, manifest: Manifest, actor: str, once: Once | None = None
    ) -> ModelVersion:
        """Make a version of files that are all in the artifact store. It appears whole, in one transaction.

        Args:
            once: The client's idempotency key: the same request again gives the version that it made.

        Raises:
            InvalidInput: A file is missing in the manifest or in the store, or has another size there.
            QuotaExceeded: The workspace may not store so much.
        """
        insert = self.registration(workspace_id, name, manifest, actor)
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> ModelVersion:
            if once and (made := once.made_before(connection, workspace_id)):
                return resolve(connection, workspace_id, ModelReference(name, made))
            added = partial(store.bytes_added, connection, workspace_id, manifest)
            self._quotas.check(connection, workspace_id, storage_bytes=added)
            version = insert(connection)
            if once:
                once.remember(connection, workspace_id, version.version, now_ms)
            return version

        return await self._database.write_async(work)

    def registration(self, workspace_id: str, name: str, manifest: Manifest, actor: str) -> Work[ModelVersion]:
        """What makes a version inside the caller's transaction, so that it comes with something else or not at all.

        Raises:
            InvalidInput: As `register`, at once.
        """
        check_name("model", name)
        self._check_files(manifest)
        failpoint("version.before_row")
        now_ms = self._clock.now_ms()
        version_id, move_id = self._new_id("mdl"), self._new_id("mov")
        pushed = self._journal.event(workspace_id, actor, "pushed", "model", name, "pushed", manifest.message)
        crowned = self._journal.event(
            workspace_id, actor, "alias_moved", "model", name, "first_version", "The first version became champion."
        )

        def work(connection: Connection) -> ModelVersion:
            number = store.next_version(connection, workspace_id, name, now_ms)
            version = ModelVersion(version_id, workspace_id, name, number, manifest, now_ms, actor)
            store.insert_version(connection, version)
            events.record(connection, events.with_details(pushed, version=number))
            if number == 1:
                move = AliasMove(move_id, CHAMPION, 1, None, now_ms, actor, "first version")
                store.move_alias(connection, workspace_id, name, move)
                events.record(connection, events.with_details(crowned, alias=CHAMPION, version=1))
            return version

        return work

    def resolve(self, workspace_id: str, reference: ModelReference) -> ModelVersion:
        """The version that a reference means now.

        Raises:
            NotFound: There is no such model, version or alias; the hint lists those there are.
        """
        return self._database.read(lambda connection: resolve(connection, workspace_id, reference))

    def models(self, workspace_id: str) -> Sequence[ModelSummary]:
        """All models of a workspace."""
        return self._database.read(lambda connection: store.list_models(connection, workspace_id))

    def bytes_of(self, workspace_id: str) -> int:
        """How many bytes the files of a workspace's versions take; a file that several share counts once."""
        return self._database.read(lambda connection: store.bytes_of(connection, workspace_id))

    def details(self, workspace_id: str, name: str) -> ModelDetails:
        """One model with versions, aliases and their history.

        Raises:
            NotFound: There is no model of that name.
        """

        def work(connection: Connection) -> ModelDetails:
            return ModelDetails(
                name,
                store.list_versions(connection, workspace_id, name),
                store.aliases_of(connection, workspace_id, name),
                store.alias_moves(connection, workspace_id, name),
            )

        found = self._database.read(work)
        if not found.versions:
            raise _no_model(workspace_id, name)
        return found

    def move_alias(self, workspace_id: str, name: str, alias: str, version: int, reason: str, actor: str) -> AliasMove:
        """Point an alias at a version; the history keeps where it pointed before, and why it was moved.

        Raises:
            NotFound: There is no such version.
        """
        check_name("model", name)
        check_name("alias", alias)
        move_id, now_ms = self._new_id("mov"), self._clock.now_ms()
        event = self._journal.event(
            workspace_id, actor, "alias_moved", "model", name, "asked", reason or f"{alias} was moved."
        )

        def work(connection: Connection) -> AliasMove:
            resolve(connection, workspace_id, ModelReference(name, version))
            previous = store.aliases_of(connection, workspace_id, name).get(alias)
            move = AliasMove(move_id, alias, version, previous, now_ms, actor, reason)
            store.move_alias(connection, workspace_id, name, move)
            events.record(connection, events.with_details(event, alias=alias, version=version, previous=previous))
            return move

        return self._database.write(work)

    def remove(self, workspace_id: str, name: str, version: int | None, actor: str, in_use: Mapping[int, str]) -> int:
        """Remove one version, or with None the whole model. Returns how many versions went.

        Args:
            in_use: The versions that endpoints serve, each with the endpoint's name: these cannot go.

        Raises:
            Conflict: An endpoint serves it, or an alias points to it.
            NotFound: There is nothing to remove.
        """
        event = self._journal.event(workspace_id, actor, "removed", "model", name, "asked", "It was removed.")

        def work(connection: Connection) -> int:
            if version is not None:
                resolve(connection, workspace_id, ModelReference(name, version))
            for used, endpoint in in_use.items():
                if version in (None, used):
                    raise Conflict(
                        f"{name}:{used} is served by endpoint {endpoint!r}",
                        hint=f"Remove it first: lepton endpoint remove {endpoint}",
                    )
            for alias, pointed in store.aliases_of(connection, workspace_id, name).items():
                if version == pointed:
                    raise Conflict(
                        f"alias {alias!r} points to {name}:{version}",
                        hint=f"Move it first: lepton model alias {name} {alias} VERSION",
                    )
                if version is None:
                    move = AliasMove(self._new_id("mov"), alias, None, pointed, event.at_ms, actor, "model removed")
                    store.move_alias(connection, workspace_id, name, move)
            removed = store.delete_versions(connection, workspace_id, name, version)
            if not removed:
                raise _no_model(workspace_id, name)
            events.record(connection, events.with_details(event, version=version))
            return removed

        return self._database.write(work)

    def _check_files(self, manifest: Manifest) -> None:
        for name in REQUIRED_FILES:
            if name not in manifest.files:
                raise InvalidInput(f"a model version needs the file `{name}`, got {sorted(manifest.files)}")
        for name, file in manifest.files.items():
            if not _FILE_NAME.fullmatch(name):
                raise InvalidInput(
                    f"a file's name must be 1 to 100 letters, digits and any of `_ . -`, not beginning with a dot or "
                    f"hyphen, got {name[:100]!r}"
                )
            size = self._artifacts.size(file.digest)
            if size is None:
                raise InvalidInput(
                    f"`{name}`: no artifact {file.digest} was uploaded", hint="Upload every file before registering."
                )
            if size != file.size_bytes:
                raise InvalidInput(f"`{name}`: the artifact has {size} bytes, not {file.size_bytes}")


def resolve(connection: Connection, workspace_id: str, reference: ModelReference) -> ModelVersion:
    """The version that a reference means, inside the caller's transaction. See `Registry.resolve`."""
    number = reference.version
    if number is None:
        aliases = store.aliases_of(connection, workspace_id, reference.name)
        if reference.alias not in aliases:
            if not store.list_versions(connection, workspace_id, reference.name):
                raise _no_model(workspace_id, reference.name)
            known = ", ".join(f"{reference.name}@{alias}" for alias in aliases) or "none"
            raise NotFound(f"model {reference.name!r} has no alias {reference.alias!r}", hint=f"Aliases: {known}.")
        number = aliases[str(reference.alias)]
    found = store.find_version(connection, workspace_id, reference.name, number)
    if found is None:
        known_versions = [version.version for version in store.list_versions(connection, workspace_id, reference.name)]
        if not known_versions:
            raise _no_model(workspace_id, reference.name)
        raise NotFound(
            f"model {reference.name!r} has no version {number}",
            hint=f"Versions: {', '.join(map(str, known_versions[:10]))}.",
        )
    return found


def _no_model(workspace_id: str, name: str) -> NotFound:
    return NotFound(f"there is no model {name!r} in workspace {workspace_id!r}", hint="`lepton model list` shows them.")
