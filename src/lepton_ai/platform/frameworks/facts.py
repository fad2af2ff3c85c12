"""What a model's weights were made from: remembered at fit, saved with the weights, written into the artifact."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.frameworks.adaptive.log import DecisionLog


@dataclass(frozen=True)
class TrainingFacts:
    """The last fit, in numbers.

    Args:
        rows: Rows trained on, without those held out. None where they came as a stream, as for the next three.
        x_shape: The shape of one row.
        y_shape: The shape of one label.
        fingerprint: SHA-256 of the rows and labels as they reached the net.
        epochs: Epochs completed.
        steps: Steps taken.
        batch_size: Rows in a batch.
        recipe: The names of the parts of the recipe that were on; empty for plain Keras.
        seed: What decided order and shifts; None for plain Keras.
        logs: Keras' numbers for the last epoch.
        log: What was decided on the way.
        naive: What a model that knows no row would answer: the share of each class, or the mean of the targets.
    """

    rows: int | None
    x_shape: tuple[int, ...] | None
    y_shape: tuple[int, ...] | None
    fingerprint: str | None
    epochs: int
    steps: int | None
    batch_size: int | None
    recipe: tuple[str, ...]
    seed: int | None
    logs: Mapping[str, float]
    log: DecisionLog = field(default=DecisionLog())
    naive: tuple[float, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"logs": dict(self.logs), "log": self.log.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        names = ("x_shape", "y_shape", "recipe", "naive")
        tuples = {name: tuple(value[name]) for name in names if value.get(name) is not None}
        log = DecisionLog.from_json(value["log"]) if "log" in value else DecisionLog()
        return cls(**{**value, **tuples, "log": log})


@dataclass(frozen=True)
class Memory:
    """What a model remembers beside its weights.

    Args:
        training: The last fit.
        evaluation: The metrics of the last `evaluate` since then.
        sample: A few training rows, which never leave the memory: a model file must not give its data away.
        report: The last report since then; it goes into artifacts, not into model files.
        rule: How its outputs become answers.
    """

    training: TrainingFacts | None = None
    evaluation: Mapping[str, float] | None = None
    sample: NDArray[np.float32] | None = None
    report: Report | None = None
    rule: AnswerRule | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, without sample and report."""
        return {
            "training": None if self.training is None else self.training.to_json(),
            "evaluation": None if self.evaluation is None else dict(self.evaluation),
            "rule": None if self.rule is None else self.rule.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        training, rule = value.get("training"), value.get("rule")
        return cls(
            training=None if training is None else TrainingFacts.from_json(training),
            evaluation=value.get("evaluation"),
            rule=None if rule is None else AnswerRule.from_json(rule),
        )


def naive_answer(labels: NDArray[Any], classes: int | None) -> tuple[float, ...]:
    """What a model that knows no row would answer.

    Args:
        labels: Class numbers `(batch,)` or `(batch, 1)`, one-hot rows `(batch, classes)`, or targets.
        classes: How many classes there are; None for a regression.

    Example:

        >>> naive_answer(np.array([0, 1, 1, 1]), 2), naive_answer(np.array([1.0, 2.0, 6.0]), None)
        ((0.25, 0.75), (3.0,))
    """
    if classes is None:
        return tuple(np.atleast_1d(np.mean(labels, axis=0, dtype=np.float64)).tolist())
    counts = np.bincount(class_numbers(labels), minlength=classes)
    return tuple((counts / counts.sum()).tolist())


def class_numbers(labels: NDArray[Any]) -> NDArray[np.int64]:
    """The class numbers `(batch,)` of labels in either form, see `naive_answer`."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        return np.asarray(labels.argmax(axis=1), np.int64)
    return np.asarray(labels.reshape(len(labels)), np.int64)


def fingerprint(*arrays: NDArray[Any]) -> str:
    """SHA-256 over arrays, their types and shapes: the same data give the same name, however they were stored.

    Example:

        >>> rows = np.arange(4.0)
        >>> fingerprint(rows) == fingerprint(rows.copy()), fingerprint(rows) == fingerprint(rows.reshape(2, 2))
        (True, False)
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data)
    return digest.hexdigest()
