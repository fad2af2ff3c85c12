"""The transform: the same numbers in training and serving, to the last bit, and always finite."""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.columns import columns_of_rows
from lepton_ai.platform.preprocessing.layout import BlockKind, layout
from lepton_ai.platform.preprocessing.readers import read_table, to_columns
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.transform import Transform

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "data"
ROWS = 40
TABLE: dict[str, list[Any]] = {
    "age": [20 + row % 37 for row in range(ROWS)],
    "weight": [None if row % 9 == 0 else 60 + row / 7 for row in range(ROWS)],
    "ward": [["icu", "east", "west"][row % 3] for row in range(ROWS)],
    "seen": [f"2024-{1 + row % 12:02}-{1 + row % 28:02}T{row % 24:02}:30" for row in range(ROWS)],
    "day": [f"2024-{1 + row % 12:02}-{1 + row % 28:02}" for row in range(ROWS)],
    "letter": [f"the {['red', 'green', 'blue'][row % 3]} one came back after {row} days" for row in range(ROWS)],
    "ill": [["no", "yes"][row % 3 == 0] for row in range(ROWS)],
}
SCHEMA = Schema.infer(TABLE, target="ill")


def fitted(table: dict[str, Any], target: str | None = None, **told: Any) -> tuple[Transform, NDArray[np.float32]]:
    schema = Schema.infer(table, target, **told)
    columns = to_columns(schema, table)
    transform = Transform.fit(schema, columns)
    return transform, transform.apply(columns)


def read_again(transform: Transform) -> Transform:
    return Transform.from_json(json.loads(json.dumps(transform.to_json())))


