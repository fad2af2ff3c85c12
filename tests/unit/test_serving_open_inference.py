"""The Open Inference Protocol's requests and answers, in JSON."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.model_management.serving.open_inference import (
    InferRequest,
    model_metadata,
    read_infer,
    write_infer,
)
from lepton_ai.platform.model_management.serving.served_model import ServedModel
from onnx_models import IMAGE_SIGNATURE, NUMBERS_SIGNATURE

IMAGES = ServedModel("digits", "3", IMAGE_SIGNATURE, max_rows=8)
NUMBERS = ServedModel("house", "1", NUMBERS_SIGNATURE, max_rows=8)

# As JSON from elsewhere may hold it; Python refuses to write out more than 4,300 digits, so hypothesis gets fewer.
HUGE = 10**4000

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([HUGE]) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)
almost_tensors = st.fixed_dictionaries(
    {
        "name": st.just("numbers") | anything,
        "shape": st.sampled_from([[1, 4], [2, 4], [4], [-1, 4], [1, 2, 2], [HUGE, 4]]) | anything,
        "datatype": st.sampled_from(["FP32", "FP64", "INT8", "UINT64", "BOOL", "BYTES"]) | anything,
        "data": st.lists(st.integers() | st.floats(), min_size=4, max_size=8) | anything,
    },
    optional={"parameters": anything, "more": anything},
)
almost_requests = st.fixed_dictionaries(
    {"inputs": st.lists(almost_tensors, min_size=1, max_size=2) | anything},
    optional={"id": anything, "outputs": anything, "parameters": anything, "more": anything},
)


def request(**changes):
    tensor = {"name": "numbers", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
    return {"inputs": [tensor | changes]}


def refusal(value):
    with pytest.raises(InvalidInput) as caught:
        read_infer(value, NUMBERS)
    return caught.value.message


@settings(max_examples=200, deadline=None)
@given(value=anything | almost_requests)
def test_any_json_value_is_a_valid_request_or_is_refused(value):
    try:
        asked = read_infer(value, NUMBERS)
    except InvalidInput as error:
        assert error.message
    else:
        assert asked.rows.shape == (value["inputs"][0]["shape"][0], 4)
        assert asked.rows.dtype == np.float32
        assert np.isfinite(asked.rows).all()


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6, 7, 8], [[1, 2, 3, 4], [5, 6, 7, 8]]])
@pytest.mark.parametrize(
    "datatype", ["FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"]
)
def test_data_may_be_flat_or_nested_and_of_any_number_type(data, datatype):
    asked = read_infer(request(shape=[2, 4], data=data, datatype=datatype), NUMBERS)
    assert asked.rows.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_an_image_may_leave_out_its_channel_axis_of_one():
    tensor = {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "data": [255] * 784}
    assert read_infer({"inputs": [tensor]}, IMAGES).rows.shape == (1, 28, 28, 1)


def test_parameters_are_taken_and_the_output_may_be_asked_for_by_name():
    value = request(parameters={"any": "thing"}) | {
        "id": "abc",
        "parameters": {"binary_data_output": False},
        "outputs": [{"name": "value", "parameters": {"binary_data": False}}],
    }
    assert read_infer(value, NUMBERS).id == "abc"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "the body must be an object with `inputs`, got a list"),
        ({}, "the body must have `inputs`, got no fields"),
        ({"inputs": []}, "`inputs` must be a list of one tensor, got 0 tensors"),
        ({"inputs": {}}, "`inputs` must be a list of one tensor, got an object"),
        ({"inputs": [1]}, "`inputs[0]` must be an object with `name`, `shape`, `datatype`, `data`, got a number"),
        ({"inputs": [{"name": "numbers"}]}, "`inputs[0]` must have `shape`, `datatype`, `data`, got `name`"),
        (request(extra=1), "`inputs[0]` has unknown fields: `extra`"),
        (request() | {"id": 7}, "`id` must be text, got a number"),
        (request() | {"inputz": 7}, "the body has unknown fields: `inputz`"),
        (request() | {"parameters": 7}, "`parameters` of the body must be an object, got a number"),
        (request() | {"outputs": 7}, "`outputs` must be a list, got a number"),
        (request() | {"outputs": [{"name": "x"}]}, "`outputs[0].name` must be `value`, got 'x'"),
        (request() | {"outputs": [{"name": "value"}] * 2}, "`outputs` may name the model's one output `value`"),
        (request(name="x"), "`inputs[0].name` must be `numbers`, got 'x'"),
        (request(datatype="BYTES"), "`inputs[0].datatype` must be one of FP32, FP64, INT8"),
        (request(datatype=["FP32"]), "`inputs[0].datatype` must be one of FP32, FP64, INT8"),
        (request(shape="1,4"), "`inputs[0].shape` must be a list of whole numbers, got '1,4'"),
        (request(shape=[True, 4]), "`inputs[0].shape` must be a list of whole numbers, got [True, 4]"),
        (request(shape=[1, 5]), "`inputs[0].shape` must be [batch, 4] with at least one row, got [1, 5]"),
        (request(shape=[0, 4], data=[]), "`inputs[0].shape` must be [batch, 4] with at least one row, got [0, 4]"),
        (request(shape=[9, 4]), "`inputs[0]` may hold at most 8 rows, got 9"),
        (
            request(data=[1, 2, 3]),
            "`inputs[0].data` must be a flat list of 4 numbers or have the shape [1, 4], got [3]",
        ),
        (request(data=[[1, 2], [3, 4]]), "`inputs[0].data` must be a flat list of 4 numbers"),
        (request(data="1234"), "`inputs[0].data` must be a list of numbers, got text"),
        (request(data=[1, 2, 3, "4"]), "`inputs[0].data` must hold numbers, got text at inputs[0].data[3]"),
        (request(data=[1, 2, 3, False]), "`inputs[0].data` must hold numbers, got true or false"),
        (request(data=[1, 2, 3, 1e39]), "`inputs[0]` must hold finite numbers"),
        (request(datatype="INT32", data=[1, 2, 3, 4.5]), "`inputs[0].data` of datatype INT32 must hold whole numbers"),
        (request(datatype="UINT8", data=[1, 2, 3, 256]), "`inputs[0].data` of datatype UINT8 must lie in 0 to 255"),
        (
            request(datatype="UINT8", data=[-1, 2, 3, 4]),
            "`inputs[0].data` of datatype UINT8 must lie in 0 to 255, got -1",
        ),
        (request(parameters={"binary_data_size": 16}), "`parameters` of `inputs[0]` asks for `binary_data_size`"),
        (request() | {"parameters": {"binary_data_output": True}}, "`parameters` of the body asks for"),
    ],
)
def test_a_wrong_request_is_refused_with_what_was_expected_and_what_came(value, message):
    assert refusal(value).startswith(message)


def test_a_whole_number_too_long_to_write_out_is_refused():
    assert refusal(request(shape=[10**5000, 4])).endswith("at most 8 rows, got a number")
    assert refusal(request(data=[1, 2, 3, 10**5000])).endswith("a whole number that is too large")


def test_an_answer_has_the_protocols_form():
    answer = write_infer(np.float32([[1.5], [2.5]]), InferRequest(np.zeros((2, 4), np.float32), "abc"), NUMBERS)
    assert json.loads(answer) == {
        "model_name": "house",
        "model_version": "1",
        "id": "abc",
        "outputs": [{"name": "value", "datatype": "FP32", "shape": [2, 1], "data": [1.5, 2.5]}],
    }


def test_an_answer_to_a_request_without_an_id_has_none():
    answer = write_infer(np.float32([[1.5]]), InferRequest(np.zeros((1, 4), np.float32)), NUMBERS)
    assert "id" not in json.loads(answer)


def test_metadata_names_tensors_with_a_free_batch_axis():
    assert model_metadata(IMAGES) == {
        "name": "digits",
        "versions": ["3"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "images", "datatype": "FP32", "shape": [-1, 28, 28, 1]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}],
    }
