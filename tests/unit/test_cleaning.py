"""Cleaning: what is dropped, what becomes missing, and what is told of it."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.cleaning import CleaningReport, clean, repair, repeated_rows
from lepton_ai.platform.preprocessing.columns import Columns
from lepton_ai.platform.preprocessing.readers import to_columns
from lepton_ai.platform.preprocessing.schema import Schema


def cleaned(table: dict[str, Any], target: str | None = None, **limits: Any) -> tuple[Columns, CleaningReport]:
    schema = Schema.infer(table, target)
    for name, changes in limits.items():
        schema = schema.with_column(name, **changes)
    return clean(schema, to_columns(schema, table))


def test_clean_table_stays_as_it_is() -> None:
    table = {"age": [31, 47, 52], "ill": [0, 1, 0]}
    columns, report = cleaned(table, "ill")
    assert columns["age"].tolist() == [31, 47, 52]
    assert str(report) == "3 of 3 rows kept"


def test_impossible_and_infinite_numbers_become_missing_ones() -> None:
    table = {"age": [31.0, -5.0, 310.0, np.inf, -np.inf, None], "size": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    columns, report = cleaned(table, age={"low": 0, "high": 120})
    assert np.array_equal(columns["age"], [31.0, *[np.nan] * 5], equal_nan=True)
    assert (report.impossible, report.infinite, report.missing) == ({"age": 2}, {"age": 2}, {"age": 5})


def test_rows_without_target_are_dropped() -> None:
    columns, report = cleaned({"age": [31, 47, 52], "ill": ["no", None, "yes"]}, "ill")
    assert columns["age"].tolist() == [31, 52]
    assert (report.without_target, report.kept.tolist()) == (1, [0, 2])


def test_target_outside_its_limits_counts_as_none() -> None:
    columns, report = cleaned({"age": [31, 47, 52], "price": [1.5, -1.0, 2.5]}, "price", price={"low": 0})
    assert columns["price"].tolist() == [1.5, 2.5]
    assert report.without_target == 1


def test_rows_entered_twice_are_dropped_where_a_column_tells_rows_apart() -> None:
    table = {"weight": [70.1, 81.2, 70.1, 64.9], "ill": [0, 1, 0, 1]}
    columns, report = cleaned(table, "ill")
    assert columns["weight"].tolist() == [70.1, 81.2, 64.9]
    assert (report.duplicates, report.duplicates_dropped) == (1, True)


def test_same_row_with_another_id_is_another_row() -> None:
    table = {"key": [f"k{row}" for row in range(20)] * 2, "flag": [0, 1] * 20}
    schema = Schema.infer(table, ids=["key"])
    _, report = clean(schema, to_columns(schema, table))
    assert (report.duplicates, report.duplicates_dropped) == (20, True)
    table["key"] = [f"k{row}" for row in range(40)]
    _, report = clean(schema, to_columns(schema, table))
    assert report.duplicates == 0


def test_equal_rows_of_few_values_are_kept() -> None:
    columns, report = cleaned({"flag": [0, 1] * 20, "level": [1, 2, 3, 4] * 10})
    assert len(columns["flag"]) == 40
    assert (report.duplicates, report.duplicates_dropped) == (36, False)
    assert "nothing tells equal rows from repeated ones: 36" in str(report)


def test_table_without_any_target_value_is_refused() -> None:
    schema = Schema.infer({"age": [1, 2], "price": [0.5, 1.5]}, "price")
    with pytest.raises(InvalidInput, match="the target 'price' must have values, got none in 2 rows"):
        clean(schema, {"age": np.array([1.0, 2.0]), "price": np.array([np.nan, np.inf])})


def test_repair_keeps_every_row() -> None:
    schema = Schema.infer({"age": [31, 47]}).with_column("age", high=120)
    assert np.isnan(repair(schema, {"age": np.array([310.0, 310.0, 20.0])})["age"]).tolist() == [True, True, False]


def test_input_is_left_alone() -> None:
    schema = Schema.infer({"age": [31.0, 47.0]}).with_column("age", high=40)
    given_age = np.array([31.0, 47.0])
    clean(schema, {"age": given_age})
    assert given_age.tolist() == [31.0, 47.0]


def test_report_is_plain_json() -> None:
    report = cleaned({"age": [31, None, 52], "ill": ["no", "no", "yes"]}, "ill")[1]
    assert json.loads(json.dumps(report.to_json()))["missing"] == {"age": 1}


cells = some.tuples(
    some.sampled_from([0.0, -0.0, 1.0, np.nan, float("nan"), 1e300]), some.sampled_from(["a", "b", "", None])
)


@given(some.lists(cells, min_size=1, max_size=12))
def test_repeated_rows_are_those_that_came_before(rows: list[tuple[float, str | None]]) -> None:
    numbers = np.array([number for number, _ in rows])
    texts = np.array([text for _, text in rows] + [None], dtype=object)[:-1]
    seen: set[Any] = set()
    expected = []
    for number, text in rows:
        key = ("missing" if np.isnan(number) else number, text)
        expected.append(key in seen)
        seen.add(key)
    assert repeated_rows({"number": numbers, "text": texts}).tolist() == expected
