"""Bad input over HTTP: always an answer of 4xx that says what is wrong, never a fault, and nothing is made."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from api_errors import assert_error
from cloud_lab import CloudLab
from gateway_lab import Answer, fetch, raw
from waiting import wait_until

REFUSED = range(400, 500)

EVIL_NAMES = (
    "",
    " ",
    "..",
    ".",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a b",
    "A",
    "Ä",
    "name-",
    "-rf",
    "1name",
    "a" * 64,
    "a" * 10_000,
    "a\x00b",
    "a\nb",
    "a\r\nx-evil: 1",
    "a\tb",
    "$(id)",
    "`id`",
    "'; DROP TABLE endpoints; --",
    '"quoted"',
    "<script>alert(1)</script>",
    "{{7*7}}",
    "%2e%2e%2f",
    "..;x=1",
    "a:1",
    "a@champion",
    "\u202egnp.exe",
    "e\u0301",
    "ａ",
    "😀",
    "nul\ud800",
    "*",
    "~root",
    "a?b",
    "a#b",
)

NAN = float("nan")
EVIL_NUMBERS: tuple[Any, ...] = (-1, 65, 2**31, 2**63, 2**64, 10**400, 1.5, True, "2", None, [], {}, NAN, 1e308)


@pytest.fixture(autouse=True)
def nothing_is_made(lab: CloudLab) -> Iterator[None]:
    """Each test leaves models and endpoints as they were, and the server alive."""
    before = what_there_is(lab)
    yield
    after = what_there_is(lab)
    lab.api("DELETE", "/deployments/evil")
    wait_until(lambda: lab.api("GET", "/deployments/evil").status == 404)
    lab.api("DELETE", "/models/evil")
    assert after == before
    assert lab.api("GET", "/readyz").status == 200


def what_there_is(lab: CloudLab) -> tuple[Any, ...]:
    """The names of all models, endpoints, tokens, workspaces and secrets, and how many versions there are."""
    models = lab.api("GET", "/models").json
    endpoints = lab.api("GET", "/deployments").json
    tokens = [item["name"] for item in lab.api("GET", "/tokens").json]
    workspaces = [item["id"] for item in lab.api("GET", "/api/v2/workspaces").json]
    secrets = lab.api("GET", "/secrets").json
    versions = [(item["name"], item["versions"], item["aliases"]) for item in models]
    return (versions, [e["spec"] for e in endpoints], tokens, workspaces, secrets)


def json_routes(lab: CloudLab) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Each route that takes JSON: its method, its path, and a body that is good but for what a test changes."""
    version = lab.api("GET", "/models/numbers/versions/1").json
    return {
        "create an endpoint": (
            "POST",
            "/deployments",
            {
                "metadata": {"name": "evil"},
                "spec": {
                    "model": {"name": "numbers", "version": 1},
                    "resource_requirement": {"min_replicas": 0},
                    "timeout_s": 5,
                },
            },
        ),
        "change an endpoint": ("PATCH", "/deployments/numbers", {"spec": {"timeout_s": 300}}),
        "register a version": (
            "POST",
            "/models/evil/versions",
            {
                "files": version["files"],
                "signature": version["signature"],
                "metrics": {"loss": 0.5},
                "lineage": {},
                "message": "",
            },
        ),
        "make a token": ("POST", "/tokens", {"name": "evil", "role": "viewer"}),
        "move an alias": ("PUT", "/models/numbers/aliases/champion", {"version": 1, "reason": ""}),
    }


ROUTES = ("create an endpoint", "change an endpoint", "register a version", "make a token", "move an alias")


@pytest.mark.parametrize("route", ROUTES)
def test_bodies_that_are_no_good_json_are_refused(lab: CloudLab, route: str) -> None:
    method, path, good = json_routes(lab)[route]
    text = json.dumps(good).encode()
    bodies = {
        "nothing": b"",
        "a space": b" ",
        "no JSON": b"hello",
        "half of it": text[:-3],
        "something after it": text + b"x",
        "a list": b"[" + text + b"]",
        "null": b"null",
        "a string": b'"x"',
        "bad UTF-8": text.replace(b'"', b'"\xff', 1),
        "a NUL": b"\x00" + text,
        "ten thousand lists": b"[" * 10_000 + b"]" * 10_000,
        "ten thousand objects": b'{"spec":' * 10_000 + b"1" + b"}" * 10_000,
        "a very long number": b'{"spec": ' + b"9" * 10_000 + b"}",
        "an unknown field": json.dumps(good | {"surprise": 1}).encode(),
        "an unknown field of half a letter": json.dumps(good | {"\ud800": 1}).encode(),
        "many unknown fields": json.dumps(good | {f"x{number}": 1 for number in range(5000)}).encode(),
    }
    for what, body in bodies.items():
        began_s = time.monotonic()
        answer = lab.api(method, path, body, raw=True)
        assert_error(answer, (400, 413, 415, 422), path)
        assert len(answer.body) < 100_000, what
        assert time.monotonic() - began_s < 5, what


