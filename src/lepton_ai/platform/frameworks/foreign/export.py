"""The artifact of a model from another framework: scikit-learn, torch, or an ONNX file of any origin."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import Conflict, InvalidInput, LeptonError, NotSupported
from lepton_ai.platform.evaluation.card import CardFacts
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.frameworks.foreign.agreement import compare
from lepton_ai.platform.frameworks.foreign.conversion import PROBABILITIES, Conversion, Rows, random_rows
from lepton_ai.platform.frameworks.foreign.documents import documents
from lepton_ai.platform.frameworks.foreign.graph import with_softmax
from lepton_ai.platform.frameworks.foreign.onnx_file import OnnxFile, read_onnx_file
from lepton_ai.platform.frameworks.foreign.scikit import convert_estimator
from lepton_ai.platform.frameworks.foreign.torch_module import convert_module
from lepton_ai.platform.frameworks.report_files import write_report
from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec, check_rows

_ROUNDING = 1e-3
_ROWS_TO_COMPARE = 100


def is_foreign(model: Any) -> bool:
    """Whether it is a model of another framework, or the path of an ONNX file. Loads none of the frameworks."""
    return isinstance(model, str | Path) or _is_estimator(model) or _is_module(model)


def export_foreign(
    model: Any,
    folder: Path,
    *,
    task: Task | str | None = None,
    labels: Sequence[int | str] | None = None,
    sample: Any = None,
    metrics: Mapping[str, float] | None = None,
    report: Report | None = None,
    facts: CardFacts | None = None,
) -> Path:
    """Write a model of another framework as the files of a version.

    `model.onnx`, `signature.json`, `preprocessing.json`, `metrics.json`, `card.json`, `environment.json`, `data.json`,
    and with a report `report.json` and `report.html`. Nothing is pickled, and no code of the model goes along.

    Args:
        model: A fitted scikit-learn classifier or regressor, a torch module, or the path of an `.onnx` file.
        folder: An empty folder, or one to make.
        task: "classification" or "regression". scikit-learn says it itself; a torch module needs it; a file that is not
            given one classifies if its answers are probabilities. A classifier of torch or of a file that does not
            answer with probabilities gets a softmax at its end.
        labels: What to call the classes, in the order of the answers. Left out, an estimator's own, else 0, 1 …
        sample: Rows to compare ONNX with the model on, `(batch, *row_shape)`. A torch module needs some.
        metrics: What was measured, by name.
        report: What `evaluate_report` measured.
        facts: What only people know of it, for the card.

    Returns:
        The folder.

    Raises:
        Conflict: The folder is not empty.
        InvalidInput: Something given does not fit the model, or it is no model.
        NotSupported: It cannot be served; the message names what was found.
        MissingPackage: What converts it is not installed.
        ExportFailed: It cannot be converted, or ONNX and the model do not agree to 1e-4. The folder is left empty.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Conflict(f"an artifact needs an empty folder, got {folder.name!r} with files in it")
    conversion = _converted(model, _checked_task(task), sample)
    path = folder / "model.onnx"
    try:
        signature, agreement = _checked(conversion, path, labels, sample)
    except LeptonError:
        path.unlink(missing_ok=True)
        raise
    written = documents(
        conversion,
        signature,
        metrics,
        size_bytes=path.stat().st_size,
        agreement=agreement,
        report=report,
        report_sha256=None if report is None else write_report(report, folder),
        facts=facts,
    )
    for name, document in written.items():
        text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
        (folder / f"{name}.json").write_text(text + "\n")
    return folder


def _converted(model: Any, task: Task | None, sample: Any) -> Conversion:
    if _is_estimator(model):
        rows = None if sample is None else _any_rows(sample)
        conversion = convert_estimator(model, rows)
        if task not in (None, conversion.task):
            raise InvalidInput(f"`task` must fit the estimator, got task={task!s} for {conversion.architecture}")
        return conversion
    if _is_module(model):
        return convert_module(model, task, None if sample is None else _any_rows(sample))
    path = Path(model)
    if path.suffix.lower() != ".onnx":
        raise InvalidInput(
            f"`model` must be the path of an .onnx file, got {path.name!r}",
            hint="A .keras file: Model.load(path).push(name). Pickles are never opened: push the estimator itself.",
        )
    return replace(read_onnx_file(path), task=task)