def rows_of(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


class TestLayout:
    def test_it_is_known_from_the_schema_alone(self) -> None:
        places = [(block.column, block.kind, block.first, block.width, block.levels) for block in layout(SCHEMA)]
        assert places == [
            ("age", BlockKind.NUMBER, 0, 1, 0),
            ("weight", BlockKind.NUMBER, 1, 2, 0),
            ("ward", BlockKind.CODE, 3, 1, 4),
            ("seen", BlockKind.NUMBER, 4, 7, 0),
            ("day", BlockKind.NUMBER, 11, 5, 0),
            ("letter", BlockKind.NUMBER, 16, 16, 0),
        ]

    def test_rows_are_as_wide_as_it_says(self) -> None:
        transform, x = fitted(TABLE, "ill")
        assert x.shape == (ROWS, transform.width) == (ROWS, 32)
        assert x.dtype == np.float32


class TestNumbers:
    def test_median_is_zero_and_quartile_distance_about_one(self) -> None:
        _, x = fitted({"a": [step / 8 for step in range(101)]})
        assert x[50, 0] == 0
        assert x[75, 0] - x[25, 0] == pytest.approx(1, abs=0.02)

    def test_order_is_kept_to_the_far_end(self) -> None:
        amounts = [0.1 * step for step in range(50)] + [10.0**power for power in range(1, 30)]
        _, x = fitted({"a": amounts})
        assert (np.diff(x[:, 0]) > 0).all()
        assert x.max() < 200

    def test_rare_amounts_among_zeros_are_scaled_by_themselves(self) -> None:
        _, x = fitted({"gain": [0.0] * 95 + [5000.0, 6000.0, 7000.0, 8000.0, 99999.0]})
        assert x[0, 0] == 0
        assert 0.5 < x[95, 0] < x[98, 0] < 1.5

    def test_missing_number_is_the_median_and_says_so(self) -> None:
        _, x = fitted({"a": [1.0, None, 2.0, 3.0, np.inf]})
        assert x[1].tolist() == x[4].tolist() == [0.0, 1.0]
        assert x[:, 1].tolist() == [0, 1, 0, 0, 1]

    @pytest.mark.parametrize("values", [[7.0] * 5, [1e308, -1e308, 0.0], [5e-324, 0.0, 1.0], [1e-300, 2e-300, 3e300]])
    def test_extreme_numbers_stay_finite(self, values: list[float]) -> None:
        assert np.isfinite(fitted({"a": values, "b": values})[1]).all()


class TestCategories:
    wards = tuple(f"ward {letter}" for letter in "abcdefghijklmnop")

    def codes(self, transform: Transform, wards: Sequence[str]) -> list[float]:
        return transform.apply({"ward": np.array(wards, dtype=object)})[:, 0].tolist()

    def test_codes_of_many_categories_go_up_with_the_mean_outcome(self) -> None:
        table = {"ward": self.wards * 40, "cost": [(7 * number) % 16 + 0.5 for number in range(16)] * 40}
        transform, _ = fitted(table, "cost")
        by_cost = sorted(self.wards, key=lambda ward: (7 * self.wards.index(ward)) % 16)
        assert self.codes(transform, by_cost) == list(range(1, 17))

    def test_codes_of_two_classes_go_up_with_the_share_of_the_second(self) -> None:
        ill = ["yes" if (7 * number) % 16 > turn % 16 else "no" for turn in range(160) for number in range(16)]
        transform, _ = fitted({"ward": self.wards * 160, "ill": ill}, "ill")
        by_share = sorted(self.wards, key=lambda ward: (7 * self.wards.index(ward)) % 16)
        assert self.codes(transform, by_share) == list(range(1, 17))

    def test_codes_of_more_classes_put_like_beside_like(self) -> None:
        outcomes = ["xxxxxz" if number % 3 == 0 else "yyyyyz" for number in range(16)]
        table = {
            "ward": [ward for ward in self.wards for _ in range(60)],
            "y": [*"".join(outcome * 10 for outcome in outcomes)],
        }
        transform, _ = fitted(table, "y")
        alike = sorted(self.codes(transform, self.wards[::3]))
        assert alike in ([1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16])

    def test_rare_category_does_not_come_first_by_chance(self) -> None:
        costs = {ward: [number / 2 - 6.0, number / 2 + 6.0] * 25 for number, ward in enumerate(self.wards)}
        costs["rare"] = [-5.0]
        table = {"ward": [w for w in costs for _ in costs[w]], "cost": [cost for w in costs for cost in costs[w]]}
        transform, _ = fitted(table, "cost")
        assert self.codes(transform, ["rare"])[0] > self.codes(transform, ["ward a"])[0] == 1

    @pytest.mark.parametrize(("wards", "times"), [(12, 100), (16, 20)])
    def test_order_of_few_categories_or_rows_is_that_of_the_schema(self, wards: int, times: int) -> None:
        table = {"ward": self.wards[:wards] * times, "cost": [-(number**1.5) for number in range(wards)] * times}
        transform, _ = fitted(table, "cost")
        assert self.codes(transform, self.wards[:wards]) == list(range(1, wards + 1))

    def test_categories_without_a_bearing_on_the_outcome_tell_nothing_of_it(self) -> None:
        chance = np.random.default_rng(0)
        table = {"ward": chance.integers(0, 50, 2000).astype(str).tolist(), "cost": chance.normal(size=2000).tolist()}
        transform, x = fitted(table, "cost", kinds={"ward": "category"})
        assert abs(np.corrcoef(x[:, 0], table["cost"])[0, 1]) < 0.06
        assert transform.apply({"ward": np.array(["0", "49"], dtype=object)})[:, 0].tolist() == [1, 50]

    def test_without_target_the_order_is_that_of_the_schema(self) -> None:
        _, x = fitted({"ward": ["c", "a", "b", "a"]})
        assert x[:, 0].tolist() == [3, 1, 2, 1]

    def test_target_can_be_passed_apart(self) -> None:
        schema = Schema.infer({"ward": self.wards})
        wards = to_columns(schema, {"ward": self.wards * 40})
        transform = Transform.fit(schema, wards, -np.arange(16.0 * 40) % 16)
        assert transform.apply(wards)[:3, 0].tolist() == [1, 16, 15]

    def test_unknown_and_missing_are_zero(self) -> None:
        transform, _ = fitted({"ward": ["a", "b", None, "a"]})
        assert transform.apply({"ward": np.array(["new", None], dtype=object)})[:, 0].tolist() == [0, 0]

    def test_ten_thousand_categories_are_capped(self) -> None:
        transform, x = fitted({"shop": [f"s{row % 10_000}" for row in range(20_000)]})
        assert transform.layout[0].levels == 255
        assert (x[:, 0] == 0).sum() == 2 * (10_000 - 254)


class TestDates:
    def test_parts_of_a_date_come_round(self) -> None:
        schema = Schema.infer({"seen": ["2024-01-01T06:00", "2024-07-01T18:00", "2025-01-05T00:00"]})
        columns = to_columns(schema, {"seen": ["2024-01-01T06:00", "2025-01-01T06:00", "2024-01-08T06:00"]})
        first, next_year, next_week = Transform.fit(schema, columns).apply(columns)
        assert first[1:3] == pytest.approx(next_year[1:3], abs=1e-6)
        assert first[3:5] == pytest.approx(next_week[3:5], abs=1e-6)
        assert first[5:7] == pytest.approx([1, 0], abs=1e-6)
        assert first[0] < next_week[0] < next_year[0]

    def test_time_of_day_alone_is_two_numbers(self) -> None:
        _, x = fitted({"at": ["06:00", "12:00", "18:00"]})
        assert x == pytest.approx(np.array([[1, 0], [0, -1], [-1, 0]]), abs=1e-6)

    def test_missing_date_says_so(self) -> None:
        _, x = fitted({"seen": ["2024-01-01", None, "2024-03-01"]})
        assert x[1].tolist() == [0, 0, 0, 0, 0, 1]


class TestTexts:
    def test_like_texts_are_near_each_other(self) -> None:
        texts = ["win a free prize now", "free prize to win now", "see you at lunch today", "lunch today with you"] * 20
        transform, x = fitted({"letter": [f"{text} {row}" for row, text in enumerate(texts)]})
        near, far = np.linalg.norm(x[0] - x[4]), np.linalg.norm(x[0] - x[2])
        assert near < far / 2
        assert transform.apply({"letter": np.array([None, "", "unheard of"], dtype=object)}).any() == np.False_

    @pytest.mark.parametrize("text", ["", "\ud800", "x" * 1_000_000, "这个产品很好用", "\0", "?"])
    def test_strange_texts_stay_finite(self, text: str) -> None:
        transform, _ = fitted(TABLE, "ill")
        row = {name: values[0] for name, values in TABLE.items()} | {"letter": text}
        columns = columns_of_rows(transform.schema.with_column("letter", may_be_missing=True), [row])
        assert np.isfinite(transform.apply(columns)).all()


class TestTargets:
    def test_labels_keep_their_type_and_order(self) -> None:
        transform, _ = fitted({"a": [0.5, 1.5] * 20, "y": [10, 2] * 20}, "y")
        assert transform.labels == (2, 10)
        assert transform.encode_target(to_columns(transform.schema, {"a": [1], "y": [10]})).tolist() == [1]

    def test_numbers_stay_numbers(self) -> None:
        transform, _ = fitted({"a": [row / 8 for row in range(30)], "y": [row / 7 for row in range(30)]}, "y")
        assert transform.labels is None
        assert transform.encode_target({"y": np.array([2.5])}).dtype == np.float32

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (["maybe", "no"], "row 0, column 'ill': must be one of the 2 classes of the schema, got 'maybe'"),
            (["no", None], "row 1, column 'ill': must be one of the 2 classes of the schema, got nothing"),
        ],
    )
    def test_unknown_class_is_named(self, values: list[Any], message: str) -> None:
        transform, _ = fitted(TABLE, "ill")
        with pytest.raises(InvalidInput) as error:
            transform.encode_target({"ill": np.array(values, dtype=object)})
        assert message in error.value.message

    @pytest.mark.parametrize(("value", "got"), [(np.nan, "nothing"), (np.inf, "inf"), (1e300, "1e+300")])
    def test_number_that_no_model_can_learn_is_named(self, value: float, got: str) -> None:
        transform, _ = fitted({"a": [row / 8 for row in range(30)], "y": [row / 7 for row in range(30)]}, "y")
        with pytest.raises(InvalidInput) as error:
            transform.encode_target({"y": np.array([0.5, value])})
        assert f"row 1, column 'y': must be a number from -3.4e38 to 3.4e38, got {got}" in error.value.message

    def test_schema_without_target_cannot_encode_one(self) -> None:
        with pytest.raises(InvalidInput, match="the schema must have a target"):
            fitted({"a": [1, 2]})[0].encode_target({"a": np.array([1.0])})


