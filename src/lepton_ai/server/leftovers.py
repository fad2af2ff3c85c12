"""Where things are left over, over all nouns: what `lepton gc` looks through."""

from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database
from lepton_ai.core.folders import DataFolder
from lepton_ai.infrastructure.compute.jobs import store as job_store
from lepton_ai.infrastructure.compute.jobs.working_folder import read_list
from lepton_ai.infrastructure.compute.port import Executor
from lepton_ai.infrastructure.storage.objects.port import ObjectStore
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.platform.gc.collectors import ArtifactCollector, Collector, FileCollector, ObjectCollector
from lepton_ai.platform.gc.records import LeftoverKind
from lepton_ai.platform.model_management.endpoints import store as endpoint_store
from lepton_ai.platform.model_management.registry import store as registry_store
from lepton_ai.platform.model_management.runs import store as run_store
from lepton_ai.platform.photons import store as photon_store


def collectors(
    folders: DataFolder,
    database: Database,
    artifacts: ArtifactStore,
    objects: ObjectStore,
    executor: Executor,
    clock: Clock,
) -> tuple[Collector, ...]:
    """Where things are left over. Whatever keeps files there must say here which ones it needs."""

    def named() -> set[str]:
        found: set[str] = set()
        for digests in (registry_store.digests, run_store.digests, photon_store.digests):
            found |= database.read(digests)
        return found

    def of_jobs() -> set[str]:
        lists = database.read(job_store.working_folders)
        there = [digest for digest in lists if artifacts.size(digest) is not None]
        return lists | {file.sha256 for digest in there for file in read_list(digest, artifacts).values()}

    def replicas() -> set[str]:
        return database.read(endpoint_store.replica_ids) | set(executor.adopt())

    def runs() -> set[str]:
        return database.read(run_store.run_ids)

    def versions() -> set[str]:
        return database.read(registry_store.version_ids)

    def before_dot(name: str) -> str:
        return name.partition(".")[0]

    def gateways() -> set[str]:
        return set(executor.adopt())

    return (
        ArtifactCollector(artifacts, (named, of_jobs)),
        ObjectCollector(objects),
        FileCollector(LeftoverKind.LOG, folders.logs, "rep-*.log*", before_dot, replicas, clock),
        FileCollector(LeftoverKind.LOG, folders.logs, "run-*.log*", before_dot, runs, clock),
        FileCollector(LeftoverKind.LOG, folders.logs, "gw-*.log*", before_dot, gateways, clock),
        FileCollector(LeftoverKind.RUN_FOLDER, folders.training, "run-*", before_dot, runs, clock),
        FileCollector(LeftoverKind.MODEL_FOLDER, folders.models, "mdl-*", before_dot, versions, clock),
    )
