"""The whole path of a user in Python: a cloud of one's own, a model, an endpoint, an answer."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import onnx_models
from cloud_lab import CloudLab
from lepton_ai.core.errors import AlreadyExists, Conflict, InvalidInput, NotFound, Unauthenticated, Unavailable
from lepton_ai.platform.evaluation.answer_rule import AnswerRule
from lepton_ai.sdk.cloud import Cloud

SCRIPT = """
import sys
from pathlib import Path
from lepton_ai import Cloud

with Cloud.local() as cloud:
    print(cloud.status().gateway.ready, cloud.ping().id)
    version = cloud.models.push_folder(Path(sys.argv[1]), "numbers")
    endpoint = cloud.deploy(version, min_replicas=1)
    print(endpoint.state, list(endpoint.predict([[1, 2, 3, 4]]).outputs))
    raise ValueError("mine")
"""


def test_cloud_of_ones_own_is_there_for_a_block_and_gone_after_it(lab: CloudLab) -> None:
    everything = lab.pids()
    temporary = lab.root / "temporary"
    temporary.mkdir()
    environment = {name: value for name, value in lab.environment.items() if not name.startswith("LEPTON_")}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(lab.artifact())],
        env=environment | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.stdout.splitlines() == ["True default", "Ready [30.5]"]
    assert result.stderr.startswith("Traceback")  # the script's own error, and nothing before it
    assert result.stderr.endswith("ValueError: mine\n")
    assert lab.pids() == everything
    assert not list(temporary.glob("lepton-*"))


def test_models_are_pushed_looked_up_and_fetched(lab: CloudLab, tmp_path: Path) -> None:
    artifact = onnx_models.image_artifact(tmp_path / "artifact")
    with lab.cloud() as cloud:
        sent = []
        first = cloud.models.push_folder(artifact, "pixels", message="first", progress=sent.append)
        assert sum(sent) == first.details.size_bytes
        second = cloud.models.push_folder(artifact, "pixels")
        assert (str(first), str(second)) == ("pixels:1", "pixels:2")
        names = [model.name for model in cloud.models.list()]
        assert {"numbers", "pixels"} <= set(names) and names == sorted(names)
        assert cloud.models.version("pixels").version == 1
        cloud.models.move_alias("pixels", "champion", 2, reason="newer")
        assert cloud.models.version("pixels").version == cloud.models.version("pixels@champion").version == 2
        fetched = cloud.models.download("pixels:1", tmp_path / "fetched")
        assert fetched.details.files == first.details.files
        assert (tmp_path / "fetched" / "model.onnx").read_bytes() == (artifact / "model.onnx").read_bytes()
        with pytest.raises(Conflict, match="alias 'champion' points to pixels:2"):
            cloud.models.remove("pixels", 2)
        assert cloud.models.remove("pixels") == 2
        with pytest.raises(NotFound, match="there is no model 'pixels'"):
            cloud.models.get("pixels")


def test_endpoint_answers_as_its_version_was_decided_to(lab: CloudLab, tmp_path: Path) -> None:
    artifact = onnx_models.numbers_artifact(tmp_path / "artifact")
    (artifact / "decision.json").write_text(json.dumps(AnswerRule(coverage=0.9, quantile=1.5).to_json()))
    with lab.cloud() as cloud:
        endpoint = cloud.deploy(cloud.models.push_folder(artifact, "sure"))
        prediction = endpoint.predict([[1, 2, 3, 4], [0, 0, 0, 0]])
        assert list(prediction.outputs) == [30.5, 0.5]
        assert prediction.intervals is not None
        assert prediction.intervals.tolist() == [[29.0, 32.0], [-1.0, 2.0]]
        assert prediction.label_sets is None
        shown = lab.ok("endpoint", "predict", "sure", "[[1, 2, 3, 4]]").split()
        assert shown == ["ROW", "VALUE", "LOW", "HIGH", "0", "30.5", "29.0", "32.0"]
        assert lab.ok_json("endpoint", "predict", "sure", "[[1, 2, 3, 4]]")["intervals"] == [[29.0, 32.0]]
        assert cloud.endpoints.get("numbers").predict([[1, 2, 3, 4]]).intervals is None
        endpoint.remove()
        cloud.models.remove("sure")


def test_endpoints_are_made_asked_changed_and_removed(lab: CloudLab) -> None:
    with lab.cloud() as cloud:
        told: list[str] = []
        endpoint = cloud.deploy("numbers", name="line", told=told.append)
        assert endpoint.state == "Ready"
        assert told[0] == "Replicas are starting."
        assert [found.name for found in cloud.endpoints.list()] == ["line", "numbers"]
        rows = np.arange(12, dtype=np.float32).reshape(3, 4)
        prediction = endpoint.predict(rows)
        assert np.allclose(prediction.outputs, rows @ [1, 2, 3, 4] + 0.5)
        assert (prediction.model, prediction.version) == ("numbers", "1")
        with pytest.raises(InvalidInput, match=r"must have shape \(batch, 4\), got \(1, 3\)"):
            endpoint.predict([[1, 2, 3]])
        with pytest.raises(InvalidInput, match="must hold numbers"):
            endpoint.predict(np.full((1, 4), np.inf))
        with pytest.raises(AlreadyExists, match="'line'"):
            cloud.deploy("numbers", name="line")
        (replica,) = endpoint.replicas()
        with endpoint.logs(replica.id) as chunks:
            assert b'"event":"ready"' in b"".join(chunks)
        assert endpoint.update(timeout_s=20).details.spec.timeout_s == 20
        assert endpoint.stop().details.spec.resource_requirement.min_replicas == 0
        lab.wait_until("line", "Stopped")
        with pytest.raises(Conflict, match="will not become ready"):
            endpoint.wait()
        assert [event.reason for event in endpoint.events()][-1] == "no_replicas_asked"
        endpoint.remove()
        with pytest.raises(NotFound, match="'line'"):
            cloud.endpoints.get("line")


def test_errors_are_those_that_the_server_meant(lab: CloudLab) -> None:
    url = f"http://127.0.0.1:{lab.port}/api/v2/workspaces/default"
    with Cloud(url, "wrong") as cloud, pytest.raises(Unauthenticated, match="does not know that token"):
        cloud.models.list()
    with Cloud(url.replace("default", "other"), lab.token) as cloud, pytest.raises(NotFound, match="workspace 'other'"):
        cloud.models.list()
    with Cloud("http://127.0.0.1:1/api/v2/workspaces/default", "x") as cloud, pytest.raises(Unavailable) as caught:
        cloud.models.list()
    assert "no cloud answers" in caught.value.message
    assert "lepton up" in (caught.value.hint or "")
