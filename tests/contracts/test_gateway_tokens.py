"""The token check of every gateway is closed by default: each way in which it could fail open has a test."""

import hashlib
from collections.abc import Iterator

import pytest

from gateway_lab import BEARER, DIGESTS, DRIVERS, TOKEN, Answer, Lab, is_problem, raw, request_bytes, route, running_lab
from gateway_replica import Replica

A_DIGEST = next(iter(DIGESTS))
REFUSED = (b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 404", b"HTTP/1.0 400")


@pytest.fixture(scope="module", params=DRIVERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with running_lab(request.param) as lab:
        yield lab


@pytest.fixture
def replica(lab: Lab) -> Replica:
    """A replica of the private endpoint `secret`, with an empty list of arrivals."""
    replica = lab.replica()
    lab.apply(route("secret", replica))
    return replica


def refused(answer: Answer) -> bool:
    return is_problem(answer, 401, "unauthenticated") and answer.headers["www-authenticate"] == "Bearer"


def test_good_token_passes(lab: Lab, replica: Replica) -> None:
    assert lab.get("/default/secret/x").seen["x-lepton-principal"] == "ada"
    for scheme in ("bearer", "BEARER", "bEaReR"):
        assert lab.get("/default/secret/x", {"authorization": f"{scheme} {TOKEN}"}).status == 200


def test_digest_is_right_at_every_block_length_of_the_hash(lab: Lab, replica: Replica) -> None:
    tokens = ["k" * length for length in (1, 2, 3, 54, 55, 56, 57, 63, 64, 65, 118, 119, 120, 121, 127, 128, 129, 512)]
    digests = {hashlib.sha256(token.encode()).hexdigest(): f"user-{len(token)}" for token in tokens}
    lab.apply(route("secret", replica, token_digests=digests))
    for token in tokens:
        answer = lab.get("/default/secret/x", {"authorization": f"Bearer {token}"})
        assert answer.seen["x-lepton-principal"] == f"user-{len(token)}"
        assert refused(lab.get("/default/secret/x", {"authorization": f"Bearer {token[:-1]}j"}))


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Bearer  {TOKEN}",
        f"Bearer\t{TOKEN}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer {TOKEN},",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}",
        f"Bearer={TOKEN}",
        f"Basic {TOKEN}",
        f"Token {TOKEN}",
        f"Digest {TOKEN}",
        f'Bearer "{TOKEN}"',
        f"Bearer {A_DIGEST}",
        "Bearer public",
        "Bearer unknown",
        "Bearer true",
        "Bearer null",
        "Bearer %00",
        "Bearer " + "x" * 20_000,
        "Bearer ünïcode",
        "Bearer " + "\u00ff" * 8,
    ],
)
def test_other_authorization_is_refused(lab: Lab, replica: Replica, authorization: str) -> None:
    answer = lab.get("/default/secret/x", {"authorization": authorization.encode()})
    assert refused(answer)
    assert replica.app.arrivals == []


def test_no_authorization_is_refused(lab: Lab, replica: Replica) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = lab.get("/default/secret/x", {}, method)
        assert answer.status == 401
        assert method == "HEAD" or refused(answer)
    assert replica.app.arrivals == []


def test_token_elsewhere_is_not_looked_at(lab: Lab, replica: Replica) -> None:
    for path, headers in (
        (f"/default/secret/x?access_token={TOKEN}&authorization=Bearer%20{TOKEN}", {}),
        ("/default/secret/x", {"x-authorization": f"Bearer {TOKEN}", "proxy-authorization": f"Bearer {TOKEN}"}),
        ("/default/secret/x", {"cookie": f"authorization=Bearer {TOKEN}; token={TOKEN}"}),
    ):
        assert refused(lab.get(path, headers))
    assert replica.app.arrivals == []


@pytest.mark.parametrize("second", [f"Bearer {TOKEN}", "Bearer wrong", ",", "Basic eA=="])
def test_two_authorization_headers_are_refused(lab: Lab, replica: Replica, second: str) -> None:
    for lines in (
        (f"Authorization: Bearer {TOKEN}", f"Authorization: {second}"),
        (f"Authorization: {second}", f"Authorization: Bearer {TOKEN}"),
    ):
        head = "\r\n".join(["GET /default/secret/x HTTP/1.1", "Host: x", *lines, "", ""])
        answer = raw(lab.endpoints_port, head.encode(), until=b"}")
        assert answer.startswith(REFUSED)
    assert replica.app.arrivals == []


