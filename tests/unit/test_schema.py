"""Schemas: what is worked out from a table, what can be changed, and what is refused."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas
import polars
import pytest

import lepton_ai
from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.schema import Column, Kind, Role, Schema
from lepton_ai.platform.preprocessing.signature import Task

ROWS = 60
AMOUNTS = [round(17.3 + 1.7 * row % 11, 2) for row in range(ROWS)]
COLOURS = ["red", "green", "blue"] * (ROWS // 3)
OUTCOMES = [row % 2 for row in range(ROWS)]


def infer(target: str | None = None, /, *, told: dict[str, Any] | None = None, **columns: Any) -> Schema:
    return Schema.infer(columns, target=target, **(told or {}))


def notes_on(schema: Schema, name: str) -> str:
    return " ".join(note for note in schema.notes if note.startswith(f"`{name}`"))


class TestKindsAreFoundByContent:
    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            (AMOUNTS, Kind.NUMBER),
            ([row % 4 for row in range(ROWS)], Kind.NUMBER),
            ([str(amount) for amount in AMOUNTS], Kind.NUMBER),
            (COLOURS, Kind.CATEGORY),
            ([row % 2 == 0 for row in range(ROWS)], Kind.CATEGORY),
            ([f"0{row % 7}123" for row in range(ROWS)], Kind.CATEGORY),
            (["20,000 to 29,000", "more than 29,000"] * (ROWS // 2), Kind.CATEGORY),
            ([date(2024, 1, 1) + timedelta(days=row) for row in range(ROWS)], Kind.DATE),
            ([f"2024-03-{1 + row % 30:02}" for row in range(ROWS)], Kind.DATE),
            ([f"{1 + row % 30}/03/2024 14:05" for row in range(ROWS)], Kind.DATE),
            ([f"{1 + row % 30} Mar 2024" for row in range(ROWS)], Kind.DATE),
            ([f"{1949 + row // 12}-{1 + row % 12:02}" for row in range(ROWS)], Kind.DATE),
            ([f"2024-03-{1 + row % 30:02} 14:05:00 UTC" for row in range(ROWS)], Kind.DATE),
            ([f"{row % 24:02}:30" for row in range(ROWS)], Kind.DATE),
            ([f"the patient came back after {row} days" for row in range(ROWS)], Kind.TEXT),
            ([f"这个产品很好用第{row}次购买" for row in range(ROWS)], Kind.TEXT),
        ],
    )
    def test_kind_of_a_feature(self, values: list[Any], kind: Kind) -> None:
        assert infer(feature=values)["feature"].kind is kind

    @pytest.mark.parametrize(
        ("values", "labels"),
        [
            (OUTCOMES, (0, 1)),
            ([float(outcome) for outcome in OUTCOMES], (0, 1)),
            ([row % 5 - 1 for row in range(ROWS)], (-1, 0, 1, 2, 3)),
            ([str(10 * (row % 3)) for row in range(ROWS)], (0, 10, 20)),
            (["yes", "no"] * (ROWS // 2), ("no", "yes")),
            ([row % 2 == 0 for row in range(ROWS)], ("false", "true")),
            (["01", "10", "02"] * (ROWS // 3), ("01", "02", "10")),
        ],
    )
    def test_target_with_few_values_is_a_classification_whose_labels_keep_their_type(
        self, values: list[Any], labels: tuple[int | str, ...]
    ) -> None:
        schema = infer("outcome", amount=AMOUNTS, outcome=values)
        assert schema.task is Task.CLASSIFICATION
        assert schema.target is not None
        assert schema.target.labels == labels

    @pytest.mark.parametrize("values", [AMOUNTS, list(range(ROWS)), [row % 7 + 0.5 for row in range(ROWS)]])
    def test_target_with_many_values_or_fractions_is_a_regression(self, values: list[Any]) -> None:
        assert infer("outcome", amount=AMOUNTS, outcome=values).task is Task.REGRESSION

    def test_many_classes_want_many_rows(self) -> None:
        few = infer("outcome", amount=AMOUNTS, outcome=[row % 12 for row in range(ROWS)])
        many = infer("outcome", amount=AMOUNTS * 4, outcome=[row % 12 for row in range(4 * ROWS)])
        assert (few.task, many.task) == (Task.REGRESSION, Task.CLASSIFICATION)
        assert "as a number it would be a regression" in notes_on(many, "outcome")

    def test_categories_of_pandas_and_polars_stay_categories_though_they_look_like_numbers(self) -> None:
        codes = [str(row % 11) for row in range(ROWS)]
        numbers = tuple(str(code) for code in range(11))
        in_pandas = Schema.infer(pandas.DataFrame({"code": pandas.Categorical([int(code) for code in codes])}))
        in_polars = Schema.infer(polars.DataFrame({"code": polars.Series(codes, dtype=polars.Categorical)}))
        assert in_pandas["code"].categories == in_polars["code"].categories == numbers

    def test_dates_with_a_time_of_day_are_told_from_days(self) -> None:
        days = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=row) for row in range(ROWS)]
        schema = infer(day=days, moment=[day + timedelta(hours=7) for day in days])
        assert (schema["day"].has_time, schema["moment"].has_time) == (False, True)

    def test_order_of_day_and_month_is_taken_from_a_day_above_twelve(self) -> None:
        assert infer(when=["05/02/2024", "28/02/2024"])["when"].date_format == "%d/%m/%Y"
        assert infer(when=["02/05/2024", "02/28/2024"])["when"].date_format == "%m/%d/%Y"

    def test_order_of_day_and_month_is_taken_from_dates_that_go_on(self) -> None:
        days = [f"{day:02}/{month:02}/2024" for month in (1, 2) for day in range(1, 13)]
        assert infer(when=[day for day in days for _ in range(3)])["when"].date_format == "%d/%m/%Y"

    def test_ambiguous_dates_stay_a_category_and_the_note_says_what_to_write(self) -> None:
        schema = infer(when=["05/02/2024", "03/04/2024", "01/01/2023"])
        assert schema["when"].kind is Kind.CATEGORY
        note = notes_on(schema, "when")
        assert 'with_column(\'when\', kind="date", categories=None, date_format="%d/%m/%Y")' in note
        dated = schema.with_column("when", kind="date", categories=None, date_format="%d/%m/%Y")
        assert dated["when"].kind is Kind.DATE

    def test_many_categories_are_capped_at_the_most_frequent(self) -> None:
        rare = [f"rare{row}" for row in range(600)]
        schema = infer(shop=["main", "side"] * 1000 + rare + rare[:250])
        categories = schema["shop"].categories or ()
        assert len(categories) == 254
        assert set(categories) >= {"main", "side", *rare[:250]}
        assert "602 values; the 254 most frequent are kept" in notes_on(schema, "shop")


class TestMissingValues:
    def test_usual_words_are_missing_codes_of_a_category(self) -> None:
        column = infer(job=["nurse", "?", "cook", "N/A"] * 15)["job"]
        assert (column.missing_codes, column.categories) == (("?", "N/A"), ("cook", "nurse"))
        assert column.may_be_missing

    def test_none_may_well_be_a_category(self) -> None:
        assert infer(claims=["none", "1", "2 to 4"] * 20)["claims"].categories == ("1", "2 to 4", "none")

    def test_stray_words_among_numbers_are_missing_codes(self) -> None:
        schema = infer(weight=[*(str(amount) for amount in AMOUNTS), "not known", "-"])
        assert (schema["weight"].kind, schema["weight"].missing_codes) == (Kind.NUMBER, ("not known",))
        assert "missing where '-', 'not known' stands" in notes_on(schema, "weight")

    def test_many_words_among_numbers_make_a_category(self) -> None:
        assert infer(size=["1", "2", "2", "large"] * 15)["size"].kind is Kind.CATEGORY

    def test_told_codes_are_missing(self) -> None:
        schema = infer(glucose=[0, 90, 101, 0, 87], told={"missing_codes": {"glucose": [0]}})
        assert schema["glucose"].missing_codes == ("0",)
        assert schema["glucose"].may_be_missing

    def test_codes_given_later_make_a_column_that_may_be_missing(self) -> None:
        schema = infer(glucose=[0, 90, 101]).with_column("glucose", missing_codes=("0",))
        assert schema["glucose"].may_be_missing

    @pytest.mark.parametrize("nothing", [None, float("nan"), "", "  ", np.nan])
    def test_nothing_is_missing(self, nothing: Any) -> None:
        assert infer(feature=[nothing, "a", "b"])["feature"].may_be_missing


class TestRoles:
    @pytest.mark.parametrize(
        "values",
        [
            list(range(1, ROWS + 1)),
            list(range(ROWS))[::-1],
            [2 * row for row in range(ROWS)],
            [f"L{47000 + 13 * row}" for row in range(ROWS)],
            [10**18 + 7 * row for row in range(ROWS)],
        ],
    )
    def test_counters_and_texts_that_all_differ_are_ids(self, values: list[Any]) -> None:
        schema = infer(key=values, amount=AMOUNTS)
        assert schema["key"].roles == {Role.ID}
        assert "so it is an id and no feature" in notes_on(schema, "key")

    @pytest.mark.parametrize("name", ["customer_id", "customerId", "Customer ID", "id", "UUID"])
    def test_numbers_called_an_id_are_one_if_they_differ(self, name: str) -> None:
        assert infer(**{name: [7919 * (row + 3) % 100_003 for row in range(ROWS)]})[name].roles == {Role.ID}

    @pytest.mark.parametrize("name", ["paid", "grid", "liquid", "amount"])
    def test_numbers_that_differ_are_features_otherwise(self, name: str) -> None:
        assert infer(**{name: [7919 * (row + 3) % 100_003 for row in range(ROWS)]})[name].roles == {Role.FEATURE}

    def test_years_are_no_counter(self) -> None:
        assert infer(year=list(range(1950, 1950 + ROWS)))["year"].roles == {Role.FEATURE}

    def test_ids_do_not_take_their_values_into_the_schema(self) -> None:
        schema = infer(name=["Ada", "Bob", "Cyd"] * 20, told={"ids": ["name"]})
        assert "Ada" not in json.dumps(schema.to_json())

    @pytest.mark.parametrize("values", [[5.0] * ROWS, ["x"] * ROWS, [None] * ROWS])
    def test_what_says_nothing_is_left_aside(self, values: list[Any]) -> None:
        schema = infer(feature=values, amount=AMOUNTS)
        assert schema["feature"].roles == frozenset()
        assert "left aside" in notes_on(schema, "feature")

    def test_told_roles_hold(self) -> None:
        days = [date(2024, 1, 1) + timedelta(days=row) for row in range(ROWS)]
        schema = infer(
            "ill",
            ward=COLOURS,
            when=days,
            age=AMOUNTS,
            stay=AMOUNTS,
            ill=OUTCOMES,
            told={"group": "ward", "time": "when", "sensitive": ["age"], "outcome_later": ["stay"]},
        )
        assert {column.name: column.roles for column in schema.columns} == {
            "ward": {Role.GROUP},
            "when": {Role.TIME, Role.FEATURE},
            "age": {Role.SENSITIVE, Role.FEATURE},
            "stay": {Role.OUTCOME_LATER},
            "ill": {Role.TARGET},
        }
        assert [column.name for column in schema.features] == ["when", "age"]
        assert schema.having(Role.GROUP) == (schema["ward"],)

    def test_told_kind_makes_a_feature_of_what_looks_like_an_id(self) -> None:
        codes = [f"c{row}" for row in range(ROWS)]
        assert infer(code=codes)["code"].roles == {Role.ID}
        assert infer(code=codes, told={"kinds": {"code": "category"}})["code"].roles == {Role.FEATURE}
        assert infer(step=list(range(ROWS)), told={"kinds": {"step": "number"}})["step"].roles == {Role.FEATURE}

    def test_told_kind_holds(self) -> None:
        schema = infer(floor=[10, 9, 1] * 20, told={"kinds": {"floor": "category"}})
        assert schema["floor"].categories == ("1", "9", "10")
        assert schema["floor"].labels == (1, 9, 10)


class TestChanges:
    schema = infer("ill", age=AMOUNTS, colour=COLOURS, ill=OUTCOMES)

    def test_columns_are_changed_in_a_copy(self) -> None:
        changed = self.schema.with_column("age", unit="years", low=0, high=120).with_roles("colour", "sensitive")
        assert (changed["age"].unit, changed["age"].high) == ("years", 120)
        assert changed["colour"].roles == {Role.SENSITIVE}
        assert self.schema["age"].unit is None

    def test_json_gives_the_same_schema(self) -> None:
        changed = self.schema.with_column("age", unit="years", low=0, missing_codes=("?",))
        again = Schema.from_json(json.loads(json.dumps(changed.to_json())))
        assert again == changed
        assert again.notes == changed.notes

    def test_it_reads_as_text_and_in_a_notebook(self) -> None:
        schema = self.schema.with_column("age", unit="<years>", low=0)
        assert str(schema).splitlines() == [
            "3 columns, classification of `ill` (0, 1)",
            "  age     number    feature  from 0 <years>",
            "  colour  category  feature  blue, green, red",
            "  ill     category  target   0, 1",
        ]
        assert "from 0 &lt;years&gt;" in schema._repr_html_()

    def test_it_is_public(self) -> None:
        assert lepton_ai.Schema is Schema


class TestMistakesAreNamed:
    schema = infer("ill", age=AMOUNTS, colour=COLOURS, ill=OUTCOMES)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda s: s["agee"], "there is no column 'agee'; did you mean 'age'?"),
            (lambda s: s.with_column("coluor", unit="x"), "there is no column 'coluor'; did you mean 'colour'?"),
            (lambda s: s.with_column("age", hihg=3), "a column has no 'hihg'"),
            (lambda s: s.with_column("age", low=9, high=3), "`low` of column 'age' must not be above `high`"),
            (lambda s: s.with_column("age", low="nine"), "`low` of column 'age' must be a number, got 'nine'"),
            (lambda s: s.with_column("colour", low=0), "`low` is for numbers, and column 'colour' is a category"),
            (lambda s: s.with_column("age", kind="numbr"), "must be one of number, category, date, text, got 'numbr'"),
            (lambda s: s.with_column("age", kind="category"), "is a category and must have `categories`"),
            (lambda s: s.with_column("colour", categories=("a", "a")), "must differ, got twice: `a`"),
            (lambda s: s.with_column("colour", categories="red"), "must be several values, got 'red'"),
            (lambda s: s.with_roles("age", "featur"), "got 'featur'; did you mean 'feature'?"),
            (lambda s: s.with_roles("ill", "target", "feature"), "cannot be target and feature at once"),
            (lambda s: s.with_roles("age", "outcome_later", "feature"), "cannot be outcome_later and feature at once"),
            (lambda s: s.with_roles("ill", "target", "id"), "the target 'ill' cannot have other roles, got id"),
            (lambda s: s.with_roles("age", "target"), "at most one column may have the role 'target'"),
            (lambda s: Schema(s.columns + s.columns[:1]), "column names must differ, got twice: `age`"),
            (lambda s: Schema(()), "a schema must have at least one column"),
            (lambda s: Schema.from_json({"columns": []}), "not a schema: KeyError 'version'"),
            (lambda s: Schema.from_json({"version": 9, "columns": []}), "must be of version 1, got version=9"),
            (lambda s: Schema.from_json({"version": 1, "columns": [{"nam": "a"}]}), "not a schema"),
            (
                lambda s: Column("when", Kind.DATE, frozenset({Role.TARGET})),
                "the target must be a number or a category",
            ),
        ],
    )
    def test_change_is_refused(self, change: Any, message: str) -> None:
        with pytest.raises(InvalidInput) as error:
            change(self.schema)
        assert message in error.value.message

    @pytest.mark.parametrize(
        ("columns", "target", "told", "message"),
        [
            ({"a": AMOUNTS}, "b", {}, "there is no column 'b'"),
            ({"amount": AMOUNTS}, None, {"group": "amout"}, "there is no column 'amout'; did you mean 'amount'?"),
            ({"a": AMOUNTS, "y": [1] * ROWS}, "y", {}, "must have at least two classes, got `1`"),
            ({"a": AMOUNTS, "y": [None] * ROWS}, "y", {}, "the target 'y' must have values, got none in 60 rows"),
            ({"a": AMOUNTS, "y": [f"t{row}" for row in range(ROWS)]}, "y", {}, "got 60 classes in 60 rows"),
            ({"a": AMOUNTS, "y": OUTCOMES}, "y", {"ids": ["y"]}, "the target 'y' cannot have other roles, got id"),
            ({"a": COLOURS}, None, {"kinds": {"a": "number"}}, "column 'a' cannot be a number: its values are 'red'"),
            ({"a": COLOURS}, None, {"kinds": {"a": "date"}}, "column 'a' cannot be a date"),
            ({"a": AMOUNTS}, None, {"kinds": {"a": "nmber"}}, "did you mean 'number'?"),
            ({"a": AMOUNTS}, None, {"missing_codes": {"a": [None]}}, "`missing_codes` of column 'a' must be texts"),
        ],
    )
    def test_table_is_refused(self, columns: Any, target: str | None, told: Any, message: str) -> None:
        with pytest.raises(InvalidInput) as error:
            Schema.infer(columns, target, **told)
        assert message in error.value.message
