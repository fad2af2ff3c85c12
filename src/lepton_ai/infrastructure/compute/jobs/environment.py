"""What a worker of a job finds in its environment: the protocol's names, and those that torchrun users expect."""

from lepton_ai.infrastructure.compute.environment import CloudVariables, SecretValue
from lepton_ai.infrastructure.compute.jobs.records import Job, Worker


def worker_variables(job: Job, worker: Worker, secret_value: SecretValue, cloud: CloudVariables) -> dict[str, str]:
    """A worker's variables. What the spec says wins over what torchrun users expect, and the protocol's over both.

    Args:
        secret_value: What a secret holds.
        cloud: How a worker finds the cloud.

    Raises:
        NotFound: There is no secret of a name that the spec refers to.
    """
    spec = job.spec
    host = "127.0.0.1"  # all workers are on this machine
    expected = {
        "PYTHONUNBUFFERED": "1",
        "RANK": str(worker.index),
        "WORLD_SIZE": str(spec.completions),
        "LOCAL_RANK": "0",
        "NODE_RANK": str(worker.index),
        "MASTER_ADDR": host,
        "MASTER_PORT": str(job.master_port),
    }
    own = {}
    for variable in spec.variables:
        own[variable.name] = variable.value
        if variable.secret is not None:
            own[variable.name] = secret_value(job.workspace_id, variable.secret, job.created_by)
    return expected | dict(cloud(job.workspace_id, worker.process_id)) | own | _protocol(job, worker)


def _protocol(job: Job, worker: Worker) -> dict[str, str]:
    return {
        "LEPTON_JOB_NAME": job.id,
        "LEPTON_JOB_WORKER_INDEX": str(worker.index),
        "LEPTON_JOB_TOTAL_WORKERS": str(job.spec.completions),
        "LEPTON_JOB_SERVICE_PREFIX": job.id,
        "LEPTON_JOB_WORKER_PREFIX": job.id,
        "LEPTON_JOB_WORKER_HOSTNAME_PREFIX": job.id,
        "LEPTON_SUBDOMAIN": f"{job.id}-job-svc",
        "LEPTON_JOB_FAILURE_COUNT": str(job.failures),
        "LEPTON_WORKER_ID": worker.id,
        "LEPTON_WORKSPACE_ID": job.workspace_id,
        "LEPTON_RESOURCE_ACCELERATOR_NUM": "0",
        "LEPTON_RESOURCE_ACCELERATOR_TYPE": "",
    }
