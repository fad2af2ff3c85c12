"""Who may come in over HTTP: every route needs a token, and a token opens one workspace alone."""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api_errors import assert_error
from cloud_lab import CloudLab
from gateway_lab import fetch
from lepton_ai.server.rights import SERVER_RIGHTS, WORKSPACE_RIGHTS
from waiting import wait_until

Made = Callable[[str], dict[str, str]]
"""Makes a token of a role for the length of a test, and gives the headers that bring it."""

SIGNED = "/objects/"
"""What an address with a signature opens, and no token."""
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


def is_for_root(method: str, path: str) -> bool:
    """Whether the server's admins may send this to any workspace."""
    return path.endswith(("/quota", "/admin-token")) or (method == "DELETE" and path.count("/") == 4)


def predict(lab: CloudLab, headers: dict[str, str]) -> int:
    """The status of a prediction."""
    sent = {**headers, "content-type": "application/json"}
    body = json.dumps({"inputs": [[1, 2, 3, 4]]})
    return fetch(lab.endpoints_port, "/default/numbers/predict", sent, "POST", body).status


def wait_for_status(lab: CloudLab, headers: dict[str, str], status: int) -> int:
    """Predict until the gateway has heard of the token."""
    wait_until(lambda: predict(lab, headers) == status)
    return status


@pytest.fixture(scope="module")
def team(lab: CloudLab) -> Iterator[str]:
    """Another workspace on the same server; gives its admin's token."""
    yield lab.api("POST", "/api/v2/workspaces", {"name": "team"}).json["token"]
    assert lab.api("DELETE", "/api/v2/workspaces/team").status == 200


@pytest.fixture
def made(lab: CloudLab) -> Iterator[Made]:
    names: list[str] = []

    def make(role: str) -> dict[str, str]:
        names.append(f"test-{role}")
        answer = lab.api("POST", "/tokens", {"name": names[-1], "role": role})
        assert answer.status == 201, answer.body
        return {"authorization": f"Bearer {answer.json['value']}"}

    yield make
    for name in names:
        lab.api("DELETE", f"/tokens/{name}")


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
        "/api/v2",
        "/console",
        "//",
        "/healthz/",
        "/HEALTHZ",
        "/metrics/",
    ):
        assert fetch(lab.port, path, {}).status == 401, path
        assert fetch(lab.port, path, lab.bearer).status in (404, 307), path


def test_another_workspace_is_not_there_whatever_is_asked_of_it(lab: CloudLab, team: str) -> None:
    """Neither one that is there for a token of `default`, nor `default` for a token of that one."""
    theirs = {"authorization": f"Bearer {team}"}
    for headers, workspace_id in ((lab.bearer, "team"), (lab.bearer, "absent"), (theirs, "default")):
        root = workspace_id != "default"
        for method, path in routes(lab, workspace_id=workspace_id):
            if "/workspaces/" not in path or (root and is_for_root(method, path)):
                continue
            answer = lab.api(method, path, {}, headers)
            assert answer.status == 404, (method, path, answer.body)
            if method != "HEAD":
                assert b"numbers" not in answer.body.replace(path.encode(), b"")


def test_viewer_sees_all_and_changes_nothing(lab: CloudLab, made: Made) -> None:
    headers = made("viewer")
    for method, path in routes(lab):
        if (method, path) in OPEN or path.startswith(SIGNED):
            continue
        answer = lab.api(method, path, {}, headers)
        # A message that is received is gone, and leftovers are those of all workspaces.
        if method in ("GET", "HEAD") and not path.endswith(("/api/v2/workspaces", "/messages", "/gc")):
            assert answer.status not in (401, 403), (method, path, answer.body)
        else:
            assert answer.status == 403, (method, path, answer.body)


def test_token_for_endpoints_opens_predictions_alone(lab: CloudLab, made: Made) -> None:
    headers = made("endpoint")
    for method, path in routes(lab):
        if (method, path) not in OPEN and not path.startswith(SIGNED):
            assert lab.api(method, path, {}, headers).status == 403, (method, path)
    assert wait_for_status(lab, headers, 200) == 200


