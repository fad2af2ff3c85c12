"""The folder of a run: what its process is told, and what it leaves behind for the control plane to read."""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_ai.core.errors import InvalidInput, LeptonError
from lepton_ai.core.files import write_atomically
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.platform.model_management.registry.records import REQUIRED_FILES, ArtifactFile, Manifest
from lepton_ai.platform.model_management.runs.records import Refusal, Run
from lepton_ai.platform.preprocessing.signature import Signature

_CHUNK_BYTES = 1 << 20
_CHECKPOINT = re.compile(r"step-(\d+)\.npz")


@dataclass(frozen=True)
class RunFolder:
    """Where a run's files lie.

    Args:
        root: The folder, named by the run's id.
    """

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        """The finished model as an artifact; it appears whole."""
        return self.root / "model"

    @property
    def progress(self) -> Path:
        return self.root / "progress.jsonl"

    def wish(self, attempt: int) -> Path:
        """What the process of an attempt is told."""
        return self.root / f"wish-{attempt}.json"

    def begun(self, attempt: int) -> Path:
        """Is there once that process trains."""
        return self.root / f"begun-{attempt}"

    def refusal(self, attempt: int) -> Path:
        """What that process says about an end without a model."""
        return self.root / f"refusal-{attempt}.json"

    def prepare(self, run: Run, artifacts: ArtifactStore) -> None:
        """Lay out the data and the wish for the process of an attempt.

        Raises:
            NotFound, InternalError: A file of the data is gone or damaged.
            StorageFull: The disk is full.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        artifacts.materialise({name: file.digest for name, file in run.spec.files.items()}, self.data)
        spec = run.spec
        names = ("model_name", "data_name", "target", "columns", "budget_s", "steps", "epochs", "seed")
        wish = {
            "version": 1,
            "run": run.id,
            "attempt": run.attempt,
            **{name: getattr(spec, name) for name in names},
            "data": str(self.data),
            "checkpoints": str(self.checkpoints),
            "model": str(self.model),
            "progress": str(self.progress),
            "begun": str(self.begun(run.attempt)),
            "refusal": str(self.refusal(run.attempt)),
        }
        write_atomically(self.wish(run.attempt), json.dumps(wish).encode(), mode=0o600)

    def checkpoint_step(self) -> int:
        """How far the last complete checkpoint is, 0 if there is none."""
        found = (_CHECKPOINT.fullmatch(path.name) for path in self.checkpoints.glob("step-*"))
        return max((int(match[1]) for match in found if match), default=0)

    def write_refusal(self, attempt: int, error: LeptonError) -> None:
        """Say in place of a process that cannot be started why there will be no model."""
        said = {"code": error.code, "message": error.message, "hint": error.hint, "is_final": True}
        write_atomically(self.refusal(attempt), json.dumps(said).encode(), mode=0o600)

    def read_refusal(self, attempt: int) -> Refusal | None:
        """What the process of an attempt said about its end."""
        try:
            said = json.loads(self.refusal(attempt).read_bytes())
            return Refusal(said["code"], said["message"], said["hint"], said["is_final"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def read_manifest(self, run: Run) -> Manifest:
        """The finished model as a version to register.

        Raises:
            InvalidInput: It is no artifact of a model.
        """
        files = {path.name: path for path in sorted(self.model.iterdir()) if path.is_file()}
        for needed in REQUIRED_FILES:
            if needed not in files:
                raise InvalidInput(f"the run left no `{needed}`")
        described = {name: ArtifactFile(_sha256(path), path.stat().st_size) for name, path in files.items()}
        lineage = {"run": run.id, "data_name": run.spec.data_name, "seed": run.spec.seed}
        if "data.json" in files:
            lineage["data"] = _read_json(files["data.json"])
        return Manifest(
            files=described,
            signature=Signature.from_json(_read_json(files["signature.json"])),
            metrics=_metrics(_read_json(files["metrics.json"])) if "metrics.json" in files else {},
            lineage=lineage,
            message=f"trained on {run.spec.data_name} by {run.id}",
        )

    def store_model(self, manifest: Manifest, artifacts: ArtifactStore) -> None:
        """Bring the finished model's files into the artifact store; those that are there already are left alone."""
        for name, file in manifest.files.items():
            if artifacts.size(file.digest) is not None:
                continue
            writer = artifacts.writer(file.digest)
            try:
                with (self.model / name).open("rb") as source:
                    while chunk := source.read(_CHUNK_BYTES):
                        writer.write(chunk)
                writer.commit()
            finally:
                writer.abort()

    def has_leftovers(self) -> bool:
        """Whether there is anything that a registered run does not need."""
        return any(path.exists() for path in self._passing)

    def clear(self) -> None:
        """Remove what only a run that goes on needs. What tells of it stays."""
        for path in self._passing:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def _passing(self) -> tuple[Path, ...]:
        passing = (path for pattern in ("wish-*", "begun-*", "refusal-*") for path in self.root.glob(pattern))
        return self.checkpoints, self.data, self.model, *passing


def _metrics(written: Any) -> dict[str, float]:
    """What was measured on rows that were not trained on; failing that, while it was trained."""
    for part in ("evaluation", "training"):
        if isinstance(written, dict) and isinstance(written.get(part), dict) and written[part]:
            written = written[part]
            break
    if not isinstance(written, dict):
        return {}
    return {str(name): float(value) for name, value in written.items() if isinstance(value, int | float)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise InvalidInput(f"`{path.name}` is not JSON: {error}") from error