class TestOnlineIsOffline:
    def test_json_gives_the_same_bytes(self) -> None:
        transform, x = fitted(TABLE, "ill")
        assert read_again(transform).apply(to_columns(SCHEMA, TABLE)).tobytes() == x.tobytes()

    def test_each_row_alone_gives_the_same_numbers(self) -> None:
        transform, x = fitted(TABLE, "ill")
        served = read_again(transform)
        alone = [served.apply(columns_of_rows(served.schema, [row]))[0] for row in rows_of(TABLE)]
        assert np.abs(np.stack(alone) - x).max() <= 1e-6

    @settings(max_examples=40)
    @given(
        some.lists(
            some.fixed_dictionaries(
                {
                    "amount": some.none() | some.floats(allow_nan=False, allow_infinity=False),
                    "ward": some.none() | some.sampled_from(["a", "b", "c", "d"]),
                    "seen": some.datetimes(timezones=some.just(UTC)).map(datetime.isoformat),
                    "letter": some.none() | some.text(max_size=30),
                }
            ),
            min_size=1,
            max_size=20,
        )
    )
    def test_whatever_the_rows_hold(self, rows: list[dict[str, Any]]) -> None:
        kinds = {"amount": "number", "ward": "category", "seen": "date", "letter": "text"}
        table = {name: [row[name] for row in rows] for name in kinds}
        schema = Schema.infer(table, kinds=kinds)
        for name in kinds:
            schema = schema.with_column(name, may_be_missing=True).with_roles(name, "feature")
        columns = to_columns(schema, table)
        transform = Transform.fit(schema, columns)
        x = transform.apply(columns)
        assert np.isfinite(x).all()
        assert x.shape == (len(rows), transform.width)
        for block in transform.layout:
            if block.kind is BlockKind.CODE:
                assert ((x[:, block.first] >= 0) & (x[:, block.first] < block.levels)).all()
        served = read_again(transform)
        alone = np.concatenate([served.apply(columns_of_rows(served.schema, [row])) for row in rows])
        assert np.abs(alone - x).max() <= 1e-6

    @pytest.mark.parametrize(
        ("name", "target"),
        [
            ("heart_cleveland/processed.cleveland.data", "C"),
            ("pima_diabetes/pima-indians-diabetes.csv", "x8"),
            ("bike_sharing/hour.csv.gz", "cnt"),
        ],
    )
    def test_on_examples(self, name: str, target: str) -> None:
        frame = read_table(EXAMPLES / name)
        schema = Schema.infer(frame, target)
        columns = to_columns(schema, frame)
        transform = Transform.fit(schema, columns)
        served = read_again(transform)
        x = transform.apply(columns)[:20]
        alone = [served.apply(columns_of_rows(served.schema, [row]))[0] for row in frame.head(20).to_dicts()]
        assert np.abs(np.stack(alone) - x).max() <= 1e-6


