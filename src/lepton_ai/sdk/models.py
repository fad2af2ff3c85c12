"""Models from Python: push versions, look them up, move aliases."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.core.files import atomic_file
from lepton_ai.platform.model_management.registry.records import REQUIRED_FILES, ModelReference
from lepton_ai.sdk.connection import Connection, parsed
from lepton_ai.sdk.notebook import Shown, details_html, models_html, version_html
from lepton_ai.server.schemas import models as schemas
from lepton_ai.server.schemas.models import ModelItem, Removed, Version

if TYPE_CHECKING:
    from lepton_ai.platform.evaluation.report import Report

_CHUNK_BYTES = 1 << 20
_NO_REPORT = "Versions of `lepton train` have one; else measure before you push: model.report(x_test, y_test)."


@dataclass(frozen=True)
class ModelVersion:
    """A registered version. `str(version)` is how to name it: `digits:3`.

    Args:
        name: The model.
        version: Its number.
        details: Everything that the server knows of it.
        connection: Where its files are fetched.
    """

    name: str
    version: int
    details: Version = field(repr=False)
    connection: Connection = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"

    @property
    def metrics(self) -> Mapping[str, float]:
        """What was measured of it."""
        return self.details.metrics

    def report(self) -> "Report":
        """What was measured of it on rows that it did not learn from, beside two baselines.

        A notebook draws it, `print` shows it as text, and `report.save("report.html")` writes the whole page.

        Raises:
            NotFound: It was registered without a report.
        """
        from lepton_ai.platform.evaluation.report import Report  # with NumPy, which most of the SDK does without

        return Report.from_json(_parsed(self._fetched("report.json", _NO_REPORT), f"report.json of {self}"))

    def card(self) -> Any:
        """Its model card, as JSON values.

        Raises:
            NotFound: It has none.
        """
        return _parsed(self._fetched("card.json", "`Model.push` writes one."), f"card.json of {self}")

    def _fetched(self, name: str, hint: str) -> bytes:
        file = self.details.files.get(name)
        if file is None:
            raise NotFound(f"{self} has no {name.partition('.')[0]}", hint=hint)
        with self.connection.stream(f"/artifacts/{file.sha256}") as chunks:
            content = b"".join(chunks)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise _damaged(name, str(self))
        return content

    def _repr_html_(self) -> str:
        return version_html(str(self), self.details)


class ModelDetails(schemas.ModelDetails):
    """One model with everything under its name."""

    def _repr_html_(self) -> str:
        return details_html(self)


class Models:
    """The registry. Get it as `Cloud().models`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[ModelItem]:
        """All models."""
        return Shown(self._connection.read_list(ModelItem, "/models"), models_html)

    def get(self, name: str) -> ModelDetails:
        """One model with its versions, aliases and their history.

        Raises:
            NotFound: There is none of this name.
        """
        return self._connection.read(ModelDetails, f"/models/{_name(name)}")

    def version(self, reference: str) -> ModelVersion:
        """One version, as `digits:3`, `digits@champion`, or `digits` for the champion.

        Raises:
            NotFound: There is no such model, version or alias.
        """
        named = ModelReference.parse(reference)
        which = named.version if named.version is not None else named.alias
        return self._version(self._connection.read(Version, f"/models/{named.name}/versions/{which}"))

    def push_folder(
        self,
        folder: Path,
        name: str,
        *,
        message: str = "",
        progress: Callable[[int], object] = int,
    ) -> ModelVersion:
        """Register the artifact in a folder as a new version. Files that the server has already are not sent again.

        Args:
            folder: The artifact: at least `model.onnx` and `signature.json`; `metrics.json` and `data.json` are read.
            name: The model to register it under.
            message: Why this version was made.
            progress: Called with the number of bytes sent since the last call.

        Raises:
            InvalidInput: The folder is no artifact, or the name breaks its rule.
        """
        _name(name)
        files = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
        for needed in REQUIRED_FILES:
            if needed not in files:
                raise InvalidInput(
                    f"{folder} holds no `{needed}`, so it is no model artifact",
                    hint="`Model.push` makes one; so does `lepton model push FILE.keras NAME`.",
                )
        described = {}
        for file, path in files.items():
            digest = _sha256(path)
            described[file] = {"sha256": digest, "size_bytes": path.stat().st_size}
            if self._connection.exists(f"/artifacts/{digest}"):
                progress(path.stat().st_size)
            else:
                self._connection.upload(f"/artifacts/{digest}", partial(_chunks, path, progress))
        body = {
            "files": described,
            "signature": _read_json(files["signature.json"]),
            "metrics": _metrics(files["metrics.json"]) if "metrics.json" in files else {},
            "lineage": {"data": _read_json(files["data.json"])} if "data.json" in files else {},
            "message": message,
        }
        made = self._connection.create(f"/models/{name}/versions", body)
        return self._version(parsed(Version, made, self._connection.url))

    def download(self, reference: str, folder: Path) -> ModelVersion:
        """Fetch a version's files into a folder, each checked against its digest.

        Raises:
            NotFound: There is no such version.
            InvalidInput: The bytes that came are not those that were registered.
        """
        version = self.version(reference)
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in version.details.files.items():
            hashed = hashlib.sha256()
            with self._connection.stream(f"/artifacts/{file.sha256}") as chunks, atomic_file(folder / name) as target:
                for chunk in chunks:
                    hashed.update(chunk)
                    target.write(chunk)
                if hashed.hexdigest() != file.sha256:
                    raise _damaged(name, str(version))
        return version

    def card(self, reference: str) -> Any:
        """A version's model card, as JSON values.

        Raises:
            NotFound: There is no such version, or it has no card.
        """
        return self.version(reference).card()

    def move_alias(self, name: str, alias: str, version: int, *, reason: str = "") -> None:
        """Point an alias at a version. The history keeps where it pointed before.

        Raises:
            NotFound: There is no such version.
        """
        body = {"version": version, "reason": reason}
        self._connection.put(f"/models/{_name(name)}/aliases/{alias}", body)

    def remove(self, name: str, version: int | None = None) -> int:
        """Remove one version, or the whole model; returns how many versions went.

        Raises:
            Conflict: An endpoint serves it, or an alias points to it.
        """
        path = f"/models/{_name(name)}" + (f"/versions/{version}" if version is not None else "")
        return parsed(Removed, self._connection.delete(path), self._connection.url).removed

    def _version(self, details: Version) -> ModelVersion:
        return ModelVersion(details.name, details.version, details, self._connection)


def _name(name: str) -> str:
    return ModelReference.parse(name).name if ":" not in name and "@" not in name else _refuse(name)


def _refuse(name: str) -> str:
    raise InvalidInput(f"a model's name has no version or alias in it, got {name!r}")


def _damaged(name: str, version: str) -> InvalidInput:
    return InvalidInput(f"{name} of {version} arrived damaged", hint="Try again.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _chunks(path: Path, progress: Callable[[int], object]) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
            progress(len(chunk))


def _metrics(path: Path) -> dict[str, float]:
    """What was measured on data that was not trained on; failing that, while it was trained."""
    written = _read_json(path)
    if not written.keys().isdisjoint(("evaluation", "training")):
        written = written.get("evaluation") or written.get("training") or {}
    return {name: float(value) for name, value in written.items() if isinstance(value, int | float)}


def _read_json(path: Path) -> Any:
    return _parsed(path.read_bytes(), str(path))


def _parsed(content: bytes, name: str) -> Any:
    try:
        return orjson.loads(content)
    except ValueError as error:
        raise InvalidInput(f"{name} is not JSON: {error}") from error
