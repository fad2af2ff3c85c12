"""A replica answers as its version was decided to: label by the threshold, sets of labels, intervals."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.platform.model_management.serving.engine import Engine
from lepton_ai.platform.model_management.serving.open_inference import InferRequest, write_infer
from lepton_ai.platform.model_management.serving.openapi import openapi_document
from lepton_ai.platform.model_management.serving.served_model import ServedModel
from lepton_ai.platform.model_management.serving.wire import encode_predict
from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec
from onnx_models import IMAGE_SIGNATURE, NUMBERS_SIGNATURE, image_artifact, numbers_artifact

TWO = Signature(
    Task.CLASSIFICATION,
    (TensorSpec("inputs", "float32", (None, 4)),),
    (TensorSpec("probabilities", "float32", (None, 2)),),
    labels=("no", "yes"),
)


def served(signature: Signature, rule: AnswerRule | None) -> ServedModel:
    return ServedModel("churn", "3", signature, rule=rule)


def answer(outputs: Any, model: ServedModel) -> dict[str, Any]:
    """The answer to outputs, once it was found to be what the OpenAPI document promises."""
    given: dict[str, Any] = json.loads(encode_predict(np.float32(outputs), model))
    post = openapi_document(model)["paths"]["/predict"]["post"]
    jsonschema.validate(given, post["responses"]["200"]["content"]["application/json"]["schema"])
    return given


def test_label_follows_the_threshold_and_its_probability_comes_along() -> None:
    given = answer([[0.7, 0.3], [0.9, 0.1]], served(TWO, AnswerRule(threshold=0.3)))["outputs"]
    assert [row["label"] for row in given] == ["yes", "no"]
    assert [row["probability"] for row in given] == [0.3, 0.9]
    assert "labels" not in given[0]


def test_labels_that_a_row_may_have_stand_beside_its_label() -> None:
    rule = AnswerRule(coverage=0.9, quantile=0.75)
    model = served(IMAGE_SIGNATURE, rule)
    given = answer([[0.3, 0.1, 0.6], [0.02, 0.97, 0.01], [0.25, 0.35, 0.4]], model)["outputs"]
    assert [row["labels"] for row in given] == [["dark", "bright"], ["middle"], ["dark", "middle", "bright"]]
    assert [row["label"] for row in given] == ["bright", "middle", "bright"]


def test_intervals_stand_beside_the_numbers_which_stay_numbers() -> None:
    given = answer([[10.0], [0.5]], served(NUMBERS_SIGNATURE, AnswerRule(coverage=0.9, quantile=1.5)))
    assert given["outputs"] == [10.0, 0.5]
    assert given["intervals"] == [[8.5, 11.5], [-1.0, 2.0]]


@pytest.mark.parametrize("rule", [None, AnswerRule(), AnswerRule(coverage=0.9)])
def test_without_a_promise_answers_are_as_before(rule: AnswerRule | None) -> None:
    assert answer([[10.0]], served(NUMBERS_SIGNATURE, rule)) == {"outputs": [10.0], "model": "churn", "version": "3"}
    assert set(answer([[0.7, 0.3]], served(TWO, rule))["outputs"][0]) == {"label", "probability", "probabilities"}


def test_open_inference_gives_the_raw_outputs_whatever_was_decided() -> None:
    outputs = np.float32([[0.7, 0.3]])
    model = served(TWO, AnswerRule(0.3, 0.9, 0.9))
    asked = InferRequest(np.zeros((1, 4), np.float32))
    assert write_infer(outputs, asked, model) == write_infer(outputs, asked, served(TWO, None))


def test_engine_reads_the_decision_of_the_artifact(tmp_path: Path) -> None:
    folder = image_artifact(tmp_path)
    assert Engine.load(folder).rule is None
    rule = AnswerRule(coverage=0.9, quantile=0.75)
    (folder / "decision.json").write_text(json.dumps(rule.to_json()))
    assert Engine.load(folder).rule == rule


@pytest.mark.parametrize("written", ["{", "{}", '{"version": 1, "threshold": 0.3}'])
@pytest.mark.parametrize("artifact", [image_artifact, numbers_artifact])
def test_decision_that_does_not_fit_the_model_is_named(written: str, artifact: Any, tmp_path: Path) -> None:
    folder = artifact(tmp_path)
    (folder / "decision.json").write_text(written)
    with pytest.raises(InvalidInput, match=r"decision\.json cannot be read: "):
        Engine.load(folder)
