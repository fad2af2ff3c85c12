"""A report as one HTML file: nothing is fetched, nothing is run, everything is escaped."""

from lepton_ai.core import charts
from lepton_ai.platform.evaluation.checks import LINEAR, NAIVE
from lepton_ai.platform.evaluation.intervals import Unit
from lepton_ai.platform.evaluation.markup import Markup, tag, together
from lepton_ai.platform.evaluation.page_parts import figure, headed, number, quiet, stacked, table
from lepton_ai.platform.evaluation.page_sections import SECTIONS
from lepton_ai.platform.evaluation.page_style import STYLE
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.report_parts import Measured
from lepton_ai.platform.evaluation.wording import alone

# The browser itself refuses to fetch or run anything, whatever a report may hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_UNITS = {
    Unit.ROW: "rows",
    Unit.ROW_OF_CLASS: "rows within each class",
    Unit.CLUSTER: "clusters, whole",
    Unit.TIME_BLOCK: "times in blocks of neighbours",
}


def page(report: Report) -> str:
    """The whole report, to be written into one file."""
    sections = [section(report) for section in SECTIONS]
    body = together(_heading(report), *_first(report), *sections, _how_measured(report))
    head = together(
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        tag("title", report.title),
        _style("@media screen and (prefers-color-scheme: dark) { body { background: #161616; } } body { margin: 0; }"),
    )
    main = tag("main", _style(STYLE), body, class_="lepton-report")
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{main}</body></html>\n'


def summary(report: Report) -> str:
    """The heading, what the numbers mean, and the metrics: for a notebook."""
    return tag("div", _style(STYLE), _heading(report), *_first(report), class_="lepton-report")


def _heading(report: Report) -> Markup:
    facts = [report.task, f"{report.rows:,} rows"]
    if report.labels:
        facts.append(f"{len(report.labels)} classes")
    if report.test_openings is not None:
        facts.append(f"test part opened {report.test_openings} time{'s' if report.test_openings != 1 else ''}")
    return together(tag("h1", report.title), tag("p", ", ".join(facts), class_="quiet"))


def _first(report: Report) -> tuple[Markup, ...]:
    remarks = [
        tag("li", tag("b", "Care:"), remark.text, class_="warning")
        if remark.is_warning
        else tag("li", tag("b", "Note:"), remark.text)
        for remark in report.remarks
    ]
    return tag("ul", *remarks, class_="remarks"), _metrics(report)


def _metrics(report: Report) -> Markup:
    main = report.metric(report.main)
    names = list(main.baselines)
    heads = ("", "model", *names, *(f"model minus {name}" for name in names), "better is")
    rows = [_metric_row(measured, names) for measured in report.metrics]
    values = [main.model, *(main.baselines[name] for name in names)]
    picture = charts.bars(
        ["model", *names],
        [number(estimate.value) for estimate in values],
        title=main.title,
        low=[number(estimate.low) for estimate in values],
        high=[number(estimate.high) for estimate in values],
    )
    note = quiet("Below each number: its 95 % interval. Differences are paired.")
    return headed("Beside the baselines", note, table(heads, rows), figure(picture))


def _metric_row(measured: Measured, names: list[str]) -> tuple[str, ...]:
    return (
        measured.title,
        stacked(measured.model),
        *(alone(measured.baselines.get(name)) for name in names),
        *(stacked(measured.differences.get(name), sign=True) for name in names),
        measured.better.value if measured.better else "as promised",
    )


def _how_measured(report: Report) -> Markup:
    sampling = report.sampling
    drawn = f"{sampling.replicates:,} bootstrap draws of {_UNITS[sampling.unit]} ({sampling.units:,} of them"
    drawn += f", {sampling.block} at a time)" if sampling.block > 1 else ")"
    return headed(
        "How this was measured",
        tag(
            "p",
            f"On rows that the model did not learn from. Intervals: {sampling.level:.0%}, from {drawn}. Model and "
            "baselines are compared on the same draws, so an interval of a difference is narrower than the two beside "
            "it suggest.",
        ),
        tag(
            "p",
            f"{NAIVE}: the same answer for every row, learnt from the training rows. {LINEAR}: a linear model of the "
            "same columns.",
        ),
        tag("p", f"Report schema {report.version}.", class_="quiet"),
    )


def _style(rules: str) -> Markup:
    return Markup(f"<style>{rules}</style>")
