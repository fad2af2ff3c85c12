"""The artifact: complete, honest, the same bytes for the same net, and equal to Keras; or a clear refusal."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from conftest import bars, blobs
from lepton_ai.core.errors import Conflict, InvalidInput, MissingPackage, NotSupported
from lepton_ai.platform.frameworks.adaptive.presets import free_settings
from lepton_ai.platform.frameworks.export import ExportFailed, export_artifact, signature_of
from lepton_ai.platform.frameworks.facts import fingerprint
from lepton_ai.platform.preprocessing.signature import Signature, Task

FILES = {
    "model.keras",
    "model.onnx",
    "signature.json",
    "preprocessing.json",
    "metrics.json",
    "card.json",
    "environment.json",
    "data.json",
}


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def artifact(trained_on_images: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    trained_on_images.evaluate(*bars(100, seed=9), verbose=0)
    folder = tmp_path_factory.mktemp("artifact") / "version"
    return export_artifact(trained_on_images, folder, lineage={"parent": None}, labels=["row", "column", "nothing"])


def test_artifact_is_complete_and_holds_nothing_else(artifact: Path) -> None:
    assert {file.name for file in artifact.iterdir()} == FILES
    assert read(artifact, "preprocessing") == {"version": 1, "steps": []}


def test_onnx_answers_as_predict_does(artifact: Path, trained_on_images: Any) -> None:
    session = onnxruntime.InferenceSession(artifact / "model.onnx")
    x, _ = bars(150, seed=11)
    (answers,) = session.run(["probabilities"], {"inputs": x})
    assert np.abs(answers - trained_on_images.predict(x, verbose=0)).max() < 1e-5
    assert session.run(None, {"inputs": x[:1]})[0].shape == (1, 3)
    assert session.get_inputs()[0].shape == ["batch", 8, 8, 1]


def test_keras_file_of_the_artifact_loads(artifact: Path, trained_on_images: Any, model_class: Any) -> None:
    x, _ = bars(10)
    loaded = model_class.load(artifact / "model.keras")
    assert np.array_equal(loaded.predict(x, verbose=0), trained_on_images.predict(x, verbose=0))


def test_signature_describes_the_graph(artifact: Path) -> None:
    signature = Signature.from_json(read(artifact, "signature"))
    assert signature.task is Task.CLASSIFICATION
    assert signature.labels == ("row", "column", "nothing")
    assert signature.inputs[0].shape == (None, 8, 8, 1)
    assert (signature.outputs[0].name, signature.outputs[0].shape) == ("probabilities", (None, 3))
    assert signature.check(np.zeros((2, 8, 8)).tolist()).shape == (2, 8, 8, 1)


def test_documents_say_what_happened(artifact: Path, trained_on_images: Any) -> None:
    card, metrics, data = read(artifact, "card"), read(artifact, "metrics"), read(artifact, "data")
    x, y = bars()
    assert metrics["evaluation"] == pytest.approx(trained_on_images.evaluation)
    assert set(metrics["training"]) == {"loss", "accuracy"}
    assert card["modelCard"]["modelParameters"]["task"] == "classification"
    assert card["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["type"] == "accuracy"
    assert card["training"]["optimizer"]["class"] == "Adam"
    rate = free_settings("image", len(x)).rate  # fitted without compile, so the rate was ours to choose
    assert card["training"]["optimizer"]["config"]["learning_rate"] == pytest.approx(rate)
    assert card["training"]["epochs"] == 12
    assert "augmented rows" in card["training"]["recipe"]
    assert card["parameters"]["total"] == trained_on_images.count_params()
    assert card["lineage"] == {"parent": None}
    assert data == {
        "version": 1,
        "rows": 200,
        "x_shape": [8, 8, 1],
        "y_shape": [],
        "sha256": fingerprint(x, y.astype("int32")),
    }


def test_environment_names_versions_and_no_place(artifact: Path) -> None:
    environment = read(artifact, "environment")
    assert environment["packages"]["keras"] == keras.version()
    assert environment["packages"]["onnxruntime"] == onnxruntime.__version__
    assert "/" not in json.dumps(environment)


def test_same_net_exports_to_the_same_bytes(model_class: Any, tmp_path: Path) -> None:
    graphs = []
    for number in range(2):
        model = model_class((8, 8, 1), 3, seed=0)
        graphs.append((export_artifact(model, tmp_path / str(number)) / "model.onnx").read_bytes())
    assert graphs[0] == graphs[1]


def test_regression_exports_plain_numbers(model_class: Any, tmp_path: Path) -> None:
    x, _ = blobs()
    model = model_class((4,))
    model.fit(x, x[:, 0] * 1e5, verbose=0)
    folder = export_artifact(model, tmp_path, metrics={"rmse": 3.0, "worst": float("nan")})
    signature = Signature.from_json(read(folder, "signature"))
    assert (signature.task, signature.outputs[0].name, signature.labels) == (Task.REGRESSION, "outputs", None)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    answers, kerass = session.run(None, {"inputs": x})[0], model.predict(x, verbose=0)
    assert np.abs(answers - kerass).max() < 1e-4 * kerass.std()  # an answer near zero has no digits of its own
    assert read(folder, "metrics")["evaluation"] == {"rmse": 3.0, "worst": None}


def test_model_that_was_never_trained_exports_too(model_class: Any, tmp_path: Path) -> None:
    folder = export_artifact(model_class((4,), 3), tmp_path)
    assert read(folder, "data")["sha256"] is None
    assert read(folder, "metrics") == {"version": 1, "evaluation": None, "training": None}
    assert Signature.from_json(read(folder, "signature")).labels == (0, 1, 2)


def test_net_of_the_users_own_exports_under_our_names(model_class: Any, tmp_path: Path) -> None:
    inputs = keras.Input((4,), name="measurements")
    model = model_class(inputs=inputs, outputs=keras.layers.Dense(3, activation="softmax", name="kind")(inputs))
    x, y = blobs()
    model.fit(x, y, verbose=0)
    session = onnxruntime.InferenceSession(export_artifact(model, tmp_path) / "model.onnx")
    assert np.abs(session.run(["probabilities"], {"inputs": x})[0] - model.predict(x, verbose=0)).max() < 1e-5


class OutsideTheGraph(keras.layers.Layer):
    """A layer that calls Python, which no other runtime can."""

    def call(self, inputs: Any) -> Any:
        return tf.ensure_shape(tf.numpy_function(np.tanh, [inputs], tf.float32), inputs.shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Noisy(keras.layers.Layer):
    """A layer that answers differently each time."""

    def call(self, inputs: Any) -> Any:
        return inputs + tf.random.normal(tf.shape(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Undefined(keras.layers.Layer):
    """A layer that answers NaN."""

    def call(self, inputs: Any) -> Any:
        return inputs * float("nan")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (OutsideTheGraph(), "the model cannot be exported to ONNX|onnxruntime cannot run the exported model"),
        (Noisy(), "ONNX and Keras must agree to 0.0001 on 100 rows, got a difference of"),
        (Undefined(), "the model must answer finite numbers, got NaN or infinity"),
    ],
)
def test_net_that_cannot_be_exported_is_refused_with_the_reason(
    model_class: Any, tmp_path: Path, layer: Any, message: str
) -> None:
    inputs = keras.Input((4,))
    model = model_class(inputs=inputs, outputs=keras.layers.Dense(2)(layer(inputs)))
    with pytest.raises(ExportFailed, match=message) as caught:
        export_artifact(model, tmp_path)
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_rows_to_compare_can_be_given_and_are_checked(trained: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"`sample` must have shape \(batch, 4\)"):
        export_artifact(trained, tmp_path, sample=np.zeros((3, 5)))
    assert (export_artifact(trained, tmp_path, sample=np.zeros((3, 4))) / "card.json").exists()


def test_folder_with_files_is_left_alone(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(Conflict, match="an artifact needs an empty folder"):
        export_artifact(trained, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_labels_must_fit_the_classes(trained: Any, model_class: Any) -> None:
    for labels in (["a", "b"], ["a", "b", "b"]):
        with pytest.raises(InvalidInput, match="`labels` must name each of 3 classes once"):
            signature_of(trained, labels)
    with pytest.raises(InvalidInput, match="`labels` go with a classifier"):
        signature_of(model_class((4,)), ["a"])


def test_several_inputs_and_free_axes_are_refused(model_class: Any) -> None:
    left, right, free = keras.Input((2,)), keras.Input((2,)), keras.Input((None, 3))
    with pytest.raises(NotSupported, match="one input and one output, got 2 and 1"):
        signature_of(model_class(inputs=[left, right], outputs=keras.layers.Dense(1)(keras.layers.add([left, right]))))
    with pytest.raises(NotSupported, match="axes of fixed size"):
        signature_of(model_class(inputs=free, outputs=keras.layers.Dense(1)(free)))


def test_missing_converter_is_named_with_the_command_that_installs_it(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(MissingPackage) as caught:
        export_artifact(trained, tmp_path)
    assert "pip install 'lepton-ai[tensorflow]'" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_copy_of_a_model_exports_without_its_training_rows(trained: Any, tmp_path: Path) -> None:
    twin = copy.deepcopy(trained)
    assert twin.sample_rows is None
    folder = export_artifact(twin, tmp_path)
    assert read(folder, "card")["onnx"]["largest_difference"] < 1e-5
    assert read(folder, "data")["sha256"] == trained.training_facts.fingerprint


QUIET = """
import sys
from pathlib import Path
import numpy as np
from lepton_ai.platform.frameworks.model import Model
from lepton_ai.platform.frameworks.export import export_artifact

model = Model((8, 8, 1), 3)
model.fit(np.random.rand(64, 8, 8), np.arange(64) % 3, verbose=0)
export_artifact(model, Path(sys.argv[1]) / "version")
"""


def test_import_training_and_export_say_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", QUIET, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "version" / "model.onnx").exists()


def test_missing_tensorflow_is_named_with_the_command_that_installs_it() -> None:
    program = (
        "import sys; sys.modules['keras'] = None\n"
        "try:\n    import lepton_ai.platform.frameworks.model\n"
        "except Exception as error:\n    print(type(error).__name__, error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "MissingPackage Install them: pip install 'lepton-ai[tensorflow]'"
