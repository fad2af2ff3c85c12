"""A fitted scikit-learn estimator as ONNX, by skl2onnx."""

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput, MissingPackage, NotSupported
from lepton_ai.platform.frameworks.export_failed import ExportFailed
from lepton_ai.platform.frameworks.foreign.boosted_trees import converters_of_boosted_trees
from lepton_ai.platform.frameworks.foreign.conversion import (
    INPUT_NAME,
    OUTPUT_NAME,
    PROBABILITIES,
    Answer,
    Conversion,
    Rows,
    first_line,
    random_rows,
)
from lepton_ai.platform.frameworks.foreign.graph import with_one_input, with_only_output
from lepton_ai.platform.preprocessing.signature import Task


def convert_estimator(estimator: Any, sample: Rows | None) -> Conversion:
    """A fitted classifier or regressor that takes rows of numbers; a pipeline or a search is one too.

    Args:
        estimator: The estimator.
        sample: Rows to compare on, `(batch, columns)`; random ones if left out.

    Raises:
        InvalidInput: It is not fitted, or answers neither classes nor numbers.
        NotSupported: It takes text, or gives no probabilities, or several answers.
        MissingPackage: skl2onnx is not installed.
        ExportFailed: A part of it has no counterpart in ONNX.
    """
    from sklearn.base import is_classifier

    task = _task(estimator)
    _check_fitted(estimator)
    if (where := _first_text(estimator)) is not None:
        raise NotSupported(
            f"an endpoint takes rows of numbers, got an estimator that takes text, in {where}",
            hint="Encode text columns before the estimator, or train with lepton_ai.Model(schema=...).",
        )
    width = getattr(estimator, "n_features_in_", None)
    if width is None and sample is None:
        raise InvalidInput(
            f"{type(estimator).__name__} does not say how many columns it takes, got sample=None",
            hint="Give some rows: sample=x_test[:100].",
        )
    width = int(width) if width is not None else sample.shape[-1] if sample is not None else 0
    if sample is not None and sample.shape[1:] != (width,):
        raise InvalidInput(f"`sample` must have shape (batch, {width}), got {sample.shape}")
    names = [str(name) for name in getattr(estimator, "feature_names_in_", ())] or None
    labels = _labels(estimator) if is_classifier(estimator) else None
    return Conversion(
        _graph(estimator, width, names, task),
        "scikit-learn",
        _described(estimator),
        task=task,
        labels=labels,
        rows=sample if sample is not None else random_rows((width,)),
        rows_were_given=sample is not None,
        gives_probabilities=task is Task.CLASSIFICATION,
        answer=_answer(estimator, names, task),
        columns=names,
        packages=("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy"),
    )


def _task(estimator: Any) -> Task:
    from sklearn.base import is_classifier, is_regressor

    if is_regressor(estimator):
        return Task.REGRESSION
    if not is_classifier(estimator):
        raise InvalidInput(
            f"`model` must be a classifier or a regressor, got {type(estimator).__name__}",
            hint="Push the pipeline whose last step is one.",
        )
    return Task.CLASSIFICATION