@pytest.mark.parametrize("route", ROUTES)
def test_other_content_types_than_json_are_refused(lab: CloudLab, route: str) -> None:
    method, path, good = json_routes(lab)[route]
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml", ""):
        headers = {**lab.bearer, "content-type": kind}
        assert_error(lab.api(method, path, json.dumps(good).encode(), headers, raw=True), (400, 415, 422), path)


@pytest.mark.parametrize("route", ROUTES)
def test_bodies_that_are_too_large_are_refused(lab: CloudLab, route: str) -> None:
    method, path, good = json_routes(lab)[route]
    body = json.dumps(good).encode() + b" " * (5 << 20)
    assert_error(lab.api(method, path, body, raw=True), 413, path)
    head = (
        f"{method} /api/v2/workspaces/default{path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"authorization: Bearer {lab.token}\r\ncontent-type: application/json\r\n"
        "transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    answer = raw(lab.port, head.encode() + chunk * 5 + b"0\r\n\r\n", 20)
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("name", EVIL_NAMES, ids=ascii)
def test_evil_names_are_refused_wherever_a_name_may_stand(lab: CloudLab, name: str) -> None:
    routes = json_routes(lab)
    body = routes["create an endpoint"][2]
    for metadata in ({"name": name}, {"id": name}):
        assert_error(lab.api("POST", "/deployments", body | {"metadata": metadata}), 422, "/deployments")
    for model in ({"name": name}, {"name": "numbers", "alias": name}):
        refused = lab.api("POST", "/deployments", {**body, "spec": {**body["spec"], "model": model}})
        assert_error(refused, (404, 422), "/deployments")
    assert_error(lab.api("POST", "/tokens", {"name": name}), 422, "/tokens")
    assert_error(lab.api("POST", "/api/v2/workspaces", {"name": name}), 422)
    version = routes["register a version"][2]
    quoted = quote(name, safe="", errors="surrogatepass")
    if name in ("", ".", ".."):
        return  # these are other paths
    asked = [
        ("GET", f"/deployments/{quoted}", None),
        ("PATCH", f"/deployments/{quoted}", routes["change an endpoint"][2]),
        ("DELETE", f"/deployments/{quoted}", None),
        ("PUT", f"/deployments/{quoted}/restart", None),
        ("GET", f"/deployments/{quoted}/replicas", None),
        ("GET", f"/deployments/{quoted}/events", None),
        ("GET", f"/deployments/numbers/replicas/{quoted}/log", None),
        ("GET", f"/models/{quoted}", None),
        ("DELETE", f"/models/{quoted}", None),
        ("POST", f"/models/{quoted}/versions", version),
        ("GET", f"/models/numbers/versions/{quoted}", None),
        ("GET", f"/models/numbers/versions/1/files/{quoted}", None),
        ("DELETE", f"/models/numbers/versions/{quoted}", None),
        ("PUT", f"/models/numbers/aliases/{quoted}", {"version": 1}),
        ("GET", f"/artifacts/{quoted}", None),
        ("PUT", f"/artifacts/{quoted}", {}),
        ("GET", f"/datasets/{quoted}", None),
        ("DELETE", f"/tokens/{quoted}", None),
        ("DELETE", f"/usersecrets/{quoted}", None),
        ("DELETE", f"/api/v2/workspaces/{quoted}", None),
        ("PUT", f"/api/v2/workspaces/{quoted}/quota", {}),
    ]
    for method, path, sent in asked:
        answer = lab.api(method, path, sent)
        assert answer.status in REFUSED, (method, path[:200], answer.status, answer.body[:300])
        assert b"x-evil" not in "".join(answer.headers).encode()
    assert fetch(lab.endpoints_port, f"/default/{quoted}/predict", lab.bearer, "POST", b"{}").status in REFUSED


def test_names_of_files_that_lead_elsewhere_are_refused(lab: CloudLab) -> None:
    version = json_routes(lab)["register a version"][2]
    for name in (
        "",
        ".",
        "..",
        "../x",
        "/x",
        "a/b",
        "a\\b",
        ".x",
        "-rf",
        "a\0",
        "a\n",
        "x" * 101,
        "\ud800",
        "\xe9",
        "a:b",
    ):
        files = {**version["files"], name: version["files"]["model.onnx"]}
        refused(lab, "POST", "/models/evil/versions", version | {"files": files})


@pytest.mark.parametrize("number", EVIL_NUMBERS, ids=lambda number: ascii(number)[:20])
def test_evil_numbers_are_refused_wherever_a_number_may_stand(lab: CloudLab, number: Any) -> None:
    routes = json_routes(lab)
    body = routes["create an endpoint"][2]
    spec = body["spec"]
    for resources in ({"min_replicas": number}, {"min_replicas": 0, "max_replicas": number}):
        if number is None and "max_replicas" in resources:
            continue  # none given
        refused(lab, "POST", "/deployments", body | {"spec": {**spec, "resource_requirement": resources}})
    if number != 65:
        refused(lab, "POST", "/deployments", body | {"spec": {**spec, "timeout_s": number}})
        refused(lab, "PATCH", "/deployments/numbers", {"spec": {"timeout_s": number}})
    refused(lab, "PATCH", "/deployments/numbers", {"spec": {"resource_requirement": {"min_replicas": number}}})
    if number is not None:  # none given
        model = {"name": "numbers", "version": number}
        refused(lab, "POST", "/deployments", body | {"spec": {**spec, "model": model}}, 404)
    refused(lab, "PUT", "/models/numbers/aliases/champion", {"version": number}, 404)
    version = routes["register a version"][2]
    described = {**version["files"]["model.onnx"], "size_bytes": number}
    refused(lab, "POST", "/models/evil/versions", version | {"files": {**version["files"], "model.onnx": described}})
    for path in (f"/models/numbers/versions/{number!a}", f"/deployments/numbers/replicas/{number!a}/log"):
        assert lab.api("GET", path).status in REFUSED


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**63, 2**64, 10**400, "x", None, True, [1]], ids=ascii)
def test_metrics_that_are_no_numbers_are_refused(lab: CloudLab, value: Any) -> None:
    version = json_routes(lab)["register a version"][2]
    refused(lab, "POST", "/models/evil/versions", version | {"metrics": {"loss": value}})


