"""The control plane: all wiring, in one place."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sqlalchemy import Connection

from lepton_ai.core.access import Access
from lepton_ai.core.clock import Clock, SystemClock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import NotFound
from lepton_ai.core.events import Journal
from lepton_ai.core.failpoints import failpoint
from lepton_ai.core.files import write_atomically
from lepton_ai.core.folders import DataFolder, remove_socket_folder, socket_folder
from lepton_ai.core.ids import id_source
from lepton_ai.core.log import log
from lepton_ai.core.migrate import migrate
from lepton_ai.core.reconcile import ReconcileLoop
from lepton_ai.core.settings import Settings
from lepton_ai.infrastructure.compute.jobs import store as job_store
from lepton_ai.infrastructure.compute.jobs.reconciler import JobReconciler, room_for_jobs
from lepton_ai.infrastructure.compute.jobs.records import JobChange, JobState
from lepton_ai.infrastructure.compute.jobs.service import Jobs
from lepton_ai.infrastructure.compute.jobs.templates import Templates
from lepton_ai.infrastructure.compute.port import Executor, WorkerPhase
from lepton_ai.infrastructure.network.gateway import choose_driver
from lepton_ai.infrastructure.network.keeper import KIND, GatewayKeeper
from lepton_ai.infrastructure.network.routes import EndpointRoute, RouteTable, Upstream
from lepton_ai.infrastructure.storage.datasets import Catalogue, open_catalogue
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.platform.model_management.endpoints import store as endpoint_store
from lepton_ai.platform.model_management.endpoints.lifecycle import ReplicaStatus
from lepton_ai.platform.model_management.endpoints.probe import answers
from lepton_ai.platform.model_management.endpoints.reconciler import EndpointReconciler
from lepton_ai.platform.model_management.endpoints.records import EndpointChange, EndpointState
from lepton_ai.platform.model_management.endpoints.service import Endpoints
from lepton_ai.platform.model_management.registry.service import Registry
from lepton_ai.platform.model_management.runs import store as run_store
from lepton_ai.platform.model_management.runs.reconciler import RunReconciler
from lepton_ai.platform.model_management.runs.records import Run, RunChange
from lepton_ai.platform.model_management.runs.service import Runs

DEFAULT_WORKSPACE = "default"
ADMIN = "admin"
_GOING = (WorkerPhase.STARTING, WorkerPhase.RUNNING)


@dataclass
class ControlPlane:
    """Everything the server is made of. `open` wires it; `start` sets it going; `stop` ends it.

    Whoever opens it holds the data folder's lock, so nobody else writes the database or owns the workers.
    """

    settings: Settings
    folders: DataFolder
    clock: Clock
    database: Database
    access: Access
    registry: Registry
    endpoints: Endpoints
    runs: Runs
    jobs: Jobs
    templates: Templates
    artifacts: ArtifactStore
    datasets: Catalogue
    executor: Executor
    gateway: GatewayKeeper
    loop: ReconcileLoop[EndpointState, Any, EndpointChange]
    reconciler: EndpointReconciler
    run_loop: ReconcileLoop[Run, Any, RunChange]
    job_loop: ReconcileLoop[JobState, Any, JobChange]
    control_socket: str

    @classmethod
    def open(cls, settings: Settings, environment: Mapping[str, str]) -> "ControlPlane":
        """Wire it up over a data folder, making what is missing there.

        Args:
            settings: What to run, and where.
            environment: The process environment, of which workers get an allow-list.
        """
        clock = SystemClock()
        new_id = id_source(clock)
        journal = Journal(clock, new_id)
        folders = DataFolder(settings.data_dir)
        sockets = socket_folder(settings.data_dir, environment)
        folders.remove_leftovers()
        database = Database.open(folders.database)
        migrate(database)
        database.write(endpoint_store.free_all_leases)
        database.write(run_store.free_all_leases)
        database.write(job_store.free_all_leases)

        executor: Executor = import_module(f"lepton_ai.infrastructure.compute.drivers.{settings.executor}").open_driver(
            folders, environment, settings.worker_env
        )
        artifacts: ArtifactStore = import_module("lepton_ai.infrastructure.storage.drivers.local").open_driver(
            folders.artifacts
        )
        access = Access(database, clock, new_id, journal)
        driver, why = choose_driver(settings.gateway, folders.gateway, sockets)
        control_socket = str(sockets / "control.sock")

        registry = Registry(database, artifacts, clock, new_id, journal)

        def hint() -> None:
            loop.hint()

        def hint_runs() -> None:
            run_loop.hint()

        def hint_jobs() -> None:
            job_loop.hint()

        gateway = GatewayKeeper(
            driver,
            why,
            executor,
            lambda: route_table(settings, control_socket, database, access),
            hint,
            clock,
            new_id,
            report,
        )
        reconciler = EndpointReconciler(
            database=database,
            executor=executor,
            artifacts=artifacts,
            models_folder=folders.models,
            socket_folder=sockets,
            is_routed=gateway.is_routed,
            answers=answers,
            routes_changed=gateway.hint,
            new_id=new_id,
            journal=journal,
        )
        loop = ReconcileLoop(reconciler, clock, report, interval_s=0.1)
        run_reconciler = RunReconciler(
            database=database,
            executor=executor,
            artifacts=artifacts,
            registry=registry,
            folder=folders.training,
            places=settings.runs_at_once,
            clock=clock,
            new_id=new_id,
            journal=journal,
        )
        run_loop = ReconcileLoop(run_reconciler, clock, report, interval_s=0.25)
        room = room_for_jobs(executor.capacity(), settings.job_cpus, settings.job_memory_mib)
        job_reconciler = JobReconciler(
            database=database,
            executor=executor,
            artifacts=artifacts,
            folder=folders.jobs,
            room=room,
            secrets=no_secrets,
            environment=environment,
            new_id=new_id,
            journal=journal,
            hint=hint_jobs,
        )
        job_loop = ReconcileLoop(job_reconciler, clock, report, interval_s=0.1)
        return cls(
            settings=settings,
            folders=folders,
            clock=clock,
            database=database,
            access=access,
            registry=registry,
            endpoints=Endpoints(database, clock, new_id, journal, hint),
            runs=Runs(database, clock, new_id, journal, hint_runs),
            jobs=Jobs(database, artifacts, room, no_secrets, clock, new_id, journal, hint_jobs),
            templates=Templates(database, clock, journal),
            artifacts=artifacts,
            datasets=open_catalogue(settings),
            executor=executor,
            gateway=gateway,
            loop=loop,
            reconciler=reconciler,
            run_loop=run_loop,
            job_loop=job_loop,
            control_socket=control_socket,
        )

    def start(self) -> None:
        """Make the first workspace and token if there are none, adopt what runs, and set the loops going."""
        self._ensure_admin()
        failpoint("start.before_adoption")
        self._stop_strangers()
        self.gateway.start()
        self.executor.watch(self._worker_changed)
        self.loop.start()
        self.run_loop.start()
        self.job_loop.start()

    def stop(self, *, keep_workloads: bool) -> None:
        """Stop the loops, and unless they are to be kept everything that runs; then close the database.

        Args:
            keep_workloads: Leave gateway and replicas running, for the next control plane to adopt.
        """
        self.loop.stop()
        self.run_loop.stop()
        self.job_loop.stop()
        self.gateway.stop()
        self.reconciler.close()
        if not keep_workloads:
            stop_all_workers(self.executor, self.clock)
            record_all_stopped(self.database, self.clock)
            remove_socket_folder(self.settings.data_dir)
        self.executor.close()
        self.database.close()

    def _ensure_admin(self) -> None:
        self.access.create_workspace(DEFAULT_WORKSPACE)
        path = self.folders.admin_token
        if path.exists() and any(token.name == ADMIN for token in self.access.tokens(DEFAULT_WORKSPACE)):
            return
        # The file was lost or never written (a crash between the two): the old token cannot be shown again.
        self.access.revoke_tokens(DEFAULT_WORKSPACE, ADMIN)
        write_atomically(path, self.access.issue_token(DEFAULT_WORKSPACE, ADMIN).encode(), mode=0o600)

    def _stop_strangers(self) -> None:
        """Stop workers that no record speaks of: of endpoints, runs and jobs removed while no control plane looked."""
        known = {replica.id for replica in self.database.read(endpoint_store.live_replicas)}
        known |= {run.worker_id for run in self.database.read(run_store.active_runs)}
        known |= {worker.process_id for worker in self.database.read(job_store.living_workers)}
        for worker_id, spec in self.executor.adopt().items():
            if spec.kind != KIND and worker_id not in known:
                self.executor.stop(worker_id)
                if self.executor.observe(worker_id).is_over:
                    self.executor.release(worker_id)

    def _worker_changed(self, worker_id: str) -> None:
        if worker_id.startswith("rep-"):
            self.database.write(lambda connection: endpoint_store.make_due(connection, worker_id))
            self.loop.hint()
        elif worker_id.startswith("run-"):
            self.database.write(lambda connection: run_store.make_due(connection, worker_id.partition(".")[0]))
            self.run_loop.hint()
        elif worker_id.startswith("job."):
            self.database.write(lambda connection: job_store.make_due(connection, worker_id.partition(".")[2]))
            self.job_loop.hint()
        else:
            self.gateway.hint()


def route_table(settings: Settings, control_socket: str, database: Database, access: Access) -> RouteTable:
    """What the gateway must do now: one route for each endpoint, to its replicas that are ready."""

    def work(connection: Connection) -> tuple[EndpointRoute, ...]:
        upstreams: dict[str, list[Upstream]] = {}
        for replica in endpoint_store.live_replicas(connection):
            if replica.status is ReplicaStatus.READY:
                upstreams.setdefault(replica.endpoint_id, []).append(Upstream(replica.id, replica.address))
        return tuple(
            EndpointRoute(
                workspace=endpoint.workspace_id,
                name=endpoint.name,
                upstreams=tuple(upstreams.get(endpoint.id, ())),
                token_digests=dict(access.digests(endpoint.workspace_id)),
                retry_on_reset=True,  # a model's prediction can be repeated
                timeout_s=endpoint.spec.timeout_s,
            )
            for endpoint in endpoint_store.list_endpoints(connection)
        )

    return RouteTable(
        settings.host, settings.port, settings.endpoints_port, f"unix:{control_socket}", database.read(work)
    )


def no_secrets(workspace_id: str, name: str) -> str:
    """The value of a secret: there are none yet.

    Raises:
        NotFound: Always.
    """
    raise NotFound(f"there is no secret {name!r} in workspace {workspace_id!r}")


def record_stop(folders: DataFolder) -> None:
    """Write down that nothing runs any more, where a server was killed before it could."""
    database = Database.open(folders.database)
    try:
        migrate(database)
        record_all_stopped(database, SystemClock())
    finally:
        database.close()


def record_all_stopped(database: Database, clock: Clock) -> None:
    """Write down that no worker runs: replicas are stopped, runs and jobs go on at the next start."""
    now_ms = clock.now_ms()

    def work(connection: Connection) -> None:
        endpoint_store.all_replicas_stopped(connection, now_ms)
        run_store.all_runs_interrupted(connection, now_ms)
        job_store.all_jobs_interrupted(connection, now_ms)

    database.write(work)


def stop_all_workers(executor: Executor, clock: Clock, timeout_s: float = 30.0) -> None:
    """Stop every worker of an installation: the gateway last, so that requests on the way are answered."""
    workers = executor.adopt()
    for kinds in ({spec.kind for spec in workers.values()} - {KIND}, {KIND}):
        ending = [worker_id for worker_id, spec in workers.items() if spec.kind in kinds]
        for worker_id in ending:
            executor.stop(worker_id)
        deadline_s = clock.monotonic_s() + timeout_s
        waiting = set(ending)
        while waiting and clock.monotonic_s() < deadline_s:
            over = {worker_id for worker_id in waiting if executor.observe(worker_id).phase not in _GOING}
            for worker_id in over:
                executor.release(worker_id)
            waiting -= over
            if waiting:
                time.sleep(0.02)


def report(loop: str, error: Exception) -> None:
    """Write down what went wrong in a loop."""
    log("error", "loop_failed", loop=loop, error=f"{type(error).__name__}: {error}")
