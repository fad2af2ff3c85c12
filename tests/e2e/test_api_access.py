"""Who may come in over HTTP: every route needs a token, and a token opens one workspace alone."""

import json
import re
from typing import Any

import pytest

from api_errors import assert_error
from cloud_lab import CloudLab
from gateway_lab import fetch

OPEN = {("GET", "/"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/openapi.json")}
SAMPLES = {"workspace_id": "default", "name": "numbers", "sha256": "0" * 64, "reference": "1", "version": "1"}


def routes(lab: CloudLab, **values: str) -> list[tuple[str, str]]:
    """Every route of `/openapi.json`, with its parameters filled in."""
    paths: dict[str, dict[str, Any]] = lab.api("GET", "/openapi.json", headers={}).json["paths"]
    filled = {**SAMPLES, **values}
    return [
        (method.upper(), re.sub(r"{(\w+)}", lambda found: filled.get(found[1], "x"), path))
        for path, methods in paths.items()
        for method in methods
    ]


def test_every_route_but_the_open_ones_needs_a_token(lab: CloudLab) -> None:
    listed = routes(lab)
    assert len(listed) > 20
    for method, path in listed:
        answer = lab.api(method, path, {}, headers={})
        if (method, path) in OPEN:
            assert answer.status == 200, path
        else:
            assert answer.status == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"
            if method != "HEAD":
                assert_error(answer, 401)


def test_what_is_open_tells_nothing_of_what_is_inside(lab: CloudLab) -> None:
    for method, path in OPEN:
        body = lab.api(method, path, headers={}).body.decode()
        for secret in (lab.token, str(lab.data_dir), "numbers"):
            assert secret not in body, path


def test_routes_that_are_not_there_need_a_token_too(lab: CloudLab) -> None:
    for path in (
        "/docs",
        "/redoc",
        "/api",
        "/api/v2/workspaces",
        "/console",
        "//",
        "/healthz/",
        "/HEALTHZ",
        "/metrics/",
    ):
        assert fetch(lab.port, path, {}).status == 401, path
        assert fetch(lab.port, path, lab.bearer).status in (404, 307), path


def test_another_workspace_is_not_there_whatever_is_asked_of_it(lab: CloudLab) -> None:
    for method, path in routes(lab, workspace_id="other"):
        if "/workspaces/" not in path:
            continue
        answer = lab.api(method, path, {})
        assert answer.status in (404, 422), (method, path, answer.body)  # 422: the body is looked at first
        if method != "HEAD":
            assert b"numbers" not in answer.body.replace(path.encode(), b"")
        body = sample_body(method, path)
        if body is not None:
            assert lab.api(method, path, body).status == 404, (method, path)


def sample_body(method: str, path: str) -> Any:
    """A body that the route takes, or None when it takes none."""
    spec = {"model": {"name": "numbers"}}
    bodies = {
        ("POST", "deployments"): {"metadata": {"name": "mine"}, "spec": spec},
        ("PATCH", "numbers"): {"spec": {"timeout_s": 3}},
        ("POST", "versions"): {"files": {"model.onnx": {"sha256": "0" * 64, "size_bytes": 1}}, "signature": {}},
        ("PUT", "x"): {"version": 1},
    }
    return bodies.get((method, path.rpartition("/")[2]))


def test_wrong_tokens_are_refused_and_never_repeated(lab: CloudLab) -> None:
    good = lab.token
    wrong = [
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        good.upper(),
        good + "x",
        "x" * 10_000,
        "\xff\xfe",
        "' OR 1=1 --",
        "",
    ]
    for token in wrong:
        answer = fetch(lab.port, "/api/v2/workspaces/default/models", {"authorization": f"Bearer {token}"})
        assert answer.status in (401, 431), token
        if answer.status == 401:
            assert_error(answer, 401)
        assert not token or token.encode("latin-1") not in answer.body
    for headers in ({"authorization": f"Basic {good}"}, {"authorization": good}, {"cookie": f"token={good}"}):
        assert_error(fetch(lab.port, "/api/v2/workspaces/default/models", headers), 401)
    assert_error(fetch(lab.port, f"/api/v2/workspaces/default/models?token={good}", {}), 401)
    assert good not in (lab.folders.logs / "server.log").read_text()


def test_scheme_of_a_token_is_read_in_any_case(lab: CloudLab) -> None:
    headers = {"authorization": f"bearer {lab.token}"}
    assert fetch(lab.port, "/api/v2/workspaces/default/models", headers).status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:1", "localhost@evil.example"])
def test_page_that_points_its_own_name_at_this_machine_is_refused(lab: CloudLab, host: str) -> None:
    for path in ("/healthz", "/api/v2/workspaces/default/models"):
        answer = fetch(lab.port, path, {**lab.bearer, "host": host})
        assert answer.status in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.0.0.1:1"])
def test_names_of_this_machine_are_good_hosts(lab: CloudLab, host: str) -> None:
    assert fetch(lab.port, "/healthz", {"host": host}).status == 200


def test_requests_from_pages_of_other_sites_are_refused(lab: CloudLab) -> None:
    url = "/api/v2/workspaces/default/models"
    for origin in (
        "http://evil.example",
        "https://evil.example:1",
        "http://[",
        "evil",
        "file://",
        "http://127.0.0.1@x",
    ):
        assert_error(fetch(lab.port, url, {**lab.bearer, "origin": origin}), 403)
    assert fetch(lab.port, url, {**lab.bearer, "origin": f"http://127.0.0.1:{lab.port}"}).status == 200
    preflight = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = fetch(lab.port, url, preflight, "OPTIONS")
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_endpoint_needs_a_token_and_takes_no_other_workspaces(lab: CloudLab) -> None:
    body = json.dumps({"inputs": [[1, 2, 3, 4]]})
    headers = {"content-type": "application/json"}
    for path in ("/default/numbers/predict", "/default/numbers/healthz", "/default/absent/predict", "/"):
        assert fetch(lab.endpoints_port, path, headers, "POST", body).status in (401, 404), path
    assert fetch(lab.endpoints_port, "/default/numbers/predict", headers, "POST", body).status == 401
    good = {**headers, **lab.bearer}
    assert fetch(lab.endpoints_port, "/default/numbers/predict", good, "POST", body).json["outputs"] == [30.5]
    assert fetch(lab.endpoints_port, "/other/numbers/predict", good, "POST", body).status == 404


def test_request_id_is_kept_when_it_is_decent_and_made_otherwise(lab: CloudLab) -> None:
    kept = fetch(lab.port, "/healthz", {"x-request-id": "my-id.7"})
    assert kept.headers["x-request-id"] == "my-id.7"
    for evil in ("a b", "<script>", "x" * 200):
        made = fetch(lab.port, "/healthz", {"x-request-id": evil})
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", made.headers["x-request-id"])
