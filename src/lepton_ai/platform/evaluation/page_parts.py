"""The parts that pages of a report are made of: headings, tables that scroll by themselves, pictures."""

import math
from collections.abc import Sequence

from lepton_ai.platform.evaluation.markup import Markup, tag, together
from lepton_ai.platform.evaluation.report_parts import Estimate
from lepton_ai.platform.evaluation.wording import with_interval

Row = Sequence[str]


def headed(heading: str, *content: str) -> Markup:
    """A section under its heading."""
    return tag("section", tag("h2", heading), *content)


def table(heads: Row, rows: Sequence[Row], *, caption: str = "", marked: Sequence[str] = (), texts: int = 0) -> Markup:
    """A table that scrolls within itself where it is wider than the page.

    Args:
        heads: The heading of each column.
        rows: The cells; the first of each row is its heading.
        caption: What the table shows.
        marked: A class for each row, or an empty string.
        texts: How many columns after the first hold text and not numbers.
    """
    head = tag("tr", *(tag("th", text, scope="col") for text in heads))
    body = []
    for place, row in enumerate(rows):
        cells = [
            tag("td", cell, class_="text") if column < texts else tag("td", cell) for column, cell in enumerate(row[1:])
        ]
        name = marked[place] if marked else ""
        attributes = {"class_": name} if name else {}
        body.append(tag("tr", tag("th", row[0], scope="row"), *cells, **attributes))
    captions = [tag("caption", caption)] if caption else []
    drawn = tag("table", *captions, tag("thead", head), tag("tbody", *body))
    return tag("div", drawn, class_="wide", tabindex="0", role="region", aria_label=caption or heads[0] or "table")


def stacked(estimate: Estimate | None, *, sign: bool = False) -> Markup:
    """A number with its interval below it: a cell that stays narrow."""
    if estimate is None or estimate.value is None:
        return Markup("")
    value, _, interval = with_interval(estimate, sign=sign).partition(" ")
    return together(value, tag("small", interval)) if interval else together(value)


def figure(svg: str) -> Markup:
    """A picture that `core.charts` drew, which has its own title and description."""
    return tag("figure", Markup(svg))


def pictures(*figures: str) -> Markup:
    """Pictures side by side where there is room."""
    return tag("div", *figures, class_="pictures")


def folded(summary: str, *content: str) -> Markup:
    """What is shown on demand."""
    return tag("details", tag("summary", summary), together(*content))


def quiet(text: str) -> Markup:
    """A sentence beside the matter."""
    return tag("p", text, class_="quiet")


def number(value: float | None) -> float:
    """A number as charts take it: NaN where there is none."""
    return math.nan if value is None else value
