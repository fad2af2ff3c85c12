"""Jobs from Python: ask for them, watch them, read what they print, stop them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from lepton_ai.core.errors import Conflict, DeadlineExceeded, InvalidInput, LeptonError, NotFound
from lepton_ai.sdk.connection import Connection, not_lepton, parsed
from lepton_ai.sdk.gone import wait_until_gone
from lepton_ai.sdk.upload_folder import upload_folder
from lepton_ai.server.schemas.endpoints import EventItem
from lepton_ai.server.schemas.jobs import JobItem, RenderedJob, WorkerItem

OVER = ("Completed", "Failed", "Stopped", "Archived")

_POLL_S = 0.2
_PAGE_SIZE = 500
_LONGEST_NAME = 36


class JobFailed(LeptonError):
    """A job failed. The message says why."""

    code = "job_failed"


class Job:
    """One job. Get it from `Cloud().jobs.create(...)` or `Cloud().jobs.get(...)`."""

    def __init__(self, connection: Connection, found: JobItem) -> None:
        self._connection = connection
        self.details = found

    @property
    def id(self) -> str:
        """Its id."""
        return self.details.metadata.id

    @property
    def name(self) -> str:
        """What it is called; other jobs may have the same name."""
        return self.details.metadata.name

    @property
    def state(self) -> str:
        """Where it stood when it was last asked: `Queueing`, `Running`, `Completed`, …"""
        return self.details.status.state

    @property
    def message(self) -> str:
        """Why it stood there."""
        return self.details.status.message

    @property
    def is_over(self) -> bool:
        """Whether it was completed, failed, stopped or archived."""
        return self.state in OVER

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.state}>"

    def refresh(self) -> Self:
        """Ask the server where it stands."""
        self.details = self._connection.read(JobItem, f"/jobs/{self.id}")
        return self

    def wait(self, timeout_s: float | None = None, *, told: Callable[[str], object] = str) -> Self:
        """Wait until every worker has completed.

        Args:
            timeout_s: How long; None for as long as it takes.
            told: Called with each new sentence about where it stands.

        Raises:
            JobFailed: It failed.
            Conflict: It was stopped.
            DeadlineExceeded: It is not over in time; it goes on.
        """
        give_up_at_s = None if timeout_s is None else time.monotonic() + timeout_s
        last = ""
        while not self.refresh().is_over:
            if self.message != last:
                last = self.message
                told(f"{self.state}: {last}")
            if give_up_at_s is not None and time.monotonic() > give_up_at_s:
                raise DeadlineExceeded(
                    f"{self.id} is {self.state} after {timeout_s:g} s: {self.message}",
                    hint=f"It goes on: lepton job show {self.id}",
                )
            time.sleep(_POLL_S)
        return self._checked()

    def workers(self) -> Sequence[WorkerItem]:
        """Its workers, earlier tries too; those of the newest attempt come first, in the order of their rank."""
        return self._connection.read_list(WorkerItem, f"/jobs/{self.id}/replicas")

    def events(self) -> Sequence[EventItem]:
        """What happened to it, oldest first."""
        return self._connection.read_list(EventItem, f"/jobs/{self.id}/events")

    @contextmanager
    def logs(self, worker: str | int = 0, *, follow: bool = False) -> Iterator[Iterator[bytes]]:
        """What a worker printed; with `follow` also what it prints until it ends.

        Args:
            worker: Its rank, of the newest attempt, or its id.

        Raises:
            NotFound: There is no such worker, or it has printed nothing.
        """
        path = f"/jobs/{self.id}/replicas/{self._worker_id(worker)}/log"
        with self._connection.stream(path, follow="true" if follow else "false") as chunks:
            yield chunks

    def stop(self) -> Self:
        """Stop it: each worker gets SIGTERM, and SIGKILL ten seconds later."""
        return self._change(self._connection.patch(f"/jobs/{self.id}", {"spec": {"stopped": True}}))

    def start(self) -> Self:
        """Start it again from the beginning, after it was stopped.

        Raises:
            Conflict: It ended otherwise.
        """
        return self._change(self._connection.patch(f"/jobs/{self.id}", {"spec": {"stopped": False}}))

    def clone(self, name: str | None = None) -> "Job":
        """Ask for another job of the same spec.

        Args:
            name: What to call it; by default this one's name with `-clone`.
        """
        spec = {key: value for key, value in self.details.spec.items() if key != "stopped"}
        return ask_for(
            self._connection,
            name or f"{self.name[: _LONGEST_NAME - len('-clone')].rstrip('-')}-clone",
            spec,
            self.details.metadata.labels,
        )

    def archive(self) -> Self:
        """Put it aside, once it is over. Its record and logs are kept, its workers' folders go.

        Raises:
            Conflict: It is not over.
        """
        return self._change(self._connection.put(f"/jobs/{self.id}/archive"))

    def remove(self, *, wait: bool = True, timeout_s: float = 60.0) -> None:
        """Remove it with its logs and its workers' folders, stopping it first."""
        self._connection.delete(f"/jobs/{self.id}")
        if wait:
            wait_until_gone(self.refresh, self.id, timeout_s=timeout_s)

    def _checked(self) -> Self:
        if self.state == "Failed":
            raise JobFailed(f"{self.id} failed: {self.message}", hint=f"See what it printed: lepton job logs {self.id}")
        if self.state == "Stopped":
            raise Conflict(f"{self.id} was stopped")
        return self

    def _worker_id(self, worker: str | int) -> str:
        if isinstance(worker, str):
            return quote(worker, safe="")
        for found in self.workers():
            if found.status.index == worker:
                return found.id
        raise NotFound(f"{self.id} has had no worker {worker} yet", hint=f"`lepton job show {self.id}` says why.")

    def _change(self, answer: Any) -> Self:
        self.details = parsed(JobItem, answer, self._connection.url)
        return self


