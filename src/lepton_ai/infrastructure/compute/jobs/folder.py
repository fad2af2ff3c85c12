"""The folder of a job: for each of its workers a folder to work in, kept until the job is removed."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from lepton_ai.core.errors import LeptonError
from lepton_ai.core.files import write_atomically


@dataclass(frozen=True)
class JobFolder:
    """Where a job's files lie.

    Args:
        root: The folder, named by the job's id.
    """

    root: Path

    def of_worker(self, worker_id: str) -> Path:
        """Where a worker starts."""
        return self.root / worker_id

    def write_refusal(self, worker_id: str, error: LeptonError) -> None:
        """Say in place of a worker that cannot be started why it cannot."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        hint = f" {error.hint}" if error.hint else ""
        write_atomically(self._refusal(worker_id), f"{error.message}.{hint}".encode(), mode=0o600)

    def read_refusal(self, worker_id: str) -> str | None:
        """Why a worker could not be started, if it could not."""
        try:
            return self._refusal(worker_id).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def remove(self) -> None:
        """Remove it with all that the workers left there."""
        shutil.rmtree(self.root, ignore_errors=True)

    def _refusal(self, worker_id: str) -> Path:
        return self.root / f"{worker_id}.refusal"
