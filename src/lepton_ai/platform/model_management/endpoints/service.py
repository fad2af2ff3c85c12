"""What one can do with endpoints: the verbs that the doors call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from lepton_ai.core import events
from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import AlreadyExists, Conflict, InvalidInput, NotFound, PreconditionFailed
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import NewId
from lepton_ai.core.names import check_name
from lepton_ai.platform.model_management.endpoints import store
from lepton_ai.platform.model_management.endpoints.lifecycle import ENDPOINT_LIFECYCLE, EndpointReason, EndpointStatus
from lepton_ai.platform.model_management.endpoints.records import Endpoint, EndpointSpec, PhotonWish, Replica
from lepton_ai.platform.model_management.registry.records import ModelReference
from lepton_ai.platform.model_management.registry.service import resolve
from lepton_ai.platform.photons import store as photon_store
from lepton_ai.platform.photons.records import namespace_of

MOST_REPLICAS = 64


@dataclass(frozen=True)
class EndpointDetails:
    """An endpoint with its replicas, those that are over included."""

    endpoint: Endpoint
    replicas: Sequence[Replica]

    @property
    def ready_replicas(self) -> int:
        """How many answer."""
        return sum(replica.ready_at_ms is not None and replica.status.value == "Ready" for replica in self.replicas)


@dataclass(frozen=True)
class EndpointUpdate:
    """What a user changes; None leaves a thing as it is."""

    model: ModelReference | None = None
    min_replicas: int | None = None
    timeout_s: int | None = None


class Endpoints:
    """The endpoints of all workspaces.

    Args:
        database: Where they are kept.
        clock: Where the time comes from.
        new_id: Where ids come from.
        journal: Where changes are written down.
        hint: Called after each change, so that the reconciler looks at once.
    """

    def __init__(
        self, database: Database, clock: Clock, new_id: NewId, journal: events.Journal, hint: Callable[[], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._journal = journal
        self._hint = hint

    async def create(
        self,
        workspace_id: str,
        name: str,
        served: ModelReference | PhotonWish,
        actor: str,
        *,
        min_replicas: int = 1,
        resource_shape: str = "cpu.small",
        timeout_s: int = 300,
        once: Once | None = None,
    ) -> EndpointDetails:
        """Make an endpoint. It answers once its replicas are ready; `Endpoint.status` tells.

        Args:
            served: The model version; or a photon, whose endpoint is kept and says that nothing runs it yet.
            once: The client's idempotency key: the same request again gives the endpoint that it made.

        Raises:
            InvalidInput: The name or a number breaks its rule.
            NotFound: There is no such model version or photon.
            AlreadyExists: The name is taken.
        """
        check_name("endpoint", name)
        _check_replicas(min_replicas)
        _check_timeout(timeout_s)
        now_ms = self._clock.now_ms()
        endpoint_id = self._new_id("ep")
        reason = EndpointReason.REPLICAS_START if min_replicas else EndpointReason.NO_REPLICAS_ASKED
        if isinstance(served, PhotonWish) and min_replicas:
            reason = EndpointReason.PHOTON_NOT_RUN
        event = self._journal.event(workspace_id, actor, "created", "endpoint", name, "asked", "The endpoint was made.")

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
            shape = (min_replicas, resource_shape, timeout_s)
            if isinstance(served, PhotonWish):
                _require_photon(connection, workspace_id, served)
                spec = EndpointSpec("", 0, *shape, photon=served)
                details = {"photon": served.id}
            else:
                version = resolve(connection, workspace_id, served)
                spec = EndpointSpec(version.name, version.version, *shape)
                details = {"model": f"{version.name}:{version.version}"}
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
            )
            store.insert_endpoint(connection, endpoint)
            if once:
                once.remember(connection, workspace_id, endpoint.id, now_ms)
            events.record(connection, events.with_details(event, **details))
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
        self, workspace_id: str, name: str, change: EndpointUpdate, actor: str, *, if_updated_at_ms: int | None = None
    ) -> EndpointDetails:
        """Change an endpoint. A new model version is rolled out replica by replica, without a failed request.

        Args:
            if_updated_at_ms: Refuse unless the endpoint was last changed at this time (`If-Match`).

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
            spec = before.spec
            if change.model is not None:
                version = resolve(connection, workspace_id, change.model)
                spec = replace(spec, model_name=version.name, model_version=version.version, photon=None)
            if change.min_replicas is not None:
                spec = replace(spec, min_replicas=change.min_replicas)
            if change.timeout_s is not None:
                spec = replace(spec, timeout_s=change.timeout_s)
            return _with_spec(before, spec)

        return await self._change(workspace_id, name, "updated", "It was changed.", actor, changed, if_updated_at_ms)

    async def restart(self, workspace_id: str, name: str, actor: str) -> EndpointDetails:
        """Replace every replica by a fresh one, without a failed request."""

        def changed(_connection: Connection, before: Endpoint) -> Endpoint:
            return _roll_out(before)

        return await self._change(workspace_id, name, "restarted", "Its replicas are replaced.", actor, changed)

    async def remove(self, workspace_id: str, name: str, actor: str) -> EndpointDetails:
        """Remove an endpoint once its replicas have finished their requests."""

        def changed(_connection: Connection, before: Endpoint) -> Endpoint:
            return _in_status(replace(before, deleting=True), EndpointReason.BEING_REMOVED)

        return await self._change(workspace_id, name, "removed", "It is being removed.", actor, changed)

    def events(self, workspace_id: str, name: str) -> Sequence[events.Event]:
        """What happened to an endpoint, oldest first. Works for one that was removed, too."""
        found = self._database.read(lambda connection: events.events_of(connection, workspace_id, "endpoint", name))
        if not found:
            raise _no_endpoint(workspace_id, name)
        return found

    def versions_in_use(self, workspace_id: str, model_name: str) -> dict[int, str]:
        """The versions of a model that endpoints serve, each with one endpoint's name."""
        return self._database.read(lambda connection: store.versions_in_use(connection, workspace_id, model_name))

    async def _change(
        self,
        workspace_id: str,
        name: str,
        action: str,
        message: str,
        actor: str,
        changed: Callable[[Connection, Endpoint], Endpoint],
        if_updated_at_ms: int | None = None,
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
            after = replace(changed(connection, before), updated_at_ms=max(now_ms, before.updated_at_ms + 1))
            store.update_endpoint(connection, after)
            details = {key: value for key, value in vars(after.spec).items() if vars(before.spec)[key] != value}
            events.record(connection, events.with_details(event, **details))
            return EndpointDetails(after, store.replicas_of(connection, after.id))

        result = await self._database.write_async(work)
        self._hint()
        return result


def _with_spec(before: Endpoint, spec: EndpointSpec) -> Endpoint:
    after = replace(before, spec=spec)
    if (spec.model_name, spec.model_version) != (before.spec.model_name, before.spec.model_version):
        after = _roll_out(after)
    if spec.min_replicas == before.spec.min_replicas:
        return after
    # The answer to the request already says what is under way, before the reconciler has looked.
    if not spec.min_replicas:
        stopped = after.status is EndpointStatus.STOPPED
        return after if stopped else _in_status(after, EndpointReason.REPLICAS_END)
    if after.status in (EndpointStatus.STOPPED, EndpointStatus.STOPPING):
        return _in_status(after, EndpointReason.REPLICAS_START)
    if after.status is EndpointStatus.READY:
        return _in_status(after, EndpointReason.CHANGING_COUNT)
    return after


def _roll_out(endpoint: Endpoint) -> Endpoint:
    after = replace(endpoint, generation=endpoint.generation + 1, failures=0, retry_at_ms=0)
    running = (EndpointStatus.READY, EndpointStatus.NOT_READY, EndpointStatus.SCALING, EndpointStatus.ERROR)
    return _in_status(after, EndpointReason.ROLLING_OUT) if endpoint.status in running else after


def _in_status(endpoint: Endpoint, reason: EndpointReason) -> Endpoint:
    status = ENDPOINT_LIFECYCLE.status_of(reason)
    ENDPOINT_LIFECYCLE.check(endpoint.status, status)
    return replace(endpoint, status=status, reason=reason, message=ENDPOINT_LIFECYCLE.sentence(reason))


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


def _require_photon(connection: Connection, workspace_id: str, wish: PhotonWish) -> None:
    if photon_store.find_photon(connection, workspace_id, wish.id, namespace_of(wish.namespace)) is None:
        raise NotFound(
            f"there is no {wish.namespace} photon {wish.id[:80]!r}", hint="`lepton photon list` shows the ids."
        )


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
