"""The whole path of a user at the command line: from a folder with an artifact to an endpoint and back."""

import json
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import pytest

import onnx_models
from cloud_lab import CloudLab
from lepton_ai.platform.evaluation.evaluate import evaluate_report
from report_cases import digits

BRIGHT = [[[[1.0]] * 28] * 28]
DARK = [[[[0.0]] * 28] * 28]


@pytest.fixture(scope="module")
def artifact(lab: CloudLab) -> Path:
    """A classifier of images as an artifact, with a card and what was measured."""
    folder = onnx_models.image_artifact(lab.root / "images")
    (folder / "card.json").write_text(json.dumps({"name": "images", "limits": "for tests"}))
    (folder / "metrics.json").write_text(json.dumps({"evaluation": {"accuracy": 0.75}}))
    evaluate_report(**digits(), title="Images").save(folder / "report.json")
    return folder


@pytest.fixture(scope="module")
def pushed(lab: CloudLab, artifact: Path) -> Iterator[str]:
    """The model `images` with two versions."""
    for message in ("the first", "the second"):
        result = lab.shell("model", "push", str(artifact), "images", "--message", message)
        assert result.returncode == 0
        assert result.stdout == ""
    assert result.stderr == "Registered images:2\n"
    yield "images"
    lab.ok("model", "remove", "images", "--all")
    assert lab.shell("model", "show", "images").returncode == 3


def test_pushed_model_is_listed_and_shown(lab: CloudLab, pushed: str) -> None:
    rows = lab.ok("model", "list").splitlines()
    assert rows[0].split() == ["NAME", "VERSIONS", "LATEST", "ALIASES", "MADE"]
    assert next(row for row in rows if row.startswith(pushed)).split()[1:4] == ["2", "2", "champion=1"]
    shown = lab.ok("model", "show", pushed)
    assert "version:" in shown
    assert "images:1" in shown
    assert "[None, 28, 28, 1]" in shown
    assert "accuracy:" in shown
    assert "0.7500" in shown
    versions = lab.ok_json("model", "versions", pushed)
    assert [(item["version"], item["message"], item["aliases"]) for item in versions] == [
        (2, "the second", []),
        (1, "the first", ["champion"]),
    ]


def test_alias_is_moved_and_its_history_shown(lab: CloudLab, pushed: str) -> None:
    result = lab.shell("model", "alias", pushed, "live", "2", "--reason", "a try")
    assert result.stderr == "images@live is now images:2\n"
    assert lab.ok_json("model", "show", "images@live")["version"] == 2
    moves = lab.ok_json("model", "alias", pushed)
    assert [(move["alias"], move["previous"], move["version"]) for move in moves] == [
        ("champion", None, 1),
        ("live", None, 2),
    ]
    assert "a try" in lab.ok("model", "alias", pushed)


def test_card_is_shown_and_files_are_exported_as_they_were(lab: CloudLab, pushed: str, artifact: Path) -> None:
    assert json.loads(lab.ok("model", "card", pushed)) == {"name": "images", "limits": "for tests"}
    folder = lab.root / "exported"
    lab.ok("model", "export", "images:2", str(folder))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in artifact.iterdir()
    }
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].name == "images"


def test_report_is_shown_as_text_as_json_and_as_a_page(lab: CloudLab, pushed: str, artifact: Path) -> None:
    text = lab.ok("model", "report", pushed)
    assert text.startswith("Images: classification, ")
    assert "model minus linear" in text
    assert lab.ok_json("model", "report", "images:2") == json.loads((artifact / "report.json").read_text())
    written = lab.shell("model", "report", pushed, "--html", "report.html")
    assert (written.stdout, written.stderr) == ("", "The report on images:1 is in report.html\n")
    assert (lab.root / "report.html").read_text().startswith("<!doctype html>")
    with lab.cloud() as cloud:
        report = cloud.models.version(pushed).report()
        assert str(report) == text.rstrip("\n")
        assert "<table" in report._repr_html_()


