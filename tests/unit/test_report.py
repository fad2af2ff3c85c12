"""The report: beside the baselines or not at all, with intervals, by group, over time, and where it is worst."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.evaluate import TrainingStory, evaluate_report
from lepton_ai.platform.evaluation.intervals import Unit
from lepton_ai.platform.evaluation.page import page
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.report_schema import report_schema
from lepton_ai.platform.evaluation.row_facts import RowFacts
from lepton_ai.platform.preprocessing.column import Column, Kind, Role
from lepton_ai.platform.preprocessing.schema import Schema
from report_cases import churn, churn_report, digits, rent, two

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "report.schema.json"


@pytest.fixture(scope="module")
def of_classes() -> Report:
    return churn_report()


@pytest.fixture(scope="module")
def of_numbers() -> Report:
    return evaluate_report(**rent())


@pytest.fixture(scope="module")
def of_many() -> Report:
    return evaluate_report(**digits())


def warnings(report: Report) -> str:
    return "\n".join(remark.text for remark in report.remarks if remark.is_warning)


# What it refuses


@pytest.mark.parametrize("missing", ["naive", "linear"])
def test_report_without_a_baseline_is_refused(missing: str) -> None:
    given = digits(60)
    del given["baselines"][missing]
    with pytest.raises(InvalidInput, match="'naive' and 'linear'") as refused:
        evaluate_report(**given)
    assert "simplest" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"truth": np.array([0, 1, 2] * 20)}, "class numbers from 0 to 1"),
        ({"truth": np.array([0, 1, 0])}, "must have shape"),
        ({"truth": ["yes", "no"] * 30}, "must hold numbers"),
        ({"predictions": two(np.linspace(0, 1, 60)) * 2}, "sum to 1"),
        ({"predictions": two(np.full(60, np.nan))}, "finite"),
        ({"labels": ("a", "a")}, "once"),
        ({"labels": ("a",)}, "once"),
        ({"threshold": 40}, "threshold=40"),
        ({"costs": [[0, 1, 2], [1, 0, 2]]}, "2 by 2"),
        ({"interval": np.zeros((60, 2)), "coverage": 0.9}, "goes with numbers"),
        ({"rows": RowFacts(groups={"sex": ["f"] * 59})}, "one value for each of 60"),
        ({"rows": RowFacts(time=np.zeros((60, 2)))}, "one value for each of 60"),
        ({"rows": RowFacts(time=["2024-01-01"] * 60)}, "numbers or dates"),
        ({"story": TrainingStory(test_openings=0)}, "test_openings=0"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    even = two(np.linspace(0.1, 0.9, 60))
    given = {"truth": np.arange(60) % 2, "predictions": even, "baselines": {"naive": even, "linear": even}}
    with pytest.raises(InvalidInput, match=message):
        evaluate_report(**(given | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"interval": np.zeros((60, 2))},
        {"coverage": 0.9},
        {"interval": np.zeros((60, 2)), "coverage": 90},
        {"interval": np.tile([1.0, 0.0], (60, 1)), "coverage": 0.9},
        {"labels": ("a", "b")},
        {"threshold": 0.5},
        {"predictions": np.zeros((60, 0))},
        {"truth": np.array([]), "predictions": np.array([])},
    ],
)
def test_what_does_not_fit_numbers_is_refused(changes: dict[str, Any]) -> None:
    numbers = np.arange(60.0)
    given = {"truth": numbers, "predictions": numbers, "baselines": {"naive": numbers, "linear": numbers}}
    with pytest.raises(InvalidInput):
        evaluate_report(**(given | changes))


# Metrics and their intervals


def test_every_metric_stands_beside_both_baselines(of_classes: Report, of_numbers: Report, of_many: Report) -> None:
    for report in (of_classes, of_numbers, of_many):
        for measured in report.metrics:
            if measured.name in ("coverage", "interval_width"):
                continue
            assert set(measured.baselines) == set(measured.differences) == {"naive", "linear"}
            for estimate in (measured.model, *measured.baselines.values(), *measured.differences.values()):
                assert estimate.value is not None and estimate.low is not None and estimate.high is not None
                assert estimate.low <= estimate.high


def test_difference_is_model_minus_baseline(of_classes: Report) -> None:
    measured = of_classes.metric("auc")
    assert measured.model.value is not None and measured.baselines["linear"].value is not None
    assert measured.differences["linear"].value == pytest.approx(
        measured.model.value - measured.baselines["linear"].value
    )


def test_same_seed_gives_the_same_report() -> None:
    first, again = (evaluate_report(**churn(300), seed=3) for _ in range(2))
    assert first == again
    assert json.dumps(first.to_json()) == json.dumps(again.to_json())
    assert evaluate_report(**churn(300), seed=4) != first


def test_all_rows_right_is_not_certainty() -> None:
    truth = np.arange(40) % 2
    sure = two(0.05 + 0.9 * truth)
    report = evaluate_report(truth, sure, baselines={"naive": two(np.full(40, 0.5)), "linear": sure})
    accuracy = report.metric("accuracy").model
    assert accuracy.value == accuracy.high == 1
    assert accuracy.low == pytest.approx(0.912, abs=0.001)


def test_threshold_decides_answers_and_costs(of_classes: Report) -> None:
    given = churn()
    answers = given["predictions"][:, 1] >= 0.4
    assert of_classes.metric("accuracy").model.value == pytest.approx((answers == given["truth"]).mean())
    alarms, misses = (answers & (given["truth"] == 0)).mean(), (~answers & (given["truth"] == 1)).mean()
    assert of_classes.metric("cost").model.value == pytest.approx(alarms + 3 * misses)


def test_metric_that_is_not_there_is_named_with_those_that_are(of_classes: Report) -> None:
    with pytest.raises(InvalidInput, match="'rmse'") as refused:
        of_classes.metric("rmse")
    assert "auc" in (refused.value.hint or "")


def test_zero_of_single_precision_is_not_certainty() -> None:
    truth = np.arange(100) % 2
    sure = two(truth.astype(np.float32))
    sure[0] = sure[1]  # one row in a hundred is wrong, and sure of it
    report = evaluate_report(truth, sure, baselines={"naive": two(np.full(100, 0.5)), "linear": sure})
    assert report.metric("log_loss").model.value == pytest.approx(-np.log(np.finfo(np.float32).eps) / 100, rel=1e-3)


def test_model_no_better_than_linear_is_told_so() -> None:
    given = digits(200)
    given["baselines"]["linear"] = given["predictions"]
    report = evaluate_report(**given)
    assert "do not show that it is better" in warnings(report)
    worse = evaluate_report(**(given | {"predictions": digits(200)["baselines"]["linear"]}))
    assert "it is worse" in warnings(worse)


# What is drawn


def test_rare_class_is_in_every_draw() -> None:
    given = digits(200)
    given["truth"] = np.where(np.arange(200) < 4, 4, given["truth"] % 4)
    report = evaluate_report(**given)
    assert report.sampling.unit is Unit.ROW_OF_CLASS
    assert "fewer than ten rows" in warnings(report)


def test_clusters_and_times_are_drawn_where_there_are_any(of_classes: Report, of_numbers: Report) -> None:
    assert of_classes.sampling.unit is Unit.ROW
    assert of_numbers.sampling.unit is Unit.TIME_BLOCK
    clusters = np.repeat(np.arange(15), 20)
    report = evaluate_report(**(churn(300) | {"rows": RowFacts(clusters=clusters, time=np.arange(300))}))
    assert (report.sampling.unit, report.sampling.units) == (Unit.CLUSTER, 15)
    assert "Only 15 clusters" in warnings(report)


def test_rows_without_a_cluster_stand_for_themselves() -> None:
    clusters = np.array([None, "a", "a", None, "b"] * 40, object)
    report = evaluate_report(**(churn(200) | {"rows": RowFacts(clusters=clusters)}))
    assert report.sampling.units == 2 + 80


def test_roles_of_a_schema_say_what_the_columns_are_for() -> None:
    roles = {
        "sex": {Role.SENSITIVE, Role.FEATURE},
        "age": {Role.FEATURE},
        "person": {Role.GROUP},
        "day": {Role.TIME},
        "paid": {Role.OUTCOME_LATER},
    }
    schema = Schema(tuple(Column(name, Kind.NUMBER, frozenset(of)) for name, of in roles.items()))
    table = {name: np.array([name], object) for name in roles}
    facts = RowFacts.of(schema, table)
    assert (list(facts.groups), list(facts.columns)) == (["sex"], ["sex", "age"])
    assert (facts.clusters[0], facts.time[0]) == ("person", "day")
    assert RowFacts.of(schema, {"age": table["age"]}).clusters is None


def test_rows_of_one_cluster_do_not_count_as_many() -> None:
    given = rent(60) | {"rows": RowFacts()}
    many = {name: np.repeat(given[name], 20, axis=0) for name in ("truth", "predictions", "interval")}
    many["baselines"] = {name: np.repeat(values, 20) for name, values in given["baselines"].items()}
    clusters = RowFacts(clusters=np.repeat(np.arange(60), 20))
    alone = evaluate_report(**given).metric("mae").model
    naive = evaluate_report(**(given | many)).metric("mae").model
    whole = evaluate_report(**(given | many | {"rows": clusters})).metric("mae").model
    assert _width(naive) < 0.4 * _width(alone)
    assert _width(whole) == pytest.approx(_width(alone), rel=0.15)


# By group, over time, worst slices


def test_groups_show_who_is_answered_how(of_classes: Report) -> None:
    given = churn()
    group = next(group for group in of_classes.groups if group.text == "f")
    rows = given["rows"].groups["sex"] == "f"
    answers, truth = given["predictions"][:, 1] >= 0.4, given["truth"]
    assert group.rows == rows.sum() and not group.is_small
    assert group.measures["answered"].value == pytest.approx(answers[rows].mean())
    assert group.measures["sensitivity"].value == pytest.approx(answers[rows & (truth == 1)].mean())
    assert group.measures["false_alarms"].value == pytest.approx(answers[rows & (truth == 0)].mean())
    difference = group.differences["answered"]
    assert difference.value == pytest.approx(answers[rows].mean() - answers[~rows].mean())
    assert difference.high is not None and difference.high < 0
    assert "sex: clear differences" in warnings(of_classes)


def test_small_group_is_flagged_and_not_hidden() -> None:
    given = churn(400)
    place = np.array(["here"] * 392 + ["there"] * 8, object)
    report = evaluate_report(**(given | {"rows": RowFacts(groups={"place": place})}))
    small = next(group for group in report.groups if group.text == "there")
    assert small.is_small and small.rows == 8
    assert small.measures["accuracy"].value is not None
    assert "place: there" in warnings(report)


def test_share_of_none_in_a_group_is_not_certainty() -> None:
    truth = np.arange(200) % 2
    place = np.array(["here"] * 160 + ["there"] * 40, object)
    missed = two(np.where(place == "there", 0.1, 0.1 + 0.8 * truth))
    baselines = {"naive": two(np.full(200, 0.5)), "linear": two(np.full(200, 0.5))}
    report = evaluate_report(truth, missed, baselines=baselines, rows=RowFacts(groups={"place": place}))
    there = next(group for group in report.groups if group.text == "there")
    sensitivity, difference = there.measures["sensitivity"], there.differences["sensitivity"]
    assert (sensitivity.value, sensitivity.low) == (0, 0)
    assert sensitivity.high == pytest.approx(0.161, abs=0.001), "20 of class 1: Wilson"
    assert difference.value == -1 and difference.high is not None and -0.9 < difference.high < -0.7


def test_groups_that_are_alike_are_not_accused() -> None:
    accused = 0
    for seed in range(12):
        given = churn(400, seed)
        coin = np.random.default_rng(1000 + seed).choice(["x", "y", "z"], 400).astype(object)
        report = evaluate_report(**(given | {"rows": RowFacts(groups={"coin": coin})}))
        accused += "clear differences" in warnings(report)
    assert accused <= 2


def test_last_period_that_changed_is_told(of_numbers: Report) -> None:
    assert len(of_numbers.periods) == 12
    assert sum(period.rows for period in of_numbers.periods) == 900
    assert of_numbers.periods[0].start == "2024-01-01"
    assert all(
        before.end < after.start for before, after in zip(of_numbers.periods, of_numbers.periods[1:], strict=False)
    )
    assert "The last period" in warnings(of_numbers)


def test_rows_without_a_time_are_left_out_of_the_periods() -> None:
    given = rent(300)
    days = given["rows"].time.astype("datetime64[us]")
    days[:100] = np.datetime64("NaT")
    report = evaluate_report(**(given | {"rows": RowFacts(time=days)}))
    assert sum(period.rows for period in report.periods) == 200


def test_one_time_for_all_rows_is_one_period() -> None:
    report = evaluate_report(**(rent(100) | {"rows": RowFacts(time=np.full(100, 7.0))}))
    assert [(period.start, period.end, period.rows) for period in report.periods] == [("7", "7", 100)]


def test_slice_that_the_model_does_not_know_is_found(of_classes: Report) -> None:
    assert of_classes.slices is not None
    worst = of_classes.slices.worst[0]
    assert "plan: c" in worst.conditions
    assert worst.chance < 0.001
    assert worst.loss.value is not None and worst.loss.value > worst.loss_elsewhere
    assert worst.against_linear.low is not None and worst.against_linear.low > 0
    assert "plan: c" in warnings(of_classes)


def test_fault_that_needs_two_conditions_is_found_as_two() -> None:
    given = churn(3000)
    columns = given["rows"].columns
    both = (columns["plan"] == "a") & (columns["sex"] == "m")
    stated = given["predictions"].copy()
    stated[both] = stated[both][:, ::-1]
    report = evaluate_report(**(given | {"predictions": stated}))
    assert report.slices is not None
    assert set(report.slices.worst[0].conditions) == {"plan: a", "sex: m"}


def test_slices_of_noise_rarely_stand_out() -> None:
    """Losses with a heavy tail, many columns: what is called clear by chance must be rare."""
    standing = 0
    for seed in range(15):
        random = np.random.default_rng(seed)
        truth = random.standard_t(2, 900)
        columns = {f"c{number}": random.integers(0, 5, 900).astype(float) for number in range(8)}
        baselines = {"naive": np.zeros(900), "linear": random.normal(0, 0.1, 900)}
        report = evaluate_report(truth, np.zeros(900), baselines=baselines, rows=RowFacts(columns=columns))
        assert report.slices is not None and report.slices.looked_at > 150
        standing += bool(report.slices.worst and report.slices.worst[0].chance < 0.05)
    assert standing <= 3


def test_columns_of_every_kind_are_looked_at() -> None:
    given = churn(400)
    columns = {
        "text": np.array([None, "a", "b", "c"] * 100, object),
        "flag": np.array([True, False] * 200),
        "day": np.arange("2024-01-01", "2025-02-04", dtype="datetime64[D]")[:400],
        "whole": np.arange(400),
        "constant": np.ones(400),
        "empty": np.full(400, np.nan),
    }
    report = evaluate_report(**(given | {"rows": RowFacts(columns=columns)}))
    assert report.slices is not None and report.slices.looked_at > 20


# Answers, errors, coverage


def test_confusion_and_thresholds(of_classes: Report) -> None:
    found = of_classes.answers
    assert found is not None and found.threshold == 0.4
    assert sum(map(sum, found.confusion)) == 1200
    chosen = [row for row in found.thresholds if row.is_chosen]
    assert [row.threshold for row in chosen] == [0.4]
    assert chosen[0].cost == pytest.approx(of_classes.metric("cost").model.value)
    levels = [row.threshold for row in found.thresholds]
    assert levels == sorted(levels) and 0.5 in levels
    assert [row.answered for row in found.thresholds] == sorted(
        (row.answered for row in found.thresholds), reverse=True
    )


def test_many_classes_have_no_threshold(of_many: Report) -> None:
    assert of_many.answers is not None
    assert of_many.answers.threshold is None and of_many.answers.thresholds == ()
    assert len(of_many.answers.confusion) == 5
    assert of_many.main == "accuracy"


def test_errors_are_shown_in_bins_and_never_as_rows(of_numbers: Report) -> None:
    assert of_numbers.errors is not None
    assert all(each.rows >= 20 for each in of_numbers.errors.by_prediction)
    assert sum(of_numbers.errors.counts) == 900
    assert len(of_numbers.errors.edges) == len(of_numbers.errors.counts) + 1


def test_broken_promise_of_coverage_is_told(of_numbers: Report) -> None:
    measured = of_numbers.metric("coverage")
    assert measured.model.value == pytest.approx(0.9 * 11 / 12, abs=0.03)
    assert measured.baselines == {}
    kept = evaluate_report(**(rent() | {"coverage": 0.83, "rows": RowFacts()}))
    assert "was promised" not in warnings(kept)
    assert "0.99 was promised" in warnings(evaluate_report(**(rent() | {"coverage": 0.99, "rows": RowFacts()})))


def test_repeated_looks_at_the_test_part_are_told() -> None:
    report = evaluate_report(**digits(120), story=TrainingStory(test_openings=3))
    assert "opened 3 times" in warnings(report)
    assert "opened" not in warnings(evaluate_report(**digits(120), story=TrainingStory(test_openings=1)))


def test_smallest_reports_are_made_and_say_that_they_are_small() -> None:
    one = evaluate_report([1.0], [2.0], baselines={"naive": [1.0], "linear": [1.0]})
    assert "Only 1 rows" in warnings(one)
    one_class = two(np.array([0.2, 0.4]))
    report = evaluate_report([0, 0], one_class, baselines={"naive": one_class, "linear": one_class})
    assert report.metric("auc").model.value is None
    assert "not defined" in warnings(report)
    assert Report.from_json(report.to_json()) == report


@pytest.mark.parametrize("seed", range(16))
def test_odd_rows_make_a_report_that_can_be_written(seed: int) -> None:
    """Few rows, empty columns, infinite values, one class, all times missing: no crash, no warning, no NaN in JSON."""
    random = np.random.default_rng(seed)
    rows, classes = int(random.integers(1, 60)), int(random.integers(2, 5))
    columns = {
        "text": random.choice([None, "missing", "None", "x"], rows).astype(object),
        "number": np.where(random.random(rows) < 0.3, np.nan, random.normal(size=rows)),
        "nothing": np.full(rows, np.nan),
        "no text": np.full(rows, None, object),
        "day": random.choice(np.array(["2020-01-01", "NaT", "2021-01-01T05:00"], "datetime64[us]"), rows),
        "flag": random.random(rows) < 0.5,
        "huge": np.full(rows, 1e300),
        "infinite": np.where(random.random(rows) < 0.1, np.inf, 1.0),
    }
    facts = RowFacts(
        groups={name: columns[name] for name in random.choice(list(columns), 3)},
        columns=columns,
        clusters=random.integers(0, 5, rows) if seed % 3 == 0 else None,
        time=columns["day"] if seed % 2 == 0 else None,
    )
    if seed % 4 < 3:
        truth = random.integers(0, classes if seed % 5 else 1, rows)
        stated = random.dirichlet(np.full(classes, 0.3), rows)
        baselines = {"naive": np.full((rows, classes), 1 / classes), "linear": stated}
        report = evaluate_report(truth, stated, baselines=baselines, rows=facts, costs=1 - np.eye(classes))
    else:
        truth = random.normal(size=rows) * (seed % 8 != 7)
        ends = np.stack([truth - 1, truth + 1], axis=1)
        baselines = {"naive": np.zeros(rows), "linear": truth}
        report = evaluate_report(truth, truth, baselines=baselines, rows=facts, interval=ends, coverage=0.9)
    assert Report.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False))) == report
    assert str(report) and page(report)


# As JSON and as text


def test_report_survives_json(of_classes: Report, of_numbers: Report, of_many: Report) -> None:
    for report in (of_classes, of_numbers, of_many):
        text = json.dumps(report.to_json(), allow_nan=False)
        assert Report.from_json(json.loads(text)) == report
        assert len(text) < 40_000


@pytest.mark.parametrize("document", [{}, {"version": 99}, {"version": 1}, [], {"version": 1, "rows": "many"}])
def test_what_is_no_report_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput, match="report"):
        Report.from_json(document)


def test_later_field_does_not_stop_an_older_reader(of_many: Report) -> None:
    assert Report.from_json(of_many.to_json() | {"added_later": 1}) == of_many


def test_schema_in_the_reference_is_that_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text()) == report_schema(), (
        "run `python -m lepton_ai.platform.evaluation.report_schema > docs/reference/report.schema.json`"
    )


def test_schema_says_what_every_field_means() -> None:
    schema = report_schema()
    for record in (schema, *schema["$defs"].values()):
        assert record["description"]
        assert all(field["description"].endswith(".") for field in record.get("properties", {}).values())


def test_report_as_text_shows_model_and_baselines(of_classes: Report) -> None:
    lines = str(of_classes).splitlines()
    assert lines[0] == "Model report: classification, 1,200 rows, 2 classes"
    assert "model (95 % interval)" in lines[2] and "linear" in lines[2] and "naive" in lines[2]
    assert any(line.startswith("Area under the ROC curve ") and " (0." in line for line in lines)
    assert any(line.startswith("! ") for line in lines) and any(line.startswith("- ") for line in lines)
    assert max(map(len, lines[:12])) <= 120


def test_title_is_the_report_s_own(of_many: Report) -> None:
    assert str(replace(of_many, title="digits:3 on its test part")).startswith("digits:3 on its test part: ")


def _width(estimate: Any) -> float:
    return float(estimate.high - estimate.low)
