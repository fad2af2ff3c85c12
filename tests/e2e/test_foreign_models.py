"""Models of other frameworks on a real cloud: pushed, deployed, and asked over HTTP."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onnx_models
from cloud_lab import CloudLab
from gateway_lab import fetch
from lepton_ai.core.errors import InvalidInput

FLOWERS = load_iris()
NAMES = FLOWERS.target_names[FLOWERS.target]


def test_scikit_learn_pipeline_answers_over_http_as_it_does_itself(lab: CloudLab) -> None:
    rows = FLOWERS.data
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, NAMES)
    with lab.cloud() as cloud:
        version = cloud.push(estimator, "flowers", sample=rows, metrics={"accuracy": 0.97}, message="from elsewhere")
        assert (str(version), version.metrics) == ("flowers:1", {"accuracy": 0.97})
        assert "model.keras" not in version.details.files
        endpoint = cloud.deploy(version, min_replicas=1)
        answer = endpoint.predict(rows)
        assert np.allclose(answer.probabilities, estimator.predict_proba(rows), atol=1e-5)
        assert answer.labels.tolist() == estimator.predict(rows).tolist()
        card = cloud.models.card("flowers")
        assert card["modelCard"]["modelParameters"]["architectureFamily"] == "scikit-learn"
        plain = fetch(
            lab.endpoints_port,
            "/default/flowers/predict",
            {"content-type": "application/json", **lab.bearer},
            "POST",
            b'{"inputs": [[5.1, 3.5, 1.4, 0.2]]}',
        )
        assert plain.json["outputs"][0]["label"] == "setosa"
        with pytest.raises(InvalidInput, match=r"must have shape \(batch, 4\)"):
            endpoint.predict([[1, 2]])
        endpoint.remove()
        cloud.models.remove("flowers")


def test_onnx_file_is_pushed_from_the_shell(lab: CloudLab, tmp_path: Path) -> None:
    path = tmp_path / "pixels.onnx"
    onnx.save(onnx_models.image_model(), path)
    pushed = lab.shell("model", "push", str(path), "light", "--labels", "dark,middle,bright")
    assert (pushed.returncode, pushed.stderr.splitlines()[-1]) == (0, "Registered light:1")
    with lab.cloud() as cloud:
        endpoint = cloud.deploy("light", min_replicas=1)
        image = np.full((28, 28), 0.9)
        answer = endpoint.predict(image[np.newaxis])
        assert answer.labels.tolist() == ["bright"]
        assert np.allclose(answer.probabilities[0], onnx_models.image_answer(image), atol=1e-6)
        endpoint.remove()
        cloud.models.remove("light")


def test_what_cannot_be_served_is_refused_in_one_sentence(lab: CloudLab, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    refused = lab.shell("model", "push", str(tmp_path / "model.pkl"), "pickled")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "error: `model` must be the path of an .onnx file, got 'model.pkl'",
        "hint: A .keras file: Model.load(path).push(name). Pickles are never opened: push the estimator itself.",
    ]
    with lab.cloud() as cloud, pytest.raises(InvalidInput, match=r"must be a Model, .*got dict"):
        cloud.push({"weights": [1, 2]}, "numbers")