def _check_fitted(estimator: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise InvalidInput(
            f"`model` must be fitted, got a {type(estimator).__name__} that is not", hint="Call fit(...) first."
        ) from error


def _labels(estimator: Any) -> Sequence[Any]:
    """The classes as they are, whole numbers without a fraction."""
    if not hasattr(estimator, "predict_proba"):
        raise NotSupported(
            f"a version needs a probability per class, got {_described(estimator)} without predict_proba",
            hint="Wrap its last step: CalibratedClassifierCV(LinearSVC()), of sklearn.calibration.",
        )
    classes: Any = getattr(estimator, "classes_", ())
    if isinstance(classes, list) or np.ndim(classes) != 1:
        raise NotSupported(
            f"a version needs one answer per row, got a classifier of {len(classes)} targets",
            hint="Push one estimator for each target.",
        )
    plain = np.asarray(classes).tolist()
    return [int(label) if isinstance(label, float) and label.is_integer() else label for label in plain]


def _first_text(estimator: Any) -> str | None:
    """The first fitted part that learned words or categories that are text."""
    for part in _parts(estimator, set()):
        learned = getattr(part, "categories_", None)
        for categories in learned if isinstance(learned, list) else ():
            if any(isinstance(category, str) for category in np.asarray(categories).tolist()):
                return type(part).__name__
        if hasattr(part, "vocabulary_"):
            return type(part).__name__
    return None


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """An estimator and all estimators inside of it."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, list | tuple):
        for each in value:
            yield from _parts(each, seen)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _parts(each, seen)
    elif hasattr(value, "get_params") and not isinstance(value, type):
        yield value
        for each in list(vars(value).values()):
            yield from _parts(each, seen)


def _graph(estimator: Any, width: int, names: Sequence[str] | None, task: Task) -> bytes:
    try:
        import skl2onnx
    except ImportError as error:
        raise MissingPackage(
            f"pushing a scikit-learn estimator needs skl2onnx, got: {error}", hint="Install it: pip install skl2onnx"
        ) from error
    from skl2onnx.common.data_types import FloatTensorType

    def converted(inputs: Sequence[tuple[str, Any]]) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return skl2onnx.convert_sklearn(
                estimator, "lepton", inputs, custom_conversion_functions=converters_of_boosted_trees()
            )

    try:
        try:
            model = converted([(INPUT_NAME, FloatTensorType([None, width]))])
        except Exception:
            if names is None:
                raise
            # Its parts choose columns by name: then each needs an input, and one input is put in front of them all.
            model = converted([(name, FloatTensorType([None, 1])) for name in names])
            model = with_one_input(model, _input_names(model, names), INPUT_NAME)
        name = PROBABILITIES if _classifies(task) else OUTPUT_NAME
        model = with_only_output(model, _answer_tensor(model), name, never_negative=_classifies(task))
    except Exception as error:  # skl2onnx raises what its converters raise
        raise ExportFailed(
            f"skl2onnx cannot convert the estimator: {type(error).__name__}: {first_line(error)}",
            hint="Replace the part that it names; or write the ONNX file with another tool and push that.",
        ) from error
    model.graph.doc_string = ""
    graph: bytes = model.SerializeToString(deterministic=True)
    return graph


def _input_names(model: Any, names: Sequence[str]) -> Sequence[str]:
    """What skl2onnx calls the inputs; of a column that nothing uses it keeps none."""
    kept = [each.name for each in model.graph.input]
    if len(kept) == len(names):
        return kept
    plain = [re.sub("[^0-9a-zA-Z]", "_", name) for name in names]
    if not set(kept) <= set(plain):
        raise NotImplementedError(f"columns {sorted(set(kept) - set(plain))} cannot be told apart by name")
    return plain


def _answer_tensor(model: Any) -> str:
    """The tensor of numbers that answers. A classifier's last node packs its probabilities into maps by label."""
    last = model.graph.output[-1].name
    packed = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "ZipMap"}
    return str(packed.get(last, last))


def _answer(estimator: Any, names: Sequence[str] | None, task: Task) -> Answer:
    ask = estimator.predict_proba if _classifies(task) else estimator.predict

    def answer(rows: Rows) -> NDArray[Any]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as that rows have no column names
                given = np.asarray(ask(_table(rows, names)), np.float64)
        except Exception as error:  # whatever the parts of a user's estimator raise
            raise InvalidInput(
                f"the estimator does not answer rows of numbers: {type(error).__name__}: {first_line(error)}",
                hint="Give rows that it knows: sample=x_test[:100].",
            ) from error
        return given if given.ndim > 1 else given[:, np.newaxis]

    return answer


def _table(rows: Rows, names: Sequence[str] | None) -> Any:
    """The rows as the estimator was fitted: a frame where its columns have names."""
    numbers = rows.astype(np.float64)  # which is what estimators are fitted on
    if names is None:
        return numbers
    try:
        import pandas

        return pandas.DataFrame(numbers, columns=list(names))
    except ImportError:
        import polars

        return polars.DataFrame(numbers, schema=list(names))


def _classifies(task: Task) -> bool:
    return task is Task.CLASSIFICATION


def _described(estimator: Any) -> str:
    steps = getattr(estimator, "steps", None)
    inner = [_described(step) for _, step in steps if hasattr(step, "get_params")] if steps else []
    return f"{type(estimator).__name__}({', '.join(inner)})" if inner else type(estimator).__name__
