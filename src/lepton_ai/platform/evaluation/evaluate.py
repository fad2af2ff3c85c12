"""`evaluate_report`: from truth and predictions to a report, with the baselines beside the model. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.arrays import Classes
from lepton_ai.platform.evaluation.cases import Case, case_of_classes, case_of_numbers
from lepton_ai.platform.evaluation.checks import (
    LINEAR,
    checked_clusters,
    checked_columns,
    checked_openings,
    checked_times,
)
from lepton_ai.platform.evaluation.groups import groups
from lepton_ai.platform.evaluation.intervals import (
    LEVEL,
    Resampling,
    by_class,
    by_cluster,
    by_row,
    by_time,
    replicates_for,
)
from lepton_ai.platform.evaluation.measuring import MODEL, Draws, finite, measured
from lepton_ai.platform.evaluation.periods import periods
from lepton_ai.platform.evaluation.remarks import with_remarks
from lepton_ai.platform.evaluation.report import SCHEMA_VERSION, Report
from lepton_ai.platform.evaluation.report_parts import Sampling
from lepton_ai.platform.evaluation.row_facts import RowFacts
from lepton_ai.platform.evaluation.slices import slices
from lepton_ai.platform.evaluation.threshold import Costs

_RARE_CLASS = 10


@dataclass(frozen=True)
class TrainingStory:
    """How the model came to be; the report shows it.

    Args:
        history: The learning curves, as Keras' `History.history` has them.
        decisions: The decisions of the log, as JSON values.
        test_openings: How often the test part was opened, this time included; None where nobody counted.
    """

    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    decisions: Sequence[Mapping[str, Any]] = ()
    test_openings: int | None = None


_NO_FACTS = RowFacts()
_NO_STORY = TrainingStory()


def evaluate_report(
    truth: Any,
    predictions: Any,
    *,
    baselines: Mapping[str, Any],
    labels: Sequence[int | str] | None = None,
    threshold: float | None = None,
    costs: Costs | None = None,
    interval: Any = None,
    coverage: float | None = None,
    rows: RowFacts = _NO_FACTS,
    story: TrainingStory = _NO_STORY,
    title: str = "Model report",
    seed: int = 0,
) -> Report:
    """Measure predictions on rows that the model did not learn from, beside a naive and a linear baseline.

    Intervals come from one set of bootstrap draws: of clusters where there are any, else of blocks of time, else of
    rows. Differences to the baselines are paired.

    Args:
        truth: Class numbers `(rows,)`, or numbers `(rows,)`.
        predictions: Probabilities `(rows, classes)`, or numbers `(rows,)`; which of them decides the task.
        baselines: The same of "naive" (the share of each class, or the mean, of the training rows) and of "linear".
        labels: What the classes are called, in the order of their numbers.
        threshold: Two classes: from which probability of class 1 on it is answered, by the baselines as well; 0.5 if
            left out.
        costs: What each answer costs, `costs[true class][answered class]`.
        interval: For numbers: the ends of an interval for each row, `(rows, 2)`.
        coverage: How often that interval should hold the truth.
        rows: What else is known of the rows.
        story: How the model came to be.
        title: What is reported on.
        seed: The same seed gives the same report.

    Raises:
        InvalidInput: A baseline is missing, or something does not fit.

    Example:

        >>> truth = np.array([0, 1, 1, 0, 1, 0])
        >>> model = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4], [0.1, 0.9], [0.8, 0.2]])
        >>> even = np.full((6, 2), 0.5)
        >>> report = evaluate_report(truth, model, baselines={"naive": even, "linear": even})
        >>> report.metric("auc").model.value, report.metric("auc").baselines["naive"].value
        (1.0, 0.5)
    """
    if np.ndim(predictions) == 2 and np.shape(predictions)[1] > 1:
        if interval is not None or coverage is not None:
            raise InvalidInput(
                "`interval` goes with numbers, got probabilities", hint="Leave interval and coverage out."
            )
        case = case_of_classes(
            truth, predictions, baselines, labels=labels, threshold=threshold, costs=costs, seed=seed
        )
    else:
        if labels is not None or threshold is not None or costs is not None:
            raise InvalidInput(
                "`labels`, `threshold` and `costs` go with probabilities (rows, classes), "
                f"got predictions of shape {np.shape(predictions)}"
            )
        case = case_of_numbers(truth, predictions, baselines, interval=interval, coverage=coverage)
    return with_remarks(_report(case, rows, story, title, seed))


def _report(case: Case, rows: RowFacts, story: TrainingStory, title: str, seed: int) -> Report:
    count = len(case.truth)
    clusters = None if rows.clusters is None else checked_clusters(rows.clusters, count)
    times = None if rows.time is None else checked_times(rows.time, count)
    columns = checked_columns(rows.columns, count, "rows.columns")
    compared = checked_columns(rows.groups, count, "rows.groups")
    openings = checked_openings(story.test_openings)
    draws = Draws(_resampling(case.classes, count, clusters, times), replicates_for(count), seed)
    loss, linear_loss = case.losses[MODEL], case.losses[LINEAR]
    others = {name: losses for name, losses in case.losses.items() if name != MODEL}
    offset = None if case.predicted is None or case.happened is None else case.predicted - case.happened
    classes = None if case.two is None else case.classes
    return Report(
        version=SCHEMA_VERSION,
        title=title,
        task=case.task.value,
        rows=count,
        labels=case.labels,
        main=case.main,
        loss=case.loss,
        metrics=measured(case.metrics, case.truth, case.forms, draws),
        remarks=(),
        sampling=Sampling(
            draws.resampling.unit, draws.resampling.units, draws.resampling.block, draws.replicates, LEVEL, seed
        ),
        promised_coverage=case.coverage,
        groups=groups(compared, case.ratios, draws, truth=classes, probabilities=case.two),
        periods=() if times is None else periods(times, loss, others, case.happened, case.predicted, draws),
        reliability=case.reliability,
        answers=case.answers,
        errors=case.errors,
        slices=slices(columns, loss, linear_loss, offset, draws) if columns else None,
        history={name: tuple(finite(value) for value in curve) for name, curve in story.history.items()},
        decisions=tuple(dict(decision) for decision in story.decisions),
        test_openings=openings,
    )


def _resampling(classes: Classes | None, rows: int, clusters: Any, times: Any) -> Resampling:
    if clusters is not None:
        return by_cluster(clusters)
    if times is not None:
        return by_time(times)
    if classes is not None and np.bincount(classes)[np.unique(classes)].min() < _RARE_CLASS:
        return by_class(classes)  # or some draws would not have the class, and their metrics would mean something else
    return by_row(rows)
