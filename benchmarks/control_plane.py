"""The control plane's speed: durable creates beside the disk's own commit rate, and reads."""

import hashlib
import json
import os
import secrets
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx2
from load import LoadResult, load, request

from lepton_ai.core.settings import load_settings
from lepton_ai.sdk.cloud import free_port_pair
from lepton_ai.sdk.local import LocalServer, start_server, stop_server

DELAY_S = 0.004
SECONDS = 3.0
REPEATS = 3


def bare_commit_rate(folder: Path, delay_s: float, seconds: float = 2.0) -> float:
    """One-row commits per second of the same SQLite on the same disk, one after the other, with the same delay."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body TEXT)")
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t (body) VALUES (?)", ("x" * 200,))
        time.sleep(delay_s) if delay_s else None
        connection.execute("COMMIT")
        count += 1
    rate = count / (time.perf_counter() - began)
    connection.close()
    return rate


@contextmanager
def server(folder: Path, failpoints: str = "") -> Iterator[tuple[LocalServer, str, int]]:
    """A server in a folder; yields it with its token and port."""
    settings, _ = load_settings({"data_dir": folder, "port": free_port_pair()})
    started = start_server(settings, {**os.environ, "LEPTON_FAILPOINTS": failpoints})
    try:
        yield started, (folder / "admin-token").read_text(), settings.port
    finally:
        stop_server(settings)


def creates(server: LocalServer, token: str, port: int, clients: int) -> LoadResult:
    """Register model versions: one durable transaction each, with its event and its idempotency key."""
    base = server.workspace_url
    onnx, signature = secrets.token_bytes(64), json.dumps(SIGNATURE).encode()
    files = {}
    with httpx2.Client(headers={"authorization": f"Bearer {token}"}, trust_env=False) as client:
        for name, data in (("model.onnx", onnx), ("signature.json", signature)):
            digest = hashlib.sha256(data).hexdigest()
            client.put(f"{base}/artifacts/{digest}", content=data).raise_for_status()
            files[name] = {"sha256": digest, "size_bytes": len(data)}
    body = json.dumps({"files": files, "signature": SIGNATURE, "metrics": {"accuracy": 0.99}}).encode()
    run = secrets.token_hex(4)
    path = "/api/v2/workspaces/default/models/bench/versions"
    return load(
        "127.0.0.1",
        port,
        clients,
        SECONDS,
        lambda n: request("POST", path, token, body, idempotency_key=f"{run}-{n}"),
    )


def reads(token: str, port: int, clients: int) -> LoadResult:
    """GET one model version."""
    one = request("GET", "/api/v2/workspaces/default/models/bench/versions/1", token)
    return load("127.0.0.1", port, clients, SECONDS, lambda _: one)


def measure() -> dict[str, object]:
    """All of it; each figure is the median of its repeats, the bare rate is taken in turn with them."""
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="lepton-bench-") as text:
        folder = Path(text)
        for name, delay_s in (("plain", 0.0), ("delayed", DELAY_S)):
            failpoints = f"database.before_commit=sleep:{delay_s}" if delay_s else ""
            with server(folder / name, failpoints) as (running, token, port):
                rows = []
                for _ in range(REPEATS):
                    bare = bare_commit_rate(folder, delay_s)
                    many, one = creates(running, token, port, 32), creates(running, token, port, 1)
                    rows.append((bare, many, one))
                assert all(row[1].failed == row[2].failed == 0 for row in rows), "requests failed"
                results[f"commit delay {delay_s * 1000:g} ms"] = {
                    "bare one-row commits/s": median(row[0] for row in rows),
                    "creates/s at 32 clients": median(row[1].per_second for row in rows),
                    "creates p99 ms at 32 clients": median(row[1].p99_ms for row in rows),
                    "creates/s at 1 client": median(row[2].per_second for row in rows),
                    "ratio at 32 clients": median(row[1].per_second / row[0] for row in rows),
                    "ratio at 1 client": median(row[2].per_second / row[0] for row in rows),
                }
                if not delay_s:
                    got = [reads(token, port, 16) for _ in range(REPEATS)]
                    assert all(result.failed == 0 for result in got), "requests failed"
                    results["GET one, 16 clients"] = {
                        "per second": median(result.per_second for result in got),
                        "p50 ms": median(result.p50_ms for result in got),
                        "p99 ms": median(result.p99_ms for result in got),
                    }
    return results


def verdicts(results: dict[str, object]) -> Iterator[tuple[str, bool]]:
    """What must hold."""
    plain, delayed = results["commit delay 0 ms"], results["commit delay 4 ms"]
    assert isinstance(plain, dict)
    assert isinstance(delayed, dict)
    got = results["GET one, 16 clients"]
    assert isinstance(got, dict)
    bound = min(3 * plain["bare one-row commits/s"], 300.0)
    yield "creates at 32 clients >= 3 x the bare rate, 4 ms commit delay", delayed["ratio at 32 clients"] >= 3
    yield f"creates at 32 clients >= min(3 x bare, 300/s) = {bound:.0f}/s", plain["creates/s at 32 clients"] >= bound
    yield "GET one >= 400/s", got["per second"] >= 400


SIGNATURE = {
    "task": "classification",
    "inputs": [{"name": "inputs", "dtype": "float32", "shape": [None, 28, 28, 1]}],
    "outputs": [{"name": "probabilities", "dtype": "float32", "shape": [None, 10]}],
    "labels": list(range(10)),
}
