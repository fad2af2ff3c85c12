"""A report as text for a terminal: the metrics beside the baselines, and what they mean."""

from collections.abc import Sequence

from lepton_ai.platform.evaluation.checks import LINEAR, NAIVE
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.report_parts import Measured
from lepton_ai.platform.evaluation.wording import alone, with_interval

_HEADING = ("", "model (95 % interval)", "linear", "naive", "model minus linear")


def text(report: Report) -> str:
    """The report in some twenty lines.

    Example:

        >>> from lepton_ai.platform.evaluation.evaluate import evaluate_report
        >>> baselines = {"naive": [2.0] * 3, "linear": [2.0] * 3}
        >>> print(evaluate_report([1.0, 2.0, 4.0], [1.0, 2.5, 3.5], baselines=baselines))
        Model report: regression, 3 rows
        ...
    """
    classes = f", {len(report.labels)} classes" if report.labels else ""
    heading = f"{report.title}: {report.task}, {report.rows:,} rows{classes}"
    table = [_HEADING, *(_line(measured) for measured in report.metrics)]
    remarks = [f"{'! ' if remark.is_warning else '- '}{remark.text}" for remark in report.remarks]
    return "\n".join([heading, "", *_aligned(table), "", *remarks])


def _line(measured: Measured) -> tuple[str, ...]:
    linear, naive = measured.baselines.get(LINEAR), measured.baselines.get(NAIVE)
    difference = measured.differences.get(LINEAR)
    against = "" if difference is None else with_interval(difference, sign=True)
    return (measured.title, with_interval(measured.model), alone(linear), alone(naive), against)


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
