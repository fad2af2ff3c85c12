"""What of a job's spec is acted on: read from the document that a client sent, which itself is kept as it came."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.core.names import check_name
from lepton_ai.infrastructure.compute.shapes import DEFAULT_SHAPE

LONGEST_NAME = 36
MOST_WORKERS = 256
MOST_RETRIES = 1000
LONGEST_COMMAND_BYTES = 1 << 20
MOST_VARIABLES = 1000
DEFAULT_PRIORITY = "mid-4000"

_PRIORITY = re.compile(r"(?:low|mid|high)-([1-9]000)", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LATEST_S = 253_402_300_799  # the end of the year 9999
_NOT_ACTED_ON = {
    "affinity": "this machine is the only node",
    "mounts": "volumes are not mounted into jobs yet",
    "storage_attachments": "storage is not attached to jobs yet",
    "image_pull_secrets": "no image is pulled",
    "shared_memory_size": "workers share the machine's own shared memory",
    "user_security_context": "workers run as the server's user",
    "privileged": "workers run as the server's user",
    "reservation_config": "there are no reservations",
    "segment_config": "all workers are on one machine",
    "cron": "jobs are not repeated by time yet",
    "schedule": "jobs are not repeated by time yet",
    "mpi": "workers are not set up for MPI yet",
}


@dataclass(frozen=True)
class Variable:
    """One environment variable: a value, or the name of the secret that holds it."""

    name: str
    value: str = ""
    secret: str | None = None


@dataclass(frozen=True)
class JobSpec:
    """What is acted on.

    Args:
        command: What each worker runs.
        variables: What each worker gets in its environment.
        resource_shape: How much each worker counts for.
        completions: How many workers must complete.
        parallelism: How many of them run at once, at most; so many start together or none.
        max_failure_retry: How often each worker is tried again.
        max_job_failure_retry: How often the whole job is tried again.
        ttl_s: How long after its end it is archived; None for never.
        start_at_ms: Not before this time does it queue.
        stopped: Whether it is to be stopped.
        priority: Higher ones go first.
        working_folder: The SHA-256 of the list of files that each worker gets a copy of; None for an empty folder.
    """

    command: tuple[str, ...]
    variables: tuple[Variable, ...] = ()
    resource_shape: str = DEFAULT_SHAPE
    completions: int = 1
    parallelism: int = 1
    max_failure_retry: int = 0
    max_job_failure_retry: int = 0
    ttl_s: int | None = None
    start_at_ms: int | None = None
    stopped: bool = False
    priority: int = 4000
    working_folder: str | None = None

    @property
    def workers(self) -> int:
        """How many workers start together."""
        return min(self.completions, self.parallelism)


def check_job_name(name: object) -> str:
    """Return a job's name if it follows the protocol's rule.

    Raises:
        InvalidInput: It does not; the message states the rule.
    """
    checked = check_name("job", name, longest=LONGEST_NAME)
    if checked.endswith("by-lepton"):
        raise InvalidInput(f"`job` name must not end with 'by-lepton', got {checked!r}")
    return checked


def read_spec(document: Mapping[str, Any]) -> JobSpec:
    """What is acted on of a spec. What is left out or null has its default.

    Raises:
        InvalidInput: A field breaks its rule; the message names it with the value that came.

    Example:

        >>> read_spec({"container": {"command": ["true"]}, "completions": 2, "parallelism": 2}).workers
        2
    """
    container = _mapping(document, "container")
    queue = _mapping(document, "queue_config")
    schedule = _mapping(document, "time_schedule")
    start_at_s = _whole(schedule, "time_schedule.start_at", 0, 0, _LATEST_S)
    completions = _whole(document, "completions", 1, 1, MOST_WORKERS)
    return JobSpec(
        command=_command(container.get("command")),
        variables=_variables(document.get("envs")),
        resource_shape=_text(document, "resource_shape", DEFAULT_SHAPE, 64),
        completions=completions,
        parallelism=_whole(document, "parallelism", 1, 1, MOST_WORKERS),
        max_failure_retry=_whole(document, "max_failure_retry", 0, 0, MOST_RETRIES),
        max_job_failure_retry=_whole(document, "max_job_failure_retry", 0, 0, MOST_RETRIES),
        ttl_s=_optional_whole(document, "ttl_seconds_after_finished", 0, _LATEST_S),
        start_at_ms=start_at_s * 1000 or None,
        stopped=bool(document.get("stopped")),
        priority=_priority(queue.get("priority_class")),
        working_folder=_working_folder(document.get("working_folder")),
    )


def ignored_fields(document: Mapping[str, Any]) -> tuple[str, ...]:
    """What is kept and not acted on, a sentence each, for the job's events."""
    told = [f"`{name}` is kept and not acted on: {why}." for name, why in _NOT_ACTED_ON.items() if document.get(name)]
    container, queue = _mapping(document, "container"), _mapping(document, "queue_config")
    if container.get("image"):
        told.append("`container.image` is kept and not acted on: workers are processes of this machine.")
    if container.get("ports"):
        told.append("`container.ports` is kept and not acted on: ports of workers are not published.")
    if queue.get("can_be_preempted") or queue.get("can_preempt"):
        told.append("`queue_config` orders the queue; no job that runs is preempted for another yet.")
    return tuple(told)


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(f"`{name}` must be an object, got {_shown(value)}")
    return value


