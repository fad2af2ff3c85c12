"""Jobs and their templates on the wire: the protocol's `LeptonJob`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lepton_ai.server.schemas.common import Body, Request

JobState = Literal[
    "Awaiting",
    "Queueing",
    "Starting",
    "Running",
    "Restarting",
    "PendingRetry",
    "Terminating",
    "Completed",
    "Failed",
    "Stopping",
    "Stopped",
    "Archived",
    "Deleting",
]


class CreateJobMetadata(BaseModel):
    """What a job is to be called. The protocol's clients send the name as `id`; either will do."""

    model_config = ConfigDict(extra="allow", strict=True)

    id: str | None = None
    name: str | None = None
    labels: dict[str, str] | None = None
    visibility: str | None = None


class CreateJob(Request):
    """The body of `POST /jobs`."""

    metadata: CreateJobMetadata
    spec: dict[str, Any] = Field(
        description="The protocol's job spec. Acted on: `container.command`, `resource_shape`, `completions`, "
        "`parallelism`, `max_failure_retry`, `max_job_failure_retry`, `envs`, `ttl_seconds_after_finished`, "
        "`time_schedule.start_at`, `queue_config.priority_class`, `stopped`, and our own `working_folder.sha256`. "
        "Whatever else is sent is kept, and an event says so."
    )


class JobSpecChange(Body):
    """What of a job may change: whether it is stopped."""

    stopped: bool


class UpdateJob(Request):
    """The body of `PATCH /jobs/{job}`."""

    spec: JobSpecChange


class JobMetadata(Body):
    """What a job is called, and when and by whom it was made."""

    id: str
    name: str
    created_at: Annotated[int, Field(description="Milliseconds since 1970.")]
    last_modified_at: Annotated[int, Field(description="Milliseconds since 1970.")]
    created_by: str
    owner: str
    labels: dict[str, str]
    visibility: str


class JobPast(Body):
    """How a job that is archived ended."""

    job_name: str
    state: JobState
    ready: int
    active: int
    failed: int
    succeeded: int
    creation_time: int
    completion_time: int | None


class JobStatusField(Body):
    """Where a job stands, and why."""

    job_name: str
    state: JobState
    reason: str
    message: str
    ready: Annotated[int, Field(description="Workers that run.")]
    active: Annotated[int, Field(description="Workers that start or run.")]
    failed: Annotated[int, Field(description="Workers that failed, of all attempts.")]
    succeeded: Annotated[int, Field(description="Workers of this attempt that completed.")]
    attempt: int
    failures: int
    creation_time: int
    start_time: int | None
    completion_time: int | None
    job_history: list[JobPast]


class JobItem(Body):
    """One job."""

    metadata: JobMetadata
    spec: dict[str, Any]
    status: JobStatusField


class JobNode(Body):
    """Where a worker runs."""

    name: str
    id: str


class WorkerStatusField(Body):
    """Where a worker stands, and why."""

    state: Literal["Starting", "Running", "Completed", "Failed", "Stopped"]
    reason: str
    message: str
    index: int
    attempt: int
    exit_code: int | None
    signal: int | None
    public_ip: str
    node: JobNode
    domains: list[dict[str, str]]
    created_at: int
    started_at: int | None
    finished_at: int | None


class WorkerItem(Body):
    """One worker of a job; the protocol calls it a replica."""

    metadata: dict[str, str]
    id: str
    status: WorkerStatusField


class TemplateMetadata(Body):
    """What a template is called."""

    id: str
    name: str
    created_at: int
    created_by: str
    visibility: str


class TemplateSpec(Body):
    """What a template makes."""

    workload_type: Literal["job"]
    content: dict[str, Any]
    json_schema: dict[str, Any]


class TemplateItem(Body):
    """One template."""

    metadata: TemplateMetadata
    spec: TemplateSpec


class CreateTemplate(Request):
    """The body of `POST /templates/private`."""

    name: str
    spec: dict[str, Any] = Field(description="A job's spec, with `{{run}}` where the command goes.")


class RenderTemplate(Request):
    """The body of `POST /templates/…/render`."""

    run: str = ""


class RenderedJob(Body):
    """What a template makes: a job to be sent to `POST /jobs` once it has a name."""

    metadata: dict[str, Any]
    spec: dict[str, Any]