def _checked(
    conversion: Conversion, path: Path, labels: Sequence[int | str] | None, sample: Any
) -> tuple[Signature, dict[str, Any] | None]:
    """Write the file, find out what it takes and gives, and compare it with the model itself."""
    path.write_bytes(conversion.graph)
    file = OnnxFile.open(path)
    row_shape = tuple(int(size) for size in file.input.shape[1:] if size is not None)
    rows = conversion.rows
    if rows is None:
        rows = random_rows(row_shape) if sample is None else _any_rows(sample)
    exact: Rows = rows[:_ROWS_TO_COMPARE]
    rows = check_rows(exact, row_shape, field="sample")
    answers = _answers(file, rows)
    agreement = None
    if conversion.answer is not None:
        compared = compare(conversion.answer, answers, exact.reshape(rows.shape))
        agreement = {"largest_difference": compared, "rows": len(rows), "rows_were_given": conversion.rows_were_given}
    task = conversion.task or (Task.CLASSIFICATION if labels or _are_probabilities(answers) else Task.REGRESSION)
    if task is Task.CLASSIFICATION:
        if answers.ndim != 2 or answers.shape[1] < 2:
            raise NotSupported(
                f"a classifier needs one answer per class, (batch, classes), got answers of shape {answers.shape}",
                hint="For two classes answer with both probabilities: [1 - p, p].",
            )
        if conversion.gives_probabilities and not _are_probabilities(answers):
            raise NotSupported(
                "a classifier needs probabilities that make 1 together, got others; does a row have several labels?",
                hint="Push one estimator for each label.",
            )
        if not _are_probabilities(answers):
            path.write_bytes(with_softmax(conversion.graph, file.output_name, PROBABILITIES))
            file = OnnxFile.open(path)
            answers = _answers(file, rows)
    elif labels is not None:
        raise InvalidInput("`labels` go with a classifier, got labels for a regression", hint="Leave labels out.")
    output = TensorSpec(file.output_name, str(answers.dtype), (None, *answers.shape[1:]))
    return Signature(task, (file.input,), (output,), _labels(conversion, task, labels, answers.shape[-1])), agreement


def _answers(file: OnnxFile, rows: NDArray[np.float32]) -> NDArray[Any]:
    """The answers to all rows, after one row alone was answered in the same way."""
    answers = file.answers(rows)
    alone = file.answers(rows[:1])
    said = file.output_shape
    one_each = answers.shape[:1] == rows.shape[:1] and alone.shape == (1, *answers.shape[1:])
    if not one_each or len(said) != answers.ndim or isinstance(said[0], int):
        raise NotSupported(
            f"a version answers each row by itself, got answers of shape {answers.shape} to {len(rows)} rows, "
            f"{alone.shape} to one, and an output that the file describes as {list(said)}",
            hint="The first axis of its output must be the batch, and free.",
        )
    return answers


def _labels(
    conversion: Conversion, task: Task, labels: Sequence[int | str] | None, classes: int
) -> tuple[int | str, ...] | None:
    if task is not Task.CLASSIFICATION:
        return None
    names = tuple(labels or conversion.labels or range(classes))
    if len(names) != classes or len(set(names)) != classes or not all(type(name) in (int, str) for name in names):
        raise InvalidInput(
            f"`labels` must name each of {classes} classes once, by text or a whole number, got labels={list(names)}",
            hint="Give them in the order of the answers, such as labels=['no', 'yes'].",
        )
    return names


def _are_probabilities(answers: NDArray[Any]) -> bool:
    """Whether each row holds two or more numbers from 0 to 1 that make 1 together."""
    if answers.ndim != 2 or answers.shape[1] < 2:
        return False
    finite = answers[np.isfinite(answers).all(axis=1)]
    return bool(len(finite) and (finite > -_ROUNDING).all() and (np.abs(finite.sum(axis=1) - 1) < _ROUNDING).all())


def _any_rows(sample: Any) -> Rows:
    """Sample rows of any shape: finite numbers."""
    if hasattr(sample, "detach"):  # a torch tensor
        sample = sample.detach().cpu()
    array = np.asarray(sample)
    if array.ndim < 2:
        raise InvalidInput(f"`sample` must hold rows, (batch, *row_shape), got shape {array.shape}")
    check_rows(array, array.shape[1:], field="sample")
    return array.astype(np.float64)


def _checked_task(task: Task | str | None) -> Task | None:
    try:
        return None if task is None else Task(task)
    except ValueError as error:
        raise InvalidInput(f"`task` must be 'classification' or 'regression', got task={task!r}") from error


def _is_estimator(model: Any) -> bool:
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(model, base.BaseEstimator)


def _is_module(model: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)
