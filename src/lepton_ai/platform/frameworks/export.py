"""The artifact of a model version: a folder with everything a replica needs and an auditor asks for."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import Conflict, InvalidInput, NotSupported
from lepton_ai.platform.evaluation.card import CardFacts
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.frameworks.artifact_documents import environment_document
from lepton_ai.platform.frameworks.card import PACKAGES, data_document, metrics_document, model_card
from lepton_ai.platform.frameworks.checks import check_rows
from lepton_ai.platform.frameworks.export_failed import ExportFailed
from lepton_ai.platform.frameworks.layers import Standardize
from lepton_ai.platform.frameworks.onnx_graph import INPUT_NAME, check_agreement, write_onnx
from lepton_ai.platform.frameworks.report_files import write_report
from lepton_ai.platform.preprocessing.preprocessing import preprocessing_document
from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec

__all__ = ["ExportFailed", "export_artifact", "signature_of"]

_ROWS_TO_COMPARE = 100


def export_artifact(
    model: Any,
    folder: Path,
    *,
    metrics: Mapping[str, float] | None = None,
    lineage: Mapping[str, Any] | None = None,
    labels: Sequence[int | str] | None = None,
    sample: Any = None,
    report: Report | None = None,
    facts: CardFacts | None = None,
) -> Path:
    """Write a model as the files of a version.

    `model.keras`, `model.onnx`, `signature.json`, `preprocessing.json`, `metrics.json`, `card.json`,
    `environment.json`, `data.json`; where it was decided how to answer `decision.json`, and where there is a report
    `report.json` and `report.html`. The numeric part, scaling included, is in the ONNX graph.

    Args:
        model: A `Model` with one input and one output.
        folder: An empty folder, or one to make.
        metrics: What was measured, where that is not what the model's last `evaluate` said.
        lineage: Where it comes from (data, code, parent); goes into the card.
        labels: For a classifier, what to call the classes; if left out as its schema does, or 0, 1, 2 …
        sample: Rows to compare ONNX and Keras on; rows of the last fit if left out, random ones where there are none.
        report: What was measured on rows it did not learn from; if left out the model's `last_report`.
        facts: What only people know of it: what it is for, the licence of its data, what speaks against it.

    Returns:
        The folder.

    Raises:
        Conflict: The folder is not empty.
        NotSupported: Several inputs or outputs, or axes of no fixed size.
        MissingPackage: onnx or tf2onnx is not installed.
        ExportFailed: A layer has no counterpart in ONNX, or the two do not agree to 1e-4. The folder is left empty.
        InvalidInput: `labels` or `sample` do not fit the model.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Conflict(f"an artifact needs an empty folder, got {folder.name!r} with files in it")
    signature = signature_of(model, labels)
    rows = check_rows(sample, signature.row_shape, field="sample") if sample is not None else _sample(model, signature)
    network, graph = folder / "model.keras", folder / "model.onnx"
    write_onnx(model, graph, output_name=signature.outputs[0].name)
    try:
        difference = check_agreement(model, graph, rows[:_ROWS_TO_COMPARE])
    except ExportFailed:
        graph.unlink()
        raise
    model.save(network)
    report = report if report is not None else model.last_report
    measured = metrics_document(metrics if metrics is not None else model.evaluation, model.training_facts)
    card = model_card(
        model,
        signature,
        measured,
        bytes_by_file={file.name: file.stat().st_size for file in (network, graph)},
        largest_difference=difference,
        lineage=lineage,
        facts=facts,
        report=report,
        report_sha256=None if report is None else write_report(report, folder),
    )
    documents = {
        "signature": signature.to_json(),
        "preprocessing": preprocessing_document(model.preprocessing),
        "metrics": measured,
        "card": card,
        "environment": environment_document(PACKAGES),
        "data": data_document(model.training_facts),
    }
    if model.answer_rule is not None:
        documents["decision"] = model.answer_rule.to_json()
    for name, document in documents.items():
        text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
        (folder / f"{name}.json").write_text(text + "\n")
    return folder


def signature_of(model: Any, labels: Sequence[int | str] | None = None) -> Signature:
    """What a model takes and gives, `probabilities` for a classifier and `outputs` for anything else.

    Raises:
        NotSupported: Several inputs or outputs, or axes of no fixed size.
        InvalidInput: Labels that do not fit the number of classes.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise NotSupported(
            f"a version needs one input and one output, got {len(model.inputs)} and {len(model.outputs)}",
            hint="Concatenate them inside the net.",
        )
    shapes = [tuple(tensor.shape[1:]) for tensor in (model.inputs[0], model.outputs[0])]
    if any(size is None for shape in shapes for size in shape):
        raise NotSupported(
            f"a version needs axes of fixed size, got input {shapes[0]} and output {shapes[1]}",
            hint="Give the sizes to keras.Input; only the batch axis may be free.",
        )
    classifies = model.task is Task.CLASSIFICATION
    names: tuple[int | str, ...] | None = None
    if classifies:
        classes = shapes[1][-1]
        known = labels if labels is not None else model.labels
        names = tuple(known) if known is not None else tuple(range(classes))
        if len(names) != classes or len(set(names)) != classes:
            raise InvalidInput(
                f"`labels` must name each of {classes} classes once, got labels={list(names)}",
                hint="Give them in the order of the class numbers.",
            )
    elif labels is not None:
        raise InvalidInput("`labels` go with a classifier, got labels for a regression", hint="Leave labels out.")
    return Signature(
        Task.CLASSIFICATION if classifies else Task.REGRESSION,
        (TensorSpec(INPUT_NAME, model.inputs[0].dtype, (None, *shapes[0])),),
        (TensorSpec("probabilities" if classifies else "outputs", model.outputs[0].dtype, (None, *shapes[1])),),
        names,
    )


def _sample(model: Any, signature: Signature) -> NDArray[np.float32]:
    if model.sample_rows is not None:
        return np.asarray(model.sample_rows)
    # A model that was loaded: random rows on the scale that the net knows.
    rows = np.random.default_rng(0).standard_normal((_ROWS_TO_COMPARE, *signature.row_shape))
    scale = next((layer for layer in model.layers if isinstance(layer, Standardize)), None)
    if scale is not None and scale.mean.shape[-1] == rows.shape[-1]:  # not where some columns are codes
        rows = rows * scale.deviation.numpy() + scale.mean.numpy()
    return rows.astype(np.float32)
