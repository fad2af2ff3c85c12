"""The model card: CycloneDX's form, what people said, and every number from the report."""

import functools
import json
from typing import Any

import numpy as np
import pytest

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.card import CardFacts, TrainingData, cyclonedx_model_card
from lepton_ai.platform.evaluation.evaluate import evaluate_report
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.row_facts import RowFacts
from report_cases import churn, churn_report, digits, rent

PARAMETERS = {
    "approach": {"type": "supervised"},
    "task": "classification",
    "architectureFamily": "boosted trees",
    "modelArchitecture": "table",
    "inputs": [{"format": "float32(batch, 4)"}],
    "outputs": [{"format": "float32(batch, 2)"}],
}
FACTS = CardFacts(
    use_cases=("Call customers who may leave",),
    users=("The service team",),
    limits=("Not for prices or credit",),
    risks={"Customers feel watched": "Calls are made only with consent"},
    data=TrainingData("churn", "CC-BY-4.0", "Contracts of 2024", "https://example.com/churn", ("age", "sex")),
)
ALLOWED = {
    "modelCard": {"modelParameters", "quantitativeAnalysis", "considerations", "properties"},
    "considerations": {
        "users",
        "useCases",
        "technicalLimitations",
        "performanceTradeoffs",
        "ethicalConsiderations",
        "fairnessAssessments",
    },
    "metric": {"type", "value", "slice", "confidenceInterval"},
    "dataset": {"type", "name", "description", "sensitiveData", "contents"},
}


@functools.cache
def report_of(kind: str) -> Report:
    cases = {
        "churn": churn_report,
        "rent": lambda: evaluate_report(**rent()),
        "digits": lambda: evaluate_report(**digits()),
    }
    return cases[kind]()


def whole_card(**changes: Any) -> dict[str, Any]:
    given = {
        "facts": FACTS,
        "report": report_of("churn"),
        "report_sha256": "ab" * 32,
        "data": {"rows": "1200", "sha256": "cd" * 32},
    }
    return cyclonedx_model_card(PARAMETERS, **(given | changes))


CARDS = {
    "whole": whole_card,
    "no report": lambda: whole_card(report=None, report_sha256=None, metrics={"accuracy": 0.9, "loss": None}),
    "no facts": lambda: whole_card(facts=None),
    "of numbers": lambda: whole_card(report=report_of("rent")),
    "of many classes": lambda: whole_card(report=report_of("digits")),
    "bare": lambda: cyclonedx_model_card(PARAMETERS),
}


@pytest.mark.parametrize("kind", CARDS)
def test_card_has_only_what_the_standard_knows(kind: str) -> None:
    card = CARDS[kind]()
    assert set(card) <= ALLOWED["modelCard"]
    assert set(card.get("considerations", {})) <= ALLOWED["considerations"]
    for metric in card["quantitativeAnalysis"]["performanceMetrics"]:
        assert {"type", "value"} <= set(metric) <= ALLOWED["metric"]
        assert isinstance(metric["value"], str)
    for dataset in card["modelParameters"].get("datasets", []):
        assert set(dataset) <= ALLOWED["dataset"] and dataset["type"] == "dataset"
    assert json.loads(json.dumps(card, allow_nan=False)) == card


@pytest.mark.parametrize(
    ("kind", "version"), [*((kind, "V1_6") for kind in CARDS), ("whole", "V1_5"), ("whole", "V1_7")]
)
def test_card_is_valid_cyclonedx(kind: str, version: str) -> None:
    from cyclonedx import schema
    from cyclonedx.validation import json as validation

    chosen = schema.SchemaVersion[version]
    component = {"type": "machine-learning-model", "name": "churn", "modelCard": CARDS[kind]()}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": chosen.to_version(),
        "version": 1,
        "components": [component],
    }
    assert validation.JsonStrictValidator(chosen).validate_str(json.dumps(document)) is None


def test_every_number_is_the_report_s() -> None:
    report = report_of("churn")
    metrics = whole_card(report=report)["quantitativeAnalysis"]["performanceMetrics"]
    of_all = {metric["type"]: metric for metric in metrics if "slice" not in metric}
    for measured in report.metrics:
        assert float(of_all[measured.name]["value"]) == measured.model.value
        assert float(of_all[measured.name]["confidenceInterval"]["lowerBound"]) == measured.model.low
        assert float(of_all[f"{measured.name} (linear baseline)"]["value"]) == measured.baselines["linear"].value
    by_group = {(metric["type"], metric["slice"]): metric["value"] for metric in metrics if "slice" in metric}
    for group in report.groups:
        assert float(by_group["sensitivity", f"sex: {group.text}"]) == group.measures["sensitivity"].value


def test_report_is_named_by_its_digest() -> None:
    assert whole_card()["properties"] == [{"name": "lepton-ai:report:sha256", "value": "ab" * 32}]


def test_licence_and_fingerprint_of_the_data_are_on_the_card() -> None:
    (dataset,) = whole_card()["modelParameters"]["datasets"]
    properties = {each["name"]: each["value"] for each in dataset["contents"]["properties"]}
    assert properties["lepton-ai:data:licence"] == "CC-BY-4.0"
    assert properties["lepton-ai:data:sha256"] == "cd" * 32
    assert dataset["sensitiveData"] == ["age", "sex"]
    assert dataset["contents"]["url"] == "https://example.com/churn"


def test_what_people_said_stands_before_what_was_found() -> None:
    considerations = whole_card()["considerations"]
    assert considerations["useCases"] == ["Call customers who may leave"]
    assert considerations["technicalLimitations"][0] == "Not for prices or credit"
    assert any("plan: c" in limit for limit in considerations["technicalLimitations"])
    assert considerations["ethicalConsiderations"] == [
        {"name": "Customers feel watched", "mitigationStrategy": "Calls are made only with consent"}
    ]
    assert "threshold of 0.4" in considerations["performanceTradeoffs"][0]


def test_fairness_is_assessed_for_every_group_also_the_small_ones() -> None:
    place = np.array(["here"] * 1192 + ["there"] * 8, object)
    groups = {**churn()["rows"].groups, "place": place}
    report = churn_report(rows=RowFacts(groups=groups))
    assessed = {
        each["groupAtRisk"]: each["harms"]
        for each in whole_card(report=report)["considerations"]["fairnessAssessments"]
    }
    assert set(assessed) == {"sex: f", "sex: m", "place: here", "place: there"}
    assert assessed["sex: f"].startswith("Differs from all other rows: ")
    assert "too few" in assessed["place: there"]
    assert "too few" in assessed["place: here"], "there are too few others to compare with"


def test_facts_that_a_person_wrote_are_read_and_checked() -> None:
    assert CardFacts.from_json(json.loads(json.dumps(FACTS.to_json()))) == FACTS
    assert CardFacts.from_json({"use_cases": ["a"]}) == CardFacts(use_cases=("a",))
    with pytest.raises(InvalidInput, match="use_cases"):
        CardFacts.from_json({"limits": ["none"]})
    with pytest.raises(InvalidInput, match=r"data\.licence"):
        CardFacts.from_json({"use_cases": ["a"], "data": {"name": "b"}})
