"""The report on a model: what was measured on rows that it did not learn from, as frozen records and as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.reliability import Reliability
from lepton_ai.platform.evaluation.report_parts import (
    Answers,
    Errors,
    Group,
    Measured,
    Period,
    Remark,
    Sampling,
    Slices,
)

SCHEMA_VERSION = 1
"""Goes up when a field changes its meaning or goes away; a new field alone does not change it."""


@dataclass(frozen=True)
class Report:
    """What was measured on rows that a model did not learn from; made by `evaluate_report`.

    In a notebook it draws itself; `print` shows the metrics and what they mean, and `save` writes the whole page.

    Args:
        version: Of this schema.
        title: What is reported on.
        task: "classification" or "regression".
        rows: How many rows it was measured on.
        labels: For a classifier, what its classes are called.
        main: The name of the metric to look at first.
        loss: What slices and periods are compared by: "log_loss" or "absolute_error".
        metrics: Every metric beside the baselines.
        remarks: What the numbers mean, in sentences.
        sampling: How the intervals were made.
        promised_coverage: How often the model's intervals should hold the truth; null where it gives none.
        groups: By group, for each column of groups.
        periods: Over time, the earliest first.
        reliability: Whether probabilities mean what they say; null for a regression.
        answers: What is answered; null for a regression.
        errors: How it errs; null for a classifier.
        slices: Where it does worst; null where no columns were given.
        history: The learning curves: for each name one number per epoch.
        decisions: What training tried, measured and chose, as its log has it.
        test_openings: How often the test part was opened, this time included; null where nobody counted.
    """

    version: int
    title: str
    task: str
    rows: int
    labels: tuple[int | str, ...] | None
    main: str
    loss: str
    metrics: tuple[Measured, ...]
    remarks: tuple[Remark, ...]
    sampling: Sampling
    promised_coverage: float | None
    groups: tuple[Group, ...]
    periods: tuple[Period, ...]
    reliability: Reliability | None
    answers: Answers | None
    errors: Errors | None
    slices: Slices | None
    history: Mapping[str, tuple[float | None, ...]]
    decisions: tuple[Mapping[str, Any], ...]
    test_openings: int | None

    def metric(self, name: str) -> Measured:
        """One metric by its name.

        Raises:
            InvalidInput: The report has none of that name.
        """
        for measured in self.metrics:
            if measured.name == name:
                return measured
        names = ", ".join(measured.name for measured in self.metrics)
        raise InvalidInput(f"the report has no metric {name!r}", hint=f"It has {names}.")

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; `docs/reference/report.schema.json` says which."""
        document: dict[str, Any] = _document().dump_python(self, mode="json")
        return document

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            InvalidInput: It is no report, or one of a later schema.
        """
        from pydantic import ValidationError

        version = value.get("version") if isinstance(value, Mapping) else None
        if version != SCHEMA_VERSION:
            raise InvalidInput(
                f"a report must have version {SCHEMA_VERSION}, got version={version!r}",
                hint="It is no report, or a newer lepton-ai wrote it.",
            )
        try:
            report: Self = _document().validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(
                f"not a report: {place}: {first['msg']}", hint="`report.to_json()` writes one."
            ) from error
        return report

    def save(self, path: str | Path) -> Path:
        """Write it as one HTML file, or as JSON where the name ends in `.json`.

        Returns:
            The path.
        """
        from lepton_ai.platform.evaluation.page import page  # it draws reports, so it knows them and not they it

        path = Path(path)
        text = json.dumps(self.to_json(), indent=1) + "\n" if path.suffix == ".json" else page(self)
        path.write_text(text, encoding="utf-8")
        return path

    def __str__(self) -> str:
        from lepton_ai.platform.evaluation.report_text import text

        return text(self)

    def _repr_html_(self) -> str:
        from lepton_ai.platform.evaluation.page import summary

        return summary(self)


def _document() -> Any:
    """What turns reports into JSON values and back."""
    from pydantic import TypeAdapter  # a tenth of a second, which only writing and reading need

    return TypeAdapter(Report)
