"""The workspace and the server on the wire."""

from pydantic import Field

from lepton_ai.server.schemas.common import Body


class Workloads(Body):
    """How much of what there is."""

    num_deployments: int
    num_jobs: int = 0
    num_pods: int = 0
    num_secrets: int = 0
    num_image_pull_secrets: int = 0
    num_photons: int = 0


class Quantity(Body):
    """An amount of the machine."""

    cpu: float
    memory: int
    accelerator_num: int = 0


class Quota(Body):
    """What may be used, and what is."""

    limit: Quantity
    used: Quantity


class Services(Body):
    """How many of the stores there are."""

    kv_store_num: int = 0
    queue_num: int = 0


class ServiceQuota(Body):
    """What may be used of the stores, and what is."""

    limit: Services = Services()
    used: Services = Services()


class Workspace(Body):
    """What a client asks first."""

    build_time: str
    git_commit: str
    workspace_name: str
    workspace_tier: str = "self-hosted"
    workspace_state: str = "normal"
    supported_shapes: dict[str, str] = Field(default_factory=dict)
    workspace_disk_usage_bytes: int
    workloads: Workloads
    resource_quota: Quota
    service_quota: ServiceQuota = ServiceQuota()


class WorkspaceName(Body):
    """The base address of a workspace: what to call it."""

    id: str
    display_name: str
    token: str
    role: str


class GatewayItem(Body):
    """How the gateway is."""

    driver: str
    why: str
    ready: bool


class ServerStatus(Body):
    """How the server is."""

    version: str
    workspace: str
    api_url: str
    endpoints_url: str
    gateway: GatewayItem
    executor: str
    isolation: str
    endpoints: int
    replicas: int
    runs: int
    jobs: int
    models: int
