"""What the API promises over HTTP: creates happen once, changes can be guarded, and files are whole or not there."""

import hashlib
import json
import os
import secrets
import socket
from typing import Any

from api_errors import assert_error
from cloud_lab import CloudLab
from gateway_lab import fetch
from waiting import wait_until


def stopped_endpoint(name: str, **spec: Any) -> dict[str, Any]:
    """The body that makes an endpoint without replicas."""
    asked = {"model": {"name": "numbers"}, "resource_requirement": {"min_replicas": 0}, **spec}
    return {"metadata": {"name": name}, "spec": asked}


def remove(lab: CloudLab, name: str) -> None:
    """Remove an endpoint, and wait until it is gone."""
    assert lab.api("DELETE", f"/deployments/{name}").status == 200
    wait_until(lambda: lab.api("GET", f"/deployments/{name}").status == 404)


def test_create_with_one_key_happens_once_however_often_it_is_sent(lab: CloudLab) -> None:
    headers = lab.bearer | {"idempotency-key": secrets.token_hex(8)}
    first = lab.api("POST", "/deployments", stopped_endpoint("once"), headers)
    again = lab.api("POST", "/deployments", stopped_endpoint("once"), headers)
    assert (first.status, again.status) == (201, 201)
    assert again.json["metadata"] == first.json["metadata"]
    other = lab.api("POST", "/deployments", stopped_endpoint("once", timeout_s=7), headers)
    assert "used for another request" in assert_error(other, 422, "/deployments")["message"]
    without = lab.api("POST", "/deployments", stopped_endpoint("once"))
    assert assert_error(without, 409, "/deployments")["code"] == "already_exists"
    remove(lab, "once")
    late = lab.api("POST", "/deployments", stopped_endpoint("once"), headers)
    assert "is gone" in assert_error(late, 409, "/deployments")["message"]
    assert lab.api("GET", "/deployments/once").status == 404


def test_version_pushed_twice_with_one_key_is_one_version(lab: CloudLab) -> None:
    version = lab.api("GET", "/models/numbers/versions/1").json
    body = {"files": version["files"], "signature": version["signature"]}
    headers = lab.bearer | {"idempotency-key": secrets.token_hex(8)}
    made = [lab.api("POST", "/models/twice/versions", body, headers) for _ in range(3)]
    assert [answer.status for answer in made] == [201] * 3
    assert {answer.json["version"] for answer in made} == {1}
    assert_error(lab.api("POST", "/models/twice/versions", body | {"message": "x"}, headers), 422, "/models")
    assert_error(lab.api("POST", "/models/other/versions", body, headers), 422, "/models")
    assert lab.api("DELETE", "/models/twice").json == {"removed": 1}


def test_change_of_what_somebody_else_changed_meanwhile_is_refused(lab: CloudLab) -> None:
    made = lab.api("POST", "/deployments", stopped_endpoint("guarded"))
    etag = made.headers["etag"]
    assert lab.api("GET", "/deployments/guarded").headers["etag"] == etag
    change = {"spec": {"timeout_s": 9}}
    changed = lab.api("PATCH", "/deployments/guarded", change, lab.bearer | {"if-match": etag})
    assert changed.status == 200
    assert changed.headers["etag"] != etag
    stale = lab.api("PATCH", "/deployments/guarded", {"spec": {"timeout_s": 8}}, lab.bearer | {"if-match": etag})
    assert assert_error(stale, 412, "/deployments")["code"] == "precondition_failed"
    assert lab.api("GET", "/deployments/guarded").json["spec"]["timeout_s"] == 9
    assert lab.api("PATCH", "/deployments/guarded", change, lab.bearer | {"if-match": "*"}).status == 200
    for nonsense in ("x", "W/x", '"', "9" * 400):
        answer = lab.api("PATCH", "/deployments/guarded", change, lab.bearer | {"if-match": nonsense})
        assert_error(answer, (412, 422), "/deployments")
    remove(lab, "guarded")


def test_errors_speak_the_protocols_shape_on_its_routes_and_problem_documents_elsewhere(lab: CloudLab) -> None:
    for method, path, status, code in (
        ("GET", "/deployments/absent", 404, "not_found"),
        ("GET", "/deployments/numbers/replicas/rep-0/log", 404, "not_found"),
        ("DELETE", "/deployments/absent", 404, "not_found"),
        ("GET", "/models/absent", 404, "not_found"),
        ("GET", "/models/numbers/versions/99", 404, "not_found"),
        ("GET", "/models/numbers/versions/1/files/absent", 404, "not_found"),
        ("DELETE", "/models/numbers/versions/1", 409, "conflict"),
        ("DELETE", "/models/numbers", 409, "conflict"),
        ("GET", f"/artifacts/{'0' * 64}", 404, "not_found"),
        ("GET", "/artifacts/x", 422, "invalid_input"),
        ("GET", "/datasets/absent", 404, "not_found"),
        ("GET", "/nothing/at/all", 404, "not_found"),
        ("POST", "/models", 405, "method_not_allowed"),
    ):
        assert assert_error(lab.api(method, path), status, path)["code"] == code, path


