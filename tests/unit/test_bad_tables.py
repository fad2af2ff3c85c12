"""Bad tables, from the file to the numbers: each ends in one clear error or in a handling that the docs state."""

from typing import Any

import numpy as np
import pandas
import pytest

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.cleaning import CleaningReport, clean
from lepton_ai.platform.preprocessing.readers import to_columns
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.transform import Transform

ROWS = 40
AMOUNTS = [round(0.5 + 1.37 * row % 9, 3) for row in range(ROWS)]
CLASSES = ["no", "yes"] * (ROWS // 2)


def prepared(table: Any) -> tuple[Schema, CleaningReport, Any, Any]:
    """What a table with the target `y` becomes before a model sees it."""
    schema = Schema.infer(table, "y")
    columns, report = clean(schema, to_columns(schema, table))
    transform = Transform.fit(schema, columns)
    return schema, report, transform.apply(columns), transform.encode_target(columns)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a": [1.5], "y": ["no"]}, "the target 'y' must have at least two classes, got `no`"),
        ({"a": AMOUNTS, "y": ["no"] * ROWS}, "must have at least two classes, got `no`"),
        ({"a": AMOUNTS, "y": [1] * ROWS}, "must have at least two classes, got `1`"),
        ({"a": AMOUNTS, "y": [None] * ROWS}, "the target 'y' must have values, got none in 40 rows"),
        ({"a": AMOUNTS, "y": [np.nan] * ROWS}, "the target 'y' must have values, got none in 40 rows"),
        ({"a": AMOUNTS, "y": [""] * ROWS}, "the target 'y' must have values, got none in 40 rows"),
        ({"a": AMOUNTS, "y": [f"t{row}" for row in range(ROWS)]}, "several rows of each, got 40 classes in 40 rows"),
        (
            {"a": AMOUNTS, "y": pandas.date_range("2024", periods=ROWS)},
            "must be a number or a category, got 'y' of kind",
        ),
        ({"a": AMOUNTS}, "there is no column 'y'"),
        ({"y": CLASSES}, "a schema must have features to learn from, got none"),
        ({"a": [3.0] * ROWS, "y": CLASSES}, "a schema must have features to learn from, got none"),
        ({"a": [None] * ROWS, "y": CLASSES}, "a schema must have features to learn from, got none"),
        ({"a": [np.inf] * ROWS, "y": CLASSES}, "a schema must have features to learn from, got none"),
        ({"a": list(range(ROWS)), "y": CLASSES}, "a schema must have features to learn from, got none"),
        ({"a": [[1, 2]] * ROWS, "y": CLASSES}, "column 'a' must hold one number, text, date or true/false per row"),
        ({"a": [{"b": 1}] * ROWS, "y": CLASSES}, "column 'a' must hold one number, text, date or true/false per row"),
        ({"a": [1 + 2j] * ROWS, "y": CLASSES}, "column 'a' must hold one number, text, date or true/false per row"),
        ({"a": AMOUNTS[1:], "y": CLASSES}, "must be of equal length, got `a` 39, `y` 40"),
        (pandas.DataFrame(np.zeros((ROWS, 3)), columns=["a", "a", "y"]), "column names must differ, got twice: `a`"),
        ({"a": [], "y": []}, "a table must have rows and columns, got 0 rows and 2 columns"),
    ],
)
def test_it_ends_in_one_clear_error(table: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        prepared(table)
    assert message in error.value.message


@pytest.mark.parametrize(
    ("column", "handling"),
    [
        ([3.0] * ROWS, "`bad` has the same value in all rows, so it is left aside"),
        (["x"] * ROWS, "`bad` has the same value in all rows, so it is left aside"),
        ([None] * ROWS, "`bad` has no values, so it is left aside"),
        (["", " "] * (ROWS // 2), "`bad` has no values, so it is left aside"),
        (list(range(ROWS)), "`bad` counts the rows, so it is an id and no feature"),
        ([f"P{row}" for row in range(ROWS)], "`bad` differs in all rows, so it is an id and no feature"),
        ([10**40 + row for row in range(ROWS)], "`bad` differs in all rows, so it is an id and no feature"),
        ([np.inf, 1.5, 2.5, -np.inf] * (ROWS // 4), "`bad` is infinite in 20 rows, which count as missing"),
        (["?", "a", "b", "N/A"] * (ROWS // 4), "`bad` is missing where '?', 'N/A' stands"),
        ([*map(str, AMOUNTS[:-1]), "unknown"], "`bad` is a number, and missing where 'unknown' stands"),
        ([f"shop {row % 300}" for row in range(600)], "`bad` has 300 values; the 254 most frequent are kept"),
        (["1,234", "2,345"] * (ROWS // 2), "`bad` looks like numbers, but only plain ones such as 1234.5 are read"),
        (["01/02/2024", "03/01/2023"] * (ROWS // 2), "`bad` may be dates with the day or the month first"),
    ],
)
def test_it_is_handled_and_the_schema_says_how(column: list[Any], handling: str) -> None:
    times = -(-len(column) // ROWS)
    schema, _, x, _ = prepared(
        {"amount": (AMOUNTS * times)[: len(column)], "bad": column, "y": (CLASSES * times)[: len(column)]}
    )
    assert any(note.startswith(handling) for note in schema.notes)
    assert np.isfinite(x).all()


@pytest.mark.parametrize(
    ("column", "rows_kept"),
    [
        ([1e308, -1e308] * (ROWS // 2), ROWS),
        ([5e-324, 0.0] * (ROWS // 2), ROWS),
        ([*AMOUNTS[:-1], 1e30], ROWS),
        ([True, None] * (ROWS // 2), ROWS),
        ([1, "x", 2.5, None] * (ROWS // 4), ROWS),
        (
            ["é", "e\u0301", "\u0000", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")] * (ROWS // 4),
            ROWS,
        ),
        (["a" * 100_000, "b"] * (ROWS // 2), ROWS),
        ([f'line {row}\nof a \t letter, quoted "{row}"' for row in range(ROWS)], ROWS),
    ],
)
def test_it_is_taken_as_it_is(column: list[Any], rows_kept: int) -> None:
    _, report, x, _ = prepared({"amount": AMOUNTS, "odd": column, "y": CLASSES})
    assert np.isfinite(x).all()
    assert len(report.kept) == len(x) == rows_kept


def test_two_rows_are_enough_for_two_classes() -> None:
    _, _, x, y = prepared({"a": [1.5, 2.5], "y": ["no", "yes"]})
    assert (x.shape, y.tolist()) == ((2, 1), [0, 1])


def test_rows_without_target_are_left_out() -> None:
    _, report, x, _ = prepared({"a": AMOUNTS, "y": [None, *CLASSES[1:]]})
    assert (report.without_target, len(x)) == (1, ROWS - 1)


def test_target_among_the_features_is_refused() -> None:
    schema = Schema.infer({"a": AMOUNTS, "y": CLASSES}, "y")
    with pytest.raises(InvalidInput, match="column 'y' cannot be target and feature at once"):
        schema.with_roles("y", "target", "feature")
