"""The documents of an artifact whose model comes from another framework. Pure: facts in, plain JSON values out."""

from collections.abc import Mapping
from typing import Any

import lepton_ai
from lepton_ai.platform.evaluation.card import CardFacts, cyclonedx_model_card
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.frameworks.artifact_documents import environment_document, metrics_or_none, tensor_format
from lepton_ai.platform.frameworks.foreign.conversion import Conversion
from lepton_ai.platform.preprocessing.preprocessing import preprocessing_document
from lepton_ai.platform.preprocessing.signature import Signature


def documents(
    conversion: Conversion,
    signature: Signature,
    metrics: Mapping[str, float] | None,
    *,
    size_bytes: int,
    agreement: Mapping[str, Any] | None,
    report: Report | None = None,
    report_sha256: str | None = None,
    facts: CardFacts | None = None,
) -> dict[str, dict[str, Any]]:
    """Every JSON file of the artifact, by its name without the ending.

    Args:
        conversion: Where the model comes from.
        signature: What it takes and gives.
        metrics: What the user measured.
        size_bytes: Of the ONNX file.
        agreement: How ONNX was compared with the model itself.
        report: What was measured, which the card then shows.
        report_sha256: The SHA-256 of the report's file.
        facts: What only people know of it.
    """
    evaluation = metrics_or_none(metrics)
    measured = {"version": 1, "evaluation": evaluation, "training": None}
    parameters = {
        "approach": {"type": "supervised"},
        "task": signature.task.value,
        "architectureFamily": conversion.family,
        "modelArchitecture": conversion.architecture,
        "inputs": [{"format": tensor_format(spec)} for spec in signature.inputs],
        "outputs": [{"format": tensor_format(spec)} for spec in signature.outputs],
    }
    card = cyclonedx_model_card(parameters, facts=facts, report=report, report_sha256=report_sha256, metrics=evaluation)
    return {
        "signature": signature.to_json(),
        "preprocessing": preprocessing_document(None),
        "metrics": measured,
        "card": _card(conversion, card, measured, size_bytes, agreement),
        "environment": environment_document(conversion.packages),
        "data": {"version": 1, "rows": None, "x_shape": None, "y_shape": None, "sha256": None},
    }


def _card(
    conversion: Conversion,
    model_card: Mapping[str, Any],
    metrics: Mapping[str, Any],
    size_bytes: int,
    agreement: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "version": 1,
        "modelCard": dict(model_card),
        "parameters": dict(conversion.parameters) if conversion.parameters else None,
        "columns": list(conversion.columns) if conversion.columns else None,
        "training": None,
        "metrics": dict(metrics),
        "bytes": {"model.onnx": size_bytes},
        "onnx": dict(agreement) if agreement else None,
        "lineage": None,
        "created_by": {"lepton-ai": lepton_ai.__version__},
    }
