"""How every gateway speaks HTTP: limits, forms that could be read in two ways, bodies, streams and upgrades."""

import contextlib
import hashlib
import http.client
import itertools
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from gateway_lab import BEARER, DRIVERS, TOKEN, Lab, fetch, raw, request_bytes, route, running_lab
from gateway_replica import Replica
from waiting import wait_until

UPGRADE = ("Connection: keep-alive, Upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Version: 13")
UPGRADE_KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


def post(*headers: str, body: bytes) -> bytes:
    """A request with a body, as bytes."""
    return request_bytes("/default/digits/x", *headers, method="POST", body=body)


@pytest.fixture(scope="module", params=DRIVERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with running_lab(request.param) as lab:
        yield lab


@pytest.fixture(scope="module", autouse=True)
def slow_sender(lab: Lab) -> "SlowSender":
    return SlowSender(lab.endpoints_port)


@pytest.fixture
def replica(lab: Lab) -> Replica:
    """A replica of the endpoint `digits`, with an empty list of arrivals."""
    replica = lab.replica()
    lab.apply(route("digits", replica))
    return replica


@pytest.mark.parametrize("port", ["api_port", "endpoints_port"])
def test_headers_beyond_the_limit_are_refused(lab: Lab, replica: Replica, port: str) -> None:
    with Replica(lab.control_plane, "control-plane"):
        many = {f"h{number}": "1" for number in range(120)}
        ten_large = {f"h{number}": "y" * 4_000 for number in range(10)}
        for too_much in ({"x-large": "y" * 40_000}, many, ten_large):
            answer = fetch(getattr(lab, port), "/default/digits/x", {**BEARER, **too_much})
            assert (answer.status, answer.json["code"]) == (431, "too_large")
        enough = {**BEARER, "x-large": "y" * 30_000, **{f"h{number}": "1" for number in range(60)}}
        assert fetch(getattr(lab, port), "/default/digits/x", enough).status == 200
    assert len(replica.app.arrivals) == (port == "endpoints_port")


def test_many_connections_are_held(lab: Lab, replica: Replica) -> None:
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(300):
            connection = http.client.HTTPConnection("127.0.0.1", lab.endpoints_port, timeout=10)
            stack.callback(connection.close)
            connection.request("GET", "/default/digits/status?204", headers=BEARER)
            connections.append(connection)
        assert [connection.getresponse().status for connection in connections] == [204] * 300


@pytest.mark.parametrize(
    "data",
    [
        post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        post("Transfer-Encoding: chunked", "Content-Length: 0", body=b"0\r\n\r\n"),
        post("Content-Length: 5", "Content-Length: 6", body=b"12345"),
        post("Content-Length: 5, 6", body=b"12345"),
        post("Content-Length: +5", body=b"12345"),
        post("Content-Length: -5", body=b"12345"),
        post("Content-Length: 0x5", body=b"12345"),
        post("Content-Length : 5", body=b"12345"),
        post("Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
        post("Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
        post("Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
        post("Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
        post("Transfer-Encoding: chunked", body=b"5\nhello\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked", body=b"5\r\nhello\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked", body=b"5;\nx\r\nhello\r\n0\r\n\r\n"),
        request_bytes("/default/digits/x", "X-A: a\x00b"),
        request_bytes("/default/digits/x", "no colon"),
        request_bytes("/default/digits/x", method="G\x01T"),
        b"GET /default/digits/x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_request_that_can_be_read_in_two_ways_is_refused(lab: Lab, replica: Replica, data: bytes) -> None:
    answer = raw(lab.endpoints_port, data + request_bytes("/default/digits/smuggled"), quiet_s=0.1)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 426", b"HTTP/1.1 501")) or answer == b""
    assert len(re.findall(rb"HTTP/1\.\d \d\d\d", answer)) <= 1, "the connection ends with the refusal"
    # The head of a request may have been passed on before its body turned out to be none.
    assert replica.app.arrivals == [] or (b"chunked" in data and replica.app.arrivals == ["/x"])


@pytest.mark.parametrize(
    "data",
    [
        request_bytes("/default/digits/x").replace(b"\r\n", b"\n"),
        request_bytes("/default/digits/x", "X-A: a\nX-B: b"),
        request_bytes("/default/digits/x", "X-A: a\rX-B: b"),
        request_bytes("/default/digits/x", "X-A: a\r\n folded: b"),
    ],
)
def test_bare_line_feeds_never_hide_a_second_request(lab: Lab, replica: Replica, data: bytes) -> None:
    """HTTP lets a reader take a bare line feed for a line's end: refused, or read as the one request that it is."""
    raw(lab.endpoints_port, data, timeout_s=1, quiet_s=0.1)
    assert replica.app.arrivals in ([], ["/x"])
    seen = lab.get("/default/digits/x").seen
    assert "x-a" not in seen, "nothing is left over for the next request"


def test_pipelined_requests_are_answered_in_order(lab: Lab, replica: Replica) -> None:
    data = b"".join(request_bytes(f"/default/digits/{number}") for number in range(5))
    last = request_bytes("/default/digits/last", "Connection: close")
    answer = raw(lab.endpoints_port, data + last)
    assert answer.count(b"HTTP/1.1 200") == 6
    places = [answer.index(f'"path": "/{name}"'.encode()) for name in (*range(5), "last")]
    assert places == sorted(places)


def test_connection_is_kept_alive(lab: Lab, replica: Replica) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", lab.endpoints_port, timeout=10)
    connection.connect()
    first = connection.sock
    for path in ("x", "status?404", "status?204", "status?304", "x"):
        connection.request("GET", f"/default/digits/{path}", headers=BEARER)
        connection.getresponse().read()
        assert connection.sock is first
    connection.request("GET", "/default/nope", headers=BEARER)
    connection.getresponse().read()
    assert connection.sock is first
    connection.close()


def test_answers_without_a_body(lab: Lab, replica: Replica) -> None:
    head = lab.get("/default/digits/x", method="HEAD")
    assert (head.status, head.body) == (200, b"") and int(head.headers["content-length"]) > 100
    for status in (204, 304):
        answer = lab.get(f"/default/digits/status?{status}")
        assert (answer.status, answer.body, answer.headers["etag"]) == (status, b"", '"1"')
    assert lab.get("/default/nope/x", method="HEAD").status == 404
    early = raw(lab.endpoints_port, request_bytes("/default/digits/early", "Connection: close"))
    assert early.count(b"HTTP/1.1 200") == 1 and b'"path": "/early"' in early


def test_large_body_passes_while_it_is_sent(lab: Lab, replica: Replica) -> None:
    size, piece = 20 * 1024 * 1024, bytes(range(256)) * 1024
    with socket.create_connection(("127.0.0.1", lab.endpoints_port), timeout=20) as connection:
        connection.sendall(request_bytes("/default/digits/x", f"Content-Length: {size}", method="POST"))
        for _ in range(4):
            connection.sendall(piece)
        wait_until(replica.app.body_begun.is_set, timeout_s=3)
        for _ in range(size // len(piece) - 4):
            connection.sendall(piece)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = answer.read().decode()
    digest = hashlib.sha256(piece * (size // len(piece))).hexdigest()
    assert f'"body_bytes": {size}, "body_sha256": "{digest}"' in body


def test_chunked_body_passes(lab: Lab, replica: Replica) -> None:
    def chunks() -> Iterator[bytes]:
        for number in range(50):
            yield b"%d" % number * 1000

    connection = http.client.HTTPConnection("127.0.0.1", lab.endpoints_port, timeout=10)
    connection.request("POST", "/default/digits/x", chunks(), BEARER, encode_chunked=True)
    body = connection.getresponse().read().decode()
    connection.close()
    assert f'"body_sha256": "{hashlib.sha256(b"".join(chunks())).hexdigest()}"' in body


def test_encoded_bodies_pass_as_they_are(lab: Lab, replica: Replica) -> None:
    answer = lab.get("/default/digits/x", {**BEARER, "content-encoding": "gzip"}, "POST", b"not gzip at all")
    assert (answer.seen["content-encoding"], answer.json["body_bytes"]) == ("gzip", 15)
    answer = lab.get("/default/digits/encoded", {**BEARER, "accept-encoding": "gzip"})
    assert (answer.headers["content-encoding"], answer.body) == ("gzip", b"not for the gateway to read")


def test_expected_continue_is_given(lab: Lab, replica: Replica) -> None:
    head = request_bytes("/default/digits/x", "Expect: 100-continue", "Content-Length: 5", method="POST")
    with socket.create_connection(("127.0.0.1", lab.endpoints_port), timeout=5) as connection:
        connection.sendall(head)
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_refused_upload_is_answered(lab: Lab, replica: Replica) -> None:
    body = b"x" * 3_000_000
    assert lab.get("/default/digits/refuse", method="POST", body=body).status == 413
    with contextlib.suppress(ConnectionError):
        assert lab.get("/default/digits/x", {}, "POST", body).status == 401


def test_large_answer_passes(lab: Lab, replica: Replica) -> None:
    assert len(lab.get(f"/default/digits/large?{20 * 1024 * 1024}").body) == 20 * 1024 * 1024


def test_slow_reader_holds_up_nobody(lab: Lab, replica: Replica) -> None:
    with socket.create_connection(("127.0.0.1", lab.endpoints_port), timeout=5) as slow:
        slow.sendall(request_bytes("/default/digits/large?200000000"))
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")
        assert [lab.get("/default/digits/x").status for _ in range(20)] == [200] * 20


def test_headers_for_one_hop_stay_on_it(lab: Lab, replica: Replica) -> None:
    seen = lab.get(
        "/default/digits/x", {**BEARER, "connection": "keep-alive, x-mine", "x-mine": "1", "te": "trailers"}
    ).seen
    assert "x-mine" not in seen or lab.name == "envoy", "Envoy passes on what Connection names, which harms nobody"
    assert seen.get("connection", "keep-alive").lower() == "keep-alive"
    assert "upgrade" not in lab.get("/default/digits/x", {**BEARER, "connection": "upgrade", "upgrade": "h2c"}).seen
    hop = lab.get("/default/digits/hop").headers
    assert hop["x-public"] == "1"


def test_cookies_of_an_answer_stay_apart(lab: Lab, replica: Replica) -> None:
    answer = raw(lab.endpoints_port, request_bytes("/default/digits/cookies", "Connection: close")).lower()
    assert b"set-cookie: a=1\r\n" in answer and b"set-cookie: b=2\r\n" in answer


def test_client_cannot_steer_the_gateway_by_headers(lab: Lab, replica: Replica) -> None:
    steering = {
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-max-retries": "9",
        "x-envoy-retry-on": "5xx,reset",
        "x-envoy-decorator-operation": "x",
        "x-lepton-refused": "path",
    }
    assert lab.get("/default/digits/sleep?100", {**BEARER, **steering}).status == 200
    assert lab.get("/default/digits/reset", {**BEARER, **steering}).status == 502
    assert replica.app.arrivals == ["/sleep?100", "/reset"]


def test_events_arrive_one_by_one(lab: Lab, replica: Replica) -> None:
    with socket.create_connection(("127.0.0.1", lab.endpoints_port), timeout=5) as connection:
        connection.sendall(request_bytes("/default/digits/events?200"))
        arrived_s: list[float] = []
        received = b""
        while len(arrived_s) < 4:
            received += connection.recv(65536)
            arrived_s += [time.monotonic()] * (received.count(b"data:") - len(arrived_s))
    assert min(later - earlier for earlier, later in itertools.pairwise(arrived_s)) > 0.1


def test_websocket_passes(lab: Lab, replica: Replica) -> None:
    with socket.create_connection(("127.0.0.1", lab.endpoints_port), timeout=5) as connection:
        connection.sendall(request_bytes("/default/digits/websocket", *UPGRADE, UPGRADE_KEY))
        head = _read_head(connection)
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head.lower()
        for text in (b"one", b"two", b"x" * 100):
            # A masked text frame whose mask is zero: the bytes stay readable.
            connection.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
            frame = _read_exactly(connection, 2 + 2 + len(text))
            assert frame == bytes([0x81, 2 + len(text)]) + b"a:" + text
        lab.apply()
        connection.sendall(bytes([0x81, 0x82, 0, 0, 0, 0]) + b"on")
        assert _read_exactly(connection, 6) == b"\x81\x04a:on", "it outlives the removal of its endpoint"
        connection.sendall(bytes([0x88, 0x82, 0, 0, 0, 0, 3, 232]))
        assert _read_exactly(connection, 4) == bytes([0x88, 2, 3, 232])
        assert connection.recv(10) == b""


def test_declined_websocket_leaves_an_ordinary_connection(lab: Lab, replica: Replica) -> None:
    lab.apply(route("digits", replica), route("secret", lab.replica("b"), token_digests={}))
    # The second request must be seen by the gateway, not tunnelled to the replica that declined.
    second = f"GET /default/secret/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    answer = raw(
        lab.endpoints_port,
        request_bytes("/default/digits/status?404", *UPGRADE, UPGRADE_KEY) + second.encode(),
        quiet_s=0.3,
    )
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"HTTP/1.1 401" in answer or answer.count(b"HTTP/1.1") == 1
    assert replica.app.arrivals == ["/status?404"]


def test_slow_sender_of_headers_is_cut(slow_sender: "SlowSender") -> None:
    assert 4 < slow_sender.cut_after_s() < 9


class SlowSender:
    """A client that never ends its headers; its clock starts before the other tests, so that nobody waits for it.

    Args:
        port: Where it connects to.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._cut_after_s = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut_after_s(self) -> float:
        self._thread.join(15)
        return self._cut_after_s

    def _run(self) -> None:
        begun_s = time.monotonic()
        with socket.create_connection(("127.0.0.1", self._port), timeout=12) as connection:
            connection.sendall(b"GET /default/digits/x HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            with contextlib.suppress(OSError):
                while connection.recv(1000):
                    pass
        self._cut_after_s = time.monotonic() - begun_s


def _read_head(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    return head


def _read_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := connection.recv(size - len(data))):
        data += chunk
    return data
