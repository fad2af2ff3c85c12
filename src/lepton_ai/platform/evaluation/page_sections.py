"""The sections of a report's page, each from its part of the report; empty where the report has none."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lepton_ai.core import charts
from lepton_ai.core.chart_frame import readable
from lepton_ai.platform.evaluation.markup import Markup, tag, together
from lepton_ai.platform.evaluation.page_answers import answers
from lepton_ai.platform.evaluation.page_parts import figure, folded, headed, number, pictures, quiet, stacked, table
from lepton_ai.platform.evaluation.remarks import LIKELY
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.report_parts import Estimate, Group
from lepton_ai.platform.evaluation.wording import share, with_interval

_EMPTY = Markup("")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_LOSSES = {"log_loss": "log loss", "absolute_error": "absolute error"}
_MEASURES = {
    "accuracy": "accuracy",
    "log_loss": "log loss",
    "auc": "area under ROC",
    "answered": "answered {positive}",
    "sensitivity": "sensitivity",
    "false_alarms": "false alarms",
    "offset": "predicted minus true",
    "absolute_error": "absolute error",
}


def reliability(report: Report) -> Markup:
    """Whether probabilities mean what they say."""
    found = report.reliability
    if found is None:
        return _EMPTY
    of = str(report.labels[1]) if report.labels and len(report.labels) == 2 else "the likeliest class"
    stated, happened = [each.stated for each in found.bins], [each.happened for each in found.bins]
    picture = charts.reliability(
        stated, happened, [each.rows for each in found.bins], title=f"Reliability of {of}"[:60]
    )
    rows = [
        (share(each.stated), share(each.happened), f"{share(each.low)} to {share(each.high)}", f"{each.rows:,}")
        for each in found.bins
    ]
    heads = ("stated", "came true", "95 % interval", "rows")
    return headed(
        "Do probabilities mean what they say?",
        tag(
            "p",
            f"They are off by {readable(found.error)} on average (expected calibration error); true probabilities "
            f"would show {readable(found.error_by_chance)} on so many rows.",
        ),
        figure(picture),
        folded("As a table", table(heads, rows)),
    )


def errors(report: Report) -> Markup:
    """How a regression errs."""
    found = report.errors
    if found is None:
        return _EMPTY
    x = [each.predicted for each in found.by_prediction]
    spread = charts.Line(
        "median error",
        x,
        [each.middle for each in found.by_prediction],
        [each.low for each in found.by_prediction],
        [each.high for each in found.by_prediction],
    )
    level = charts.Line("no error", x, [0.0] * len(x))
    met = charts.scatter(
        x,
        [each.truth for each in found.by_prediction],
        title="Mean truth by prediction",
        x_label="predicted",
        y_label="true",
        diagonal=True,
    )
    return headed(
        "Errors",
        quiet("Errors are truth minus prediction. Bins of many rows are shown, never single ones."),
        pictures(
            figure(
                charts.lines([spread, level], title="Error, and where 80 % lie", x_label="predicted", y_label="error")
            ),
            figure(met),
            figure(charts.histogram(found.edges, found.counts, title="How often which error", x_label="error")),
        ),
    )


def groups(report: Report) -> Markup:
    """By group."""
    if not report.groups:
        return _EMPTY
    columns = dict.fromkeys(group.column for group in report.groups)
    positive = str(report.labels[-1]) if report.labels else ""
    words = {name: word.format(positive=positive) for name, word in _MEASURES.items()}
    parts = [
        _groups_of(column, [group for group in report.groups if group.column == column], words) for column in columns
    ]
    return headed(
        "By group",
        quiet("In italics: too few rows, or too few others, to conclude from. Below each number: its 95 % interval."),
        *parts,
    )


def periods(report: Report) -> Markup:
    """Over time."""
    if not report.periods:
        return _EMPTY
    found = report.periods
    x = list(range(len(found)))
    loss = _LOSSES[report.loss]
    model = charts.Line("model", x, *_ends([each.loss for each in found]))
    others = [charts.Line(name, x, [each.baseline_losses[name] for each in found]) for name in found[0].baseline_losses]
    names = _short([each.start for each in found])
    drawn = [charts.lines([model, *others], title="Loss over time", y_label=loss, x_names=names, from_zero=True)]
    truths = [each.truth for each in found]
    if all(value is not None for value in truths):
        means = [
            charts.Line("predicted", x, [number(each.predicted) for each in found]),
            charts.Line("true", x, [number(value) for value in truths]),
        ]
        drawn.append(charts.lines(means, title="Mean over time", x_names=names))
    rows = [(f"{each.start} to {each.end}", f"{each.rows:,}", with_interval(each.loss)) for each in found]
    return headed(
        "Over time", pictures(*map(figure, drawn)), folded("As a table", table(("period", "rows", loss), rows))
    )


def slices(report: Report) -> Markup:
    """The worst slices."""
    found = report.slices
    if found is None:
        return _EMPTY
    if not found.worst:
        return headed("Worst slices", tag("p", f"Of {found.looked_at:,} slices, none is worse than the rest."))
    heads = ("rows with", "rows", _LOSSES[report.loss], "elsewhere", "minus linear's", "predicted minus true", "chance")
    rows = [
        (
            " and ".join(each.conditions),
            f"{each.rows:,}",
            stacked(each.loss),
            readable(each.loss_elsewhere),
            stacked(each.against_linear, sign=True),
            "" if each.offset is None else readable(each.offset),
            "< 0.001" if each.chance < 0.001 else readable(each.chance),
        )
        for each in found.worst
    ]
    return headed(
        "Worst slices",
        tag(
            "p",
            f"{found.looked_at:,} slices of at least {found.fewest_rows:,} rows were compared, by one or two columns. "
            "“Chance” is at most how likely it is that any of them stands out like this by luck. A slice may be hard "
            "for every model: then it is no worse than the linear one there. In italics: may be luck.",
        ),
        table(heads, rows, marked=["small" if each.chance >= LIKELY else "" for each in found.worst]),
    )


def history(report: Report) -> Markup:
    """The learning curves."""
    names = [name for name, curve in report.history.items() if len(curve) > 1 and not name.startswith("val_")]
    drawn = []
    for name in names:
        curves = [(each, report.history[each]) for each in (name, f"val_{name}") if each in report.history]
        lines = [
            charts.Line(each, list(range(1, len(curve) + 1)), [number(value) for value in curve])
            for each, curve in curves
        ]
        drawn.append(figure(charts.lines(lines, title=name, x_label="epoch")))
    return headed("Learning curves", pictures(*drawn)) if drawn else _EMPTY


def decisions(report: Report) -> Markup:
    """What training tried, measured, chose, and why."""
    if not report.decisions:
        return _EMPTY
    words = ("step", "what", "chosen", "why")
    rows = [
        (*(str(each.get(word, "")) for word in words), _measured(each.get("measured"))) for each in report.decisions
    ]
    heads = ("part", "what", "chosen", "why", "measured")
    return headed("Decisions", folded(f"{len(rows)} decisions of the training", table(heads, rows, texts=4)))


SECTIONS: tuple[Callable[[Report], Markup], ...] = (
    groups,
    periods,
    slices,
    reliability,
    answers,
    errors,
    history,
    decisions,
)
"""In the order of the page."""


def _groups_of(column: str, found: Sequence[Group], words: Mapping[str, str]) -> Markup:
    names = [name for name in words if name in found[0].measures]
    compared = [name for name in names if name in found[0].differences]
    rows = [(group.text, f"{group.rows:,}", *(stacked(group.measures[name]) for name in names)) for group in found]
    differences = [(group.text, *(stacked(group.differences[name], sign=True) for name in compared)) for group in found]
    marked = ["small" if group.is_small else "" for group in found]
    parts = [tag("h3", column), table(("group", "rows", *(words[name] for name in names)), rows, marked=marked)]
    if compared:
        against = table(("group", *(words[name] for name in compared)), differences, marked=marked)
        parts.append(folded("Each group minus all other rows", against))
    return together(*parts)


def _short(times: Sequence[str]) -> list[str]:
    """Dates short enough to stand below a chart: without the year where all have the same, else without the day."""
    if not all(_DATE.match(text) for text in times):
        return list(times)
    return [text[5:10] if len({text[:4] for text in times}) == 1 else text[:7] for text in times]


def _ends(estimates: list[Estimate]) -> tuple[list[float], list[float], list[float]]:
    return (
        [number(each.value) for each in estimates],
        [number(each.low) for each in estimates],
        [number(each.high) for each in estimates],
    )


def _measured(values: Any) -> str:
    if not isinstance(values, Mapping):
        return "" if values is None else json.dumps(values, default=str)
    return ", ".join(f"{name}: {readable(v) if isinstance(v, float) else json.dumps(v)}" for name, v in values.items())
