"""The report's page: whole, safe whatever it shows, readable without colour, sight or network."""

import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_ai.platform.evaluation.evaluate import evaluate_report
from lepton_ai.platform.evaluation.markup import Markup, tag, together
from lepton_ai.platform.evaluation.page import page, summary
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.row_facts import RowFacts
from report_cases import churn_report, digits, rent

EVIL = "<script>alert('x')</script>&\"'\x07"
VOID = {"meta"}


class Reader(HTMLParser):
    """Collects what a browser would see, and holds elements to their ends."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((name, dict(attributes)))

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def count(self, name: str) -> int:
        return sum(tag == name for tag, _ in self.tags)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return {
        "classes": churn_report(),
        "numbers": evaluate_report(**rent()),
        "many": evaluate_report(**digits()),
        "very many": evaluate_report(**digits(300, classes=40)),
    }


KINDS = ["classes", "numbers", "many", "very many"]


@pytest.mark.parametrize("kind", KINDS)
def test_page_is_whole_and_fetches_and_runs_nothing(reports: dict[str, Report], kind: str) -> None:
    html = page(reports[kind])
    found = read(html)
    assert html.startswith("<!doctype html>")
    names = {name for name, _ in found.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "form", "input"}
    for _, attributes in found.tags:
        assert not {"src", "href", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert "url(" not in html and "@import" not in html
    assert "default-src 'none'" in html
    assert len(html) < 150_000


@pytest.mark.parametrize(
    ("kind", "headings"),
    [
        ("classes", ["By group", "Worst slices", "Answers", "Learning curves", "Decisions"]),
        ("numbers", ["Over time", "Worst slices", "Errors"]),
        ("many", ["Answers"]),
        ("very many", ["Answers"]),
    ],
)
def test_page_shows_what_the_report_has(reports: dict[str, Report], kind: str, headings: list[str]) -> None:
    text = read(page(reports[kind])).texts
    for heading in ["Beside the baselines", *headings, "How this was measured"]:
        assert heading in text
    assert ("Over time" in text) == (kind == "numbers")


@pytest.mark.parametrize("kind", KINDS)
def test_page_can_be_read_aloud(reports: dict[str, Report], kind: str) -> None:
    found = read(page(reports[kind]))
    assert found.tags[0] == ("html", {"lang": "en"})
    assert found.count("h1") == found.count("main") == 1
    assert all(attributes.get("scope") in ("col", "row") for name, attributes in found.tags if name == "th")
    pictures = [attributes for name, attributes in found.tags if name == "svg"]
    assert pictures and all(each.get("role") == "img" and each.get("aria-label") for each in pictures)


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_is_well_formed(reports: dict[str, Report], kind: str) -> None:
    html = page(reports[kind])
    drawn = [f"<svg{part.split('</svg>')[0]}</svg>" for part in html.split("<svg")[1:]]
    for picture in drawn:
        ElementTree.fromstring(picture)


def test_warnings_are_said_and_not_only_coloured(reports: dict[str, Report]) -> None:
    html = page(reports["classes"])
    warned = sum(remark.is_warning for remark in reports["classes"].remarks)
    assert html.count("<b>Care:</b>") == warned > 0


def test_page_escapes_names_labels_levels_and_texts() -> None:
    values = np.array([EVIL, "b"] * 150, object)
    given: Any = churn_report(
        title=EVIL,
        labels=(EVIL, "leaves"),
        truth=np.arange(300) % 2,
        predictions=np.tile([[0.7, 0.3], [0.2, 0.8]], (150, 1)),
        baselines={"naive": np.full((300, 2), 0.5), "linear": np.full((300, 2), 0.5), EVIL: np.full((300, 2), 0.5)},
        rows=RowFacts(groups={EVIL: values}, columns={EVIL: values}, time=np.arange(300.0)),
    )
    for html in (page(given), summary(given)):
        found = read(html)
        assert found.count("script") == 0
        assert "alert('x')" in "".join(found.texts)
        assert "\x07" not in html
    assert "<script" not in page(given)


def test_notebook_shows_the_metrics_and_touches_nothing_else(reports: dict[str, Report]) -> None:
    html = reports["classes"]._repr_html_()
    found = read(html)
    assert "Beside the baselines" in found.texts
    style = html.split("<style>")[1].split("</style>")[0]
    rules = [line for line in style.splitlines() if "{" in line and not line.startswith("@media")]
    assert all(line.strip().startswith(".lepton-report") for line in rules)


def test_report_is_saved_as_page_or_as_json(tmp_path: Path, reports: dict[str, Report]) -> None:
    report = reports["many"]
    assert report.save(tmp_path / "report.html").read_text().startswith("<!doctype html>")
    written = report.save(str(tmp_path / "report.json")).read_text()
    assert written.startswith("{\n")


def test_same_report_gives_the_same_page(reports: dict[str, Report]) -> None:
    assert page(reports["classes"]) == page(churn_report())


def test_markup_escapes_all_that_was_not_made_here() -> None:
    assert tag("p", "<b>", Markup("<i>x</i>"), class_='"') == '<p class="&quot;">&lt;b&gt;<i>x</i></p>'
    assert together("a & b", tag("b", "c")) == "a &amp; b<b>c</b>"
