"""Endpoints that sleep without a replica and are woken by a request, through either gateway."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cloud_lab import GATEWAYS, CloudLab, cloud_lab
from waiting import wait_until

ECHO = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""


@pytest.fixture(scope="module", params=GATEWAYS)
def lab(request: pytest.FixtureRequest) -> Iterator[CloudLab]:
    with cloud_lab(request.param) as lab:
        yield lab
        assert "Traceback" not in (lab.folders.logs / "server.log").read_text()


def make(lab: CloudLab, name: str, **spec: Any) -> None:
    container = {"command": ["python", "-c", ECHO], "ports": [{"container_port": 8080}]}
    body = {"metadata": {"name": name}, "spec": {"container": container, **spec}}
    assert lab.api("POST", "/deployments", body).status == 201
    wait_until(lambda: refusal(lab, name, token=False) == 401)  # now the gateway knows it, and nobody was woken


def asked(lab: CloudLab, name: str, body: bytes, *, token: bool = True) -> bytes:
    url = f"http://127.0.0.1:{lab.endpoints_port}/default/{name}/x"
    request = urllib.request.Request(url, body, lab.bearer if token else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


def refusal(lab: CloudLab, name: str, *, token: bool = True) -> int:
    try:
        asked(lab, name, b"hello", token=token)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def status(lab: CloudLab, name: str) -> tuple[str, str]:
    found = lab.endpoint_status(name)
    return found["state"], found["reason"]


def test_first_requests_to_a_sleeping_endpoint_are_all_held_and_answered(lab: CloudLab) -> None:
    make(lab, "sleeper", resource_requirement={"min_replicas": 0, "max_replicas": 1})
    wait_until(lambda: status(lab, "sleeper") == ("Stopped", "asleep"))
    bodies = [f"request {number}".encode() * 50 for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda body: asked(lab, "sleeper", body), bodies))
    assert answers == bodies
    assert status(lab, "sleeper")[0] == "Ready"
    assert asked(lab, "sleeper", b"again") == b"again"


def test_endpoint_sleeps_after_its_idle_time_and_wakes_again_without_a_lost_request(lab: CloudLab) -> None:
    make(lab, "napper", auto_scaler={"scale_down": {"no_traffic_timeout": 2}})
    lab.wait_until("napper", "Ready")
    for number in range(2):
        wait_until(lambda: status(lab, "napper") == ("Stopped", "asleep"), timeout_s=30)
        for _ in range(3):
            assert asked(lab, "napper", b"hello %d" % number) == b"hello %d" % number
    actions = [event["type"] for event in lab.api("GET", "/deployments/napper/events").json]
    assert actions.count("scaled") >= 3


def test_endpoint_that_its_user_stopped_is_not_woken(lab: CloudLab) -> None:
    make(lab, "stopped", auto_scaler={"scale_down": {"no_traffic_timeout": 600}})
    lab.wait_until("stopped", "Ready")
    lab.api("PATCH", "/deployments/stopped", {"spec": {"resource_requirement": {"min_replicas": 0}}})
    wait_until(lambda: status(lab, "stopped") == ("Stopped", "no_replicas_asked"), timeout_s=30)
    assert refusal(lab, "stopped") == 503
    lab.api("PATCH", "/deployments/stopped", {"spec": {"resource_requirement": {"min_replicas": 1}}})
    lab.wait_until("stopped", "Ready")
    assert asked(lab, "stopped", b"hello") == b"hello"


def test_endpoint_that_cannot_start_refuses_what_it_held(lab: CloudLab) -> None:
    container = {"command": ["false"], "ports": [{"container_port": 8080}]}
    spec = {"container": container, "resource_requirement": {"min_replicas": 0, "max_replicas": 1}}
    lab.api("POST", "/deployments", {"metadata": {"name": "broken"}, "spec": spec})
    wait_until(lambda: refusal(lab, "broken") == 503, timeout_s=30)
    began = time.monotonic()
    assert refusal(lab, "broken") == 503
    assert time.monotonic() - began < 30
