"""The two kinds of predictions, classes and numbers, brought to one form that the rest of a report is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation import metrics
from lepton_ai.platform.evaluation.answers import answered, answers
from lepton_ai.platform.evaluation.arrays import Classes, Floats
from lepton_ai.platform.evaluation.checks import (
    checked_baselines,
    checked_classes,
    checked_interval,
    checked_labels,
    checked_numbers,
    checked_probabilities,
    checked_threshold,
)
from lepton_ai.platform.evaluation.errors import errors
from lepton_ai.platform.evaluation.groups import class_ratios, number_ratios
from lepton_ai.platform.evaluation.measuring import MODEL
from lepton_ai.platform.evaluation.metrics import Metric
from lepton_ai.platform.evaluation.reliability import Reliability, reliability
from lepton_ai.platform.evaluation.report_parts import Answers, Errors
from lepton_ai.platform.evaluation.shares import Ratio
from lepton_ai.platform.evaluation.threshold import Costs, cost_matrix
from lepton_ai.platform.preprocessing.signature import Task


@dataclass(frozen=True)
class Case:
    """Checked truth and predictions, and all that follows from them row by row.

    Args:
        task: What is predicted.
        truth: Class numbers or numbers, `(rows,)`.
        metrics: What to measure.
        forms: For each metric's name, what the model and each baseline predict, in the metric's form.
        main: The name of the metric to look at first.
        loss: The name of the losses.
        losses: Of the model and each baseline, `(rows,)`.
        ratios: What to compare between groups.
        happened: What is predicted as one number per row, and
        predicted: what the model says it is; None with more than two classes.
        two: The probabilities of two classes `(rows, 2)`; None for anything else.
        labels: What classes are called.
        reliability: Of a classifier.
        answers: Of a classifier.
        errors: Of a regression.
        coverage: What the interval of a regression promises.
    """

    task: Task
    truth: NDArray[Any]
    metrics: tuple[Metric, ...]
    forms: Mapping[str, Mapping[str, NDArray[Any]]]
    main: str
    loss: str
    losses: Mapping[str, Floats]
    ratios: tuple[Ratio, ...]
    happened: Floats | None = None
    predicted: Floats | None = None
    two: Floats | None = None
    labels: tuple[int | str, ...] | None = None
    reliability: Reliability | None = None
    answers: Answers | None = None
    errors: Errors | None = None
    coverage: float | None = None

    @property
    def classes(self) -> Classes | None:
        """The class numbers of each row; None for a regression."""
        return self.truth if self.task is Task.CLASSIFICATION else None


def case_of_classes(
    truth: Any,
    predictions: Any,
    baselines: Mapping[str, Any],
    *,
    labels: Sequence[int | str] | None,
    threshold: float | None,
    costs: Costs | None,
    seed: int,
) -> Case:
    """Probabilities of classes.

    Raises:
        InvalidInput: Something does not fit.
    """
    probabilities = checked_probabilities(predictions, "predictions")
    shape = (rows, classes) = probabilities.shape
    numbers = checked_classes(truth, rows, classes)
    others = checked_baselines(baselines, lambda given, field: checked_probabilities(given, field, shape))
    threshold = checked_threshold(threshold, classes)
    stated = {MODEL: probabilities, **others}
    said = {who: answered(each, threshold) for who, each in stated.items()}
    prices = () if costs is None else (metrics.cost(cost_matrix(costs, classes)),)
    of_answers = (metrics.accuracy, metrics.balanced_accuracy, metrics.macro_f1, *prices)
    of_probabilities = tuple(metric for metric in metrics.CLASSIFICATION if metric not in of_answers)
    is_two = classes == 2
    return Case(
        task=Task.CLASSIFICATION,
        truth=numbers,
        metrics=(*of_answers, *of_probabilities),
        forms={**{each.name: said for each in of_answers}, **{each.name: stated for each in of_probabilities}},
        main=metrics.auc.name if is_two else metrics.accuracy.name,
        loss=metrics.log_loss.name,
        losses={who: metrics.log_losses(numbers, each) for who, each in stated.items()},
        ratios=class_ratios(numbers, probabilities, said[MODEL]),
        happened=(numbers == 1).astype(np.float64) if is_two else None,
        predicted=probabilities[:, 1] if is_two else None,
        two=probabilities if is_two else None,
        labels=checked_labels(labels, classes),
        reliability=reliability(numbers, probabilities, seed=seed),
        answers=answers(numbers, probabilities, threshold, costs),
    )


def case_of_numbers(
    truth: Any, predictions: Any, baselines: Mapping[str, Any], *, interval: Any, coverage: float | None
) -> Case:
    """Numbers, with or without an interval for each.

    Raises:
        InvalidInput: Something does not fit.
    """
    numbers = checked_numbers(predictions, "predictions")
    rows = len(numbers)
    happened = checked_numbers(truth, "truth", rows)
    others = checked_baselines(baselines, lambda given, field: checked_numbers(given, field, rows))
    ends = checked_interval(interval, coverage, rows)
    predicted = {MODEL: numbers, **others}
    forms: dict[str, Mapping[str, NDArray[Any]]] = {metric.name: predicted for metric in metrics.REGRESSION}
    of_interval: tuple[Metric, ...] = ()
    if ends is not None:
        of_interval = (metrics.coverage, metrics.interval_width)
        forms |= {metric.name: {MODEL: ends} for metric in of_interval}
    return Case(
        task=Task.REGRESSION,
        truth=happened,
        metrics=(*metrics.REGRESSION, *of_interval),
        forms=forms,
        main=metrics.rmse.name,
        loss="absolute_error",
        losses={who: np.abs(happened - each) for who, each in predicted.items()},
        ratios=number_ratios(happened, numbers),
        happened=happened,
        predicted=numbers,
        errors=errors(happened, numbers),
        coverage=coverage,
    )