def test_upload_is_there_when_all_of_it_has_come_with_the_right_digest(lab: CloudLab) -> None:
    data = os.urandom(3 << 20)
    digest = hashlib.sha256(data).hexdigest()
    wrong = lab.api("PUT", f"/artifacts/{'1' * 64}", data, raw=True)
    assert digest in assert_error(wrong, 422, "/artifacts")["detail"]
    assert lab.api("HEAD", f"/artifacts/{digest}").status == 404
    assert lab.api("PUT", f"/artifacts/{digest}", data, raw=True).json == {"size_bytes": len(data)}
    assert lab.api("HEAD", f"/artifacts/{digest}").headers["x-artifact-bytes"] == str(len(data))
    assert lab.api("GET", f"/artifacts/{digest}").body == data
    assert lab.api("PUT", f"/artifacts/{digest}", data, raw=True).status == 201  # again is the same
    assert not lab.temporary_files()


def test_upload_that_breaks_off_leaves_nothing(lab: CloudLab) -> None:
    data = os.urandom(2 << 20)
    digest = hashlib.sha256(data).hexdigest()
    head = (
        f"PUT /api/v2/workspaces/default/artifacts/{digest} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"authorization: Bearer {lab.token}\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", lab.port)) as client:
            client.sendall(head.encode() + data[: 1 << 20])
            wait_until(lab.temporary_files)
        wait_until(lambda: not lab.temporary_files())
    assert lab.api("HEAD", f"/artifacts/{digest}").status == 404


def test_version_of_files_that_were_not_uploaded_is_refused(lab: CloudLab) -> None:
    version = lab.api("GET", "/models/numbers/versions/1").json
    body = {"files": version["files"], "signature": version["signature"]}
    model = version["files"]["model.onnx"]
    for files in (
        {"model.onnx": model},
        {**version["files"], "model.onnx": {"sha256": "0" * 64, "size_bytes": 1}},
        {**version["files"], "model.onnx": {**model, "size_bytes": model["size_bytes"] + 1}},
    ):
        assert_error(lab.api("POST", "/models/half/versions", body | {"files": files}), 422, "/models")
    assert lab.api("GET", "/models/half").status == 404


def test_protocol_reads_an_endpoint_as_a_lepton_deployment(lab: CloudLab) -> None:
    found = lab.api("GET", "/deployments/numbers").json
    assert found["metadata"]["id"] == found["metadata"]["name"] == "numbers"
    assert found["status"]["state"] == "Ready"
    assert found["status"]["endpoint"]["external_endpoint"] == f"http://127.0.0.1:{lab.endpoints_port}/default/numbers/"
    assert found["spec"]["model"]["name"] == "numbers"
    (replica,) = lab.replicas()
    assert replica["status"]["state"] == "Ready"
    readiness = lab.api("GET", "/deployments/numbers/readiness").json
    assert readiness[replica["id"]][0]["reason"] == "Ready"
    assert replica["id"] not in lab.api("GET", "/deployments/numbers/termination").json
    assert [event["reason"] for event in lab.api("GET", "/deployments/numbers/events").json][-1] == "all_ready"
    log = lab.api("GET", f"/deployments/numbers/replicas/{replica['id']}/log").body
    assert json.loads(log.splitlines()[0])["event"] == "ready"


def test_metrics_count_requests_and_replicas(lab: CloudLab) -> None:
    body = json.dumps({"inputs": [[0, 0, 0, 0]]})
    headers = {**lab.bearer, "content-type": "application/json"}
    assert fetch(lab.endpoints_port, "/default/numbers/predict", headers, "POST", body).status == 200
    text = lab.api("GET", "/metrics").body.decode()
    assert 'lepton_replicas{endpoint="numbers",status="Ready",workspace="default"} 1.0' in text
    line = next(line for line in text.splitlines() if line.startswith('lepton_requests{endpoint="default/numbers"}'))
    assert float(line.split()[-1]) >= 1


def test_alias_moves_and_its_history_stays(lab: CloudLab) -> None:
    version = lab.api("GET", "/models/numbers/versions/1").json
    body = {"files": version["files"], "signature": version["signature"]}
    for number in (1, 2):
        assert lab.api("POST", "/models/moving/versions", body).json["version"] == number
    moved = lab.api("PUT", "/models/moving/aliases/champion", {"version": 2, "reason": "better"}).json
    assert (moved["previous"], moved["version"], moved["reason"]) == (1, 2, "better")
    assert lab.api("GET", "/models/moving/versions/champion").json["version"] == 2
    assert_error(lab.api("PUT", "/models/moving/aliases/champion", {"version": 3}), 404, "/models")
    assert_error(lab.api("DELETE", "/models/moving/versions/2"), 409, "/models")
    history = lab.api("GET", "/models/moving").json["history"]
    assert [(move["previous"], move["version"]) for move in history] == [(None, 1), (1, 2)]
    assert lab.api("DELETE", "/models/moving").json == {"removed": 2}