class Jobs:
    """All jobs of the workspace. Get it as `Cloud().jobs`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        name: str,
        command: Sequence[str] = (),
        *,
        workers: int = 1,
        shape: str = "cpu.small",
        folder: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        priority: str | None = None,
        retries: int = 0,
        job_retries: int = 0,
        start_at_s: int | None = None,
        ttl_s: int | None = None,
        template: str | None = None,
        run: str = "",
        progress: Callable[[int], object] = int,
    ) -> Job:
        """Ask for a job. It starts when it is its turn and there is room for all its workers. Returns at once.

        Args:
            name: What to call it: at most 36 lower-case letters, digits and hyphens.
            command: What each worker runs, as words.
            workers: How many; they start together or not at all.
            shape: How much of the machine each counts for.
            folder: A folder to send along; each worker starts in a copy of its own.
            env: Environment variables.
            secrets: Environment variables that hold secrets: the secret's name by the variable's.
            labels: Further words to find it by.
            priority: `low-1000` to `high-9000`; higher ones go first.
            retries: How often each worker is tried again.
            job_retries: How often the whole job is tried again.
            start_at_s: Not before this time does it start, in seconds since 1970.
            ttl_s: How long after its end it is archived.
            template: A template to make it of instead of a command, such as `torchrun`.
            run: What goes into the template's place: `train.py --epochs 3`.
            progress: Called with the number of bytes sent since the last call.

        Raises:
            InvalidInput: A name or a number breaks its rule.
            NotFound: There is no such folder, template or secret.
        """
        if bool(command) == bool(template):
            raise InvalidInput("a job needs a command or a template, one of the two")
        spec: dict[str, Any] = {"container": {"command": list(command)}}
        if template:
            spec = self._rendered(template, run)
        variables: list[dict[str, Any]] = [{"name": key, "value": value} for key, value in (env or {}).items()]
        variables += [{"name": key, "value_from": {"secret_name_ref": value}} for key, value in (secrets or {}).items()]
        given = {
            "resource_shape": shape,
            "completions": workers,
            "parallelism": workers,
            "envs": variables or None,
            "max_failure_retry": retries or None,
            "max_job_failure_retry": job_retries or None,
            "queue_config": {"priority_class": priority} if priority else None,
            "time_schedule": {"start_at": start_at_s} if start_at_s is not None else None,
            "ttl_seconds_after_finished": ttl_s,
        }
        spec |= {key: value for key, value in given.items() if value is not None}
        if folder is not None:
            spec["working_folder"] = {"sha256": upload_folder(self._connection, folder, progress)}
        return ask_for(self._connection, name, spec, labels)

    def get(self, reference: str) -> Job:
        """One job, by its id, or by a name for the newest of it.

        Raises:
            NotFound: There is none.
        """
        return Job(self._connection, self._connection.read(JobItem, f"/jobs/{quote(reference, safe='')}"))

    def list(
        self,
        *,
        text: str = "",
        selector: str = "",
        states: Sequence[str] = (),
        archived: bool = False,
    ) -> Iterator[Job]:
        """Jobs, newest first, fetched page by page as they are used.

        Args:
            text: A part of the name or id.
            selector: A label selector: `team=vision,stage!=test`.
            states: Beginnings of states, in any case: `run` for Running.
            archived: Whether archived ones are wanted, and only those.
        """
        mode = "archive_only" if archived else "alive_only"
        page = 1
        while True:
            query: dict[str, Any] = {"q": text or None, "query": selector or None, "status": list(states) or None}
            answer = self._connection.get("/jobs", job_query_mode=mode, page=page, page_size=_PAGE_SIZE, **query)
            if not isinstance(answer, list):
                raise not_lepton(self._connection.url)
            yield from (Job(self._connection, parsed(JobItem, item, self._connection.url)) for item in answer)
            if len(answer) < _PAGE_SIZE:
                return
            page += 1

    def _rendered(self, template: str, run: str) -> dict[str, Any]:
        where = quote(template, safe="")
        try:
            answer = self._connection.post(f"/templates/public/{where}/render", {"run": run})
        except NotFound:
            answer = self._connection.post(f"/templates/private/{where}/render", {"run": run})
        return parsed(RenderedJob, answer, self._connection.url).spec


def ask_for(connection: Connection, name: str, spec: Mapping[str, Any], labels: Mapping[str, str] | None) -> Job:
    """Ask for a job of a whole spec, as the protocol has it."""
    metadata = {"id": name, "labels": dict(labels)} if labels else {"id": name}
    made = connection.create("/jobs", {"metadata": metadata, "spec": dict(spec)})
    return Job(connection, parsed(JobItem, made, connection.url))
