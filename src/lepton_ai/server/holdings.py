"""What a workspace has and uses, over all nouns: what is counted for its quota, and whose time is metered."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from lepton_ai.core.access.quotas import Counter
from lepton_ai.core.database import Database
from lepton_ai.infrastructure.compute.jobs import store as job_store
from lepton_ai.infrastructure.compute.usage.records import MeteredWorker
from lepton_ai.infrastructure.storage.kv import store as kv_store
from lepton_ai.infrastructure.storage.objects import store as object_store
from lepton_ai.infrastructure.storage.queues import store as queue_store
from lepton_ai.infrastructure.storage.secrets import store as secret_store
from lepton_ai.platform.model_management.endpoints import store as endpoint_store
from lepton_ai.platform.model_management.registry import store as registry_store
from lepton_ai.platform.model_management.runs import store as run_store
from lepton_ai.platform.photons import store as photon_store

CONTENTS: Mapping[str, Counter] = {
    "endpoints": endpoint_store.count_endpoints,
    "key-value namespaces": kv_store.count_namespaces,
    "jobs": job_store.count_all,
    "models": registry_store.count_versions,
    "objects": object_store.count_objects,
    "photons": photon_store.count_photons,
    "queues": queue_store.count_queues,
    "runs": run_store.count_runs,
    "secrets": secret_store.count_secrets,
}
"""What a workspace must be empty of before it is removed."""

COUNTED: Mapping[str, tuple[Counter, ...]] = {
    "endpoints": (endpoint_store.count_endpoints,),
    "jobs": (run_store.count_unfinished, job_store.count_unfinished),
    "replicas": (endpoint_store.count_replicas_asked,),
    # A replica and a run count as one each.
    "cpus": (endpoint_store.count_replicas_asked, run_store.count_unfinished, job_store.cpus_of_unfinished),
    "storage_bytes": (registry_store.bytes_of, object_store.bytes_of, photon_store.bytes_of),
}
"""What makes up each field of a quota."""


def metered_workers(database: Database) -> Sequence[MeteredWorker]:
    """The workers whose time is counted."""

    def work(connection: Connection) -> list[MeteredWorker]:
        workspaces = {endpoint.id: endpoint.workspace_id for endpoint in endpoint_store.list_endpoints(connection)}
        replicas = [
            MeteredWorker(replica.id, workspaces[replica.endpoint_id], is_replica=True)
            for replica in endpoint_store.live_replicas(connection)
        ]
        runs = run_store.active_runs(connection)
        of_runs = [MeteredWorker(run.worker_id, run.workspace_id, is_replica=False) for run in runs]
        workers = job_store.living_workers(connection)
        where = job_store.workspaces_of(connection, [worker.job_id for worker in workers])
        of_jobs = [MeteredWorker(each.process_id, where[each.job_id], is_replica=False) for each in workers]
        return replicas + of_runs + of_jobs

    return database.read(work)
