"""The leakage lint finds what is planted, and is silent on honest tables."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lepton_ai.platform.preprocessing.columns import Columns
from lepton_ai.platform.preprocessing.copies import copies_in_array
from lepton_ai.platform.preprocessing.finding import Finding, FindingCode, Severity
from lepton_ai.platform.preprocessing.leakage import find_copies, find_leaks
from lepton_ai.platform.preprocessing.order import likeness_of_neighbours
from lepton_ai.platform.preprocessing.relation import relation, target_of
from lepton_ai.platform.preprocessing.schema import Column, Kind, Role, Schema
from lepton_ai.platform.preprocessing.split_keys import rule_for
from lepton_ai.platform.preprocessing.splits import split

ROWS = 400


def table(seed: int = 0, *, classes: bool = True) -> dict[str, NDArray[Any]]:
    """An honest table: two numbers and a category that tell the target in part."""
    chance = np.random.default_rng(seed)
    age, dose = chance.normal(50, 10, ROWS), chance.normal(0, 1, ROWS)
    ward = np.array(["a", "b", "c"], dtype=object)[chance.integers(0, 3, ROWS)]
    strength = (age - 50) / 10 + dose + chance.normal(0, 1, ROWS)
    ill = np.array(["no", "yes"], dtype=object)[(strength > 0.5).astype(int)]
    return {"age": age, "dose": dose, "ward": ward, "ill": ill if classes else strength}


def schema_of(columns: Columns, **roles: Role | tuple[Role, ...]) -> Schema:
    made = []
    for name, values in columns.items():
        kind = {"f": Kind.NUMBER, "O": Kind.CATEGORY, "M": Kind.DATE}[values.dtype.kind]
        given_roles = roles.get(name, Role.TARGET if name == "ill" else Role.FEATURE)
        categories = tuple(sorted({value for value in values if value is not None})) if kind is Kind.CATEGORY else None
        chosen = frozenset(given_roles if isinstance(given_roles, tuple) else (given_roles,))
        made.append(Column(name, kind, chosen, categories=categories))
    return Schema(tuple(made))


def lint(columns: Columns, **roles: Role | tuple[Role, ...]) -> tuple[Finding, ...]:
    return find_leaks(schema_of(columns, **roles), columns)


def only(findings: tuple[Finding, ...], code: FindingCode) -> Finding:
    assert [finding.code for finding in findings].count(code) == 1, [str(finding) for finding in findings]
    return next(finding for finding in findings if finding.code is code)


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_honest_table_has_no_findings(seed: int, classes: bool) -> None:
    assert lint(table(seed, classes=classes)) == ()


@pytest.mark.parametrize(
    "leak",
    [
        lambda columns: (columns["ill"] == "yes") * 1.0,
        lambda columns: (columns["ill"] == "no") * 3.0 + np.random.default_rng(1).random(ROWS),
        lambda columns: np.where(columns["ill"] == "yes", "treated", "sent home").astype(object),
        lambda columns: np.where(columns["ill"] == "yes", np.random.default_rng(1).random(ROWS), np.nan),
        lambda columns: (
            np.abs((columns["ill"] == "yes") * 2.0 - 1) * np.where(columns["ill"] == "yes", 5.0, columns["age"])
        ),
    ],
    ids=["copy", "shifted", "in other words", "there only if ill", "one value if ill"],
)
def test_column_that_gives_a_class_away_is_an_error(leak: Any) -> None:
    columns = table()
    finding = only(lint({**columns, "leak": leak(columns)}), FindingCode.TARGET_GIVEN_AWAY)
    assert finding.severity is Severity.ERROR
    assert finding.columns == ("leak",)
    assert finding.measured["auc"] > 0.99
    assert "outcome_later" in finding.hint


@pytest.mark.parametrize(
    "leak",
    [
        lambda target: target * 3 + 7,
        lambda target: -np.exp(target),
        lambda target: target + np.random.default_rng(1).normal(0, 0.05, ROWS),
        lambda target: np.round(target, 1),
    ],
    ids=["in other units", "bent", "with noise", "rounded"],
)
def test_column_that_gives_a_number_away_is_an_error(leak: Any) -> None:
    columns = table(classes=False)
    finding = only(lint({**columns, "leak": leak(columns["ill"])}), FindingCode.TARGET_GIVEN_AWAY)
    assert finding.columns == ("leak",)
    assert finding.measured["r2"] > 0.99


def test_good_measurement_is_not_taken_for_a_leak() -> None:
    columns = table(classes=False)
    columns["good"] = columns["ill"] + np.random.default_rng(1).normal(0, 0.4, ROWS)
    assert lint(columns) == ()


def test_one_class_of_three_told_without_fail_is_not_the_target_given_away() -> None:
    chance = np.random.default_rng(0)
    kind = np.array(["setosa", "versicolor", "virginica"], dtype=object)[np.arange(ROWS) % 3]
    petal = np.where(kind == "setosa", 1.0, 4.0) + chance.normal(0, 0.3, ROWS)
    assert lint({"petal": petal, "ill": kind}) == ()
    assert only(lint({"petal": petal, "code": np.arange(ROWS) % 3 * 1.0, "ill": kind}), FindingCode.TARGET_GIVEN_AWAY)


def test_target_of_few_rows_in_a_class_is_not_judged() -> None:
    rare = np.array(["no"] * 396 + ["yes"] * 4, dtype=object)
    assert lint({"x": np.random.default_rng(0).permutation(ROWS) + 0.5, "ill": rare}) == ()
    assert target_of(rare, classes=True) is None


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.integers(30, 300), st.floats(0.1, 0.9))
def test_noise_is_never_taken_for_the_target(seed: int, rows: int, share: float) -> None:
    chance = np.random.default_rng(seed)
    classes = target_of((chance.random(rows) < share).astype(np.float64), classes=True)
    numbers = target_of(chance.normal(size=rows), classes=False)
    noise = [chance.normal(size=rows), chance.integers(0, rows, rows) * 1.0]
    noise.append(np.array([str(value) for value in chance.integers(0, rows // 3, rows)], dtype=object))
    for values in noise:
        assert classes is None or relation(values, classes).score < 0.97
        assert numbers is None or relation(values, numbers).score < 0.6


def test_counter_and_one_word_texts_are_like_ids() -> None:
    columns = table()
    columns["policy"] = np.random.default_rng(0).permutation(ROWS) + 1000.0
    columns["contract"] = np.array([f"c-{number}" for number in range(ROWS)], dtype=object)
    columns["patient_id"] = np.random.default_rng(0).choice(10**7, ROWS, replace=False) * 1.0
    found = [finding for finding in lint(columns) if finding.code is FindingCode.ID_LIKE]
    assert [finding.columns[0] for finding in found] == ["policy", "contract", "patient_id"]
    assert {finding.severity for finding in found} == {Severity.WARNING}


def test_measurements_and_sentences_that_all_differ_are_not_like_ids() -> None:
    columns = table()
    columns["income"] = np.random.default_rng(0).choice(10**6, ROWS, replace=False) * 1.0
    columns["words"] = np.array([f"he said {number} words" for number in range(ROWS)], dtype=object)
    assert lint(columns) == ()


def test_owner_of_several_rows_is_named_unless_it_is_the_group() -> None:
    columns = table()
    columns["patient"] = np.array([f"p{number}" for number in range(100)], dtype=object)[np.arange(ROWS) % 100]
    finding = only(lint(columns), FindingCode.GROUP_LIKE)
    assert 'schema.with_roles("patient", "group")' in finding.hint
    assert lint(columns, patient=Role.GROUP) == ()


def test_missing_that_tells_the_target_is_a_warning() -> None:
    columns = table()
    chance = np.random.default_rng(3)
    ill = columns["ill"] == "yes"
    columns["x_ray"] = np.where(ill & (chance.random(ROWS) < 0.8), 1.0, np.nan) * chance.random(ROWS)
    finding = only(lint(columns), FindingCode.MISSING_TELLS)
    assert finding.columns == ("x_ray",)
    columns["x_ray"] = np.where(chance.random(ROWS) < 0.5, np.nan, chance.random(ROWS))
    assert lint(columns) == ()


def test_constant_and_empty_columns_are_noted() -> None:
    columns = table()
    columns["same"] = np.ones(ROWS)
    columns["empty"] = np.full(ROWS, np.nan)
    columns["none"] = np.full(ROWS, None, dtype=object)
    found = lint(columns)
    assert [(finding.code, finding.columns) for finding in found] == [
        (FindingCode.CONSTANT, (name,)) for name in ("same", "empty", "none")
    ]
    assert {finding.severity for finding in found} == {Severity.NOTE}


def test_feature_that_repeats_a_later_outcome_is_an_error() -> None:
    columns = table()
    columns["dropped_out"] = np.array(["1", "0", "0"], dtype=object)[np.random.default_rng(0).integers(0, 3, ROWS)]
    columns["stayed"] = np.where(columns["dropped_out"] == "1", 0.0, 1.0)
    finding = only(lint(columns, dropped_out=Role.OUTCOME_LATER), FindingCode.OUTCOME_REPEATED)
    assert finding.columns == ("stayed", "dropped_out")
    assert finding.severity is Severity.ERROR


def test_date_that_is_no_time_is_a_warning_where_neighbours_are_alike_and_a_note_where_not() -> None:
    columns = table(classes=False)
    columns["day"] = np.datetime64("2024-01-01", "us") + np.arange(ROWS) * np.timedelta64(1, "D")
    assert only(lint(columns), FindingCode.TIME_IGNORED).severity is Severity.NOTE
    columns["ill"] = np.cumsum(np.random.default_rng(0).normal(size=ROWS))
    finding = only(lint(columns), FindingCode.TIME_IGNORED)
    assert finding.severity is Severity.WARNING
    assert finding.columns == ("day",)
    assert lint(columns, day=(Role.TIME, Role.FEATURE)) == ()


def test_target_that_grows_with_the_date_is_a_warning() -> None:
    columns = table(classes=False)
    columns["ill"] = np.arange(ROWS) ** 1.5
    columns["day"] = np.datetime64("2024-01-01", "us") + np.arange(ROWS) * np.timedelta64(1, "D")
    assert only(lint(columns), FindingCode.TIME_IGNORED).severity is Severity.WARNING


def test_rows_in_an_order_that_no_column_tells_are_a_warning() -> None:
    columns = table(classes=False)
    columns["ill"] = np.cumsum(np.random.default_rng(0).normal(size=ROWS))
    finding = only(lint(columns), FindingCode.TIME_IGNORED)
    assert finding.columns == ()


def test_rows_sorted_by_class_or_by_target_are_no_time() -> None:
    columns = {name: values[np.argsort(table()["ill"])] for name, values in table().items()}
    assert lint(columns) == ()
    numbers = table(classes=False)
    assert lint({name: values[np.argsort(numbers["ill"])] for name, values in numbers.items()}) == ()
    assert likeness_of_neighbours(np.arange(10.0) % 3, classes=False, by=None) == 0.0


def test_copies_are_noted_and_across_a_split_they_are_an_error() -> None:
    columns = {name: np.concatenate([values, values[:40]]) for name, values in table().items()}
    schema = schema_of(columns)
    assert only(find_leaks(schema, columns), FindingCode.COPIES).measured == {"copies": 40}
    finding = only(find_leaks(schema, columns, train=np.arange(ROWS)), FindingCode.COPIES_ACROSS)
    assert finding.severity is Severity.ERROR
    assert finding.measured == {"share": 1.0}
    parts = split(rule_for(schema).keys(columns))
    codes = [finding.code for finding in find_leaks(schema, columns, train=parts.train)]
    assert codes == [FindingCode.COPIES]
    assert parts.test.opened == 0


def test_images_that_are_on_both_sides_are_found() -> None:
    images = np.random.default_rng(0).integers(0, 255, (200, 6, 6), dtype=np.uint8)
    images[150] = images[3]
    copies = copies_in_array(images)
    (finding,) = find_copies(copies, np.arange(100), np.arange(100, 200))
    assert (finding.code, finding.severity) == (FindingCode.COPIES_ACROSS, Severity.WARNING)
    assert finding.measured == {"share": 0.01}
    assert find_copies(copies, np.arange(100), np.arange(100, 150)) == ()
    assert find_copies(copies, np.arange(100), np.arange(0)) == ()
    (finding,) = find_copies(copies, np.arange(100), np.arange(140, 200))
    assert finding.severity is Severity.ERROR


def test_groups_and_times_across_a_split_are_errors() -> None:
    columns = table()
    columns["patient"] = np.arange(ROWS) % 100 * 1.0
    columns["day"] = np.arange(ROWS) * 1.0
    train, rest = np.arange(0, ROWS, 2), np.arange(1, ROWS, 2)
    schema = schema_of(columns, day=Role.TIME, patient=Role.GROUP)
    found = find_leaks(schema, columns, train=np.arange(200), held_back=np.arange(150, 400))
    assert [finding.code for finding in found] == [FindingCode.GROUPS_ACROSS, FindingCode.TIME_GOES_BACK]
    assert found[1].measured == {"share": 0.2}
    assert [finding.code for finding in find_leaks(schema, columns, train=train, held_back=rest)] == [
        FindingCode.TIME_GOES_BACK
    ]
    parts = split(rule_for(schema).keys(columns))
    assert find_leaks(schema, columns, train=parts.train, held_back=parts.validation) == ()


def test_findings_come_worst_first_and_travel_as_json() -> None:
    columns = table()
    columns |= {"same": np.ones(ROWS), "number": np.arange(ROWS) * 1.0, "leak": (columns["ill"] == "yes") * 1.0}
    found = lint(columns)
    assert [finding.severity for finding in found] == [Severity.ERROR, Severity.WARNING, Severity.NOTE]
    assert json.loads(json.dumps([finding.to_json() for finding in found]))[0]["code"] == "target_given_away"
    assert str(found[0]).startswith("error: `leak` alone tells the target (AUC 1.0000")


def test_table_without_target_or_rows_is_looked_at_all_the_same() -> None:
    columns = table()
    del columns["ill"]
    assert lint(columns) == ()
    empty = {name: values[:0] for name, values in table().items()}
    assert find_leaks(schema_of(table()), empty) == ()