def test_developer_makes_no_tokens_and_no_workspaces(lab: CloudLab, made: Made) -> None:
    headers = made("developer")
    for method, path, body in (
        ("POST", "/tokens", {"name": "mine", "role": "admin"}),
        ("DELETE", "/tokens/admin", None),
        ("GET", "/api/v2/workspaces", None),
        ("POST", "/api/v2/workspaces", {"name": "mine"}),
        ("POST", "/api/v2/master-key", None),
        ("PUT", "/quota", {}),
    ):
        assert_error(lab.api(method, path, body, headers), 403)
    assert lab.api("GET", "/deployments", headers=headers).status == 200


def test_every_route_is_reached_by_somebody(lab: CloudLab) -> None:
    """A route whose noun is missing in the table of rights would be closed to all."""
    for method, path in routes(lab, workspace_id="default"):
        answer = lab.api(method, path, {}) if method in ("GET", "HEAD") else None
        assert answer is None or b"there is nothing at" not in answer.body, path
    for _, path in routes(lab, workspace_id="default"):
        noun = path.removeprefix("/api/v2/workspaces/default").strip("/").partition("/")[0]
        listed = path in SERVER_RIGHTS or noun in WORKSPACE_RIGHTS
        assert listed or ("GET", path) in OPEN or path.startswith(SIGNED), path


def test_revoked_token_stops_working_everywhere_within_a_second(lab: CloudLab, made: Made) -> None:
    headers = made("developer")
    assert wait_for_status(lab, headers, 200) == 200
    name = lab.api("GET", "", headers=headers).json["token"]
    assert lab.api("DELETE", f"/tokens/{name}").status == 200
    revoked_s = time.monotonic()
    assert_error(lab.api("GET", "/models", headers=headers), 401)
    wait_until(lambda: predict(lab, headers) == 401, interval_s=0.02)
    assert time.monotonic() - revoked_s < 1.0


def test_expired_token_stops_working(lab: CloudLab) -> None:
    made = lab.api("POST", "/tokens", {"name": "brief", "role": "developer", "expires_in_s": 1}).json
    headers = {"authorization": f"Bearer {made['value']}"}
    wait_until(lambda: lab.api("GET", "/models", headers=headers).status == 401)
    assert "expired" in lab.api("GET", "/models", headers=headers).json["detail"]
    wait_until(lambda: predict(lab, headers) == 401)


def test_tokens_are_listed_as_the_protocol_does_and_never_with_a_value(lab: CloudLab) -> None:
    made = lab.api("POST", "/tokens", {"name": "listed", "role": "viewer", "expires_in_s": 3600}).json
    found = next(item for item in lab.api("GET", "/tokens").json if item["name"] == "listed")
    start, _, end = found["masked_value"].partition("...")
    assert made["value"].startswith(start)
    assert made["value"].endswith(end)
    assert found["expires_at"] == made["expires_at"]
    assert "value" not in found
    assert_error(lab.api("POST", "/tokens", {"name": "listed"}), 409, "/tokens")
    for body in (
        {"name": "x", "role": "root"},
        {"name": "x", "role": "workload"},
        {"name": "X"},
        {"name": "x", "expires_in_s": 0},
    ):
        assert_error(lab.api("POST", "/tokens", body), 422, "/tokens")
    assert lab.api("DELETE", "/tokens/listed").status == 200
    assert_error(lab.api("DELETE", "/tokens/listed"), 404, "/tokens")


def test_metrics_tell_each_workspace_of_its_own(lab: CloudLab, team: str) -> None:
    assert b'workspace="default"' in lab.api("GET", "/metrics").body
    theirs = lab.api("GET", "/metrics", headers={"authorization": f"Bearer {team}"})
    assert theirs.status == 200
    assert b"default" not in theirs.body


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
