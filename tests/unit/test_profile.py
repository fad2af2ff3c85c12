"""The profile says what a table or a set of images holds, as data and as one page that needs no other file."""

import json
import re
import time
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.core.png import png
from lepton_ai.platform.preprocessing.image_profile import profile_images
from lepton_ai.platform.preprocessing.leakage import find_leaks
from lepton_ai.platform.preprocessing.profile import ColumnProfile, TableProfile, profile
from lepton_ai.platform.preprocessing.schema import Column, Kind, Role, Schema

SCHEMA = Schema(
    (
        Column("age", Kind.NUMBER, unit="years"),
        Column("ward", Kind.CATEGORY, categories=("a", "b")),
        Column("day", Kind.DATE, frozenset({Role.TIME})),
        Column("note", Kind.TEXT),
        Column("ill", Kind.CATEGORY, frozenset({Role.TARGET}), categories=("no", "yes")),
    )
)


def table(rows: int = 200) -> dict[str, NDArray[Any]]:
    age = np.arange(rows) % 100 * 1.0
    age[:10] = np.nan
    ward = np.array(["a", "b", "a", None], dtype=object)[np.arange(rows) % 4]
    day = np.datetime64("2024-01-01", "us") + np.arange(rows) * np.timedelta64(1, "D")
    note = np.array([f"note {number}" for number in range(rows)], dtype=object)
    ill = np.array(["no", "yes"], dtype=object)[(np.arange(rows) % 100 >= 50).astype(int)]
    return {"age": age, "ward": ward, "day": day, "note": note, "ill": ill}


def column(made: TableProfile, name: str) -> ColumnProfile:
    return next(each for each in made.columns if each.name == name)


def test_numbers_have_quantiles_ranges_and_a_relation_to_the_target() -> None:
    age = column(profile(SCHEMA, table()), "age")
    assert (age.missing, age.distinct, age.unit) == (10, 100, "years")
    assert age.numbers["min"] == 0
    assert age.numbers["max"] == 99
    assert age.numbers["median"] == pytest.approx(52, abs=1)
    assert sum(each.rows for each in age.bins) == 190
    assert age.bins[0].target == 0
    assert age.bins[-1].target == 1
    assert age.relation is not None
    assert age.relation > 0.98


def test_categories_have_their_most_frequent_values_with_the_share_of_the_second_class() -> None:
    ward = column(profile(SCHEMA, table()), "ward")
    assert [(each.name, each.rows) for each in ward.bins] == [("a", 100), ("b", 50)]
    assert ward.bins[0].target == pytest.approx(0.5)
    assert ward.missing == 50


def test_rare_categories_are_counted_together() -> None:
    names = np.array([f"c{min(number // 2, 30)}" for number in range(200)], dtype=object)
    schema = Schema((Column("code", Kind.CATEGORY, categories=tuple(sorted(set(names)))),))
    bins = profile(schema, {"code": names}).columns[0].bins
    assert (bins[0].name, bins[0].rows) == ("c30", 140)
    assert (bins[-1].name, bins[-1].rows) == ("19 others", 38)
    assert sum(each.rows for each in bins) == 200


def test_dates_are_dates_and_texts_are_measured_by_length() -> None:
    made = profile(SCHEMA, table())
    assert column(made, "day").numbers == {
        "min": "2024-01-01",
        "q25": "2024-02-19T18:00:00",
        "median": "2024-04-09T12:00:00",
        "q75": "2024-05-29T06:00:00",
        "max": "2024-07-18",
    }
    assert column(made, "note").numbers["max"] == 8
    assert column(made, "note").distinct == 200


def test_giants_do_not_leave_all_others_in_one_range() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    values[0] = 1e6
    bins = profile(Schema((Column("x", Kind.NUMBER),)), {"x": values}).columns[0].bins
    assert max(each.rows for each in bins) < 300
    assert bins[-1].high == 1e6
    assert sum(each.rows for each in bins) == 1000


def test_few_whole_numbers_are_a_bar_each() -> None:
    bins = profile(Schema((Column("x", Kind.NUMBER),)), {"x": np.array([1.0, 3.0, 3.0, np.nan])}).columns[0].bins
    assert [(each.name, each.rows) for each in bins] == [("1", 1), ("2", 0), ("3", 2)]


def test_profile_travels_as_json_and_is_readable_as_text() -> None:
    made = profile(SCHEMA, table(), findings=find_leaks(SCHEMA, table()))
    value = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert (value["version"], value["kind"], value["rows"], value["positive"]) == (1, "table", 200, "yes")
    assert value["columns"][0]["bins"][0]["rows"] > 0
    assert str(made).splitlines()[0] == "200 rows, 5 columns, target `ill`"
    assert "age   number    100 different  auc 0." in str(made)


def test_page_needs_no_other_file_and_shows_every_column_and_finding(tmp_path: Path) -> None:
    columns = table() | {"ward": np.full(200, "a", dtype=object)}
    made = profile(SCHEMA, columns, findings=find_leaks(SCHEMA, columns))
    made.save(tmp_path / "profile.html")
    text = (tmp_path / "profile.html").read_text()
    check_html(text)
    for each in made.columns:
        assert f"<b>{each.name}</b>" in text
    assert "`ward` is the same in every row" in text
    assert "share of yes" in text
    assert made._repr_html_() in text
    assert len(text) < 100_000


