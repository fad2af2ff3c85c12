"""Charts are small, safe, the same each time, and say in words what they show."""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_ai.core.chart_frame import COLOURS, named_axis, number_axis, readable, tight_axis
from lepton_ai.core.charts import Line, bars, heat_map, histogram, lines, reliability, scatter, small_bars

SVG = "{http://www.w3.org/2000/svg}"
PLACES = {"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "d", "points", "width", "height"}
ANY_NUMBER = st.floats(allow_nan=True, allow_infinity=True)

CHARTS: dict[str, Callable[[], str]] = {
    "histogram": lambda: histogram([0, 1, 2], [5, 3], title="Age", x_label="years"),
    "bars": lambda: bars(["a", "b"], [1.0, -2.0], low=[0.5, -3.0], high=[1.5, -1.0], title="Effect"),
    "lines": lambda: lines([Line("loss", [1, 2], [0.5, 0.4], [0.4, 0.3], [0.6, 0.5])], title="Loss"),
    "reliability": lambda: reliability([0.1, 0.9], [0.2, 0.8], [10, 20]),
    "heat_map": lambda: heat_map([[5, 1], [0, 4]], title="Confusion", row_names="ab", column_names="ab"),
    "large_heat_map": lambda: heat_map(np.eye(40), title="E", row_names=["r"] * 40, column_names=["c"] * 40),
    "scatter": lambda: scatter(np.arange(9.0), np.arange(9.0), title="Both", diagonal=True),
    "small_bars": lambda: small_bars([1, 2, 3], title="Small", names=["a", "b", "c"]),
}


@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
def test_chart_is_well_formed_has_a_title_and_is_the_same_each_time(draw: Callable[[], str]) -> None:
    root = ElementTree.fromstring(draw())
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert root[0].tag == f"{SVG}title"
    assert root[0].text
    assert draw() == draw()


@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
def test_chart_needs_nothing_from_elsewhere_and_names_no_ids(draw: Callable[[], str]) -> None:
    text = draw()
    assert " id=" not in text
    assert "href" not in text
    assert "url(" not in text
    assert "<script" not in text


def test_names_of_users_are_text_and_never_markup() -> None:
    drawn = bars(["<script>alert(1)</script>", 'a"b', "\x00"], [1.0, 2.0, 3.0], title="<b>&", x_label="</svg>")
    assert "<script" not in drawn
    assert ElementTree.fromstring(drawn).findtext(f"{SVG}title") == "<b>&"


def test_heights_of_bars_follow_the_counts() -> None:
    root = ElementTree.fromstring(histogram([0, 1, 2, 3], [10, 5, 0], title="t"))
    boxes = [box for box in root.iter(f"{SVG}rect") if box.get("fill") == COLOURS[0]]
    heights = [float(box.get("height", "")) for box in boxes]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
    assert heights[2] == 0
    assert boxes[1].findtext(f"{SVG}title") == "1 to 2: 5"


def test_gap_in_a_line_stays_a_gap() -> None:
    drawn = lines([Line("loss", [1, 2, 3, 4, 5], [1, 2, math.nan, 4, 5])], title="t")
    way = next(each.get("d", "") for each in ElementTree.fromstring(drawn).iter(f"{SVG}path"))
    assert way.count("M") == 2
    assert way.count("L") == 2


def test_lines_differ_in_dashes_as_well_as_in_colour() -> None:
    drawn = lines([Line(name, [1, 2], [1, 2]) for name in "abc"], title="t")
    looks = {
        (each.get("stroke"), each.get("stroke-dasharray")) for each in ElementTree.fromstring(drawn).iter(f"{SVG}path")
    }
    assert len(looks) == len({dashes for _, dashes in looks}) == 3
    assert "a" in {each.text for each in ElementTree.fromstring(drawn).iter(f"{SVG}text")}


def test_reliability_says_how_far_it_is_off() -> None:
    drawn = reliability([0.2, 0.8], [0.3, 0.8], [100, 100])
    assert "differ by 0.05 on average over 200 rows" in drawn
    assert ElementTree.fromstring(reliability([], [], [])) is not None


def test_many_points_are_thinned_and_the_picture_stays_small() -> None:
    values = np.random.default_rng(0).normal(size=(2, 50_000))
    drawn = scatter(*values, title="t")
    assert len(drawn) < 40_000
    assert "1,471 of 50,000 points" in drawn
    assert len(heat_map(np.zeros((60, 60)), title="t", row_names=["r"] * 60, column_names=["c"] * 60)) < 120_000


@settings(max_examples=40)
@given(st.lists(ANY_NUMBER, min_size=1, max_size=6))
def test_no_number_breaks_a_chart(values: list[float]) -> None:
    names = [str(value) for value in values]
    places = list(range(len(values)))
    for drawn in (
        histogram(list(range(len(values) + 1)), values, title="t"),
        bars(names, values, title="t", low=values, high=values),
        lines([Line("a", places, values, values, values)], title="t"),
        lines([Line("a", places, values)], title="t", x_names=names),
        scatter(values, values, title="t", diagonal=True),
        heat_map([values], title="t", row_names=["r"], column_names=names),
        small_bars(values, title="t", names=names),
        reliability(values, values, [1] * len(values)),
    ):
        for each in ElementTree.fromstring(drawn).iter():
            for name in PLACES.intersection(each.keys()):
                assert not set(each.get(name, "")) & set("naif"), each.attrib


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=20))
def test_axis_holds_all_values_and_marks_round_steps(values: list[float]) -> None:
    axis = number_axis(values)
    slack = 1e-6 * (axis.high - axis.low)
    assert axis.low <= min(values) + slack
    assert axis.high >= max(values) - slack
    assert 2 <= len(axis.ticks) <= 12
    assert all(0 <= axis.at(value) <= 1 for value in values)


def test_axes_say_what_people_would() -> None:
    assert [text for _, text in number_axis([0, 0.3]).ticks] == ["0", "0.1", "0.2", "0.3"]
    assert [text for _, text in number_axis([0, 2e6]).ticks][-1] == "2 M"
    assert number_axis([]).ticks
    assert number_axis([5, 5]).low < 5 < number_axis([5, 5]).high
    assert [value for value, _ in tight_axis([1, 10]).ticks] == [2, 4, 6, 8, 10]
    assert [text for _, text in named_axis(list("abcdef"), most=3).ticks] == ["a", "c", "e"]
    assert [readable(value) for value in (-0.5, 1e-7, 1e20, -math.inf)] == ["-0.5", "1.00e-07", "1.00e+20", "-infinite"]
