"""`model.decide`: thresholds and promises by held-out rows; they go with the weights, and a replica keeps them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from conftest import bars, blobs
from lepton_ai import Model, Schema
from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.platform.frameworks.export import export_artifact
from lepton_ai.platform.model_management.serving.engine import Engine
from lepton_ai.platform.model_management.serving.served_model import ServedModel
from lepton_ai.platform.model_management.serving.wire import decode_predict, encode_predict


def visits(rows: int, seed: int) -> pl.DataFrame:
    """Three kinds of visits that overlap, and how long each takes."""
    chance = np.random.default_rng(seed)
    age, weight = chance.normal(45, 12, rows), chance.normal(70, 10, rows)
    score = (age - 45) / 12 + chance.normal(0, 0.7, rows)
    kind = np.where(score < -0.5, "short", np.where(score < 0.5, "usual", "long"))
    return pl.DataFrame({"age": age, "weight": weight, "kind": kind, "minutes": 30 + 10 * score})


def mislabelled(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of bars, three in ten with a label by chance: the likeliest label alone cannot keep a promise."""
    x, y = bars(rows, seed=seed)
    chance = np.random.default_rng(seed + 100)
    return x, np.where(chance.random(rows) < 0.3, chance.integers(0, 3, rows), y)


@pytest.fixture(scope="module")
def of_kinds() -> Model:
    frame = visits(600, seed=0).drop("minutes")
    model = Model(schema=Schema.infer(frame, target="kind"), seed=1)
    model.fit(frame, epochs=5, verbose=0)
    return model


@pytest.fixture(scope="module")
def of_minutes() -> Model:
    frame = visits(600, seed=0).drop("kind")
    model = Model(schema=Schema.infer(frame, target="minutes"), seed=1)
    model.fit(frame, epochs=5, verbose=0)
    return model


def asked(model: Model, frame: pl.DataFrame, folder: Path) -> dict[str, Any]:
    """What a replica answers to the rows of a table."""
    engine = Engine.load(export_artifact(model, folder))
    served = ServedModel("visits", "1", engine.signature, engine.preprocessing, engine.rule)
    rows = decode_predict({"inputs": frame.select("age", "weight").to_dicts()}, served)
    answer: dict[str, Any] = json.loads(encode_predict(engine.run(rows), served))
    return answer


def test_fit_on_a_table_promises_labels_that_hold_the_truth_in_nine_of_ten_rows(
    of_kinds: Model, tmp_path: Path
) -> None:
    test = visits(2000, seed=1)
    answers = asked(of_kinds, test, tmp_path / "version")["outputs"]
    held = [truth in row["labels"] for truth, row in zip(test["kind"], answers, strict=True)]
    assert np.mean(held) == pytest.approx(0.9, abs=0.04)
    assert 1.0 < np.mean([len(row["labels"]) for row in answers]) < 2.5
    assert all(row["label"] in row["labels"] for row in answers)


def test_fit_on_a_table_promises_intervals_that_hold_the_truth_in_nine_of_ten_rows(
    of_minutes: Model, tmp_path: Path
) -> None:
    test = visits(2000, seed=1)
    answer = asked(of_minutes, test, tmp_path / "version")
    low, high = np.array(answer["intervals"]).T
    assert np.mean((low <= test["minutes"].to_numpy()) & (test["minutes"].to_numpy() <= high)) == pytest.approx(
        0.9, abs=0.04
    )
    assert (high - low).max() < 40
    assert np.allclose((low + high) / 2, answer["outputs"], atol=1e-3)


def test_report_on_numbers_measures_the_coverage_that_is_promised(of_minutes: Model) -> None:
    report = of_minutes.report(visits(500, seed=2).drop("kind"))
    assert report.promised_coverage == 0.9
    assert report.metric("coverage").model.value == pytest.approx(0.9, abs=0.06)


def test_decision_goes_with_the_weights_and_a_new_fit_drops_it(model_class: Any, tmp_path: Path) -> None:
    x, y = blobs(300, classes=2)
    model = model_class((4,), 2, seed=1)
    model.fit(x[:100], y[:100], epochs=1, verbose=0)
    by_fit = model.answer_rule
    assert (by_fit.threshold, by_fit.coverage) == (None, 0.9)
    model.report(x[200:], y[200:])
    rule = model.decide(x[100:200], y[100:200], coverage=0.8, costs=[[0, 1], [4, 0]])
    assert (rule.threshold, rule.coverage) == (0.2, 0.8)
    assert model.answer_rule == rule
    assert model.last_report is None, "it measured other answers"
    assert model.report(x[200:], y[200:]).answers.threshold == 0.2
    model.save(tmp_path / "model.keras")
    assert model_class.load(tmp_path / "model.keras").answer_rule == rule
    folder = export_artifact(model, tmp_path / "version")
    assert AnswerRule.from_json(json.loads((folder / "decision.json").read_text())) == rule
    model.fit(x[:100], y[:100], epochs=1, verbose=0)
    assert model.answer_rule is not None
    assert model.answer_rule.threshold is None
    model.fit(x[:100], y[:100], epochs=1, verbose=0, adaptive=False)
    assert model.answer_rule is None


def test_images_promise_nothing_until_it_is_decided(trained_on_images: Any, tmp_path: Path) -> None:
    trained_on_images.save(tmp_path / "bars.keras")
    model = type(trained_on_images).load(tmp_path / "bars.keras")
    assert model.answer_rule is None
    rule = model.decide(*mislabelled(600, seed=5))
    x, truth = mislabelled(1500, seed=6)
    sets = rule.label_sets(model.predict(x, verbose=0))
    assert sets[np.arange(1500), truth].mean() == pytest.approx(0.9, abs=0.04)


def test_threshold_for_three_classes_is_refused(of_kinds: Model) -> None:
    with pytest.raises(InvalidInput, match="between two classes"):
        of_kinds.decide(visits(100, seed=3).drop("minutes"), sensitivity=0.9)
