"""The model itself: loaded from an artifact folder by onnxruntime, arrays in and arrays out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InternalError, InvalidInput, NotFound, NotSupported
from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.platform.preprocessing.onnx_runtime import onnxruntime
from lepton_ai.platform.preprocessing.preprocessing import Preprocessing, read_preprocessing
from lepton_ai.platform.preprocessing.signature import Signature, Task

_CHUNK_ROWS = 256  # bounds what a large request needs in memory; beyond about 32 rows a batch is no faster per row
_DTYPES = {
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}
_FATAL = 4  # what goes wrong is raised, and told once: onnxruntime's own lines on stderr would tell it again


class Engine:
    """A loaded model that turns rows into outputs. It keeps no state between runs.

    Use `Engine.load`. `run` may take long and uses the calling thread: a server calls it from a worker.

    Args:
        session: The onnxruntime session.
        signature: What the session takes and gives.
        preprocessing: How rows of named values become what it takes, if they do.
        rule: How its outputs become answers, if that was decided.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        signature: Signature,
        preprocessing: Preprocessing | None = None,
        rule: AnswerRule | None = None,
    ) -> None:
        self.signature = signature
        self.preprocessing = preprocessing
        self.rule = rule
        self._session = session
        self._input_name = signature.inputs[0].name
        self._output_names = [signature.outputs[0].name]

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> "Engine":
        """Load the artifact of a model version and run it once, so that the first request finds it warm.

        Args:
            folder: The artifact, with `model.onnx` and `signature.json`; `preprocessing.json` and `decision.json`
                count if they are there.
            threads: CPU threads for one run.

        Raises:
            NotFound: The folder or one of its two files is not there.
            InvalidInput: A file is broken, or the two do not belong together.
            NotSupported: The model has several inputs or outputs, or takes something other than float32.
        """
        signature = _read_signature(_file(folder, "signature.json"))
        session = _open_session(_file(folder, "model.onnx"), threads)
        _check_tensors(session, signature)
        preprocessing = _read_preprocessing(folder / "preprocessing.json", signature)
        engine = cls(session, signature, preprocessing, _read_rule(folder / "decision.json", signature))
        engine._warm_up()
        return engine

    def run(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        """The model's output for each row.

        Args:
            rows: `(batch, *row_shape)`, C-contiguous, at least one row; `Signature.check` makes it so.

        Returns:
            `(batch, *output_shape)`. It may hold values that are not finite where a row lies far outside of what the
            model was trained on.

        Raises:
            InternalError: The model failed.
        """
        if len(rows) <= _CHUNK_ROWS:
            return self._run_once(rows)
        starts = range(0, len(rows), _CHUNK_ROWS)
        return np.concatenate([self._run_once(rows[start : start + _CHUNK_ROWS]) for start in starts])

    def _run_once(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        try:
            (outputs,) = self._session.run(self._output_names, {self._input_name: rows})
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise InternalError(f"the model failed on {len(rows)} rows: {_first_line(error)}") from error
        expected = (len(rows), *self.signature.outputs[0].shape[1:])
        if not isinstance(outputs, np.ndarray) or outputs.shape != expected:
            raise InternalError(
                f"the model must give an output of shape {expected}, got {getattr(outputs, 'shape', type(outputs))}"
            )
        return outputs

    def _warm_up(self) -> None:
        try:
            self._run_once(np.zeros((1, *self.signature.row_shape), np.float32))
        except InternalError as error:
            raise InvalidInput(f"the model does not run: {error.message}") from error


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise NotFound(f"no {name} in the artifact folder {folder}", hint="A model version's artifact has both files.")
    return path


def _read_signature(path: Path) -> Signature:
    try:
        signature = Signature.from_json(json.loads(path.read_bytes()))
    except (ValueError, RecursionError, OSError) as error:
        raise InvalidInput(f"{path} is not JSON: {_first_line(error)}") from error
    except InvalidInput as error:
        raise InvalidInput(f"{path} is {error.message}") from error
    if len(signature.inputs) != 1 or len(signature.outputs) != 1:
        raise NotSupported(
            f"this server serves models with one input and one output, got {len(signature.inputs)} and "
            f"{len(signature.outputs)} in {path}"
        )
    if signature.inputs[0].dtype != "float32":
        raise NotSupported(f"this server serves models that take float32, got {signature.inputs[0].dtype!r} in {path}")
    if signature.task is Task.CLASSIFICATION:
        _check_labels(signature, path)
    return signature


def _read_preprocessing(path: Path, signature: Signature) -> Preprocessing | None:
    if not path.exists():
        return None
    try:
        preprocessing = read_preprocessing(json.loads(path.read_bytes()))
    except (InvalidInput, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
    if preprocessing is not None and signature.row_shape != (preprocessing.width,):
        raise InvalidInput(f"{path} makes rows of {preprocessing.width} numbers, the model takes {signature.row_shape}")
    return preprocessing


def _read_rule(path: Path, signature: Signature) -> AnswerRule | None:
    if not path.exists():
        return None
    try:
        rule = AnswerRule.from_json(json.loads(path.read_bytes()))
        rule.check_fits(signature.outputs[0].shape[-1] if signature.task is Task.CLASSIFICATION else None)
    except (InvalidInput, ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
    return rule


def _check_labels(signature: Signature, path: Path) -> None:
    shape = signature.outputs[0].shape
    if len(shape) != 2:
        raise InvalidInput(f"a classifier's output must have shape (batch, classes), got {shape} in {path}")
    if signature.labels is not None and len(signature.labels) != shape[1]:
        raise InvalidInput(f"a classifier needs one label per class, got {len(signature.labels)} for {shape} in {path}")


def _open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    onnxruntime.set_default_logger_severity(_FATAL)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A thread that spins for the next run takes a core from the neighbours: replicas share a machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        # By path, not by bytes: so onnxruntime refuses external data that lies outside of the folder.
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InvalidInput(f"{path} is not a model that onnxruntime can load: {_first_line(error)}") from error


def _check_tensors(session: onnxruntime.InferenceSession, signature: Signature) -> None:
    for kind, specs, tensors in (
        ("input", signature.inputs, session.get_inputs()),
        ("output", signature.outputs, session.get_outputs()),
    ):
        by_name = {tensor.name: tensor for tensor in tensors}
        for spec in specs:
            if spec.name not in by_name:
                raise InvalidInput(f"signature.json names an {kind} {spec.name!r}, model.onnx has {sorted(by_name)}")
            shape, type_ = by_name[spec.name].shape, by_name[spec.name].type
            if _DTYPES.get(type_) != spec.dtype:
                raise InvalidInput(f"signature.json says that {spec.name!r} is {spec.dtype}, model.onnx has {type_}")
            if not _fits(shape, spec.shape):
                raise InvalidInput(
                    f"signature.json gives the {kind} {spec.name!r} the shape {spec.shape}, model.onnx has {shape}",
                    hint="The batch axis, the first, must be free.",
                )
        if kind == "input" and (extra := sorted(by_name.keys() - {spec.name for spec in specs})):
            raise InvalidInput(f"model.onnx has inputs that signature.json does not name: {extra}")


def _fits(shape: list[Any], wanted: tuple[int | None, ...]) -> bool:
    """Whether a shape from the file, with names for free axes, allows what the signature promises."""
    if len(shape) != len(wanted) or isinstance(shape[0], int):
        return False
    return all(not isinstance(size, int) or size == want for size, want in zip(shape[1:], wanted[1:], strict=True))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
