"""Training runs from Python: ask for them, watch their curves, stop them."""

import hashlib
import html
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

from lepton_ai.core.errors import Conflict, DeadlineExceeded, InvalidInput, LeptonError, NotFound
from lepton_ai.platform.frameworks.adaptive.budget import seconds
from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.sdk.curves import Curves
from lepton_ai.sdk.gone import wait_until_gone
from lepton_ai.sdk.models import Models, ModelVersion
from lepton_ai.server.schemas.endpoints import EventItem
from lepton_ai.server.schemas.runs import ProgressItem, RunItem

OVER = ("completed", "failed", "stopped")

_POLL_S = 0.3
_CHUNK_BYTES = 1 << 20


class RunFailed(LeptonError):
    """A training run ended without a model. The message says why."""

    code = "run_failed"


class Run:
    """One training run. Get it from `Cloud().train(...)` or `Cloud().runs.get(...)`."""

    def __init__(self, connection: Connection, found: RunItem) -> None:
        self._connection = connection
        self._curves = Curves()
        self.details = found

    @property
    def id(self) -> str:
        """Its id."""
        return self.details.id

    @property
    def state(self) -> str:
        """Where it stood when it was last asked: `queued`, `running`, `completed`, …"""
        return self.details.state

    @property
    def is_over(self) -> bool:
        """Whether it was completed, failed or stopped."""
        return self.state in OVER

    @property
    def version(self) -> ModelVersion | None:
        """The version that it registered, once it is completed."""
        if self.details.version is None:
            return None
        return Models(self._connection).version(f"{self.details.model}:{self.details.version}")

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.details.model} {self.state}>"

    def _repr_html_(self) -> str:
        told = html.escape(f"{self.id}, {self.details.model}: {self.refresh().state}. {self.details.message}")
        return f"<p>{told}</p>{self.curves()._repr_html_()}"

    def refresh(self) -> Self:
        """Ask the server where it stands."""
        self.details = self._connection.read(RunItem, f"/runs/{self.id}")
        return self

    def wait(self, timeout_s: float | None = None, *, told: Callable[[str], object] = str) -> ModelVersion:
        """Wait until it is completed, and return the version that it registered.

        Args:
            timeout_s: How long; None for as long as it takes.
            told: Called with each new sentence about where it stands.

        Raises:
            RunFailed: It ended without a model.
            Conflict: It was stopped.
            DeadlineExceeded: It is not over in time; it goes on.
        """
        give_up_at_s = None if timeout_s is None else time.monotonic() + timeout_s
        last = ""
        while not self.refresh().is_over:
            if self.details.message != last:
                last = self.details.message
                told(last)
            if give_up_at_s is not None and time.monotonic() > give_up_at_s:
                raise DeadlineExceeded(
                    f"{self.id} is {self.state} after {timeout_s:g} s: {self.details.message}",
                    hint=f"It goes on: lepton train follow {self.id}",
                )
            time.sleep(_POLL_S)
        return self.result()

    def result(self) -> ModelVersion:
        """The version that it registered.

        Raises:
            RunFailed: It ended without a model.
            Conflict: It was stopped, or is not over.
        """
        version = self.version
        if version is not None:
            return version
        if self.state == "failed":
            refused = self.details.reason == "refused"  # then the message says all there is to say
            hint = None if refused else f"See what it printed: lepton train logs {self.id}"
            raise RunFailed(f"{self.id} failed: {self.details.message}", hint=hint)
        raise Conflict(f"{self.id} is {self.state}: {self.details.message}")

    def curves(self) -> Curves:
        """Its curves up to now. Asking again fetches only what came since."""
        while True:
            answer = self._connection.get(f"/runs/{self.id}/progress", after=self._curves.next)
            found = parsed(ProgressItem, answer, self._connection.url)
            self._curves = self._curves.extended(found.lines, found.next)
            if not found.lines:
                return self._curves

    def stop(self) -> Self:
        """Stop it once it has written a last checkpoint; `resume` lets it go on.

        Raises:
            Conflict: It has trained already.
        """
        return self._change(self._connection.put(f"/runs/{self.id}/stop"))

    def resume(self) -> Self:
        """Let it go on from its last checkpoint, after it was stopped or has failed.

        Raises:
            Conflict: It is not over, or its model is registered.
        """
        return self._change(self._connection.put(f"/runs/{self.id}/resume"))

    def remove(self, *, wait: bool = True, timeout_s: float = 60.0) -> None:
        """Remove it with its checkpoints. A version that it registered stays."""
        self._connection.delete(f"/runs/{self.id}")
        if wait:
            wait_until_gone(self.refresh, self.id, timeout_s=timeout_s)

    def events(self) -> Sequence[EventItem]:
        """What happened to it, oldest first."""
        return self._connection.read_list(EventItem, f"/runs/{self.id}/events")

    @contextmanager
    def logs(self, attempt: int | None = None, *, follow: bool = False) -> Iterator[Iterator[bytes]]:
        """What its newest process printed, or an earlier one; with `follow` also what it goes on to print."""
        path = f"/runs/{self.id}/log"
        with self._connection.stream(path, attempt=attempt, follow="true" if follow else None) as chunks:
            yield chunks

    def _change(self, answer: Any) -> Self:
        self.details = parsed(RunItem, answer, self._connection.url)
        return self


