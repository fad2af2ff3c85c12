"""The control plane: all wiring, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from lepton_ai.core.access import DEFAULT_WORKSPACE, Access
from lepton_ai.core.access.quotas import Counter, Quotas
from lepton_ai.core.access.service import ADMIN_TOKEN
from lepton_ai.core.clock import Clock, SystemClock
from lepton_ai.core.database import Database
from lepton_ai.core.events import Journal
from lepton_ai.core.failpoints import failpoint
from lepton_ai.core.files import write_atomically
from lepton_ai.core.folders import DataFolder, remove_socket_folder, socket_folder
from lepton_ai.core.ids import id_source
from lepton_ai.core.log import log
from lepton_ai.core.master_key import MasterKeyFile
from lepton_ai.core.migrate import migrate
from lepton_ai.core.periodic import Periodic
from lepton_ai.core.reconcile import ReconcileLoop
from lepton_ai.core.remembered import Remembered
from lepton_ai.core.settings import Settings
from lepton_ai.infrastructure.compute.jobs import store as job_store
from lepton_ai.infrastructure.compute.jobs.reconciler import JobReconciler, room_for_jobs
from lepton_ai.infrastructure.compute.jobs.records import JobChange, JobState
from lepton_ai.infrastructure.compute.jobs.service import Jobs
from lepton_ai.infrastructure.compute.jobs.templates import Templates
from lepton_ai.infrastructure.compute.port import Executor
from lepton_ai.infrastructure.compute.usage.meter import UsageMeter
from lepton_ai.infrastructure.network.activator import Activator
from lepton_ai.infrastructure.network.gateway import choose_driver
from lepton_ai.infrastructure.network.keeper import KIND, GatewayKeeper
from lepton_ai.infrastructure.storage.datasets import Catalogue, open_catalogue
from lepton_ai.infrastructure.storage.kv.service import KeyValues
from lepton_ai.infrastructure.storage.objects.port import ObjectStore
from lepton_ai.infrastructure.storage.objects.service import Buckets
from lepton_ai.infrastructure.storage.objects.signing import Links
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.infrastructure.storage.queues.service import Queues
from lepton_ai.infrastructure.storage.secrets.service import Secrets
from lepton_ai.infrastructure.storage.volumes.service import Volumes
from lepton_ai.platform.gc.service import Leftovers
from lepton_ai.platform.model_management.endpoints import store as endpoint_store
from lepton_ai.platform.model_management.endpoints.health import PROBE_PERIOD_S, HealthWatch
from lepton_ai.platform.model_management.endpoints.probe import Probe
from lepton_ai.platform.model_management.endpoints.reconciler import EndpointReconciler
from lepton_ai.platform.model_management.endpoints.records import (
    EndpointChange,
    EndpointState,
)
from lepton_ai.platform.model_management.endpoints.scaler import Scaler
from lepton_ai.platform.model_management.endpoints.service import Endpoints
from lepton_ai.platform.model_management.endpoints.workers import Workers
from lepton_ai.platform.model_management.registry.service import Registry
from lepton_ai.platform.model_management.runs import store as run_store
from lepton_ai.platform.model_management.runs.reconciler import RunReconciler
from lepton_ai.platform.model_management.runs.records import Run, RunChange
from lepton_ai.platform.model_management.runs.service import Runs
from lepton_ai.platform.photons.service import Photons
from lepton_ai.server.ending import record_all_stopped, stop_all_workers
from lepton_ai.server.gateway_table import RouteTables, sleeper
from lepton_ai.server.holdings import CONTENTS, COUNTED, metered_workers
from lepton_ai.server.leftovers import collectors


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
    quotas: Quotas
    contents: Mapping[str, Counter]
    secrets: Secrets
    registry: Registry
    endpoints: Endpoints
    runs: Runs
    jobs: Jobs
    templates: Templates
    artifacts: ArtifactStore
    datasets: Catalogue
    volumes: Volumes
    buckets: Buckets
    kv: KeyValues
    queues: Queues
    photons: Photons
    leftovers: Leftovers
    executor: Executor
    gateway: GatewayKeeper
    meter: UsageMeter
    loop: ReconcileLoop[EndpointState, Any, EndpointChange]
    reconciler: EndpointReconciler
    run_loop: ReconcileLoop[Run, Any, RunChange]
    job_loop: ReconcileLoop[JobState, Any, JobChange]
    control_socket: str
    activator: Activator
    health: HealthWatch
    background: tuple[Periodic, ...]

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
        object_driver = "s3" if settings.object_store_url else "local"
        objects: ObjectStore = import_module(
            f"lepton_ai.infrastructure.storage.objects.drivers.{object_driver}"
        ).open_driver(folders.objects, settings.object_store_url, database, clock, new_id)
        volumes = Volumes(folders.volumes, database, journal)
        volumes.remove_incoming()
        access = Access(database, clock, new_id, journal)
        quotas = Quotas(COUNTED)
        keys = MasterKeyFile(folders.master_key)
        secrets = Secrets(database, keys, clock, new_id, journal)
        driver, why = choose_driver(settings.gateway, folders.gateway, sockets)
        control_socket, activator_socket = str(sockets / "control.sock"), sockets / "activator.sock"

        registry = Registry(database, artifacts, clock, new_id, journal, quotas)

        def hint() -> None:
            loop.hint()

        def hint_runs() -> None:
            run_loop.hint()

        def cloud(workspace_id: str, worker_id: str) -> Mapping[str, str]:
            """By what a worker finds the cloud: the names that `Cloud()` and the protocol's clients look for."""
            return {
                "LEPTON_WORKSPACE_ID": workspace_id,
                "LEPTON_WORKSPACE_URL": f"{settings.local_api_url}/api/v2/workspaces/{workspace_id}",
                "LEPTON_WORKSPACE_TOKEN": access.issue_workload_token(workspace_id, worker_id),
            }

        def replicas_changed() -> None:
            gateway.hint()
            health.changed()

        def replica_is_silent(replica_id: str) -> None:
            database.write(lambda connection: endpoint_store.count_silence(connection, replica_id))
            loop.hint()

        def hint_jobs() -> None:
            job_loop.hint()

        gateway = GatewayKeeper(
            driver,
            why,
            executor,
            RouteTables(settings, control_socket, f"unix:{activator_socket}", database, access.digests),
            hint,
            clock,
            new_id,
            report,
        )
        endpoints = Endpoints(
            database, clock, new_id, journal, hint, quotas, allows_public=settings.allows_public_endpoints
        )
        scaler = Scaler(
            Remembered(database, endpoint_store.list_endpoints, endpoint_store.fingerprint),
            gateway.stats,
            lambda workspace_id, name: activator.waiting(workspace_id, name),
            endpoints.scale,
            clock,
        )
        activator = Activator(
            activator_socket,
            lambda workspace_id, name: database.read(lambda c: sleeper(c, workspace_id, name)),
            scaler.wake,
            report,
        )
        probe = Probe()
        health = HealthWatch(lambda: database.read(endpoint_store.watched), executor, probe, replica_is_silent)
        reconciler = EndpointReconciler(
            database=database,
            executor=executor,
            workers=Workers(database, artifacts, folders.models, secrets.value_of, cloud),
            socket_folder=sockets,
            is_routed=gateway.is_routed,
            probe=probe,
            replicas_changed=replicas_changed,
            new_id=new_id,
            journal=journal,
        )
        loop = ReconcileLoop(reconciler, clock, report)
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
        run_loop = ReconcileLoop(run_reconciler, clock, report)
        room = room_for_jobs(executor.capacity(), settings.job_cpus, settings.job_memory_mib)
        job_reconciler = JobReconciler(
            database=database,
            executor=executor,
            artifacts=artifacts,
            folder=folders.jobs,
            room=room,
            secret_value=secrets.value_of,
            cloud=cloud,
            new_id=new_id,
            journal=journal,
            hint=hint_jobs,
        )
        job_loop = ReconcileLoop(job_reconciler, clock, report)
        meter = UsageMeter(database, executor, lambda: metered_workers(database), clock, access.retire_workloads_except)
        return cls(
            settings=settings,
            folders=folders,
            clock=clock,
            database=database,
            access=access,
            quotas=quotas,
            contents=CONTENTS,
            secrets=secrets,
            registry=registry,
            endpoints=endpoints,
            runs=Runs(database, clock, new_id, journal, hint_runs, quotas),
            jobs=Jobs(database, artifacts, room, secrets.value_of, clock, new_id, journal, hint_jobs, quotas),
            templates=Templates(database, clock, journal),
            artifacts=artifacts,
            datasets=open_catalogue(settings),
            volumes=volumes,
            buckets=Buckets(objects, Links(keys, clock)),
            kv=KeyValues(database, clock, new_id, journal),
            queues=Queues(database, clock, new_id, journal),
            photons=Photons(database, artifacts, folders.incoming, clock, new_id, journal),
            leftovers=Leftovers(collectors(folders, database, artifacts, objects, executor, clock), database, journal),
            executor=executor,
            gateway=gateway,
            meter=meter,
            loop=loop,
            reconciler=reconciler,
            health=health,
            background=(
                Periodic("health-watch", health.round, report, first_pause_s=PROBE_PERIOD_S),
                Periodic("scaler", scaler.look, report, first_pause_s=1.0),
                Periodic("usage-meter", meter.look, report),
            ),
            run_loop=run_loop,
            job_loop=job_loop,
            control_socket=control_socket,
            activator=activator,
        )

    def start(self) -> None:
        """Make the first workspace and token if there are none, adopt what runs, and set the loops going."""
        self._ensure_admin()
        self.secrets.resume_rotation()
        failpoint("start.before_adoption")
        self._stop_strangers()
        self.activator.start()
        self.gateway.start()
        self.executor.watch(self._worker_changed)
        self.loop.start()
        self.run_loop.start()
        self.job_loop.start()
        for each in self.background:
            each.start()

    def stop(self, *, keep_workloads: bool) -> None:
        """Stop the loops, and unless they are to be kept everything that runs; then close the database.

        Args:
            keep_workloads: Leave gateway and replicas running, for the next control plane to adopt.
        """
        for each in self.background:
            each.stop()
        self._look_once_more()
        self.health.close()
        self.loop.stop()
        self.run_loop.stop()
        self.job_loop.stop()
        self.gateway.stop()
        self.activator.stop()
        self.reconciler.close()
        if not keep_workloads:
            stop_all_workers(self.executor, self.clock)
            record_all_stopped(self.database, self.clock)
            remove_socket_folder(self.settings.data_dir)
        self.executor.close()
        self.database.close()

    def _look_once_more(self) -> None:
        try:
            self.meter.look()
        except Exception as error:  # noqa: BLE001 - what was used lately is lost, and the end goes on
            report("usage-meter", error)

    def _ensure_admin(self) -> None:
        self.access.create_workspace(DEFAULT_WORKSPACE)
        path = self.folders.admin_token
        if path.exists() and any(token.name == ADMIN_TOKEN for token in self.access.tokens(DEFAULT_WORKSPACE)):
            return
        # The file was lost or never written (a crash between the two): the old token cannot be shown again.
        self.access.revoke_tokens(DEFAULT_WORKSPACE, ADMIN_TOKEN)
        write_atomically(path, self.access.issue_token(DEFAULT_WORKSPACE, ADMIN_TOKEN).encode(), mode=0o600)

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
        if self.executor.observe(worker_id).is_over:
            self.access.retire_workload(worker_id)
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


def report(loop: str, error: Exception) -> None:
    """Write down what went wrong in a loop."""
    log("error", "loop_failed", loop=loop, error=f"{type(error).__name__}: {error}")
