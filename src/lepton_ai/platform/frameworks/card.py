"""The documents of an artifact: model card, metrics and data. Pure: facts in, plain JSON values out."""

import json
import math
from collections.abc import Mapping
from typing import Any

import lepton_ai
from lepton_ai.platform.evaluation.card import CardFacts, cyclonedx_model_card
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.frameworks.architectures.registry import ARCHITECTURES
from lepton_ai.platform.frameworks.artifact_documents import metrics_or_none, tensor_format
from lepton_ai.platform.frameworks.backend import keras
from lepton_ai.platform.frameworks.facts import TrainingFacts
from lepton_ai.platform.frameworks.losses import loss_name, single_loss
from lepton_ai.platform.preprocessing.signature import Signature

PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "numpy", "onnx", "onnxruntime", "tf2onnx")


def metrics_document(evaluation: Mapping[str, float] | None, training: TrainingFacts | None) -> dict[str, Any]:
    """What was measured: by `evaluate` (or given at export), and by the last epoch of `fit`. NaN becomes null."""
    return {
        "version": 1,
        "evaluation": metrics_or_none(evaluation),
        "training": metrics_or_none(training.logs) if training else None,
    }


def model_card(
    model: Any,
    signature: Signature,
    metrics: Mapping[str, Any],
    *,
    bytes_by_file: Mapping[str, int],
    largest_difference: float,
    lineage: Mapping[str, Any] | None,
    facts: CardFacts | None = None,
    report: Report | None = None,
    report_sha256: str | None = None,
) -> dict[str, Any]:
    """The card: CycloneDX's `modelCard` for what that standard has a field for, and ours beside it.

    It names no model, person or machine: the same version may go by many names.

    Args:
        model: A `Model`.
        signature: What it takes and gives.
        metrics: The document of `metrics_document`; what the card shows where there is no report.
        bytes_by_file: The size of each file.
        largest_difference: Between Keras and ONNX.
        lineage: Where it comes from.
        facts: What only people know of it: what it is for, the licence of its data, what speaks against it.
        report: What was measured.
        report_sha256: The SHA-256 of the report's file.
    """
    architecture = ARCHITECTURES.get(model.architecture or "")
    measured = metrics["evaluation"] or metrics["training"] or {}
    training: TrainingFacts | None = model.training_facts
    return {
        "version": 1,
        "modelCard": cyclonedx_model_card(
            {
                "approach": {"type": "supervised"},
                "task": signature.task.value,
                "architectureFamily": architecture.family if architecture else "user-defined Keras network",
                "modelArchitecture": model.architecture or "functional",
                "inputs": [{"format": tensor_format(spec)} for spec in signature.inputs],
                "outputs": [{"format": tensor_format(spec)} for spec in signature.outputs],
            },
            facts=facts,
            report=report,
            report_sha256=report_sha256,
            metrics=measured,
            data=_recorded_data(training),
        ),
        "parameters": {
            "total": int(model.count_params()),
            "trainable": int(sum(math.prod(weight.shape) for weight in model.trainable_weights)),
        },
        "training": _training(model, training),
        "metrics": dict(metrics),
        "bytes": dict(bytes_by_file),
        "onnx": {"largest_difference": largest_difference},
        "lineage": dict(lineage) if lineage is not None else None,
        "created_by": {"lepton-ai": lepton_ai.__version__, "keras": keras.version()},
    }


def data_document(training: TrainingFacts | None) -> dict[str, Any]:
    """Which rows it was trained on: their number, shapes and fingerprint, never the rows."""
    return {
        "version": 1,
        "rows": training.rows if training else None,
        "x_shape": list(training.x_shape) if training and training.x_shape is not None else None,
        "y_shape": list(training.y_shape) if training and training.y_shape is not None else None,
        "sha256": training.fingerprint if training else None,
    }


def _recorded_data(training: TrainingFacts | None) -> dict[str, str]:
    if training is None:
        return {}
    recorded = {"rows": training.rows, "sha256": training.fingerprint}
    return {name: str(value) for name, value in recorded.items() if value is not None}


def _training(model: Any, training: TrainingFacts | None) -> dict[str, Any] | None:
    if training is None:
        return None
    return {
        "recipe": list(training.recipe),
        "epochs": training.epochs,
        "steps": training.steps,
        "batch_size": training.batch_size,
        "rows": training.rows,
        "seed": training.seed,
        "loss": loss_name(single_loss(model.loss)) if _was_compiled(model) else None,
        "optimizer": _optimizer(model),
        "decisions": training.log.to_json()["decisions"],
    }


def _optimizer(model: Any) -> dict[str, Any] | None:
    if not _was_compiled(model):
        return None
    described: dict[str, Any] = {"class": type(model.optimizer).__name__}
    try:
        config = keras.saving.serialize_keras_object(model.optimizer)["config"]
        described["config"] = json.loads(json.dumps(config | {"name": None}, allow_nan=False))
    except (TypeError, ValueError, KeyError, NotImplementedError):
        described["config"] = None  # a user's own, which does not describe itself
    return described


def _was_compiled(model: Any) -> bool:
    return getattr(model, "optimizer", None) is not None
