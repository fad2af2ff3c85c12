"""The section of a report's page on what a classifier answers."""

from lepton_ai.core import charts
from lepton_ai.core.chart_frame import readable
from lepton_ai.platform.evaluation.markup import Markup, tag
from lepton_ai.platform.evaluation.page_parts import figure, headed, number, table
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.report_parts import Answers
from lepton_ai.platform.evaluation.wording import share

_MOST_CLASSES_DRAWN = 30
_MOST_CONFUSIONS = 15


def answers(report: Report) -> Markup:
    """What is answered, and what other thresholds would do."""
    found = report.answers
    if found is None or report.labels is None:
        return Markup("")
    names = [str(label) for label in report.labels]
    parts = [_confusion(found, names)]
    if found.threshold is not None:
        parts.append(tag("h3", "Thresholds"))
        parts.append(tag("p", f"{names[1]} is answered from a probability of {readable(found.threshold)} on."))
        parts.append(figure(_threshold_picture(found, names[1])))
        parts.append(_threshold_table(found))
    return headed("Answers", *parts)


def _confusion(found: Answers, names: list[str]) -> Markup:
    if len(names) <= _MOST_CLASSES_DRAWN:
        picture = charts.heat_map(
            found.confusion,
            title="True and answered classes",
            row_names=names,
            column_names=names,
            row_label="true",
            column_label="answered",
        )
        return figure(picture)
    wrong = sorted(
        (
            (count, true, answered)
            for true, row in enumerate(found.confusion)
            for answered, count in enumerate(row)
            if count and true != answered
        ),
        reverse=True,
    )
    rows = [(names[true], names[answered], f"{count:,}") for count, true, answered in wrong[:_MOST_CONFUSIONS]]
    return table(("true", "answered", "rows"), rows, caption="The most frequent confusions", texts=1)


def _threshold_picture(found: Answers, positive: str) -> str:
    x = [row.answered for row in reversed(found.thresholds)]
    curves = {
        name: [number(getattr(row, name)) for row in reversed(found.thresholds)]
        for name in ("sensitivity", "specificity", "precision")
    }
    return charts.lines(
        [charts.Line(name, x, values) for name, values in curves.items()],
        title="What each threshold would give",
        x_label=f"share of rows answered {positive}",
        y_label="share",
        from_zero=True,
    )


def _threshold_table(found: Answers) -> Markup:
    costs = any(row.cost is not None for row in found.thresholds)
    heads = ["threshold", "answered", "sensitivity", "specificity", "precision", *(["cost per row"] if costs else [])]
    rows = [
        (
            f"{readable(row.threshold)}{' (chosen)' if row.is_chosen else ''}",
            share(row.answered),
            share(row.sensitivity),
            share(row.specificity),
            share(row.precision),
            *([readable(number(row.cost))] if costs else []),
        )
        for row in found.thresholds
    ]
    return table(heads, rows, marked=["chosen" if row.is_chosen else "" for row in found.thresholds])
