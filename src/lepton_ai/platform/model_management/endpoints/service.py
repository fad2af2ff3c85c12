"""What one can do with endpoints: the verbs that the doors call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from lepton_ai.core import events
from lepton_ai.core.access.quotas import Quotas
from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import AlreadyExists, Conflict, InvalidInput, NotFound, PreconditionFailed
from lepton_ai.core.events import Event
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import NewId
from lepton_ai.core.names import check_name
from lepton_ai.platform.model_management.endpoints import store
from lepton_ai.platform.model_management.endpoints.changes import (
    EndpointUpdate,
    changed_spec,
    in_status,
    rolled_out,
    with_spec,
    with_status,
)
from lepton_ai.platform.model_management.endpoints.lifecycle import ENDPOINT_LIFECYCLE, EndpointReason
from lepton_ai.platform.model_management.endpoints.records import (
    Endpoint,
    EndpointSpec,
    PhotonReference,
    Replica,
)
from lepton_ai.platform.model_management.registry.records import ModelReference
from lepton_ai.platform.model_management.registry.service import resolve
from lepton_ai.platform.photons import store as photon_store
from lepton_ai.platform.photons.records import namespace_of

MOST_REPLICAS = 64
_HEEDED = ("allow_unauthenticated_access", "auto_scaler", "container", "health")
"""Fields of a client that are acted on although they are kept as they came."""


@dataclass(frozen=True)
class EndpointDetails:
    """An endpoint with its replicas, those that are over included."""

    endpoint: Endpoint
    replicas: Sequence[Replica]

    @property
    def ready_replicas(self) -> int:
        """How many answer."""
        return sum(replica.ready_at_ms is not None and replica.status.value == "Ready" for replica in self.replicas)


class Endpoints:
    """The endpoints of all workspaces.

    Args:
        database: Where they are kept.
        clock: Where the time comes from.
        new_id: Where ids come from.
        journal: Where changes are written down.
        hint: Called after each change, so that the reconciler looks at once.
        quotas: How much a workspace may have.
        allows_public: Whether an endpoint that asks to be public is; else it is private, and an event says so.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        new_id: NewId,
        journal: events.Journal,
        hint: Callable[[], None],
        quotas: Quotas,
        *,
        allows_public: bool,
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._journal = journal
        self._hint = hint
        self._quotas = quotas
        self._allows_public = allows_public

    async def create(
        self,
        workspace_id: str,
        name: str,
        wanted: EndpointSpec,
        actor: str,
        *,
        model: ModelReference | None = None,
        once: Once | None = None,
    ) -> EndpointDetails:
        """Make an endpoint. It answers once its replicas are ready; `Endpoint.status` tells.

        Args:
            wanted: What it is to be.
            model: What it serves, where it serves no command.
            once: The client's idempotency key: the same request again gives the endpoint that it made.

        Raises:
            InvalidInput: The name or a number breaks its rule, or it serves not one of model, command and photon.
            NotFound: There is no such model version or photon.
            AlreadyExists: The name is taken.
            QuotaExceeded: The workspace may not have another endpoint, or so many replicas.
        """
        check_name("endpoint", name)
        _check_replicas(wanted.min_replicas)
        _check_timeout(wanted.timeout_s)
        served = [source for source in (model, wanted.command, wanted.photon) if source is not None]
        if len(served) != 1:
            raise InvalidInput(
                f"an endpoint serves a model, a command or a photon, got {len(served)} of these",
                hint="Give `spec.model`, `spec.container` with a command, or `spec.photon_id`.",
            )
        now_ms = self._clock.now_ms()
        endpoint_id = self._new_id("ep")
        made_message = f"The endpoint was made.{_unheeded(wanted.fields)}"
        desired = wanted.replicas_from(0)
        asleep = EndpointReason.ASLEEP if wanted.wakes else EndpointReason.NO_REPLICAS_ASKED
        reason = EndpointReason.REPLICAS_START if desired else asleep
        if wanted.photon and wanted.min_replicas:
            reason = EndpointReason.PHOTON_NOT_RUN
        event = self._journal.event(workspace_id, actor, "created", "endpoint", name, "asked", made_message)
        told = self._told_of_access(workspace_id, name, actor, None, wanted)

        def work(connection: Connection) -> EndpointDetails:
            taken = store.find_endpoint(connection, workspace_id, name)
            if once and (made := once.made_before(connection, workspace_id)):
                if taken is None or taken.id != made:
                    raise Conflict(
                        f"this request made endpoint {name!r} before, and that one is gone",
                        hint="To make it anew, use a fresh `Idempotency-Key`.",
                    )
                return EndpointDetails(taken, store.replicas_of(connection, taken.id))
            if taken is not None and taken.deleting:
                raise Conflict(f"endpoint {name!r} is still being removed", hint="Try again in a moment.")
            if taken is not None:
                raise AlreadyExists(
                    f"there is an endpoint {name!r} already",
                    hint=f"Choose another --name, or change it: lepton endpoint update {name}",
                )
            spec = wanted
            if model is not None:
                version = resolve(connection, workspace_id, model)
                spec = replace(wanted, model_name=version.name, model_version=version.version)
            if wanted.photon is not None:
                _require_photon(connection, workspace_id, wanted.photon)
            wished = wanted.min_replicas
            self._quotas.check(connection, workspace_id, endpoints=1, replicas=wished, cpus=wished)
            endpoint = Endpoint(
                id=endpoint_id,
                workspace_id=workspace_id,
                name=name,
                spec=spec,
                generation=1,
                status=ENDPOINT_LIFECYCLE.status_of(reason),
                reason=reason,
                message=ENDPOINT_LIFECYCLE.sentence(reason),
                deleting=False,
                failures=0,
                retry_at_ms=0,
                created_at_ms=now_ms,
                updated_at_ms=now_ms,
                created_by=actor,
                desired_replicas=desired,
            )
            store.insert_endpoint(connection, endpoint)
            if once:
                once.remember(connection, workspace_id, endpoint.id, now_ms)
            events.record(connection, events.with_details(event, **_told_of(spec)), *told)
            return EndpointDetails(endpoint, ())

        made = await self._database.write_async(work)
        self._hint()
        return made

    def get(self, workspace_id: str, name: str) -> EndpointDetails:
        """One endpoint with its replicas.

        Raises:
            NotFound: There is none of that name.
        """

        def work(connection: Connection) -> EndpointDetails:
            endpoint = _require(connection, workspace_id, name)
            return EndpointDetails(endpoint, store.replicas_of(connection, endpoint.id))

        return self._database.read(work)

    def list(self, workspace_id: str) -> Sequence[EndpointDetails]:
        """All endpoints of a workspace, by name."""
        return self._database.read(lambda connection: _details(connection, workspace_id))

    def list_all(self) -> Sequence[EndpointDetails]:
        """All endpoints of all workspaces."""
        return self._database.read(lambda connection: _details(connection, None))

    async def update(
        self,
        workspace_id: str,
        name: str,
        change: EndpointUpdate,
        actor: str,
        *,
        if_updated_at_ms: int | None = None,
        dry_run: bool = False,
    ) -> EndpointDetails:
        """Change an endpoint. A new model version is rolled out replica by replica, without a failed request.

        Args:
            if_updated_at_ms: Refuse unless the endpoint was last changed at this time (`If-Match`).
            dry_run: Change nothing; return what it would be.

        Raises:
            InvalidInput: A number breaks its rule, or nothing is to be changed.
            NotFound: There is no such endpoint or model version.
            PreconditionFailed: Somebody else changed it meanwhile.
        """
        if change == EndpointUpdate():
            raise InvalidInput("nothing to change was given", hint="Give a model, a number of replicas, or a time-out.")
        if change.min_replicas is not None:
            _check_replicas(change.min_replicas)
        if change.timeout_s is not None:
            _check_timeout(change.timeout_s)

        def changed(connection: Connection, before: Endpoint) -> Endpoint:
            version = None if change.model is None else resolve(connection, workspace_id, change.model)
            serves = None if version is None else (version.name, version.version)
            return with_spec(before, changed_spec(before.spec, change, serves))

        told = ("updated", f"It was changed.{_unheeded(change.fields)}", actor)
        return await self._change(workspace_id, name, *told, changed, if_updated_at_ms, dry_run=dry_run)

    async def restart(self, workspace_id: str, name: str, actor: str) -> EndpointDetails:
        """Replace every replica by a fresh one, without a failed request."""

        def changed(_connection: Connection, before: Endpoint) -> Endpoint:
            return rolled_out(before)

        return await self._change(workspace_id, name, "restarted", "Its replicas are replaced.", actor, changed)

    async def approve(self, workspace_id: str, name: str, actor: str) -> EndpointDetails:
        """Let the replicas that the latest change asked for have requests.

        Raises:
            NotFound: There is no such endpoint.
            Conflict: Nothing of it waits for approval.
        """

        def changed(_connection: Connection, before: Endpoint) -> Endpoint:
            if not before.waits_for_approval:
                raise Conflict(
                    f"nothing of endpoint {name!r} waits for approval",
                    hint="Rollouts wait where `spec.health.readiness.require_approval` is true.",
                )
            return replace(before, approved_generation=before.generation)

        return await self._change(workspace_id, name, "approved", "Its new replicas may serve.", actor, changed)

    async def remove(self, workspace_id: str, name: str, actor: str) -> EndpointDetails:
        """Remove an endpoint once its replicas have finished their requests."""

        def changed(_connection: Connection, before: Endpoint) -> Endpoint:
            return in_status(replace(before, deleting=True), EndpointReason.BEING_REMOVED)

        return await self._change(workspace_id, name, "removed", "It is being removed.", actor, changed)

    def scale(self, workspace_id: str, name: str, replicas: int, why: str) -> bool:
        """Have another number of replicas, as traffic asks for. Only where the spec leaves it to traffic.

        Args:
            why: The reason, in one sentence, for the event.

        Returns:
            Whether the number was changed.
        """
        event = self._journal.event(workspace_id, events.SYSTEM, "scaled", "endpoint", name, "traffic", why)

        def work(connection: Connection) -> bool:
            before = store.find_endpoint(connection, workspace_id, name)
            if before is None or before.deleting or before.spec.scaling is None or before.spec.stopped:
                return False
            if before.desired_replicas == replicas or replicas > before.spec.scaling.most:
                return False
            store.update_endpoint(connection, with_status(before, replace(before, desired_replicas=replicas)))
            events.record(connection, events.with_details(event, before=before.desired_replicas, after=replicas))
            return True

        changed = self._database.write(work)
        if changed:
            self._hint()
        return changed

    def events(self, workspace_id: str, name: str) -> Sequence[events.Event]:
        """What happened to an endpoint, oldest first. Works for one that was removed, too."""
        found = self._database.read(lambda connection: events.events_of(connection, workspace_id, "endpoint", name))
        if not found:
            raise _no_endpoint(workspace_id, name)
        return found

    def versions_in_use(self, workspace_id: str, model_name: str) -> dict[int, str]:
        """The versions of a model that endpoints serve, each with one endpoint's name."""
        return self._database.read(lambda connection: store.versions_in_use(connection, workspace_id, model_name))

    def _told_of_access(
        self, workspace_id: str, name: str, actor: str, before: EndpointSpec | None, after: EndpointSpec
    ) -> Sequence[Event]:
        """What is to be told of an endpoint that asks anew to be public."""
        if not after.asks_to_be_public or (before is not None and before.asks_to_be_public):
            return ()
        where = (workspace_id, actor)
        if self._allows_public:
            message = "No tokens were asked for: anyone who reaches it may call it."
            return (self._journal.event(*where, "made_public", "endpoint", name, "public", message),)
        message = (
            "No tokens were asked for, but this server can be reached from outside: the workspace's tokens are needed. "
            "The setting `public_endpoints` decides."
        )
        return (self._journal.event(*where, "kept_private", "endpoint", name, "public_refused", message),)

    async def _change(
        self,
        workspace_id: str,
        name: str,
        action: str,
        message: str,
        actor: str,
        changed: Callable[[Connection, Endpoint], Endpoint],
        if_updated_at_ms: int | None = None,
        *,
        dry_run: bool = False,
    ) -> EndpointDetails:
        now_ms = self._clock.now_ms()
        event = self._journal.event(workspace_id, actor, action, "endpoint", name, "asked", message)

        def work(connection: Connection) -> EndpointDetails:
            before = _require(connection, workspace_id, name)
            if if_updated_at_ms is not None and if_updated_at_ms != before.updated_at_ms:
                raise PreconditionFailed(
                    f"endpoint {name!r} was changed since you read it", hint="Read it again and repeat the change."
                )
            if before.deleting:
                if action == "removed":
                    return EndpointDetails(before, store.replicas_of(connection, before.id))
                raise Conflict(f"endpoint {name!r} is being removed")
            after = changed(connection, before)
            if not after.deleting:
                more = after.spec.min_replicas - before.spec.min_replicas
                self._quotas.check(connection, workspace_id, replicas=more, cpus=more)
            after = replace(after, updated_at_ms=max(now_ms, before.updated_at_ms + 1))
            if dry_run:
                return EndpointDetails(after, store.replicas_of(connection, after.id))
            store.update_endpoint(connection, after)
            told = self._told_of_access(workspace_id, name, actor, before.spec, after.spec)
            old, new = _told_of(before.spec), _told_of(after.spec)
            details = {key: value for key, value in new.items() if old.get(key) != value}
            if before.spec.api_tokens != after.spec.api_tokens:
                details["api_tokens"] = "changed"  # not even their digests belong into an event
            events.record(connection, events.with_details(event, **details), *told)
            return EndpointDetails(after, store.replicas_of(connection, after.id))

        result = await self._database.write_async(work)
        self._hint()
        return result