def test_endpoint_from_deploy_to_remove(lab: CloudLab, pushed: str) -> None:
    deployed = lab.lepton("deploy", "images@champion", "--name", "pictures", "--min-replicas", "1")
    assert deployed.returncode == 0
    assert deployed.stdout == f"http://127.0.0.1:{lab.endpoints_port}/default/pictures/\n"
    assert "Endpoint pictures is Ready: All replicas answer." in deployed.stderr
    assert lab.shell("deploy", "images", "--name", "pictures").returncode == 1  # the name is taken

    rows = lab.ok("endpoint", "list").splitlines()
    assert next(row for row in rows if row.startswith("pictures")).split()[1:4] == ["Ready", "1/1", "images:1"]
    assert "pictures" in lab.ok("status")
    assert "1 of 1 ready" in lab.ok("endpoint", "show", "pictures")

    (lab.root / "rows.json").write_text(json.dumps({"inputs": BRIGHT + DARK}))
    table = lab.ok("endpoint", "predict", "pictures", "--file", "rows.json").splitlines()
    assert [line.split()[:2] for line in table] == [["ROW", "LABEL"], ["0", "bright"], ["1", "dark"]]
    answer = json.loads(lab.ok("endpoint", "predict", "pictures", "--file", "-", "--json", stdin=json.dumps(DARK)))
    assert (answer["model"], answer["version"]) == ("images", "1")
    assert answer["outputs"][0]["label"] == "dark"
    expected = onnx_models.image_answer(0.0)
    assert answer["outputs"][0]["probabilities"] == pytest.approx(expected.tolist(), abs=1e-6)
    wrong = lab.shell("endpoint", "predict", "pictures", "[[1, 2]]")
    assert wrong.returncode == 1
    assert "must have shape (batch, 28, 28, 1), got (1, 2)" in wrong.stderr

    updated = lab.shell("endpoint", "update", "pictures", "--model", "images:2")
    assert updated.returncode == 0
    answer = json.loads(lab.ok("endpoint", "predict", "pictures", "--json", json.dumps(BRIGHT)))
    assert (answer["version"], answer["outputs"][0]["label"]) == ("2", "bright")

    reasons = [event["reason"] for event in lab.ok_json("endpoint", "events", "pictures")]
    assert [reason for reason in reasons if reason in ("asked", "all_ready")] == ["asked", "all_ready"] * 2
    assert "Replicas of a newer version answer." in lab.ok("endpoint", "events", "pictures")
    log = lab.ok("endpoint", "logs", "pictures").splitlines()
    assert json.loads(log[0])["event"] == "ready"
    assert json.loads(log[0])["version"] == "2"

    lab.ok("endpoint", "restart", "pictures")
    lab.wait_until_settled("pictures", replicas=1)
    lab.ok("endpoint", "stop", "pictures")
    lab.wait_until("pictures", "Stopped")
    stopped = lab.shell("endpoint", "predict", "pictures", json.dumps(DARK))
    assert stopped.returncode == 1
    assert stopped.stderr.startswith("error: ")
    lab.ok("endpoint", "update", "pictures", "--min-replicas", "1")
    assert "dark" in lab.ok("endpoint", "predict", "pictures", json.dumps(DARK))

    in_use = lab.shell("model", "remove", "images:2")
    assert in_use.returncode == 1
    assert "is served by endpoint 'pictures'" in in_use.stderr
    assert lab.shell("endpoint", "remove", "pictures").stderr == "Endpoint pictures is gone.\n"
    assert lab.shell("endpoint", "show", "pictures").returncode == 3
    assert all("pictures" not in " ".join(process.argv) for process in lab.census("replica"))


def test_status_and_whoami_tell_where_and_who(lab: CloudLab) -> None:
    status = lab.ok_json("status")
    assert status["api_url"] == f"http://127.0.0.1:{lab.port}"
    assert status["gateway"]["ready"] is True
    assert status["gateway"]["driver"] in lab.ok("status")
    who = lab.ok_json("whoami")
    assert (who["workspace"], who["token"]) == ("default", "admin")
    assert lab.token not in lab.ok("whoami") + lab.ok("config")


def test_login_is_remembered_and_forgotten(lab: CloudLab) -> None:
    elsewhere = {"LEPTON_DATA_DIR": "", "LEPTON_PORT": "1"}
    assert lab.shell("model", "list", **elsewhere).returncode == 1
    url = f"http://127.0.0.1:{lab.port}/api/v2/workspaces/default"
    denied = lab.shell("login", "-u", url, "-c", "default:wrong", **elsewhere)
    assert denied.returncode == 4
    lab.ok("login", "-u", url, "-c", f"default:{lab.token}", **elsewhere)
    assert "numbers" in lab.ok("model", "list", **elsewhere)
    lab.ok("logout", **elsewhere)
    assert lab.shell("model", "list", **elsewhere).returncode == 1
