"""`model.report`: both baselines beside the model, groups and times from the roles, and it goes with the version."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from conftest import bars, blobs
from lepton_ai import Model, Schema
from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.card import CardFacts
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.frameworks.export import export_artifact
from lepton_ai.platform.frameworks.facts import TrainingFacts


def patients(rows: int = 400, seed: int = 0) -> pl.DataFrame:
    """The older the iller; two visits a patient, at another day each."""
    chance = np.random.default_rng(seed)
    age = chance.normal(45, 12, rows)
    return pl.DataFrame(
        {
            "patient": np.repeat(np.arange(rows // 2), 2).astype(str),
            "day": np.datetime64("2026-01-01", "D") + np.arange(rows),
            "age": age,
            "dose": chance.normal(size=rows),
            "sex": chance.choice(["m", "f"], rows),
            "ward": chance.choice(["north", "south"], rows),
            "ill": np.where(age + chance.normal(0, 6, rows) > 45, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def on_patients() -> Model:
    """A model of patients; tests read it, and make reports of it."""
    schema = Schema.infer(patients(), target="ill", group="patient", time="day", sensitive=["sex"])
    schema = schema.with_roles("ward").with_roles("day", "time")
    model = Model(schema=schema, seed=1)
    model.fit(patients(), epochs=3, verbose=0)
    return model


@pytest.fixture(scope="module")
def on_images(trained_on_images: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A copy of the trained classifier of images, which may remember reports."""
    path = tmp_path_factory.mktemp("images") / "bars.keras"
    trained_on_images.save(path)
    return type(trained_on_images).load(path)


def test_report_on_a_table_heeds_the_roles_of_its_columns(on_patients: Model) -> None:
    report = on_patients.report(patients(200, seed=1), by=["ward"], title="Patients")
    assert (report.title, report.rows, report.labels) == ("Patients", 200, ("no", "yes"))
    assert {group.column for group in report.groups} == {"sex", "ward"}
    assert (report.sampling.unit, report.sampling.units) == ("cluster", 100)
    assert report.periods[0].start == "2026-01-01"
    assert report.slices is not None
    assert report.decisions == tuple(on_patients.log.to_json()["decisions"])
    assert len(report.history["loss"]) == 3


def test_line_within_the_net_is_the_linear_baseline_of_a_table(on_patients: Model) -> None:
    auc = on_patients.report(patients(200, seed=1)).metric("auc")
    assert auc.baselines["naive"].value == 0.5
    assert auc.baselines["linear"].value > 0.9


def test_naive_baseline_answers_the_shares_of_the_training_rows(on_patients: Model, tmp_path: Path) -> None:
    share = float((patients()["ill"] == "yes").mean())
    test = patients(200, seed=1)
    expected = -np.log(np.where(test["ill"] == "yes", share, 1 - share)).mean()
    naive = on_patients.report(test).metric("log_loss").baselines["naive"].value
    assert naive == pytest.approx(expected, rel=1e-5)
    on_patients.save(tmp_path / "patients.keras")
    assert Model.load(tmp_path / "patients.keras").report(test).metric("log_loss").baselines["naive"].value == naive


def test_column_that_is_not_there_cannot_be_compared_by(on_patients: Model) -> None:
    with pytest.raises(InvalidInput, match="no column 'wards'; did you mean 'ward'"):
        on_patients.report(patients(100, seed=1), by=["wards"])


def test_regression_of_plain_numbers_is_reported_in_its_unit() -> None:
    x, _ = blobs(300)
    y = 1000 + 50 * x[:, 0]
    model = Model(input_shape=(4,), seed=1)
    model.fit(x[:200], y[:200], epochs=2, verbose=0)
    report = model.report(x[200:], y[200:], by={"side": np.where(x[200:, 1] > 0, "left", "right")})
    mae = report.metric("mae")
    assert mae.baselines["naive"].value == pytest.approx(np.abs(y[200:] - y[:200].mean()).mean(), rel=1e-4)
    assert mae.baselines["linear"].value < 1.0
    assert {group.text for group in report.groups} == {"left", "right"}