def _command(value: Any) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(word, str) for word in value):
        raise InvalidInput(
            f"`container.command` must be a list of words, got {_shown(value)}",
            hint='An image is not run here, so a command is needed: ["/bin/bash", "-c", "python train.py"].',
        )
    if not value or not value[0]:
        raise InvalidInput("`container.command` must have at least one word, got []")
    if any("\0" in word for word in value) or sum(len(word.encode()) for word in value) > LONGEST_COMMAND_BYTES:
        raise InvalidInput(f"`container.command` must have at most {LONGEST_COMMAND_BYTES} bytes and no zero byte")
    return tuple(value)


def _variables(value: Any) -> tuple[Variable, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MOST_VARIABLES:
        raise InvalidInput(f"`envs` must be a list of at most {MOST_VARIABLES} variables, got {_shown(value)}")
    return tuple(_variable(item, index) for index, item in enumerate(value))


def _variable(item: Any, index: int) -> Variable:
    where = f"envs.{index}"
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        raise InvalidInput(f"`{where}` must be {{name, value}} or {{name, value_from}}, got {_shown(item)}")
    name, value, source = item["name"], item.get("value"), item.get("value_from")
    if not _VARIABLE.fullmatch(name) or len(name) > 256:
        raise InvalidInput(f"`{where}.name` must be letters, digits and underscores, got {_shown(name)}")
    if source is not None:
        secret = source.get("secret_name_ref") if isinstance(source, Mapping) else None
        if not isinstance(secret, str) or not secret or value:
            raise InvalidInput(f"`{where}.value_from` must be {{secret_name_ref}} without a value, got {_shown(item)}")
        return Variable(name, secret=secret)
    if value is not None and (not isinstance(value, str) or "\0" in value):
        raise InvalidInput(f"`{where}.value` must be a text without a zero byte, got {_shown(value)}")
    return Variable(name, value or "")


def _priority(value: Any) -> int:
    found = _PRIORITY.fullmatch(value) if isinstance(value, str) else None
    if value is not None and found is None:
        raise InvalidInput(
            f"`queue_config.priority_class` must be low-1000 to high-9000, got {_shown(value)}",
            hint="low-1000, low-2000, low-3000, mid-4000, mid-5000, mid-6000, high-7000, high-8000 or high-9000.",
        )
    return int((found or _PRIORITY.fullmatch(DEFAULT_PRIORITY) or [0, 0])[1])


def _working_folder(value: Any) -> str | None:
    if value is None:
        return None
    digest = value.get("sha256") if isinstance(value, Mapping) else None
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest, re.ASCII):
        raise InvalidInput(f"`working_folder` must be {{sha256}} of a list of files, got {_shown(value)}")
    return digest


def _text(document: Mapping[str, Any], name: str, default: str, longest: int) -> str:
    value = document.get(name)
    if value is None or value == "":
        return default
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise InvalidInput(f"`{name}` must be a text of at most {longest} characters, got {_shown(value)}")
    return value


def _whole(document: Mapping[str, Any], path: str, default: int, least: int, most: int) -> int:
    found = _optional_whole(document, path, least, most)
    return default if found is None else found


def _optional_whole(document: Mapping[str, Any], path: str, least: int, most: int) -> int | None:
    value = document.get(path.rpartition(".")[2])
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidInput(f"`{path}` must be a whole number from {least} to {most}, got {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
