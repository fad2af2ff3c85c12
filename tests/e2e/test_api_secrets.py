"""Secrets, the audit, quotas, usage and public endpoints over HTTP, on a cloud of its own."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from api_errors import assert_error
from cloud_lab import CloudLab, cloud_lab
from gateway_lab import Answer, fetch
from waiting import wait_until

CANARY = "hf_canary-0b5e55ed-value"


@pytest.fixture(scope="module")
def lab() -> Iterator[CloudLab]:
    with cloud_lab() as lab:
        lab.push("numbers")
        yield lab
        assert "Traceback" not in (lab.folders.logs / "server.log").read_text()


def token_of(lab: CloudLab, name: str, role: str) -> dict[str, str]:
    """The headers of a fresh token."""
    made = lab.api("POST", "/tokens", {"name": name, "role": role})
    assert made.status == 201, made.body
    return {"authorization": f"Bearer {made.json['value']}"}


def endpoint(name: str, **spec: Any) -> dict[str, Any]:
    """The body that makes an endpoint without replicas."""
    asked = {"model": {"name": "numbers"}, "resource_requirement": {"min_replicas": 0}, **spec}
    return {"metadata": {"name": name}, "spec": asked}


def remove(lab: CloudLab, name: str) -> None:
    """Remove an endpoint, and wait until it is gone."""
    assert lab.api("DELETE", f"/deployments/{name}").status == 200
    wait_until(lambda: lab.api("GET", f"/deployments/{name}").status == 404)


def test_secret_goes_in_and_never_comes_out(lab: CloudLab) -> None:
    """Nor does any file of the whole data folder hold it, after everything that can go wrong with one."""
    headers = lab.bearer | {"idempotency-key": "one"}
    body = [{"name": "HF_TOKEN", "value": CANARY, "visibility": "private"}]
    for _ in range(2):
        made = lab.api("POST", "/usersecrets", body, headers)
        assert made.status == 201
        assert [item["name"] for item in made.json] == ["HF_TOKEN"]
    assert_error(lab.api("POST", "/usersecrets", body), 409, "/usersecrets")
    for wrong in (
        [{"name": "A", "value": CANARY + "\0"}],
        [{"name": "A", "value": CANARY, CANARY[:10]: 1}],
        [{"name": "A", "value": [CANARY]}],
        [{"name": "A", "value": CANARY, "visibility": "all"}],
        {"name": "A", "value": CANARY},
        [],
    ):
        answer = lab.api("POST", "/usersecrets", wrong)
        assert_error(answer, 422, "/usersecrets")
        assert CANARY.encode() not in answer.body
    assert lab.api("GET", "/usersecrets").json[0].keys() == {"name", "owner", "tags", "visibility", "created_at"}
    assert lab.api("GET", "/secrets").json == ["HF_TOKEN"]
    assert lab.api("GET", "/workspace").json["workloads"]["num_secrets"] == 1
    before = lab.folders.master_key.read_bytes()
    assert lab.api("POST", "/api/v2/master-key").status == 200
    assert lab.folders.master_key.read_bytes() != before
    assert lab.folders.master_key.stat().st_mode & 0o777 == 0o600
    for path in ("/audit", "/usersecrets", "/workspace"):
        assert CANARY.encode() not in lab.api("GET", path).body
    for file in lab.data_dir.rglob("*"):
        if file.is_file():
            assert CANARY.encode() not in file.read_bytes(), file
    assert lab.api("DELETE", "/usersecrets/HF_TOKEN").status == 200
    assert_error(lab.api("DELETE", "/usersecrets/HF_TOKEN"), 404, "/usersecrets")


def test_private_secret_is_seen_by_its_owner_and_the_admins(lab: CloudLab) -> None:
    ada, eve = token_of(lab, "ada", "developer"), token_of(lab, "eve", "developer")
    lab.api(
        "POST",
        "/usersecrets",
        [{"name": "HERS", "value": "x"}, {"name": "ALL", "value": "y", "visibility": "public"}],
        ada,
    )
    seen = {
        who: [item["name"] for item in lab.api("GET", "/usersecrets", headers=headers).json]
        for who, headers in (("ada", ada), ("eve", eve), ("admin", lab.bearer))
    }
    assert seen == {"ada": ["ALL", "HERS"], "eve": ["ALL"], "admin": ["ALL", "HERS"]}
    assert_error(lab.api("DELETE", "/usersecrets/HERS", headers=eve), 404, "/usersecrets")
    for name in ("HERS", "ALL"):
        assert lab.api("DELETE", f"/usersecrets/{name}", headers=ada).status == 200


def test_older_clients_secrets_are_names(lab: CloudLab) -> None:
    assert lab.api("POST", "/secrets", [{"name": "OLD", "value": "x"}]).status == 201
    assert lab.api("GET", "/secrets").json == ["OLD"]
    assert lab.api("GET", "/usersecrets").json[0]["visibility"] == "public"
    assert lab.api("DELETE", "/secrets/OLD").status == 200


def test_audit_tells_who_changed_what_page_after_page(lab: CloudLab) -> None:
    headers = token_of(lab, "auditor", "developer")
    assert lab.api("POST", "/deployments", endpoint("audited"), headers).status == 201
    remove(lab, "audited")
    mine = lab.api("GET", "/audit?noun=endpoint&name=audited&actor=auditor").json["items"]
    assert [(item["action"], item["actor"]) for item in mine] == [("created", "auditor")]
    everything = lab.api("GET", "/audit?limit=1000").json
    assert everything["next"] is None
    paged: list[Any] = []
    path = "/audit?limit=3"
    while True:
        page = lab.api("GET", path).json
        paged += page["items"]
        if page["next"] is None:
            break
        path = f"/audit?limit=3&before={page['next']}"
    assert [item["id"] for item in paged][-len(everything["items"]) :] == [item["id"] for item in everything["items"]]
    times = [item["at_ms"] for item in paged]
    assert times == sorted(times, reverse=True)
    for query in ("limit=0", "limit=1001", "since_ms=-1", "since_ms=x", f"before={'x' * 200}"):
        assert_error(lab.api("GET", f"/audit?{query}"), 422)


def test_quota_is_refused_with_the_number_and_the_limit(lab: CloudLab) -> None:
    assert lab.api("PUT", "/quota", {"endpoints": 1, "replicas": 2}).json["quota"]["endpoints"] == 1
    try:
        assert lab.api("POST", "/deployments", endpoint("first")).status == 201
        refused = assert_error(lab.api("POST", "/deployments", endpoint("second")), 403, "/deployments")
        assert refused["code"] == "quota_exceeded"
        assert "the quota of endpoints is 1 in workspace 'default': 1 are used, and 1 more" in refused["message"]
        grown = {"spec": {"resource_requirement": {"min_replicas": 3}}}
        refused = assert_error(lab.api("PATCH", "/deployments/first", grown), 403, "/deployments")
        assert "the quota of replicas is 2" in refused["message"]
        found = next(item for item in lab.api("GET", "/api/v2/workspaces").json if item["id"] == "default")
        assert (found["used"]["endpoints"], found["used"]["replicas"]) == (1, 0)
        for wrong in ({"endpoints": -1}, {"pods": 1}, {"endpoints": "1"}, {"endpoints": 10**30}):
            assert_error(lab.api("PUT", "/quota", wrong), 422)
    finally:
        lab.api("PUT", "/quota", {})
        remove(lab, "first")


def test_workspaces_see_nothing_of_each_other_and_go_when_empty(lab: CloudLab) -> None:
    made = lab.api("POST", "/api/v2/workspaces", {"name": "team"}, lab.bearer | {"idempotency-key": "team"})
    again = lab.api("POST", "/api/v2/workspaces", {"name": "team"}, lab.bearer | {"idempotency-key": "team"})
    assert (made.status, again.status) == (201, 201)
    theirs = {"authorization": f"Bearer {again.json['token']}"}
    lost = {"authorization": f"Bearer {made.json['token']}"}
    base = "/api/v2/workspaces/team"
    assert lab.api("GET", f"{base}/models", headers=lost).status == 401
    assert lab.api("GET", f"{base}/models", headers=theirs).json == []
    assert lab.api("GET", f"{base}/workspace", headers=theirs).json["workspace_name"] == "team"
    assert [item["id"] for item in lab.api("GET", "/api/v2/workspaces", headers=theirs).json] == ["team"]
    assert lab.api("POST", f"{base}/usersecrets", [{"name": "A", "value": "x"}], theirs).status == 201
    assert lab.api("GET", "/usersecrets").json == []
    assert "secrets (1)" in assert_error(lab.api("DELETE", base), 409)["detail"]
    assert lab.api("DELETE", f"{base}/usersecrets/A", headers=theirs).status == 200
    assert lab.api("DELETE", base).status == 200
    assert_error(lab.api("GET", f"{base}/models", headers=theirs), 401)
    assert_error(lab.api("POST", "/api/v2/workspaces", {"name": "team"}), 409)
    for wrong in ({"name": "api"}, {"name": "A"}, {"name": ""}, {}, {"name": "x", "y": 1}):
        assert_error(lab.api("POST", "/api/v2/workspaces", wrong), 422)
    assert_error(lab.api("DELETE", "/api/v2/workspaces/default"), 409)
    assert_error(lab.api("POST", "/api/v2/workspaces/default/admin-token"), 409)


def predict(lab: CloudLab, name: str, headers: dict[str, str]) -> Answer:
    """A prediction."""
    body = json.dumps({"inputs": [[1, 2, 3, 4]]})
    sent = {"content-type": "application/json", **headers}
    return fetch(lab.endpoints_port, f"/default/{name}/predict", sent, "POST", body)


def test_endpoint_without_tokens_in_its_spec_is_private(lab: CloudLab) -> None:
    running = {"resource_requirement": {"min_replicas": 1}}
    bodies = {
        "private": endpoint("private", **running),
        "own": endpoint("own", **running, api_tokens=[{"value": "sesame"}]),
        "both": endpoint(
            "both", **running, api_tokens=[{"value": "sesame"}, {"value_from": {"token_name_ref": "WORKSPACE_TOKEN"}}]
        ),
        "public": endpoint("public", **running, api_tokens=[]),
    }
    for body in bodies.values():
        assert lab.api("POST", "/deployments", body).status == 201
    for name in bodies:
        lab.wait_until(name, "Ready")
    sesame = {"authorization": "Bearer sesame"}
    callers = {"nobody": {}, "workspace": lab.bearer, "sesame": sesame}

    def opened() -> dict[str, set[str]]:
        return {
            name: {who for who, headers in callers.items() if predict(lab, name, headers).status == 200}
            for name in bodies
        }

    wanted = {
        "private": {"workspace"},
        "own": {"sesame"},
        "both": {"workspace", "sesame"},
        "public": {"nobody", "workspace", "sesame"},
    }
    wait_until(lambda: opened() == wanted)
    shown = lab.api("GET", "/deployments/both").json["spec"]["api_tokens"]
    assert [token["value"] for token in shown] == ["***", None]
    assert [event["reason"] for event in lab.api("GET", "/deployments/public/events").json][:2] == ["asked", "public"]
    # Reading it and sending back what was read changes no token by accident.
    assert_error(lab.api("PATCH", "/deployments/both", {"spec": {"api_tokens": shown}}), 422, "/deployments")
    for wrong in ([{}], [{"value": "a b"}], [{"value": ""}], [{"value_from": {"token_name_ref": "OTHER"}}], ["x"]):
        body = endpoint("wrong", api_tokens=wrong)
        assert_error(lab.api("POST", "/deployments", body), 422, "/deployments")
    closed = {"spec": {"api_tokens": [{"value_from": {"token_name_ref": "WORKSPACE_TOKEN"}}]}}
    assert lab.api("PATCH", "/deployments/public", closed).status == 200
    wait_until(lambda: predict(lab, "public", {}).status == 401)
    assert "sesame" not in (lab.api("GET", "/audit").body + lab.api("GET", "/deployments").body).decode()
    for name in bodies:
        remove(lab, name)


def test_usage_counts_the_time_of_replicas(lab: CloudLab) -> None:
    assert lab.api("POST", "/deployments", endpoint("used", resource_requirement={"min_replicas": 1})).status == 201
    lab.wait_until("used", "Ready")
    wait_until(lambda: lab.api("GET", "/usage").json["total"]["replica_s"] > 1, timeout_s=60, interval_s=0.5)
    usage = lab.api("GET", "/usage").json
    assert usage["total"]["cpu_s"] > 0.05
    assert usage["total"]["worker_s"] >= usage["total"]["replica_s"]
    found = lab.api("GET", "/workspace").json
    assert found["resource_quota"]["used"] == {
        "cpu": 1,
        "memory": found["resource_quota"]["used"]["memory"],
        "accelerator_num": 0,
    }
    assert found["resource_quota"]["used"]["memory"] > 10
    assert lab.api("GET", f"/usage?since_ms={int(time.time() * 1000) + 7_200_000}").json["hours"] == []
    remove(lab, "used")


def test_server_that_others_reach_keeps_endpoints_private_and_says_so() -> None:
    with cloud_lab(start=False) as lab:
        lab.up(LEPTON_PUBLIC_ENDPOINTS="never")
        lab.push("numbers")
        running = {"resource_requirement": {"min_replicas": 1}}
        assert lab.api("POST", "/deployments", endpoint("asks", **running, api_tokens=[])).status == 201
        lab.wait_until("asks", "Ready")
        wait_until(lambda: predict(lab, "asks", lab.bearer).status == 200)
        assert predict(lab, "asks", {}).status == 401
        events = lab.api("GET", "/deployments/asks/events").json
        assert "public_refused" in [event["reason"] for event in events]
