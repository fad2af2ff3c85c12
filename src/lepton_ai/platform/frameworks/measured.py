"""What a model remembers beside its weights: its last fit, what was measured of it, and how it is to answer."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.platform.evaluation.deciding import decide_rule
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.threshold import Costs
from lepton_ai.platform.frameworks.adaptive.log import DecisionLog
from lepton_ai.platform.frameworks.answering import checked_intake, truth_and_answers
from lepton_ai.platform.frameworks.facts import Memory, TrainingFacts
from lepton_ai.platform.frameworks.intake import Intake
from lepton_ai.platform.frameworks.reporting import ReportWish, report_on
from lepton_ai.platform.frameworks.saving import SavedModel
from lepton_ai.platform.frameworks.table_intake import TableIntake


class MeasuredModel(SavedModel):
    """The part of `Model` that says how good it is, and by what rule it answers."""

    @property
    def training_facts(self) -> TrainingFacts | None:
        """The last fit in numbers; None if these weights were never fitted, or changed since in another way."""
        return self._memory.training

    @property
    def log(self) -> DecisionLog:
        """What the last fit tried, measured and chosen, and why; empty where there was none."""
        return DecisionLog() if self._memory.training is None else self._memory.training.log

    @property
    def evaluation(self) -> Mapping[str, float] | None:
        """The metrics of the last `evaluate` of these weights."""
        return self._memory.evaluation

    @property
    def last_report(self) -> Report | None:
        """The last `report` of these weights; it goes into the artifact."""
        return self._memory.report

    @property
    def answer_rule(self) -> AnswerRule | None:
        """How its outputs become answers once it is deployed: what `decide` said, or `fit` for tables; else None."""
        return self._memory.rule

    @property
    def sample_rows(self) -> NDArray[np.float32] | None:
        """Up to 100 rows of the last fit, `(batch, *row_shape)`, to check an export with; kept in memory only."""
        return self._memory.sample

    def remember(
        self, facts: TrainingFacts, sample: NDArray[np.float32] | None, rule: AnswerRule | None = None
    ) -> None:
        """Keep what a fit left behind; `fit` calls it."""
        self._memory = Memory(facts, None, sample, rule=rule)

    def forget(self) -> None:
        """Drop what was remembered, because the weights change in a way that it does not describe."""
        self._memory = Memory()

    def report(
        self,
        x: Any,
        y: Any = None,
        *,
        training: Any = None,
        by: Iterable[str] | Mapping[str, Any] = (),
        costs: Costs | None = None,
        threshold: float | None = None,
        test_openings: int | None = None,
        title: str = "Model report",
        seed: int = 0,
    ) -> Report:
        """Measure it on rows that it did not learn from, beside a naive and a linear baseline. Kept as `last_report`.

        Roles of the schema are heeded: results are compared by columns that are sensitive, rows of one group count as
        one draw of the bootstrap, and a time shows how the model does over time.

        Args:
            x: Rows, or a table.
            y: Their labels or targets; a table may hold them.
            training: `(x, y)` that it was trained on. The linear baseline of images, series and nets of the user's own
                is fitted on them; tables and texts have one in the net, and do not look at them.
            by: Names of columns of the table to compare results by, or one value for each row by name.
            costs: What each answer costs, `costs[true class][answered class]`.
            threshold: Two classes: from which probability of the second on it is answered; if left out as `decide`
                said, or 0.5.
            test_openings: How often these rows were looked at, this time included; the report repeats it.
            title: What is reported on.
            seed: The same seed gives the same report.

        Raises:
            InvalidInput: The data are wrong, or a baseline needs `training`.

        Example:

            >>> from lepton_ai import Model
            >>> rows, classes = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
            >>> model = Model(input_shape=(2,), num_classes=2, seed=0)
            >>> history = model.fit(rows[:40], classes[:40], epochs=1, verbose=0)
            >>> report = model.report(rows[40:], classes[40:])
            >>> report.rows, sorted(report.metric("auc").baselines)
            (20, ['linear', 'naive'])
        """
        wish = ReportWish(training, by, costs, threshold, test_openings, title, seed)
        report = report_on(self, self._intake_if_any, x, y, wish)
        self._memory = replace(self._memory, report=report)
        return report

    def decide(
        self,
        x: Any,
        y: Any = None,
        *,
        coverage: float = 0.9,
        costs: Costs | None = None,
        sensitivity: float | None = None,
        specificity: float | None = None,
    ) -> AnswerRule:
        """Decide how it answers once it is deployed, by rows that it did not learn from; neither by the test rows.

        Of two classes the second is answered from a threshold on. And beside each answer stands the set of labels, or
        the interval, that holds the truth as often as promised: on average over rows that come as these did.

        The rule is kept as `answer_rule`, saved with the model, and goes with the version as `decision.json`. A new fit
        drops it; a report, which measured other answers, is dropped too. For tables `fit` itself promises 0.9.

        Args:
            x: Rows, or a table.
            y: Their labels or targets; a table may hold them.
            coverage: How often the set of labels, or the interval, is to hold the truth.
            costs: What each answer costs, `costs[true class][answered class]`: what costs least is answered. Or
            sensitivity: two classes: the share of the second to find at least. Or
            specificity: two classes: the share of the first to leave alone at least.

        Raises:
            InvalidInput: The data are wrong, or the wishes do not fit the model.

        Example:

            >>> from lepton_ai import Model
            >>> rows, classes = np.random.default_rng(0).normal(size=(90, 2)), np.arange(90) % 2
            >>> model = Model(input_shape=(2,), num_classes=2, seed=0)
            >>> history = model.fit(rows[:40], classes[:40], epochs=1, verbose=0)
            >>> rule = model.decide(rows[40:], classes[40:], costs=[[0, 1], [4, 0]])
            >>> rule.threshold, rule.coverage
            (0.2, 0.9)
        """
        intake = checked_intake(self, self._intake_if_any, x, "a decision")
        truth, answers = truth_and_answers(self, intake.labelled(x, y))
        rule = decide_rule(
            truth, answers, coverage=coverage, costs=costs, sensitivity=sensitivity, specificity=specificity
        )
        self._memory = replace(self._memory, rule=rule, report=None)
        return rule

    @property
    def _intake_if_any(self) -> Intake | TableIntake | None:
        """What checks its data; None where they cannot be checked."""
        raise NotImplementedError
