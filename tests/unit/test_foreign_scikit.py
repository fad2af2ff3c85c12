"""scikit-learn estimators become versions that answer as they do."""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, SplineTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC

from lepton_ai.core.errors import Conflict, InvalidInput, LeptonError, NotSupported
from lepton_ai.platform.evaluation.card import CardFacts
from lepton_ai.platform.evaluation.evaluate import evaluate_report
from lepton_ai.platform.frameworks.export_failed import ExportFailed
from lepton_ai.platform.frameworks.foreign.agreement import compare
from lepton_ai.platform.frameworks.foreign.export import export_foreign, is_foreign
from lepton_ai.platform.model_management.serving.engine import Engine
from lepton_ai.platform.preprocessing.signature import Task

CANCER = load_breast_cancer(as_frame=True)
X, Y = CANCER.data.to_numpy(), CANCER.target.to_numpy()
NAMED = np.where(Y == 1, "benign", "malign")
X3, Y3 = load_iris(return_X_y=True)
XR, YR = load_diabetes(return_X_y=True)

CLASSIFIERS = {
    "linear after scaling": (make_pipeline(StandardScaler(), LogisticRegression()), X, NAMED),
    "three classes": (LogisticRegression(max_iter=1000), X3, Y3),
    "numbers that are no positions": (LogisticRegression(max_iter=1000), X3, 10 * Y3 + 5),
    "whole numbers as floats": (LogisticRegression(max_iter=1000), X3, Y3.astype(float)),
    "forest": (RandomForestClassifier(20, random_state=0), X, Y),
    "boosted trees": (HistGradientBoostingClassifier(max_iter=8, random_state=0), X, Y),
    "boosted trees of three classes": (HistGradientBoostingClassifier(max_iter=5, random_state=0), X3, Y3),
    "boosted trees after scaling": (
        make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=8, random_state=0)),
        X,
        Y,
    ),
    "neighbours": (make_pipeline(StandardScaler(), KNeighborsClassifier()), X, NAMED),
    "net": (make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=30, random_state=0)), X, NAMED),
    "support vectors": (make_pipeline(StandardScaler(), CalibratedClassifierCV(LinearSVC(), cv=2)), X, Y),
    "search": (GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {}, cv=2), X, Y),
    "columns by place": (
        make_pipeline(ColumnTransformer([("some", StandardScaler(), [0, 3])]), LogisticRegression()),
        X,
        NAMED,
    ),
}
REGRESSORS = {
    "linear": (LinearRegression(), XR, YR),
    "two targets": (Ridge(), XR, np.stack([YR, -YR], axis=1)),
    "boosted trees": (HistGradientBoostingRegressor(max_iter=8, random_state=0), XR, YR),
    "gradient boosting": (GradientBoostingRegressor(n_estimators=20, random_state=0), XR, YR),
    "products after filling gaps": (make_pipeline(SimpleImputer(), PolynomialFeatures(2), Ridge()), XR[:, :4], YR),
}