@pytest.mark.parametrize("name", ["x_lepton_principal", "authorization_", "x_y"])
def test_header_with_an_underscore_is_refused(lab: Lab, replica: Replica, name: str) -> None:
    answer = lab.get("/default/secret/x", {**BEARER, name: "root"})
    assert (answer.status, answer.json["code"]) == (400, "invalid_input")
    assert replica.app.arrivals == []


def test_forged_principal_never_arrives(lab: Lab, replica: Replica) -> None:
    lab.apply(route("secret", replica), route("open", replica, public=True, token_digests={}))
    forged = {"X-Lepton-Principal": "root", "x-forwarded-prefix": "/evil", "connection": "x-lepton-principal"}
    seen = lab.get("/default/secret/x", {**BEARER, **forged}).json["headers"]
    assert [value for name, value in seen if name == "x-lepton-principal"] == ["ada"]
    assert [value for name, value in seen if name == "x-forwarded-prefix"] == ["/default/secret"]
    assert "x-lepton-principal" not in lab.get("/default/open/x", forged).seen
    twice = request_bytes("/default/secret/x", "X-Lepton-Principal: root", "X-LEPTON-PRINCIPAL: root")
    assert b'["x-lepton-principal", "ada"]' in (answer := raw(lab.endpoints_port, twice, until=b'"body_sha256"'))
    assert b"root" not in answer


def test_empty_list_of_tokens_lets_nobody_in(lab: Lab, replica: Replica) -> None:
    lab.apply(route("secret", replica, token_digests={}))
    for headers in (BEARER, {}, {"authorization": "Bearer "}, {"authorization": "Bearer x"}):
        assert refused(lab.get("/default/secret/x", headers))
    assert replica.app.arrivals == []


def test_public_endpoint_needs_no_token_and_still_knows_a_good_one(lab: Lab, replica: Replica) -> None:
    lab.apply(route("open", replica, public=True))
    nobody = lab.get("/default/open/x", {}).seen
    assert "x-lepton-principal" not in nobody
    known = lab.get("/default/open/x").seen
    assert known["x-lepton-principal"] == "ada" and "authorization" not in known
    own = lab.get("/default/open/x", {"authorization": "Basic dXNlcjpwdw=="}).seen
    assert own["authorization"] == "Basic dXNlcjpwdw==", "not a token of ours: it may mean something to the replica"
    assert "x-lepton-principal" not in own


@pytest.mark.parametrize(
    "path",
    [
        "/default/open/../secret/x",
        "/default/open/./../secret/x",
        "/default/open/%2e%2e/secret/x",
        "/default/open/%2E./secret/x",
        "/default/open/..;/secret/x",
        "/default/open/..;x=/secret/x",
        "/default/open/%2e%2e;x=1/secret/x",
        "/default/open/..%3bx/secret/x",
        "/default/open%2f..%2fsecret/x",
        "/default/open/..%2Fsecret/x",
        "/default/open/..%5csecret/x",
        "/default/open/..\\secret/x",
        "/default/open\\..\\secret/x",
        "/default/open//../secret/x",
        "/default/../default/secret/x",
        "/./default/secret/x",
        "/default%2fsecret/x",
        "/default/secret%2fx",
        "//default//..//secret/x",
        "/default/%73ecret/x",
        "/DEFAULT/secret/x",
        "/default/SECRET/x",
        "/default/secret;x=1/x",
        "/default/secret%00/x",
        "/default;/secret/x",
        "/default/secret.",
        "/default/open/..",
        "/open?/default/secret/x",
        "/default/öpen/x",
    ],
)
def test_path_that_means_another_endpoint_does_not_reach_it(lab: Lab, replica: Replica, path: str) -> None:
    other = lab.replica("b")
    lab.apply(route("secret", replica, token_digests={}), route("open", other, public=True))
    answer = raw(lab.endpoints_port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), until=b"}")
    assert answer.startswith(REFUSED)
    assert replica.app.arrivals == other.app.arrivals == []