def test_names_and_values_of_users_are_text_and_never_markup() -> None:
    evil = "<script>alert(1)</script>"
    schema = Schema(
        (
            Column(evil, Kind.CATEGORY, categories=(evil,), unit=evil),
            Column("y", Kind.CATEGORY, frozenset({Role.TARGET}), categories=("no", evil)),
        )
    )
    values = np.array([evil, None] * 50, dtype=object)
    made = profile(schema, {evil: values, "y": np.array(["no", evil] * 50, dtype=object)})
    assert "<script" not in made._repr_html_()
    check_html(made._repr_html_())


@pytest.mark.parametrize(
    "values",
    [np.full(5, np.nan), np.zeros(5), np.array([1.0]), np.array([1e-300, 1e300, 0.0]), np.array([5e-324, 0.0])],
    ids=["nothing", "constant", "one row", "giants", "tiny"],
)
def test_odd_columns_are_drawn_as_well(values: NDArray[np.float64]) -> None:
    schema = Schema((Column("x", Kind.NUMBER), Column("y", Kind.NUMBER, frozenset({Role.TARGET}))))
    made = profile(schema, {"x": values, "y": values})
    json.dumps(made.to_json(), allow_nan=False)
    check_html(made._repr_html_())
    assert str(made)


def test_empty_table_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one row"):
        profile(Schema((Column("x", Kind.NUMBER),)), {"x": np.empty(0)})
    with pytest.raises(InvalidInput, match="at least one column"):
        profile(Schema((Column("x", Kind.NUMBER),)), {})


def test_large_table_takes_seconds() -> None:
    chance = np.random.default_rng(0)
    columns: dict[str, NDArray[Any]] = {f"x{number}": chance.normal(size=50_000) for number in range(20)}
    columns |= {
        f"c{number}": np.array(list("abcd"), dtype=object)[chance.integers(0, 4, 50_000)] for number in range(9)
    }
    columns["y"] = np.array(["no", "yes"], dtype=object)[(columns["x0"] > 0).astype(int)]
    kinds = {name: Kind.NUMBER if values.dtype.kind == "f" else Kind.CATEGORY for name, values in columns.items()}
    schema = Schema(
        tuple(
            Column(
                name,
                kind,
                frozenset({Role.TARGET if name == "y" else Role.FEATURE}),
                categories=None if kind is Kind.NUMBER else tuple(sorted(set(columns[name]))),
            )
            for name, kind in kinds.items()
        )
    )
    start = time.process_time()
    profile(schema, columns)._repr_html_()
    # It takes 1.4 s; the rest is room for a busy machine.
    assert time.process_time() - start < 5


def test_images_have_sizes_brightness_classes_and_copies() -> None:
    chance = np.random.default_rng(0)
    images = chance.integers(1, 255, (30, 8, 6), dtype=np.uint8)
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    images[7], images[8], images[9] = images[1], images[2], 9
    made = profile_images(images, np.arange(30) % 3, labels=["cat", "dog", "emu"])
    assert (made.images, made.height, made.width, made.channels) == (30, 8, 6, 1)
    assert (made.low, made.high) == (0, 255)
    assert made.classes == {"cat": 10, "dog": 10, "emu": 10}
    assert (made.copies, made.copies_of_other_class, made.blank) == (2, 0, 1)
    assert sum(made.counts) == pytest.approx(1)
    json.dumps(made.to_json(), allow_nan=False)
    assert "examples" not in made.to_json()


def test_image_copied_under_another_label_is_counted() -> None:
    images = np.random.default_rng(0).random((4, 5, 5, 3)).astype(np.float32)
    images[3] = images[0]
    made = profile_images(images, np.array([0, 1, 1, 1]))
    assert (made.copies, made.copies_of_other_class) == (1, 1)
    assert "1 of these have another class" in made._repr_html_()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_page_of_images_shows_examples_of_each_class(channels: int, tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((20, 9, 7, channels))
    made = profile_images(images, np.arange(20) % 2, labels=["<b>", "ok"])
    made.save(tmp_path / "images.html")
    text = (tmp_path / "images.html").read_text()
    check_html(text)
    assert text.count("data:image/png;base64,") == 2
    assert "<b>, " not in text
    # The mean image and ten examples, each followed by a gap of two.
    assert width_of(made.examples["ok"]) == 11 * (7 + 2)


def test_large_images_are_shown_small_and_images_without_labels_as_well() -> None:
    made = profile_images(np.zeros((3, 224, 224, 3), dtype=np.uint8))
    assert width_of(made.examples["all"]) == 4 * (56 + 2)
    assert made.blank == 3


def test_what_is_no_set_of_images_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"`x` must have shape .* got \(3, 4\)"):
        profile_images(np.zeros((3, 4)))
    with pytest.raises(InvalidInput, match="`y` must have a class from 0 for each of 3 images"):
        profile_images(np.zeros((3, 4, 4)), np.array([0, 1]))
    with pytest.raises(InvalidInput, match="`labels` must name each of 2 classes, got 1"):
        profile_images(np.zeros((3, 4, 4)), np.array([0, 1, 1]), labels=["a"])


def test_png_holds_the_pixels() -> None:
    pixels = bytes(range(12))
    made = png(pixels, 2, 2, 3)
    data = made[made.index(b"IDAT") + 4 : -16]
    assert zlib.decompress(data) == b"\0" + pixels[:6] + b"\0" + pixels[6:]


def width_of(picture: bytes) -> int:
    return int.from_bytes(picture[16:20], "big")


def check_html(text: str) -> None:
    """Every tag that opens is closed in turn, and nothing is fetched."""
    open_tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in {"meta", "br", "img"}:
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Reader().feed(text)
    assert not open_tags
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