def test_images_get_a_line_fitted_on_the_training_rows(on_images: Any) -> None:
    report = on_images.report(*bars(150, seed=5), training=bars())
    accuracy = report.metric("accuracy")
    assert accuracy.model.value > accuracy.baselines["naive"].value
    assert accuracy.baselines["linear"].value > accuracy.baselines["naive"].value


def test_report_on_images_without_their_training_rows_says_what_to_pass(on_images: Any) -> None:
    with pytest.raises(InvalidInput, match="linear baseline") as refused:
        on_images.report(*bars(50, seed=5))
    assert "training=(x_train, y_train)" in (refused.value.hint or "")


def test_texts_are_compared_with_the_linear_model_on_their_words() -> None:
    chance = np.random.default_rng(0)
    words = np.array(["sun", "rain", "wind", "cloud", "fog", "snow"])
    texts = [" ".join(chance.choice(words, 8)) for _ in range(240)]
    frame = pl.DataFrame({"text": texts, "wet": ["yes" if "rain" in text else "no" for text in texts]})
    schema = Schema.infer(frame, target="wet", kinds={"text": "text"}).with_roles("text", "feature")
    model = Model(schema=schema, seed=1)
    assert model.architecture == "text"
    model.fit(frame[:160], epochs=1, verbose=0)
    auc = model.report(frame[160:]).metric("auc")
    assert auc.baselines["linear"].value > 0.9


def test_report_is_dropped_when_the_weights_change(trained: Any) -> None:
    model = type(trained).from_config(trained.get_config())
    x, y = blobs(60)
    model.fit(x, y, epochs=1, verbose=0)
    report = model.report(*blobs(100, seed=5))
    model.evaluate(x, y, verbose=0)
    assert model.last_report is report
    model.fit(x, y, epochs=1, verbose=0)
    assert model.last_report is None


def test_facts_of_an_older_file_are_read_without_the_naive_answer(trained: Any) -> None:
    written = trained.training_facts.to_json()
    assert TrainingFacts.from_json(json.loads(json.dumps(written))) == trained.training_facts
    del written["naive"]
    assert TrainingFacts.from_json(written).naive is None


def test_artifact_takes_the_report_along_and_its_card_names_it(on_patients: Model, tmp_path: Path) -> None:
    report = on_patients.report(patients(200, seed=1))
    facts = CardFacts(use_cases=("Look after the old",))
    folder = export_artifact(on_patients, tmp_path / "version", facts=facts)
    written = (folder / "report.json").read_bytes()
    assert Report.from_json(json.loads(written)) == report
    assert "<html" in (folder / "report.html").read_text()
    card = json.loads((folder / "card.json").read_text())["modelCard"]
    assert card["properties"] == [
        {"name": "lepton-ai:report:sha256", "value": hashlib.sha256(written).hexdigest()},
    ]
    assert card["considerations"]["useCases"] == ["Look after the old"]
    assert "auc (linear baseline)" in {each["type"] for each in card["quantitativeAnalysis"]["performanceMetrics"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"training": 3}, "`training` must be the rows trained on"),
        ({"by": ["hospital"]}, "`by` must map names"),
        ({"threshold": 0.3}, "`threshold` must be a probability, for two classes"),
    ],
)
def test_wish_that_does_not_fit_is_refused(arguments: dict[str, Any], message: str, trained: Any) -> None:
    with pytest.raises(InvalidInput, match=message):
        trained.report(*blobs(50, seed=5), **arguments)


def test_net_that_does_not_say_what_it_answers_is_refused(model_class: Any) -> None:
    import keras

    inputs = keras.Input((4,))
    model = model_class(inputs=inputs, outputs=keras.layers.Dense(1)(inputs))
    with pytest.raises(InvalidInput, match="must know what the model answers"):
        model.report(*blobs(20))
