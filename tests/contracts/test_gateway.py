"""What every gateway must do: pass on to the control plane and to replicas, and take over tables live."""

from collections.abc import Iterator

import pytest

from gateway_lab import BEARER, DRIVERS, Lab, Load, is_problem, raw, request_bytes, route, running_lab
from gateway_replica import Replica
from waiting import wait_until


@pytest.fixture(scope="module", params=DRIVERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with running_lab(request.param) as lab:
        yield lab


def test_api_request_arrives_unchanged(lab: Lab) -> None:
    path = "/api/v2/x/../y//z;p=1/%2F%2e%41?q=%2F&r=a+b&r=2"
    with Replica(lab.control_plane, "control-plane"):
        answer = lab.api(path, {**BEARER, "X_Under-Score": "1", "x-lepton-principal": "me"}, "PATCH", b"body \x00")
    assert answer.status == 200
    assert (answer.json["method"], answer.json["path"], answer.json["body_bytes"]) == ("PATCH", path, 6)
    assert answer.seen["authorization"] == BEARER["authorization"]
    assert answer.seen["host"] == f"127.0.0.1:{lab.api_port}"
    assert answer.seen["x_under-score"] == "1"
    assert answer.seen["x-lepton-principal"] == "me", "on the API's port it means nothing and is left alone"


@pytest.mark.parametrize("target", ["*", "/a#b", "/ü", "x", "http://other/x", "//other/x", "/a\\b", "/%"])
def test_odd_api_target_never_fails_the_gateway(lab: Lab, target: str) -> None:
    with Replica(lab.control_plane, "control-plane"):
        answer = raw(
            lab.api_port, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), until=b"}"
        )
    assert answer[:13] in (b"HTTP/1.1 200 ", b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")


def test_long_api_answer_streams(lab: Lab) -> None:
    with Replica(lab.control_plane, "control-plane"):
        begun = raw(lab.api_port, request_bytes("/logs/trickle?3000"), until=b"begun")
    assert b"begun" in begun and b"ended" not in begun


def test_api_is_unavailable_while_the_control_plane_is_down_and_back_at_once(lab: Lab) -> None:
    for _ in range(3):
        down = lab.api("/healthz")
        assert is_problem(down, 503, "unavailable")
        assert down.headers["retry-after"] == "1"
        assert "lepton status" in down.json["hint"]
        with Replica(lab.control_plane, "control-plane"):
            assert lab.api("/healthz").status == 200


def test_control_plane_over_tcp(lab: Lab) -> None:
    before = lab.control_plane
    lab.control_plane = lab.new_address(tcp=True)
    try:
        with Replica(lab.control_plane, "over-tcp"):
            lab.apply()
            assert lab.api("/healthz").json["replica"] == "over-tcp"
    finally:
        lab.control_plane = before
        lab.apply()


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_endpoint_path_reaches_the_replica_without_its_prefix(lab: Lab, tcp: bool) -> None:
    lab.apply(route("digits", lab.replica(tcp=tcp)))
    for path, arrives in {
        "/default/digits/predict?top=3&q=%2F": "/predict?top=3&q=%2F",
        "/default/digits/": "/",
        "/default/digits": "/",
        "/default/digits?x=1": "/?x=1",
        "/default/digits//v2//models/": "/v2/models/",
    }.items():
        answer = lab.get(path, method="POST", body=b"{}")
        assert answer.status == 200, path
        assert answer.json["path"] == arrives
        assert answer.json["body_bytes"] == 2


def test_replica_learns_who_calls_and_from_where(lab: Lab) -> None:
    lab.apply(route("digits", lab.replica()))
    seen = lab.get("/default/digits/x", {**BEARER, "x-forwarded-for": "9.9.9.9", "forwarded": "for=9.9.9.9"}).seen
    assert seen["x-lepton-principal"] == "ada"
    assert "authorization" not in seen
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-forwarded-prefix"] == "/default/digits"
    assert "forwarded" not in seen


@pytest.mark.parametrize(
    "path", ["/", "/default", "/default/", "/default/nope/x", "/other/digits/x", "/default/digit", "/x"]
)
def test_unknown_endpoint_is_not_found(lab: Lab, path: str) -> None:
    lab.apply(route("digits", lab.replica()))
    assert is_problem(lab.get(path), 404, "not_found")


def test_endpoint_without_replicas_is_unavailable(lab: Lab) -> None:
    lab.apply(route("digits"))
    answer = lab.get("/default/digits/predict", method="POST", body=b"{}")
    assert is_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "lepton endpoint show" in answer.json["hint"]


@pytest.mark.parametrize("given", ["from-the-client:1.2_3", "a" * 128])
def test_sane_request_id_is_kept(lab: Lab, given: str) -> None:
    lab.apply(route("digits", lab.replica()))
    answer = lab.get("/default/digits/x", {**BEARER, "x-request-id": given})
    assert answer.headers["x-request-id"] == answer.seen["x-request-id"] == given
    assert lab.get("/default/digits/x", {"x-request-id": given}).json["request_id"] == given


@pytest.mark.parametrize("given", [None, "", "a" * 129, "two words", '<script>"', "ü"])
def test_missing_or_odd_request_id_is_replaced(lab: Lab, given: str | None) -> None:
    lab.apply(route("digits", lab.replica()))
    headers = BEARER if given is None else {**BEARER, "x-request-id": given.encode()}
    answers = [lab.get("/default/digits/x", headers) for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert ids == {answer.seen["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert given not in ids


def test_same_table_gives_the_same_version_and_writes_nothing(lab: Lab) -> None:
    endpoint = route("digits", "unix:/somewhere/replica.sock")
    version = lab.apply(endpoint)
    files = {file: file.stat().st_mtime_ns for file in lab.folder.iterdir()}
    adopted = lab.open_driver()
    assert adopted.applied_version() == version
    assert adopted.write(lab.table(endpoint)) == version
    assert {file: file.stat().st_mtime_ns for file in lab.folder.iterdir()} == files
    assert adopted.write(lab.table()) != version


def test_files_hold_digests_and_are_private(lab: Lab) -> None:
    lab.apply(route("digits"))
    assert {file.stat().st_mode & 0o777 for file in lab.folder.iterdir()} == {0o600}
    sockets = [file for file in lab.sockets.iterdir() if file.name in ("envoy.sock", "proxy.sock")]
    assert [file.stat().st_mode & 0o777 for file in sockets] == [0o600]


def test_half_written_table_is_mended_by_the_next_write(lab: Lab) -> None:
    replica = lab.replica()
    lab.apply(route("digits", replica))
    first = min(lab.folder.glob("*.json"), key=lambda file: file.name != "clusters.json")
    before = first.read_bytes()
    version = lab.apply(route("digits", replica), route("more", replica))
    # As if a crash had come between two files: the first one is still the old one.
    first.write_bytes(before)
    assert lab.open_driver().write(lab.table(route("digits", replica), route("more", replica))) == version
    wait_until(lambda: lab.driver.applied_version() == version)
    assert lab.get("/default/more/x").status == 200


def test_revoked_token_is_refused_as_soon_as_the_table_is_applied(lab: Lab) -> None:
    replica = lab.replica()
    for _ in range(20):
        lab.apply(route("digits", replica))
        assert lab.get("/default/digits/x").status == 200
        lab.apply(route("digits", replica, token_digests={}))
        assert lab.get("/default/digits/x").status == 401


def test_changing_the_table_under_load_fails_no_request(lab: Lab) -> None:
    a, b = lab.replica("a"), lab.replica("b", tcp=True)
    lab.apply(route("digits", a))
    with Load(lab.endpoints_port, "/default/digits/predict") as load:
        for turn in range(8):
            lab.apply(route("digits", a, b), route(f"new-{turn}", b))
            load.more(10)
            with Replica(lab.new_address(), f"c{turn}") as c:
                lab.apply(route("digits", b, c))
                load.more(10)
                lab.apply(route("digits", a), route("digits-2", b))
                load.more(10)
    assert load.failures == {}
    assert load.results.total() > 240


def test_stats_count_what_each_endpoint_was_asked(lab: Lab) -> None:
    lab.apply(route("counted", lab.replica()), route("empty"))
    before = lab.driver.stats()["default/counted"]
    for path in ("x", "x", "status?500", "status?404"):
        lab.get(f"/default/counted/{path}")
    lab.get("/default/counted/x", headers={})
    lab.get("/default/empty/x")
    wait_until(lambda: lab.driver.stats()["default/counted"].requests_total == before.requests_total + 4)
    after = lab.driver.stats()
    assert after["default/counted"].errors_total == before.errors_total + 1
    assert after["default/counted"].active == 0
    assert (after["default/empty"].requests_total, after["default/empty"].errors_total) == (1, 1)
