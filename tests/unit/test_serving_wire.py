"""Request bodies into arrays, outputs into answers: right ones exactly, wrong ones refused with a reason."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.model_management.serving.served_model import ServedModel
from lepton_ai.platform.model_management.serving.wire import decode_predict, encode_predict, parse_json
from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec
from onnx_models import IMAGE_SIGNATURE, NUMBERS_SIGNATURE

IMAGES = ServedModel("digits", "3", IMAGE_SIGNATURE, max_rows=8)
NUMBERS = ServedModel("house", "1", NUMBERS_SIGNATURE, max_rows=8)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=30,
)
almost_rows = st.lists(st.lists(json_values | st.floats(-10, 10), min_size=3, max_size=5), max_size=10)


def rows_of(body, served=NUMBERS):
    return decode_predict(parse_json(body if isinstance(body, bytes) else json.dumps(body).encode(), served), served)


def refusal(body, served=NUMBERS):
    with pytest.raises(InvalidInput) as caught:
        rows_of(body, served)
    return caught.value.message


@settings(max_examples=150, deadline=None)
@given(value=json_values | st.builds(lambda rows: {"inputs": rows}, json_values | almost_rows))
def test_any_json_value_becomes_a_valid_array_or_is_refused(value):
    try:
        rows = decode_predict(value, NUMBERS)
    except InvalidInput as error:
        assert error.message
    else:
        assert rows.dtype == np.float32
        assert rows.shape == (len(value["inputs"]), 4)
        assert np.isfinite(rows).all()
        assert rows.tolist() == np.float32(value["inputs"]).tolist()


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=60))
def test_any_bytes_are_json_or_are_refused(body):
    try:
        value = parse_json(body, NUMBERS)
    except InvalidInput:
        return
    assert json.dumps(value) is not None


@given(
    rows=st.lists(
        st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=4, max_size=4),
        min_size=1,
        max_size=8,
    )
)
def test_rows_arrive_as_they_were_sent(rows):
    assert rows_of({"inputs": rows}).tolist() == rows


def test_an_image_may_leave_out_its_channel_axis_of_one():
    image = np.random.default_rng(0).random((2, 28, 28))
    with_axis = rows_of({"inputs": image[..., None].tolist()}, IMAGES)
    without_axis = rows_of({"inputs": image.tolist()}, IMAGES)
    assert with_axis.shape == (2, 28, 28, 1)
    assert (with_axis == without_axis).all()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body must be a JSON object, got an empty body"),
        (b"{", "the body must be JSON: "),
        (b'{"inputs": [[NaN, 1, 1, 1]]}', "the body must be JSON: "),
        (b'{"inputs": [[-Infinity, 1, 1, 1]]}', "the body must be JSON: "),
        (b'{"inputs": [[1e999, 1, 1, 1]]}', "the body must be JSON: "),
        (b'{"inputs": [["\xff", 1, 1, 1]]}', "the body must be JSON: "),
        (b"[" * 1_050, "the body must be JSON: "),
        ([[1, 2, 3, 4]], "the body must be an object with `inputs`, got a list"),
        (None, "the body must be an object with `inputs`, got null"),
        ({}, "the body must have `inputs`, got no fields"),
        ({"instances": [[1, 2, 3, 4]]}, "the body has unknown fields: `instances`"),
        ({"inputs": [[1, 2, 3, 4]], "top_k": 1}, "the body has unknown fields: `top_k`"),
        ({"inputs": "1,2,3,4"}, "`inputs` must be a list of rows, got text"),
        ({"inputs": {"a": 1}}, "`inputs` must be a list of rows, got an object"),
        ({"inputs": []}, "`inputs` must hold at least one row, got none"),
        ({"inputs": [1, 2, 3, 4]}, "`inputs` must have shape (batch, 4), got (4,)"),
        ({"inputs": [[1, 2, 3]]}, "`inputs` must have shape (batch, 4), got (1, 3)"),
        ({"inputs": [[[1, 2, 3, 4]]]}, "`inputs` must have shape (batch, 4), got (1, 1, 4)"),
        ({"inputs": [[1, 2, 3, 4], [1, 2]]}, "`inputs` must be lists of equal length, got lengths 2 and 4 at depth 1"),
        ({"inputs": [[1, 2, 3, 4], 5]}, "`inputs` must hold numbers, got a list at inputs[0]"),
        ({"inputs": [[1, 2, 3, 4], [1, 2, "3", 4]]}, "`inputs` must hold numbers, got text at inputs[1][2]"),
        ({"inputs": [[1, 2, 3, True]]}, "`inputs` must hold numbers, got true or false at inputs[0][3]"),
        ({"inputs": [[None, 2, 3, 4]]}, "`inputs` must hold numbers, got null at inputs[0][0]"),
        ({"inputs": [[1, 2, 3, {}]]}, "`inputs` must hold numbers, got an object at inputs[0][3]"),
        ({"inputs": [[1, 2, 3, 1e39]]}, "`inputs` must hold finite numbers, got 1e+39 at position (0, 3)"),
        ({"inputs": [[0] * 4] * 9}, "`inputs` may hold at most 8 rows, got 9"),
    ],
)
def test_a_wrong_body_is_refused_with_what_was_expected_and_what_came(body, message):
    assert refusal(body).startswith(message)


def test_a_whole_number_beyond_a_double_is_refused():
    with pytest.raises(InvalidInput, match="too large"):
        decode_predict({"inputs": [[10**400, 1, 1, 1]]}, NUMBERS)


def test_lists_nested_deeper_than_any_array_are_refused():
    nested = 1.0
    for _ in range(200):
        nested = [nested]
    with pytest.raises(InvalidInput, match="at most 32 deep"):
        decode_predict({"inputs": nested}, NUMBERS)


def test_one_long_text_among_many_values_takes_no_memory_for_each():
    # NumPy would size every cell for the longest text: 4 MB for each of 1,001 cells.
    rows = [["x" * 1_000_000, *[0] * 1000]]
    assert refusal({"inputs": rows}) == "`inputs` must hold numbers, got text at inputs[0][0]"


def test_more_values_than_the_largest_request_holds_are_refused_unread():
    message = "the body may hold at most 8 rows of shape (4,), got more values than that"
    for body in (b'{"inputs":[' + b"[]," * 2000 + b"[]]}", b"[" * 2000, b'{"a":1,' * 2000, b"0," * 2000):
        assert refusal(body) == message


@pytest.mark.parametrize("served", [IMAGES, NUMBERS])
def test_the_largest_request_is_read_in_full(served):
    rows = np.zeros((served.max_rows, *served.signature.row_shape))
    assert rows_of({"inputs": rows.tolist()}, served).shape == rows.shape


def test_a_long_list_of_unknown_fields_is_cut_in_the_message():
    message = refusal({f"field{number}" + "x" * 100: 1 for number in range(100)})
    assert message.endswith("and 95 more")
    assert len(message) < 300


def test_a_classifier_answers_label_and_probabilities():
    answer = json.loads(encode_predict(np.float32([[0.1, 0.2, 0.7], [0.98, 0.01, 0.01]]), IMAGES))
    assert answer == {
        "outputs": [
            {"label": "bright", "probability": 0.7, "probabilities": [0.1, 0.2, 0.7]},
            {"label": "dark", "probability": 0.98, "probabilities": [0.98, 0.01, 0.01]},
        ],
        "model": "digits",
        "version": "3",
    }


def test_a_classifier_without_labels_answers_the_number_of_the_class():
    signature = Signature(Task.CLASSIFICATION, IMAGE_SIGNATURE.inputs, IMAGE_SIGNATURE.outputs)
    answer = json.loads(encode_predict(np.float32([[0.1, 0.2, 0.7]]), ServedModel("digits", "3", signature)))
    assert answer["outputs"][0]["label"] == 2


@pytest.mark.parametrize(
    ("shape", "outputs", "expected"),
    [
        ((None, 1), [[1.5], [2.5]], [1.5, 2.5]),
        ((None,), [1.5, 2.5], [1.5, 2.5]),
        ((None, 2), [[1.5, 0.1], [2.5, 0.2]], [[1.5, 0.1], [2.5, 0.2]]),
    ],
)
def test_a_regressor_answers_a_plain_number_where_it_has_one(shape, outputs, expected):
    signature = Signature(Task.REGRESSION, NUMBERS_SIGNATURE.inputs, (TensorSpec("value", "float32", shape),))
    answer = json.loads(encode_predict(np.float32(outputs), ServedModel("house", "1", signature)))
    assert answer["outputs"] == expected


def test_an_answer_that_is_not_finite_names_the_row_that_caused_it():
    with pytest.raises(InvalidInput, match="no finite answer for row 1"):
        encode_predict(np.float32([[1.0], [np.inf]]), NUMBERS)