def test_serving_needs_nothing_but_numpy() -> None:
    code = (
        "import sys, lepton_ai.platform.preprocessing.transform; "
        "print(*{name.partition('.')[0] for name in sys.modules} & {'polars', 'pandas', 'sklearn', 'PIL', 'keras'})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""


class TestMistakesAreNamed:
    def test_schema_without_features(self) -> None:
        schema = Schema.infer({"a": [1, 2], "y": [0, 1]}, "y").with_roles("a", "id")
        with pytest.raises(InvalidInput, match="a schema must have features to learn from, got none"):
            Transform.fit(schema, {"y": np.array(["0", "1"], dtype=object)})

    def test_feature_that_is_not_there(self) -> None:
        transform, _ = fitted({"age": [1, 2], "size": [3, 4]})
        with pytest.raises(InvalidInput, match="there is no column 'size'"):
            transform.apply({"age": np.array([1.0])})

    @pytest.mark.parametrize(
        "value", [{}, {"version": 2}, {"version": 1, "schema": {}}, {"version": 1, "schema": None}, []]
    )
    def test_json_that_is_no_preprocessing(self, value: Any) -> None:
        with pytest.raises(InvalidInput, match=r"not a preprocessing|must be of version 1|not a schema"):
            Transform.from_json(value)
