"""The process of a replica, started as a supervisor starts it, over a Unix socket and over TCP."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import numpy as np
import psutil
import pytest

from onnx_models import (
    NUMBERS_SIGNATURE,
    image_answer,
    image_artifact,
    numbers_artifact,
    slow_model,
    write_artifact,
)
from waiting import wait_until

MODULE = "lepton_ai.platform.model_management.serving.model_server"
JSON = {"content-type": "application/json"}
UNHURRIED_ROWS = {"inputs": [[1, 2, 3, 4]]}  # what makes the slow model slow is a number above zero


class Replica:
    """A running model server."""

    def __init__(self, process, stdout):
        self.process = process
        self._stdout = stdout
        wait_until(lambda: self.log or process.poll() is not None)
        assert process.poll() is None, "the server did not start"
        self.address = self.log[0]["address"]

    @property
    def log(self):
        return [json.loads(line) for line in self._stdout.read_text().splitlines()]

    @property
    def rss_mib(self):
        return psutil.Process(self.process.pid).memory_info().rss / (1 << 20)

    def client(self, kind=httpx2.Client, **options):
        scheme, _, rest = self.address.partition(":")
        if scheme == "tcp":
            return kind(base_url=f"http://{rest}", timeout=20, **options)
        transport = (httpx2.HTTPTransport if kind is httpx2.Client else httpx2.AsyncHTTPTransport)(uds=rest)
        return kind(base_url="http://replica", timeout=20, transport=transport, **options)

    def connect(self):
        scheme, _, rest = self.address.partition(":")
        host, _, port = rest.partition(":")
        connection = socket.socket(socket.AF_UNIX if scheme == "unix" else socket.AF_INET)
        connection.settimeout(10)
        connection.connect(rest if scheme == "unix" else (host, int(port)))
        return connection

    def exchange(self, raw):
        """Send bytes as they are and read until the server closes."""
        with self.connect() as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                return b"".join(iter(lambda: connection.recv(65536), b""))
            return b""


def command(artifact, address, *more):
    base = [sys.executable, "-m", MODULE, "--artifact", str(artifact), "--address", address]
    return [*base, "--model", "m", "--version", "3", "--replica", "rep-1", *more]


def clean_environment():
    # What a supervisor's allow-list lets through, and what measures the coverage of child processes.
    kept = ("PATH", "LANG", "TZ")
    return {name: value for name, value in os.environ.items() if name in kept or name.startswith("COVERAGE")}


@contextlib.contextmanager
def replica(artifact, address, *more):
    folder = Path(tempfile.mkdtemp(prefix="lepton-"))
    stdout = folder / "stdout"
    process = subprocess.Popen(
        command(artifact, address.replace("FOLDER", str(folder)), *more),
        cwd="/",
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=stdout.open("wb"),
        stderr=(folder / "stderr").open("wb"),
    )
    try:
        yield Replica(process, stdout)
        assert "Traceback" not in (folder / "stderr").read_text()
    finally:
        if process.poll() is None:
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifacts")
    image_artifact(folder / "images")
    numbers_artifact(folder / "numbers")
    write_artifact(folder / "slow", slow_model(rounds=1_500), NUMBERS_SIGNATURE)
    write_artifact(folder / "endless", slow_model(rounds=1_000_000), NUMBERS_SIGNATURE)
    return folder


@pytest.fixture(scope="module", params=["unix:FOLDER/replica.sock", "tcp:127.0.0.1:0"], ids=["unix", "tcp"])
def images(request, artifacts):
    with replica(artifacts / "images", request.param, "--max-rows", "64", "--max-body-mib", "1") as running:
        yield running


@pytest.fixture(scope="module")
def unix_images(artifacts):
    with replica(artifacts / "images", "unix:FOLDER/replica.sock", "--max-body-mib", "16") as running:
        yield running


def test_a_replica_answers_right_and_says_that_it_is_ready(images):
    image = np.random.default_rng(1).random((28, 28))
    with images.client() as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        answer = client.post("/predict", json={"inputs": [image.tolist()]}).json()
    np.testing.assert_allclose(answer["outputs"][0]["probabilities"], image_answer(image), atol=1e-5)
    assert (answer["model"], answer["version"]) == ("m", "3")


def test_concurrent_requests_each_get_their_own_answer(images):
    batches = [np.random.default_rng(seed).random((1 + seed % 3, 28, 28)) for seed in range(256)]

    async def ask_all():
        limit = asyncio.Semaphore(64)
        async with images.client(httpx2.AsyncClient, limits=httpx2.Limits(max_connections=64)) as client:

            async def ask(batch):
                async with limit:
                    return await client.post("/predict", json={"inputs": batch.tolist()})

            return await asyncio.gather(*(ask(batch) for batch in batches))

    for batch, response in zip(batches, asyncio.run(ask_all()), strict=True):
        outputs = response.json()["outputs"]
        for image, output in zip(batch, outputs, strict=True):
            np.testing.assert_allclose(output["probabilities"], image_answer(image), atol=1e-5)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"[" * 10_000, 422),
        (b'{"inputs":' + b"[" * 1000 + b"]" * 1000 + b"}", 422),
        (b"{" + b",".join(b'"k%d":1' % number for number in range(80_000)) + b"}", 422),
        (b'{"inputs": "\xff\xfe"}', 422),
        (b'{"inputs": [[NaN]]}', 422),
        (b" " * (1 << 20), 422),
        (b" " * ((1 << 20) + 1), 413),
        (b" " * (3 << 20), 413),
    ],
    ids=["empty", "unclosed", "deep", "many keys", "bad utf-8", "nan", "at the limit", "one more", "far more"],
)
def test_a_hostile_body_is_refused_quickly(images, body, status):
    started = time.monotonic()
    with images.client() as client:
        response = client.post("/predict", content=body, headers=JSON)
    assert response.status_code == status
    assert response.json()["status"] == status
    assert time.monotonic() - started < 3  # a tenth of it on an idle machine


def test_a_million_keys_are_refused_and_others_are_answered_meanwhile(unix_images):
    body = b"{" + b",".join(b'"k%d":1' % number for number in range(1_000_000)) + b"}"
    with unix_images.client() as client, unix_images.client() as other, ThreadPoolExecutor(1) as thread:
        sent = thread.submit(client.post, "/predict", content=body, headers=JSON)
        answered = 0
        while not sent.done():
            answered += other.get("/healthz").status_code == 200
        assert sent.result().status_code == 422
        assert answered >= 1


def test_an_endless_upload_is_cut_off_and_takes_no_memory(images):
    before_mib = images.rss_mib
    with images.connect() as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(10_000):
                connection.sendall(chunk)
            pytest.fail("600 MB were taken")
    assert images.rss_mib - before_mib < 20
    wait_until(lambda: images.log[-1]["status"] == 413)


def test_clients_that_go_away_harm_nobody(images):
    body = json.dumps({"inputs": [[[0.5] * 28] * 28]}).encode()
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\nx-request-id: gone\r\ncontent-length: %d\r\n\r\n" % len(body)
    for _ in range(25):
        with images.connect() as in_the_middle_of_sending:
            in_the_middle_of_sending.sendall(head + body[:100])
        with images.connect() as before_the_answer:
            before_the_answer.sendall(head + body)
    wait_until(lambda: [line.get("request_id") for line in images.log].count("gone") == 50)
    statuses = [line["status"] for line in images.log if line.get("request_id") == "gone"]
    assert statuses.count(499) >= 25
    assert set(statuses) <= {200, 499}
    with images.client() as client:
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
        (b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST /predict HTTP/1.1\r\ncontent-length: -5\r\n\r\n", b"400"),
        (b"GET /nothing HTTP/1.1\r\nhost: [\r\n\r\n", b"404"),
        (b"GET //healthz HTTP/1.1\r\nhost: x\r\n\r\n", b"404"),
        (b"GET /%ff%00%2e%2e HTTP/1.1\r\nhost: x\r\n\r\n", b"404"),
        (b"PROPFIND /predict HTTP/1.1\r\nhost: x\r\n\r\n", b"405"),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", b"200"),
        (b"GET /healthz HTTP/1.0\r\n\r\n", b"200"),
    ],
)
def test_odd_http_is_answered_in_its_place(images, raw, status):
    # Some close at once, some keep the connection: our own end of sending ends those.
    assert images.exchange(raw).startswith(b"HTTP/1.1 " + status)


def test_requests_sent_in_one_go_are_answered_in_their_order(images):
    one = b"GET /%s HTTP/1.1\r\nhost: x\r\nx-request-id: %d\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nhost: x\r\nx-request-id: 9\r\nconnection: close\r\n\r\n"
    with images.connect() as connection:
        connection.sendall(b"".join(one % (b"nothing" if number % 2 else b"", number) for number in range(9)) + last)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    ids = [line.split(b": ")[1] for line in answers.split(b"\r\n") if line.startswith(b"x-request-id")]
    assert ids == [b"%d" % number for number in range(10)]


def test_head_has_no_body(images):
    with images.client() as client:
        response = client.head("/openapi.json")
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 1000


def test_the_log_is_one_json_object_a_line_without_bodies_or_secrets(unix_images):
    body = {"inputs": [[[0.123456789] * 28] * 28]}
    with unix_images.client() as client:
        client.post("/predict?token=hidden", json=body, headers={"x-request-id": "L1"})
    wait_until(lambda: unix_images.log[-1].get("request_id") == "L1")
    line = unix_images.log[-1]
    assert (line["status"], line["rows"], line["replica"], line["version"]) == (200, 1, "rep-1", "3")
    text = json.dumps(unix_images.log)
    assert "hidden" not in text
    assert "0.12345" not in text


def test_a_replica_starts_within_seconds_and_is_small_and_private(artifacts):
    started = time.monotonic()
    with replica(artifacts / "images", "unix:FOLDER/replica.sock") as fresh, fresh.client() as client:
        assert client.post("/predict", json={"inputs": [[[0.5] * 28] * 28]}).status_code == 200
        assert time.monotonic() - started < 10  # half a second on an idle machine; the tests may share it
        assert fresh.rss_mib < 100
        assert psutil.Process(fresh.process.pid).num_threads() <= 4
        path = Path(fresh.address.removeprefix("unix:"))
        assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_health_answers_while_the_model_computes_and_a_stop_waits_for_the_answer(artifacts):
    with (
        replica(artifacts / "slow", "unix:FOLDER/replica.sock") as slow,
        slow.client() as client,
        slow.client() as other,
        ThreadPoolExecutor(1) as thread,
    ):
        prediction = thread.submit(client.post, "/predict", json=UNHURRIED_ROWS)
        wait_until(lambda: psutil.Process(slow.process.pid).cpu_percent(0.05) > 10 or prediction.done())
        assert other.get("/healthz").json() == {"status": "ok"}
        assert not prediction.done()
        slow.process.send_signal(signal.SIGTERM)
        response = prediction.result()
        assert response.json()["outputs"] == [30.5]
        assert slow.process.wait(10) == 0
        assert slow.log[-1]["event"] == "stopped"
        assert slow.log[-1]["unfinished"] is False
        assert not Path(slow.address.removeprefix("unix:")).exists()


def test_a_model_that_does_not_end_is_left_behind_after_the_grace(artifacts):
    with (
        replica(artifacts / "endless", "tcp:127.0.0.1:0", "--grace-s", "1") as endless,
        endless.client() as client,
        ThreadPoolExecutor(1) as thread,
    ):
        prediction = thread.submit(client.post, "/predict", json=UNHURRIED_ROWS)
        wait_until(lambda: psutil.Process(endless.process.pid).cpu_percent(0.05) > 50)
        endless.process.send_signal(signal.SIGTERM)
        response = prediction.result()
        assert response.status_code == 503
        assert response.json()["code"] == "unavailable"
        assert endless.process.wait(10) == 0
        assert endless.log[-1]["unfinished"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_replica_stops_at_once_with_exit_code_0(artifacts, number):
    with replica(artifacts / "numbers", "unix:FOLDER/replica.sock") as idle, idle.client() as client:
        client.get("/healthz")  # leaves an idle connection open
        started = time.monotonic()
        idle.process.send_signal(number)
        assert idle.process.wait(10) == 0
        assert time.monotonic() - started < 5
        with pytest.raises(httpx2.TransportError):
            client.get("/healthz")


def test_a_killed_replicas_socket_is_taken_over_by_the_next(artifacts):
    with replica(artifacts / "numbers", "unix:FOLDER/replica.sock") as first:
        first.process.kill()
        first.process.wait()
        assert Path(first.address.removeprefix("unix:")).exists()
        with replica(artifacts / "numbers", first.address) as second, second.client() as client:
            assert client.post("/predict", json=UNHURRIED_ROWS).json()["outputs"] == [30.5]


def failure(artifact, address, *more):
    """Start a server that must not start; its exit code and what it says."""
    done = subprocess.run(
        command(artifact, address, *more), cwd="/", env=clean_environment(), capture_output=True, text=True, timeout=20
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()


def test_an_address_that_is_taken_is_told_in_one_line(unix_images, artifacts):
    code, lines = failure(artifacts / "numbers", unix_images.address)
    assert code == 1
    assert lines == [f"error: cannot listen on {unix_images.address}: another process answers there"]
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"tcp:127.0.0.1:{other.getsockname()[1]}"
        code, lines = failure(artifacts / "numbers", address)
    assert code == 1
    assert lines == [f"error: cannot listen on {address}: Address already in use", "hint: Choose another port."]


def test_a_broken_artifact_is_told_in_one_line(tmp_path):
    code, lines = failure(tmp_path / "nothing", "tcp:127.0.0.1:0")
    assert code == 3
    assert lines[0] == f"error: no signature.json in the artifact folder {tmp_path / 'nothing'}"
    numbers_artifact(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    code, lines = failure(tmp_path, "tcp:127.0.0.1:0")
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"error: {tmp_path / 'model.onnx'} is not a model that onnxruntime can load: ")


@pytest.mark.parametrize("option", [("--threads", "0"), ("--max-rows", "many"), ("--max-body-mib", "-1")])
def test_an_option_out_of_range_is_a_usage_error(tmp_path, option):
    code, lines = failure(tmp_path, "tcp:127.0.0.1:0", *option)
    assert code == 2
    assert option[0] in lines[-1]


def test_the_process_carries_nothing_heavy():
    script = f"import sys, {MODULE}; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd="/", env=clean_environment(), capture_output=True, text=True, check=True
    )
    heavy = {"tensorflow", "keras", "onnx", "polars", "pandas", "pydantic", "fastapi", "sqlalchemy", "aiohttp", "torch"}
    assert heavy.isdisjoint(done.stdout.split())
    assert "onnxruntime" in done.stdout
