"""The engine: an artifact folder in, right outputs out, and one clear reason when the artifact is not good."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from lepton_ai.core.errors import InternalError, InvalidInput, LeptonError, NotFound, NotSupported
from lepton_ai.platform.model_management.serving.engine import Engine
from lepton_ai.platform.preprocessing.signature import Task, TensorSpec
from onnx_models import (
    NUMBERS_SIGNATURE,
    image_answer,
    image_artifact,
    numbers_artifact,
    numbers_model,
    row_dropping_model,
    write_artifact,
)


def test_a_loaded_model_gives_the_right_outputs(tmp_path):
    images = np.random.default_rng(0).random((5, 28, 28, 1)).astype(np.float32)
    engine = Engine.load(image_artifact(tmp_path))
    np.testing.assert_allclose(engine.run(images), [image_answer(image) for image in images], atol=1e-5)


@pytest.mark.parametrize("rows", [1, 256, 257, 1000])
def test_many_rows_are_answered_in_their_order(tmp_path, rows):
    engine = Engine.load(numbers_artifact(tmp_path))
    numbers = np.arange(rows * 4, dtype=np.float32).reshape(rows, 4)
    outputs = engine.run(numbers)
    assert outputs.shape == (rows, 1)
    np.testing.assert_allclose(outputs[:, 0], numbers @ [1, 2, 3, 4] + 0.5, rtol=1e-6)


def test_a_model_that_fails_says_so(tmp_path):
    engine = Engine.load(numbers_artifact(tmp_path))
    with pytest.raises(InternalError, match="the model failed on 1 rows"):
        engine.run(np.zeros((1, 5), np.float32))


@pytest.mark.parametrize("missing", ["model.onnx", "signature.json"])
def test_a_missing_file_is_named(tmp_path, missing):
    numbers_artifact(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(NotFound, match=missing):
        Engine.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.onnx", b"", "not a model that onnxruntime can load"),
        ("model.onnx", b"\x80\x04 not a model", "not a model that onnxruntime can load"),
        ("signature.json", b"", "is not JSON"),
        ("signature.json", b"\xff\xfe", "is not JSON"),
        ("signature.json", b"[" * 100_000, "is not JSON"),
        ("signature.json", b"[]", "not a model signature"),
        ("signature.json", b'{"task": "divination"}', "not a model signature"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path, name, content, reason):
    numbers_artifact(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=reason) as caught:
        Engine.load(tmp_path)
    assert "\n" not in caught.value.message


def test_a_truncated_model_is_refused(tmp_path):
    image_artifact(tmp_path)
    model = tmp_path / "model.onnx"
    model.write_bytes(model.read_bytes()[:-500])
    with pytest.raises(InvalidInput, match="not a model that onnxruntime can load"):
        Engine.load(tmp_path)


TWO_INPUTS = (*NUMBERS_SIGNATURE.inputs, TensorSpec("more", "float32", (None, 1)))


@pytest.mark.parametrize(
    ("signature", "error", "reason"),
    [
        (replace(NUMBERS_SIGNATURE, inputs=TWO_INPUTS), NotSupported, "one input and one output, got 2 and 1"),
        (
            replace(NUMBERS_SIGNATURE, inputs=(TensorSpec("numbers", "int64", (None, 4)),)),
            NotSupported,
            "models that take float32, got 'int64'",
        ),
        (
            replace(NUMBERS_SIGNATURE, inputs=(TensorSpec("digits", "float32", (None, 4)),)),
            InvalidInput,
            "names an input 'digits', model.onnx has \\['numbers'\\]",
        ),
        (
            replace(NUMBERS_SIGNATURE, inputs=(TensorSpec("numbers", "float32", (None, 5)),)),
            InvalidInput,
            "gives the input 'numbers' the shape \\(None, 5\\)",
        ),
        (
            replace(NUMBERS_SIGNATURE, outputs=(TensorSpec("value", "float64", (None, 1)),)),
            InvalidInput,
            "says that 'value' is float64",
        ),
        (
            replace(NUMBERS_SIGNATURE, outputs=(TensorSpec("value", "float32", (None,)),), task=Task.CLASSIFICATION),
            InvalidInput,
            "output must have shape \\(batch, classes\\)",
        ),
        (
            replace(NUMBERS_SIGNATURE, task=Task.CLASSIFICATION, labels=("yes", "no")),
            InvalidInput,
            "one label per class, got 2",
        ),
    ],
)
def test_a_signature_that_does_not_belong_to_the_model_is_refused(tmp_path, signature, error, reason):
    write_artifact(tmp_path, numbers_model(), signature)
    with pytest.raises(error, match=reason):
        Engine.load(tmp_path)


def test_a_model_with_a_fixed_batch_is_refused(tmp_path):
    model = numbers_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    write_artifact(tmp_path, model, NUMBERS_SIGNATURE)
    with pytest.raises(InvalidInput, match="the shape") as caught:
        Engine.load(tmp_path)
    assert caught.value.hint == "The batch axis, the first, must be free."


def test_a_model_with_an_input_that_the_signature_leaves_out_is_refused(tmp_path):
    model = numbers_model()
    model.graph.input.append(onnx.helper.make_tensor_value_info("secret", TensorProto.FLOAT, ["batch", 1]))
    write_artifact(tmp_path, model, NUMBERS_SIGNATURE)
    with pytest.raises(InvalidInput, match=r"inputs that signature.json does not name: \['secret'\]"):
        Engine.load(tmp_path)


def test_a_model_that_does_not_answer_every_row_does_not_start(tmp_path):
    write_artifact(tmp_path, row_dropping_model("Greater"), NUMBERS_SIGNATURE)
    with pytest.raises(
        InvalidInput, match=r"does not run: the model must give an output of shape \(1, 1\), got \(0, 1\)"
    ):
        Engine.load(tmp_path)


def test_external_data_outside_of_the_artifact_is_refused(tmp_path):
    (tmp_path / "secret.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    model = numbers_model()
    weights = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(weights, location="../secret.bin", offset=0, length=16)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    folder = tmp_path / "artifact"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "signature.json").write_text(json.dumps(NUMBERS_SIGNATURE.to_json()))
    with pytest.raises(LeptonError):
        Engine.load(folder)