def test_repeated_slashes_count_as_one(lab: Lab, replica: Replica) -> None:
    lab.apply(route("secret", replica))
    for path in ("//default/secret/x", "/default//secret///x"):
        assert refused(lab.get(path, {}))
        assert lab.get(path).json["path"] == "/x"


@pytest.mark.parametrize(
    "lines",
    [
        ("GET /default/secret/x HTTP/1.1", "Host: default/open/x?"),
        ("GET /default/secret/x HTTP/1.1", "Host: other:99"),
        ("GET /default/secret/x HTTP/1.1", "Host: "),
        ("GET /default/secret/x HTTP/1.1", "Host: a", "Host: b"),
        ("GET http://127.0.0.1/default/secret/x HTTP/1.1", "Host: a"),
        ("GET http://x/default/open/../secret/x HTTP/1.1", "Host: a"),
        ("GET http:///default/secret/x HTTP/1.1", "Host: a"),
        ("GET default/secret/x HTTP/1.1", "Host: a"),
        ("GET /default/secret/x#/default/open HTTP/1.1", "Host: a"),
        (
            "GET /default/secret/x HTTP/1.1",
            "Host: a",
            "X-Original-URL: /default/open/x",
            "X-Rewrite-URL: /default/open",
        ),
        ("GET /default/secret/x HTTP/1.1", "Host: a", "X-HTTP-Method-Override: OPTIONS"),
        ("GET /default/secret/x HTTP/1.1", "Host: a", "X-Envoy-Original-Path: /default/open", "X-Envoy-Internal: true"),
        ("GET /default/secret/x HTTP/1.1", "Host: a", "X-Lepton-Refused: path"),
        ("CONNECT /default/secret/x HTTP/1.1", "Host: a"),
        ("CONNECT default:80 HTTP/1.1", "Host: default:80"),
    ],
)
def test_odd_host_target_or_header_opens_nothing(lab: Lab, replica: Replica, lines: tuple[str, ...]) -> None:
    lab.apply(route("secret", replica), route("open", lab.replica("b"), public=True))
    answer = raw(lab.endpoints_port, "\r\n".join([*lines, "", ""]).encode(), until=b"}")
    assert answer.startswith(REFUSED)
    assert replica.app.arrivals == []


def test_token_of_one_endpoint_does_not_open_another(lab: Lab, replica: Replica) -> None:
    foreign = {hashlib.sha256(b"foreign").hexdigest(): "eve"}
    lab.apply(route("secret", replica), route("hers", lab.replica("b"), token_digests=foreign))
    assert lab.get("/default/hers/x", {"authorization": "Bearer foreign"}).status == 200
    assert refused(lab.get("/default/secret/x", {"authorization": "Bearer foreign"}))
    assert refused(lab.get("/default/hers/x"))
    assert replica.app.arrivals == []


def test_websocket_needs_the_token_too(lab: Lab, replica: Replica) -> None:
    upgrade = ("Host: x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    lines = ["GET /default/secret/websocket HTTP/1.1", *upgrade, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", ""]
    assert raw(lab.endpoints_port, "\r\n".join(lines).encode(), until=b"}").startswith(b"HTTP/1.1 401")
    assert replica.app.arrivals == []


def test_address_that_is_not_allowed_is_refused_with_a_good_token(lab: Lab, replica: Replica) -> None:
    lab.apply(route("secret", replica, allowed_networks=("10.0.0.0/8", "192.168.1.1")))
    answer = lab.get("/default/secret/x")
    assert is_problem(answer, 403, "permission_denied")
    assert is_problem(lab.get("/default/secret/x", BEARER | {"x-forwarded-for": "10.1.2.3"}), 403, "permission_denied")
    lab.apply(route("secret", replica, allowed_networks=("10.0.0.0/8", "127.0.0.0/8")))
    assert lab.get("/default/secret/x").status == 200
    lab.apply(route("secret", replica))
    assert lab.get("/default/secret/x").status == 200