def test_lineage_that_cannot_be_kept_is_refused(lab: CloudLab) -> None:
    version = json_routes(lab)["register a version"][2]
    nested: Any = 1
    for _ in range(900):
        nested = {"deeper": nested}
    for lineage in ({"rows": 10**30}, {"rows": float("nan")}, {"text": "\ud800"}, {"\ud800": 1}, nested, [], "x", None):
        for headers in ({}, {"idempotency-key": "lineage"}):
            answer = lab.api("POST", "/models/evil/versions", version | {"lineage": lineage}, lab.bearer | headers)
            assert_error(answer, 422)


def test_signature_that_is_none_is_refused(lab: CloudLab) -> None:
    version = json_routes(lab)["register a version"][2]
    good = version["signature"]
    for signature in (
        {},
        {"task": "magic"},
        good | {"inputs": []},
        good | {"inputs": "numbers"},
        good | {"inputs": [{"name": "numbers", "dtype": "float32", "shape": [None, -4]}]},
        good | {"inputs": [{"name": "numbers", "dtype": "object", "shape": [None, 4]}]},
        good | {"inputs": [{"name": "../x", "dtype": "float32", "shape": [None, 10**30]}]},
        good | {"task": ["classification"]},
    ):
        assert_error(lab.api("POST", "/models/evil/versions", version | {"signature": signature}), 422)


def test_text_that_is_too_long_is_refused(lab: CloudLab) -> None:
    version = json_routes(lab)["register a version"][2]
    refused(lab, "POST", "/models/evil/versions", version | {"message": "x" * 4001})
    refused(lab, "PUT", "/models/numbers/aliases/champion", {"version": 1, "reason": "x" * 4001})
    body = json_routes(lab)["create an endpoint"][2]
    spec = body["spec"] | {"resource_requirement": {"min_replicas": 0, "resource_shape": "x" * 65}}
    refused(lab, "POST", "/deployments", body | {"spec": spec})


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb", "\xe4"])
def test_idempotency_key_that_is_none_is_refused(lab: CloudLab, key: str) -> None:
    body = json_routes(lab)["create an endpoint"][2] | {"metadata": {"name": "numbers"}}  # taken, should it come so far
    answer = lab.api("POST", "/deployments", body, lab.bearer | {"idempotency-key": key})
    assert_error(answer, (400, 409, 422), "/deployments")


def test_methods_that_a_route_lacks_are_refused(lab: CloudLab) -> None:
    for method in ("POST", "PUT", "TRACE", "PROPFIND", "get"):
        answer = lab.api(method, "/status")
        assert answer.status in (400, 403, 404, 405, 501), method
    assert_error(lab.api("PATCH", "/status"), 405)


def test_errors_of_a_request_name_every_field_that_is_wrong(lab: CloudLab) -> None:
    body = {"metadata": {"name": "evil"}, "spec": {"model": {}, "timeout_s": "soon"}}
    error = assert_error(lab.api("POST", "/deployments", body), 422, "/deployments")
    assert {item["field"] for item in error["errors"]} == {"spec.model.name", "spec.timeout_s"}
    assert "`spec.timeout_s`" in error["message"]


def refused(lab: CloudLab, method: str, path: str, body: Any, *also: int) -> Answer:
    """Send something that must be refused."""
    answer = lab.api(method, path, body)
    assert_error(answer, (422, 400, *also), path)
    return answer


@pytest.mark.parametrize(
    "name", ["", " ", "1A", "a/b", "..", "A B", "LEPTON_X", "é", "A\x00", "A\n", "nul\ud800", "x" * 129]
)
def test_secrets_with_names_that_no_environment_can_bear_are_refused(lab: CloudLab, name: str) -> None:
    for path in ("/usersecrets", "/secrets"):
        answer = lab.api("POST", path, [{"name": "GOOD", "value": "canary"}, {"name": name, "value": "canary"}])
        assert_error(answer, 422, path)
        assert b"canary" not in answer.body
