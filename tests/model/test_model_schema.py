"""`Model(schema=...)`: tables in, with categories, gaps and labels in their own words."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lepton_ai import Model, Schema
from lepton_ai.core.errors import Conflict, InvalidInput
from lepton_ai.platform.frameworks.export import export_artifact
from lepton_ai.platform.model_management.serving.engine import Engine
from lepton_ai.platform.model_management.serving.served_model import ServedModel
from lepton_ai.platform.model_management.serving.wire import decode_predict


def patients(rows: int = 400, seed: int = 0) -> pl.DataFrame:
    """Ill are old men and young women; every tenth has no sex on file."""
    chance = np.random.default_rng(seed)
    age = chance.normal(45, 12, rows)
    sex = chance.choice(["m", "f"], rows)
    ill = (age > 45) == (sex == "m")
    known = [each if chance.random() > 0.1 else None for each in sex]
    return pl.DataFrame({"age": age, "sex": known, "ill": np.where(ill, "yes", "no")})


@pytest.fixture(scope="module")
def trained() -> Model:
    frame = patients()
    model = Model(schema=Schema.infer(frame, target="ill"), seed=1)
    model.fit(frame, epochs=12, batch_size=16, verbose=0)
    return model


def test_frame_with_categories_and_gaps_is_learned(trained: Model) -> None:
    loss, accuracy = trained.evaluate(patients(seed=1), verbose=0)
    assert accuracy > 0.85, loss
    assert trained.labels == ("no", "yes")


def test_frame_of_any_library_gets_the_same_answers(trained: Model) -> None:
    frame = patients(seed=2).head(20)
    expected = trained.predict(frame, verbose=0)
    for same in (frame.to_pandas(), frame.to_arrow(), frame.to_dict(as_series=False), frame.to_dicts()):
        assert np.array_equal(trained.predict(same, verbose=0), expected)


def test_target_may_stand_beside_the_table(trained: Model) -> None:
    frame = patients(seed=3)
    together = trained.evaluate(frame, verbose=0)
    apart = trained.evaluate(frame.drop("ill"), frame["ill"].to_list(), verbose=0)
    assert together == apart


def test_saved_model_reads_tables_as_before(trained: Model, tmp_path: Path) -> None:
    trained.save(tmp_path / "ill.keras")
    again = Model.load(tmp_path / "ill.keras")
    frame = patients(seed=4).head(30)
    assert np.array_equal(again.predict(frame, verbose=0), trained.predict(frame, verbose=0))
    assert again.schema == trained.schema


def test_replica_gives_the_answers_of_the_notebook(trained: Model, tmp_path: Path) -> None:
    export_artifact(trained, tmp_path)
    engine = Engine.load(tmp_path)
    served = ServedModel("ill", "1", engine.signature, engine.preprocessing)
    frame = patients(seed=5).head(50)
    rows = decode_predict({"inputs": frame.drop("ill").to_dicts()}, served)
    assert np.abs(engine.run(rows) - trained.predict(frame, verbose=0)).max() < 1e-5
    assert served.labels == ("no", "yes")


def test_rows_without_a_target_are_left_out_of_training_but_not_of_scoring() -> None:
    frame = patients(80).with_columns(ill=pl.when(pl.int_range(80) < 5).then(None).otherwise(pl.col("ill")))
    model = Model(schema=Schema.infer(frame, target="ill"), seed=1)
    model.fit(frame, epochs=1, verbose=0)
    assert model.training_facts is not None
    assert model.training_facts.rows == 75
    cleaned = next(iter(model.log))
    assert (cleaned.step, cleaned.chosen, cleaned.why) == (
        "clean",
        "75 of 80 rows kept",
        "rows without a target, left out: 5; values of `sex` missing in all: 6",
    )
    with pytest.raises(InvalidInput, match="row 0, column 'ill'"):
        model.evaluate(frame, verbose=0)


def test_choices_are_made_on_groups_that_a_member_has_not_seen() -> None:
    chance = np.random.default_rng(0)
    patient = np.repeat(np.arange(40), 8)
    frame = pl.DataFrame(
        {
            "patient": [f"p{each}" for each in patient],
            "blood": chance.normal(size=40)[patient] + chance.normal(0, 1e-3, 320),
            "ill": chance.choice(["no", "yes"], 40)[patient],
        }
    )
    torn = Schema.infer(frame, target="ill").with_roles("patient")
    losses = []
    for schema in (torn, torn.with_roles("patient", "group")):
        model = Model(schema=schema, seed=1)
        model.fit(frame, epochs=1, verbose=0)
        losses.append(next(each.measured["loss"]["blend"] for each in model.log.of("blend")))
    by_heart, unseen = losses
    assert by_heart < 0.4, "a row of the same patient gives the answer away"
    assert unseen > 0.65, "nothing says how new patients fare"


def test_class_weights_go_by_label() -> None:
    frame = patients(60)
    model = Model(schema=Schema.infer(frame, target="ill"), seed=1)
    model.fit(frame, epochs=1, class_weight={"yes": 3.0}, verbose=0)
    with pytest.raises(InvalidInput, match="labels among 'no', 'yes', got 1"):
        model.fit(frame, epochs=1, class_weight={1: 3.0}, verbose=0)


def test_validation_rows_do_not_teach_the_transform() -> None:
    frame = patients(100)
    far = frame.with_columns(age=pl.col("age") * 1000)
    both = pl.concat([frame, far])
    model = Model(schema=Schema.infer(frame, target="ill"), seed=1)
    model.fit(both, epochs=1, validation_split=0.5, verbose=0)
    alone = Model(schema=Schema.infer(frame, target="ill"), seed=1)
    alone.fit(frame, epochs=1, verbose=0)
    assert model.preprocessing is not None and alone.preprocessing is not None
    assert model.preprocessing.to_json() == alone.preprocessing.to_json()


def test_regression_of_a_table_answers_numbers() -> None:
    chance = np.random.default_rng(0)
    frame = pd.DataFrame({"area": chance.uniform(20, 200, 300), "city": chance.choice(["a", "b", "c"], 300)})
    frame["price"] = frame["area"] * 3000 + frame["city"].map({"a": 0, "b": 90_000, "c": 200_000})
    model = Model(schema=Schema.infer(frame, target="price"), seed=0)
    model.fit(frame, epochs=10, batch_size=16, verbose=0)
    answers = model.predict(frame, verbose=0)[:, 0]
    assert np.corrcoef(answers, frame["price"])[0, 1] > 0.95


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"schema": "ill"}, "must be a Schema, got str"),
        ({"schema": Schema.infer(patients())}, "must have a target"),
        ({"schema": Schema.infer(patients(), target="ill"), "num_classes": 2}, "got input_shape or num_classes"),
        ({"schema": Schema.infer(patients(), target="ill"), "task": "regression"}, "must agree with the target"),
        ({"schema": Schema.infer(patients().select("ill"), target="ill")}, "must have features"),
    ],
)
def test_schema_that_says_too_little_is_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Model(**arguments)


def test_table_before_the_first_fit_is_refused() -> None:
    model = Model(schema=Schema.infer(patients(), target="ill"))
    with pytest.raises(Conflict, match="must be fitted"):
        model.predict(patients(), verbose=0)


def test_table_without_a_feature_says_which() -> None:
    frame = patients(60)
    model = Model(schema=Schema.infer(frame, target="ill"))
    with pytest.raises(InvalidInput, match="sex"):
        model.fit(frame.drop("sex"), epochs=1, verbose=0)
    with pytest.raises(InvalidInput, match="must have the target 'ill'"):
        model.fit(frame.drop("ill"), epochs=1, verbose=0)
