"""What a worker of a job finds in its environment: the protocol's names, and those that torchrun users expect."""

from collections.abc import Callable, Mapping

from lepton_ai.infrastructure.compute.jobs.records import Job, Worker

Address = Callable[[str, str], Mapping[str, str]]
"""Takes a workspace and a worker's id, and returns the variables by which that worker finds the cloud, its own token
among them."""
Secrets = Callable[[str, str, str], str]
"""Takes a workspace, a secret's name and who asks, and returns its value; raises NotFound where there is none."""


def worker_variables(job: Job, worker: Worker, secrets: Secrets, address: Address) -> dict[str, str]:
    """A worker's variables. What the spec says wins over what torchrun users expect, and the protocol's over both.

    Args:
        secrets: Where the values of secrets come from.
        address: How a worker finds the cloud.

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
            own[variable.name] = secrets(job.workspace_id, variable.secret, job.created_by)
    return expected | dict(address(job.workspace_id, worker.process_id)) | own | _protocol(job, worker)


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