def _unheeded(fields: Mapping[str, Any]) -> str:
    """A sentence on what is kept and not acted on, or nothing."""
    names = sorted(name for name, value in fields.items() if value and name not in _HEEDED)
    if (fields.get("health") or {}).get("liveness"):
        names.append("health.liveness")
    said = f" Kept, and not acted on yet: {', '.join(names)}." if names else ""
    if fields.get("container", {}).get("image"):
        said += " Its image is kept and not used: commands run as processes of this machine."
    return said


def _told_of(spec: EndpointSpec) -> dict[str, Any]:
    """What events say of a spec: no values of variables, which may be secret."""
    kept = ("model_name", "model_version", "min_replicas", "resource_shape", "timeout_s", "allowed_networks")
    told = {name: getattr(spec, name) for name in kept if getattr(spec, name) is not None}
    if spec.command is not None:
        told |= {"command": list(spec.command.argv), "port": spec.command.port}
    if spec.photon is not None:
        told["photon"] = spec.photon.id
    return told | ({"variables": [each.name for each in spec.variables]} if spec.variables else {})


def _details(connection: Connection, workspace_id: str | None) -> Sequence[EndpointDetails]:
    return [
        EndpointDetails(endpoint, store.replicas_of(connection, endpoint.id))
        for endpoint in store.list_endpoints(connection, workspace_id)
    ]


def _require(connection: Connection, workspace_id: str, name: str) -> Endpoint:
    endpoint = store.find_endpoint(connection, workspace_id, name)
    if endpoint is None:
        raise _no_endpoint(workspace_id, name)
    return endpoint


def _require_photon(connection: Connection, workspace_id: str, reference: PhotonReference) -> None:
    namespace = namespace_of(reference.namespace)
    if photon_store.find_photon(connection, workspace_id, reference.id, namespace) is None:
        raise NotFound(f"there is no {namespace} photon {reference.id[:80]!r}", hint="`lepton photon list` shows them.")


def _no_endpoint(workspace_id: str, name: str) -> NotFound:
    return NotFound(
        f"there is no endpoint {name!r} in workspace {workspace_id!r}", hint="`lepton endpoint list` shows them."
    )


def _check_replicas(number: int) -> None:
    if not 0 <= number <= MOST_REPLICAS:
        raise InvalidInput(f"`min_replicas` must be from 0 to {MOST_REPLICAS}, got {number}")


def _check_timeout(seconds: int) -> None:
    if not 1 <= seconds <= 3600:
        raise InvalidInput(f"`timeout_s` must be from 1 to 3600 seconds, got {seconds}")
