"""Rows from JSON: what is taken, what is refused cell by cell, and what is only reported."""

import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.columns import columns_of_rows, findings, is_missing
from lepton_ai.platform.preprocessing.schema import Column, Kind, Role, Schema

SCHEMA = Schema(
    (
        Column("key", Kind.NUMBER, frozenset({Role.ID})),
        Column("age", Kind.NUMBER, low=0, high=120),
        Column("glucose", Kind.NUMBER, missing_codes=("0", "not done"), may_be_missing=True),
        Column("ward", Kind.CATEGORY, categories=("1", "2", "icu"), may_be_missing=True, missing_codes=("?",)),
        Column("sex", Kind.CATEGORY, categories=("f", "m"), closed=True),
        Column("seen", Kind.DATE, date_format="%d.%m.%Y"),
        Column("letter", Kind.TEXT, may_be_missing=True),
        Column("ill", Kind.CATEGORY, frozenset({Role.TARGET}), categories=("no", "yes")),
    )
)
ROW = {"age": 52, "glucose": 101.5, "ward": 2, "sex": "m", "seen": "2024-03-01", "letter": "came back"}


def read(**changes: Any) -> Any:
    return columns_of_rows(SCHEMA, [{**ROW, **changes}])


def errors_of(*rows: dict[str, Any]) -> list[tuple[int, str, str, str]]:
    with pytest.raises(InvalidInput) as error:
        columns_of_rows(SCHEMA, rows)
    return [(each["row"], each["column"], each["expected"], each["got"]) for each in error.value.errors]


def test_rows_become_columns_of_the_features() -> None:
    columns = columns_of_rows(SCHEMA, [ROW, {**ROW, "age": 31.5, "letter": None}])
    assert list(columns) == ["age", "glucose", "ward", "sex", "seen", "letter"]
    assert columns["age"].tolist() == [52.0, 31.5]
    assert columns["ward"].tolist() == ["2", "2"]
    assert columns["seen"].dtype == "datetime64[us]"
    assert columns["letter"].tolist() == ["came back", None]


def test_columns_that_are_no_features_may_come_along() -> None:
    assert "key" not in read(key=17, ill="yes")


@pytest.mark.parametrize("value", [2, 2.0, "2", " 2 ", "2.0", np.int64(2)])
def test_category_is_known_by_its_text(value: Any) -> None:
    assert read(ward=value)["ward"].tolist() == ["2"]


@pytest.mark.parametrize(("value", "text"), [(True, "true"), ("True", "true"), (False, "false"), ("x", "x")])
def test_truth_values_are_categories(value: Any, text: str) -> None:
    assert read(ward=value)["ward"].tolist() == [text]


@pytest.mark.parametrize("value", [None, 0, 0.0, math.nan, "not done", "NA", "", " null "])
def test_missing_numbers(value: Any) -> None:
    assert is_missing(read(glucose=value)["glucose"]).tolist() == [True]


@pytest.mark.parametrize("value", [None, "?", ""])
def test_missing_categories(value: Any) -> None:
    assert read(ward=value)["ward"].tolist() == [None]


def test_missing_key_is_a_missing_value() -> None:
    row = {name: value for name, value in ROW.items() if name != "letter"}
    assert columns_of_rows(SCHEMA, [row])["letter"].tolist() == [None]


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2024-03-01", "2024-03-01T00:00"),
        ("2024-03-01T14:05", "2024-03-01T14:05"),
        ("2024-03-01 14:05:07.25", "2024-03-01T14:05:07.25"),
        ("2024-03-01T14:05:00Z", "2024-03-01T14:05"),
        ("2024-03-01T23:30:00-02:00", "2024-03-02T01:30"),
        ("01.03.2024", "2024-03-01T00:00"),
        (date(2024, 3, 1), "2024-03-01T00:00"),
        (datetime(2024, 3, 1, 14, 5, tzinfo=UTC), "2024-03-01T14:05"),
        (np.datetime64("2024-03-01"), "2024-03-01T00:00"),
    ],
)
def test_dates(value: Any, moment: str) -> None:
    assert read(seen=value)["seen"].tolist() == [np.datetime64(moment, "us").item()]


@pytest.mark.parametrize(
    ("change", "expected", "got"),
    [
        ({"age": "52"}, "a number", "'52'"),
        ({"age": "fifty"}, "a number", "'fifty'"),
        ({"age": True}, "a number", "true"),
        ({"age": [52]}, "a number", "list [52]"),
        ({"age": math.inf}, "a finite number", "inf"),
        ({"age": 10**400}, "a finite number", f"1{'0' * 58}…"),
        ({"age": -1}, "at least 0", "-1"),
        ({"age": 121.5}, "at most 120", "121.5"),
        ({"age": None}, "a number", "nothing"),
        ({"age": "NA"}, "a number", "nothing"),
        ({"sex": "x"}, "one of 'f', 'm'", "'x'"),
        ({"sex": {"a": 1}}, "a category", "dict {'a': 1}"),
        ({"seen": "31/12/2024"}, "an ISO date or one written as %d.%m.%Y", "'31/12/2024'"),
        ({"seen": 20240301}, "an ISO date or one written as %d.%m.%Y", "20240301"),
        ({"seen": None}, "a date", "nothing"),
        ({"letter": 5}, "a text", "5"),
        ({"agee": 5}, "a column of the schema; did you mean 'age'?", "5"),
    ],
)
def test_cell_that_does_not_fit_is_named(change: dict[str, Any], expected: str, got: str) -> None:
    (column,) = change
    assert errors_of({**ROW, **change}) == [(0, column, expected, got)]


def test_all_misfits_come_in_the_order_of_the_rows() -> None:
    wrong = [{**ROW, "sex": "x"}, ROW, {**ROW, "age": -1, "seen": "soon"}]
    assert [(row, column) for row, column, _, _ in errors_of(*wrong)] == [(0, "sex"), (2, "age"), (2, "seen")]


def test_error_lists_twenty_cells_and_counts_all() -> None:
    with pytest.raises(InvalidInput) as error:
        columns_of_rows(SCHEMA, [{**ROW, "age": "x"}] * 50)
    assert error.value.message.endswith("row 0, column 'age': must be a number, got 'x' (and 49 more cells)")
    assert len(error.value.errors) == 20
    assert error.value.errors[3]["field"] == "rows[3].age"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "`inputs` must hold at least one row"),
        (ROW, "`inputs` must be a list of rows, each a mapping from column to value, got dict"),
        ("rows", "must be a list of rows"),
        (None, "must be a list of rows"),
        ([[1, 2]], "`inputs[0]` must be a mapping from column to value, got list"),
        ([ROW, None], "`inputs[1]` must be a mapping"),
    ],
)
def test_what_is_no_list_of_rows_is_refused(rows: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        columns_of_rows(SCHEMA, rows, field="inputs")
    assert message in error.value.message


def test_unknown_category_is_taken_and_reported() -> None:
    columns = read(ward="hospice")
    assert [str(finding) for finding in findings(SCHEMA, columns)] == [
        "row 0, column 'ward': must be one of '1', '2', 'icu', got 'hospice'"
    ]


def test_known_rows_give_no_findings() -> None:
    assert findings(SCHEMA, read()) == ()
