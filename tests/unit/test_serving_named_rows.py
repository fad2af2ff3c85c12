"""A model server that takes rows by column: what it reads, refuses, and says of itself."""

import numpy as np
import pytest

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.model_management.serving.openapi import openapi_document
from lepton_ai.platform.model_management.serving.served_model import ServedModel
from lepton_ai.platform.model_management.serving.wire import decode_predict, parse_json
from lepton_ai.platform.preprocessing.readers import to_columns
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec
from lepton_ai.platform.preprocessing.transform import Transform

FRAME = {"age": [31.0, 47.0, 25.0, 62.0], "sex": ["f", "m", "f", None], "ill": ["no", "yes", "no", "yes"]}
SCHEMA = Schema.infer(FRAME, target="ill").with_column("age", unit="years", low=0, high=120)
TRANSFORM = Transform.fit(SCHEMA, to_columns(SCHEMA, FRAME))
SERVED = ServedModel(
    "ill",
    "1",
    Signature(
        Task.CLASSIFICATION,
        (TensorSpec("inputs", "float32", (None, TRANSFORM.width)),),
        (TensorSpec("probabilities", "float32", (None, 2)),),
        labels=("no", "yes"),
    ),
    TRANSFORM,
    max_rows=8,
)


def test_rows_by_column_become_what_the_model_was_trained_on() -> None:
    rows = [{"age": age, "sex": sex} for age, sex in zip(FRAME["age"], FRAME["sex"], strict=True)]
    assert np.array_equal(decode_predict({"inputs": rows}, SERVED), TRANSFORM.apply(to_columns(SCHEMA, FRAME)))


def test_value_that_may_be_missing_may_be_left_out() -> None:
    left_out, null = ({"inputs": [{"age": 40, **rest}]} for rest in ({}, {"sex": None}))
    assert np.array_equal(decode_predict(left_out, SERVED), decode_predict(null, SERVED))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([[40, 1]], r"got a list at inputs\[0\]"),
        ([], "at least one row"),
        ([{"age": 40}] * 9, "at most 8 rows"),
        ([{"age": "40"}], "row 0, column 'age': must be a number"),
        ([{"age": 400}], "row 0, column 'age'"),
        ([{"age": 40}, {"age": 40, "weight": 3}], "row 1, column 'weight'"),
        ([{"sex": "f"}], "row 0, column 'age': must be a number, got nothing"),
    ],
)
def test_rows_that_do_not_fit_are_named(inputs: list[object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        decode_predict({"inputs": inputs}, SERVED)


def test_text_full_of_commas_is_no_large_request() -> None:
    body = b'{"inputs": [{"age": 40, "sex": "' + b"," * 5000 + b'"}]}'
    assert parse_json(body, SERVED)["inputs"][0]["age"] == 40


def test_openapi_tells_columns_and_an_example_that_is_answered() -> None:
    body = openapi_document(SERVED)["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    row = body["schema"]["properties"]["inputs"]["items"]
    assert row["required"] == ["age"]
    assert row["properties"]["age"] == {"type": "number", "minimum": 0, "maximum": 120, "description": "In years."}
    assert row["properties"]["sex"]["type"] == ["string", "number", "boolean", "null"]
    assert decode_predict(body["example"], SERVED).shape == (1, TRANSFORM.width)
