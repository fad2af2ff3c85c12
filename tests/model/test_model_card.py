"""The model card of a Keras model: what training recorded, what the report measured, what people said."""

import json
from typing import Any

import numpy as np

from conftest import blobs
from lepton_ai.platform.evaluation.card import CardFacts, TrainingData
from lepton_ai.platform.evaluation.evaluate import evaluate_report
from lepton_ai.platform.frameworks.card import metrics_document, model_card
from lepton_ai.platform.frameworks.export import signature_of


def card_of(model: Any, **more: Any) -> dict[str, Any]:
    return model_card(
        model,
        signature_of(model),
        metrics_document(model.evaluation, model.training_facts),
        bytes_by_file={"model.onnx": 1},
        largest_difference=0.0,
        lineage=None,
        **more,
    )


def test_card_names_rows_and_fingerprint_of_the_data(trained: Any) -> None:
    (dataset,) = card_of(trained)["modelCard"]["modelParameters"]["datasets"]
    recorded = {each["name"]: each["value"] for each in dataset["contents"]["properties"]}
    assert recorded["lepton-ai:data:rows"] == str(trained.training_facts.rows)
    assert recorded["lepton-ai:data:sha256"] == trained.training_facts.fingerprint


def test_card_without_a_report_shows_what_evaluate_said(trained: Any) -> None:
    metrics = card_of(trained)["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert {each["type"]: float(each["value"]) for each in metrics} == dict(trained.evaluation)


def test_card_with_a_report_shows_its_numbers_and_names_it(trained: Any) -> None:
    x, y = blobs(150, seed=5)
    even = np.full((150, 3), 1 / 3)
    report = evaluate_report(y, trained.predict(x, verbose=0), baselines={"naive": even, "linear": even})
    facts = CardFacts(use_cases=("Tell blobs apart",), data=TrainingData("blobs", "CC0-1.0"))
    card = card_of(trained, facts=facts, report=report, report_sha256="ab" * 32)["modelCard"]
    metrics = {each["type"]: each for each in card["quantitativeAnalysis"]["performanceMetrics"]}
    assert float(metrics["accuracy"]["value"]) == report.metric("accuracy").model.value
    assert card["properties"][0]["value"] == "ab" * 32
    assert card["considerations"]["useCases"] == ["Tell blobs apart"]


def test_card_tells_the_decisions_of_the_training(trained: Any) -> None:
    card = card_of(trained)
    assert card["training"]["decisions"] == trained.log.to_json()["decisions"]
    assert json.loads(json.dumps(card, allow_nan=False)) == card