def fitted(estimator: Any, x: Any, y: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some nets are not trained to their end here
        return estimator.fit(x, y)


def document(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifier_answers_its_own_probabilities_and_labels(kind: str, tmp_path: Path) -> None:
    estimator, x, y = CLASSIFIERS[kind]
    fitted(estimator, x, y)
    engine = Engine.load(export_foreign(estimator, tmp_path / "artifact", sample=x))
    assert engine.signature.task is Task.CLASSIFICATION
    assert engine.signature.row_shape == (x.shape[1],)
    assert engine.signature.outputs[0].name == "probabilities"
    assert engine.signature.labels == tuple(np.unique(y).tolist())
    assert all(type(label) in (int, str) for label in engine.signature.labels)
    answers, expected = engine.run(x.astype(np.float32)), estimator.predict_proba(x)
    assert answers.min() >= 0
    # Rows on the edge between two leaves may fall to the other side by the rounding of float32.
    same = np.abs(answers - expected).max(axis=1) < 1e-4
    assert same.mean() > (0.9 if kind == "boosted trees after scaling" else 0.999)
    assert np.array_equal(np.array(engine.signature.labels)[answers.argmax(axis=1)][same], estimator.predict(x)[same])


@pytest.mark.parametrize("kind", REGRESSORS)
def test_regressor_answers_its_own_numbers(kind: str, tmp_path: Path) -> None:
    estimator, x, y = REGRESSORS[kind]
    fitted(estimator, x, y)
    engine = Engine.load(export_foreign(estimator, tmp_path / "artifact"))
    assert engine.signature.task is Task.REGRESSION
    assert engine.signature.labels is None
    expected = estimator.predict(x)
    assert np.allclose(engine.run(x.astype(np.float32)), expected.reshape(len(x), -1), rtol=1e-4)


@pytest.mark.parametrize("unused", [True, False])
def test_pipeline_that_chooses_columns_by_name_takes_them_in_one_input(unused: bool, tmp_path: Path) -> None:
    names = CANCER.data.columns[:5]  # with blanks in them
    scaled = ColumnTransformer(
        [("some", StandardScaler(), ["mean area", "mean radius"])], remainder="drop" if unused else "passthrough"
    )
    estimator = make_pipeline(scaled, LogisticRegression(max_iter=5000)).fit(CANCER.data[names], NAMED)
    folder = export_foreign(estimator, tmp_path / "artifact", sample=CANCER.data[names])
    engine = Engine.load(folder)
    assert engine.signature.row_shape == (5,)
    expected = estimator.predict_proba(CANCER.data[names])
    assert np.allclose(engine.run(X[:, :5].astype(np.float32)), expected, atol=1e-5)
    assert document(folder, "card")["columns"] == list(names)


def test_artifact_has_the_documents_of_ours_but_no_keras_file(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, NAMED)
    folder = export_foreign(estimator, tmp_path / "artifact", metrics={"accuracy": 0.98, "loss": float("nan")})
    assert {path.name for path in folder.iterdir()} == {
        "model.onnx",
        "signature.json",
        "preprocessing.json",
        "metrics.json",
        "card.json",
        "environment.json",
        "data.json",
    }
    card = document(folder, "card")
    parameters = card["modelCard"]["modelParameters"]
    assert parameters["architectureFamily"] == "scikit-learn"
    assert parameters["modelArchitecture"] == "Pipeline(StandardScaler, LogisticRegression)"
    assert parameters["inputs"] == [{"format": "float32(batch, 30)"}]
    assert card["onnx"]["largest_difference"] < 1e-5
    assert card["onnx"]["rows_were_given"] is False
    assert document(folder, "metrics")["evaluation"] == {"accuracy": 0.98, "loss": None}
    assert {"scikit-learn", "skl2onnx"} <= document(folder, "environment")["packages"].keys()


def test_report_and_what_people_know_go_with_a_model_of_another_framework(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    shares = np.tile(np.bincount(Y) / len(Y), (len(Y), 1))
    answers = estimator.predict_proba(X)
    report = evaluate_report(Y, answers, baselines={"naive": shares, "linear": answers})
    facts = CardFacts(use_cases=("Look at cells",))
    folder = export_foreign(estimator, tmp_path / "artifact", report=report, facts=facts)
    assert document(folder, "report") == report.to_json()
    assert (folder / "report.html").exists()
    card = document(folder, "card")["modelCard"]
    assert card["considerations"]["useCases"] == ["Look at cells"]
    assert card["properties"][0]["name"] == "lepton-ai:report:sha256"


def test_same_estimator_gives_the_same_bytes(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)).fit(X, Y)
    first, second = (export_foreign(estimator, tmp_path / name) for name in ("first", "second"))
    assert (first / "model.onnx").read_bytes() == (second / "model.onnx").read_bytes()


def test_labels_of_the_user_replace_the_estimators(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y == 1)
    with pytest.raises(InvalidInput, match=r"by text or a whole number, got labels=\[False, True\]"):
        export_foreign(estimator, tmp_path / "refused")
    folder = export_foreign(estimator, tmp_path / "artifact", labels=["sick", "well"])
    assert Engine.load(folder).signature.labels == ("sick", "well")


def rows_of_text() -> Any:
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good day", "bad day"], [1, 0])


def column_of_text() -> Any:
    frame = pd.DataFrame({"colour": ["red", "blue"] * 3, "size": range(6)})
    encoded = ColumnTransformer([("colour", OneHotEncoder(), ["colour"])], remainder="passthrough")
    return make_pipeline(encoded, LogisticRegression()).fit(frame, [0, 1] * 3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (rows_of_text, NotSupported, "an estimator that takes text, in TfidfVectorizer"),
        (column_of_text, NotSupported, "an estimator that takes text, in OneHotEncoder"),
        (lambda: LogisticRegression(), InvalidInput, "must be fitted, got a LogisticRegression that is not"),
        (lambda: KMeans(2, n_init=1).fit(X), InvalidInput, "must be a classifier or a regressor, got KMeans"),
        (lambda: RidgeClassifier().fit(X, Y), NotSupported, "RidgeClassifier without predict_proba"),
        (lambda: SVC().fit(X3, Y3), NotSupported, "SVC without predict_proba"),
        (
            lambda: KNeighborsClassifier().fit(X3, np.stack([Y3, Y3], axis=1)),
            NotSupported,
            "a classifier of 2 targets",
        ),
        (
            lambda: OneVsRestClassifier(LogisticRegression()).fit(X3, np.eye(3, dtype=int)[Y3] | [1, 0, 0]),
            LeptonError,
            "probabilities that make 1 together",
        ),
        (
            lambda: make_pipeline(SplineTransformer(), LogisticRegression()).fit(X3, Y3),
            ExportFailed,
            "skl2onnx cannot convert the estimator: .*SplineTransformer",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(
    make: Any, error: type[LeptonError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        export_foreign(fitted_quietly(make), tmp_path / "artifact")
    assert not list((tmp_path / "artifact").iterdir())


def fitted_quietly(make: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def test_what_does_not_fit_the_estimator_is_refused(tmp_path: Path) -> None:
    estimator = LogisticRegression(max_iter=5000).fit(X3, Y3)
    with pytest.raises(InvalidInput, match=r"`sample` must have shape \(batch, 4\), got \(2, 3\)"):
        export_foreign(estimator, tmp_path / "a", sample=[[1, 2, 3], [4, 5, 6]])
    with pytest.raises(InvalidInput, match="must fit the estimator, got task=regression"):
        export_foreign(estimator, tmp_path / "a", task="regression")
    with pytest.raises(InvalidInput, match="must be 'classification' or 'regression', got task='ranking'"):
        export_foreign(estimator, tmp_path / "a", task="ranking")
    with pytest.raises(InvalidInput, match="must name each of 3 classes once"):
        export_foreign(estimator, tmp_path / "a", labels=["a", "b", "a"])
    (tmp_path / "a" / "note").touch()
    with pytest.raises(Conflict, match="an artifact needs an empty folder"):
        export_foreign(estimator, tmp_path / "a")


def test_file_that_answers_otherwise_than_the_model_is_refused() -> None:
    rows = np.arange(20.0).reshape(10, 2)

    def halves(rows: Any) -> Any:
        return np.asarray(rows, np.float64) / 2

    assert compare(halves, (rows / 2).astype(np.float32), rows) < 1e-6
    with pytest.raises(ExportFailed, match=r"must agree to 0.0001 on 10 rows, .* of 0\.00\d+, on 1 of them"):
        compare(halves, rows / 2 + 0.01 * (np.arange(10) == 3)[:, np.newaxis], rows)
    with pytest.raises(ExportFailed, match="got a difference of nan"):
        compare(halves, np.full((10, 2), np.nan), rows)


def test_step_that_only_rounding_decides_is_no_difference() -> None:
    edge = np.float64(0.1)  # as float32 it is larger than itself

    def step(rows: Any) -> Any:
        return np.where(np.asarray(rows, np.float64) <= edge, 0.0, 1.0)

    rows = np.array([[0.05], [edge], [0.2]])
    assert compare(step, step(rows.astype(np.float32)), rows) == 0
    with pytest.raises(ExportFailed):
        compare(step, 1 - step(rows), rows)


def test_nothing_is_loaded_to_tell_whose_a_model_is(tmp_path: Path) -> None:
    assert is_foreign(LinearRegression())
    assert is_foreign(tmp_path / "model.onnx")
    assert not is_foreign(object())
    assert "torch" not in sys.modules