class Runs:
    """All training runs of the workspace. Get it as `Cloud().runs`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Run]:
        """All runs, newest first."""
        return [Run(self._connection, found) for found in self._connection.read_list(RunItem, "/runs")]

    def get(self, reference: str) -> Run:
        """One run, by its id, or by a model's name for the newest run of it.

        Raises:
            NotFound: There is none.
        """
        if not reference.replace("-", "").isalnum() or not reference.isascii():
            raise InvalidInput(f"a run is named by its id or its model's name, got {reference!r}")
        return Run(self._connection, self._connection.read(RunItem, f"/runs/{reference}"))

    def create(
        self,
        data: Any,
        target: str,
        name: str,
        *,
        budget: float | str | None = None,
        steps: int | None = None,
        epochs: int | None = None,
        seed: int = 0,
        columns: Mapping[str, Mapping[str, Any]] | None = None,
        progress: Callable[[int], object] = int,
    ) -> Run:
        """Ask for a run. See `Cloud.train`."""
        body = {
            "model": name,
            "data": self._data(data, progress),
            "target": target,
            "columns": {column: dict(said) for column, said in (columns or {}).items()},
            "budget_s": None if budget is None else seconds(budget),
            "steps": steps,
            "epochs": epochs,
            "seed": seed,
        }
        made = self._connection.create("/runs", body)
        return Run(self._connection, parsed(RunItem, made, self._connection.url))

    def _data(self, data: Any, progress: Callable[[int], object]) -> dict[str, Any]:
        """A frame or a file of this machine goes to the server; another name is a data set that the server has."""
        if not isinstance(data, str | Path):
            from lepton_ai.platform.preprocessing.readers import read_table

            with tempfile.TemporaryDirectory(prefix="lepton-train-") as folder:
                path = Path(folder) / "frame.parquet"
                read_table(data).write_parquet(path)
                return self._upload(path, progress)
        path = Path(data).expanduser()
        if path.is_file():
            return self._upload(path, progress)
        if isinstance(data, Path) or path.is_dir() or data.startswith((".", "/", "~")):
            raise NotFound(f"there is no file {str(data)!r}", hint="`lepton data list` shows the data sets.")
        return {"dataset": data}

    def _upload(self, path: Path, progress: Callable[[int], object]) -> dict[str, Any]:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if self._connection.exists(f"/artifacts/{digest}"):
            progress(path.stat().st_size)
        else:
            self._connection.upload(f"/artifacts/{digest}", partial(_chunks, path, progress))
        described = {"sha256": digest, "size_bytes": path.stat().st_size}
        return {"name": path.name, "files": {path.name: described}}


def _chunks(path: Path, progress: Callable[[int], object]) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
            progress(len(chunk))
