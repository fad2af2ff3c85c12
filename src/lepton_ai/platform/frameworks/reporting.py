"""From a trained model and rows that it did not learn from to a report, with both baselines beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.platform.evaluation.checks import LINEAR, NAIVE
from lepton_ai.platform.evaluation.evaluate import TrainingStory, evaluate_report
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.row_facts import RowFacts
from lepton_ai.platform.evaluation.threshold import Costs
from lepton_ai.platform.frameworks.answering import checked_intake, classes_of, truth_and_answers
from lepton_ai.platform.frameworks.facts import naive_answer
from lepton_ai.platform.frameworks.intake import Intake, Rows
from lepton_ai.platform.frameworks.linear_baseline import linear_answers
from lepton_ai.platform.frameworks.table_intake import TableIntake
from lepton_ai.platform.preprocessing.column import names_of, unknown_column
from lepton_ai.platform.preprocessing.columns import Columns


@dataclass(frozen=True)
class ReportWish:
    """What a user wants to see in a report; the fields are `Model.report`'s arguments."""

    training: Any
    by: Iterable[str] | Mapping[str, Any]
    costs: Costs | None
    threshold: float | None
    test_openings: int | None
    title: str
    seed: int


def report_on(model: Any, intake: Intake | TableIntake | None, x: Any, y: Any, wish: ReportWish) -> Report:
    """Measure a model.

    Args:
        model: A fitted `Model`.
        intake: What checks its data; None for a net whose data cannot be checked.
        x: The rows.
        y: Their labels or targets.
        wish: What is to be in the report.

    Raises:
        InvalidInput: The data are wrong, or what a baseline needs is not there.
    """
    intake = checked_intake(model, intake, x, "a report")
    classes = classes_of(model)
    if isinstance(intake, TableIntake):
        rows, columns = intake.described(x, y)
        facts = _of_table(model, columns, wish.by)
    else:
        rows = intake.labelled(x, y)
        facts = RowFacts(groups=_given_groups(wish.by))
    training = _training(intake, wish.training)
    truth, answers = truth_and_answers(model, rows)
    rule = model.answer_rule or AnswerRule()
    interval = None if classes else rule.intervals(answers)
    return evaluate_report(
        truth,
        answers,
        baselines={
            NAIVE: _naive(model, classes, training, len(rows)),
            LINEAR: linear_answers(model, rows.x, classes, training),
        },
        labels=model.labels,
        threshold=wish.threshold if wish.threshold is not None else rule.threshold,
        costs=wish.costs,
        interval=interval,
        coverage=None if interval is None else rule.coverage,
        rows=facts,
        story=_story(model, wish.test_openings),
        title=wish.title,
        seed=wish.seed,
    )


def _of_table(model: Any, columns: Columns, by: Iterable[str] | Mapping[str, Any]) -> RowFacts:
    facts = RowFacts.of(model.schema, columns)
    if facts.time is not None and facts.time.dtype.kind not in "iufM":
        facts = replace(facts, time=None)  # names of months, say: they have no order that is known here
    if isinstance(by, Mapping):
        return replace(facts, groups={**facts.groups, **by})
    chosen = {}
    for name in names_of(by, "by"):
        if name not in columns:
            raise unknown_column(name, columns)
        chosen[name] = columns[name]
    return replace(facts, groups={**facts.groups, **chosen})


def _given_groups(by: Iterable[str] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(by, Mapping):
        return dict(by)
    if names := names_of(by, "by"):
        raise InvalidInput(
            f"`by` must map names to one value for each row where rows have no named columns, got by={names}",
            hint='Write by={"hospital": hospitals}.',
        )
    return {}


def _training(intake: Intake | TableIntake, given: Any) -> Rows | None:
    if given is None:
        return None
    if isinstance(given, tuple) and len(given) == 2:
        return intake.labelled(*given, fields=("training[0]", "training[1]", ""))
    if isinstance(intake, TableIntake) and not isinstance(given, tuple):
        return intake.labelled(given, None, fields=("training", "training", ""))
    raise InvalidInput(
        f"`training` must be the rows trained on and their labels, got {type(given).__name__}",
        hint="Write training=(x_train, y_train).",
    )


def _naive(model: Any, classes: int | None, training: Rows | None, rows: int) -> NDArray[np.float32]:
    """What the naive baseline answers, in float32 as the model does: a share of zero then counts alike."""
    known = None if model.training_facts is None else model.training_facts.naive
    if known is None and training is not None:
        known = naive_answer(training.y, classes)
    if known is None:
        raise InvalidInput(
            "a report needs to know the rows that the model was trained on, got a model that does not remember them",
            hint="Pass them: model.report(x_test, y_test, training=(x_train, y_train)).",
        )
    answers = np.tile(np.asarray(known, np.float32), (rows, 1))
    return answers if classes else answers[:, 0]


def _story(model: Any, test_openings: int | None) -> TrainingStory:
    if model.training_facts is None:
        return TrainingStory(test_openings=test_openings)
    curves = getattr(model, "history", None)  # Keras' own, of this process; a loaded model has none
    return TrainingStory(
        history={} if curves is None else curves.history,
        decisions=model.log.to_json()["decisions"],
        test_openings=test_openings,
    )
