"""Endpoints and pods by the published client: every command, and what came of it."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from conftest import LepClient
from waiting import wait_until

SERVE = "echo $GREETING > index.html; exec python -m http.server $PORT"


def endpoint_word(lep: LepClient) -> str:
    return "endpoint" if lep.version == "0.47.1" else "deployment"


def deployment(lep: LepClient, name: str) -> Any:
    return lep.lab.cloud().endpoints.get(name).details


def asked(lep: LepClient, name: str, token: str | None) -> tuple[int, str]:
    url = deployment(lep, name).status.endpoint.external_endpoint
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="session")
def created(lep: LepClient) -> str:
    """An endpoint that the client made, with one replica and a variable."""
    name = f"web-{lep.version.replace('.', '-')}"
    lep.ok(
        *(endpoint_word(lep), "create", "--name", name, "--container-image", "python:3.11", "--container-port", "8080"),
        *("--container-command", SERVE, "--replicas-static", "1", "--resource-shape", "cpu.small"),
        *("--env", "GREETING=good-day", "--tokens", "opensesame"),
    )
    wait_until(lambda: deployment(lep, name).status.state == "Ready", timeout_s=60)
    return name


def test_endpoint_answers_to_its_own_token_and_to_no_other(lep: LepClient, created: str) -> None:
    assert asked(lep, created, "opensesame") == (200, "good-day\n")
    assert asked(lep, created, None)[0] == 401
    assert asked(lep, created, "wrong")[0] == 401


def test_endpoint_is_listed_shown_and_told_of(lep: LepClient, created: str) -> None:
    word = endpoint_word(lep)
    assert created in lep.ok(word, "list")
    assert "python:3.11" in lep.ok(word, "get", "-n", created)
    assert "Ready" in lep.ok(word, "status", "-n", created)
    assert "replica" in lep.ok(word, "events", "-n", created)


def test_endpoint_is_updated_restarted_stopped_and_removed(lep: LepClient) -> None:
    word, name = endpoint_word(lep), f"life-{lep.version.replace('.', '-')}"
    lep.ok(
        *(word, "create", "--name", name, "--container-image", "python:3.11", "--container-port", "8081"),
        *("--container-command", SERVE, "--replicas-static", "1"),
    )
    wait_until(lambda: deployment(lep, name).status.state == "Ready", timeout_s=60)
    lep.ok(word, "update", "-n", name, "--replicas-static", "2")
    wait_until(lambda: deployment(lep, name).status.ready_replicas == 2, timeout_s=60)
    before = {replica.id for replica in lep.lab.cloud().endpoints.get(name).replicas()}
    lep.ok(word, "restart", "-n", name)

    def renewed() -> bool:
        ready = {each.id for each in lep.lab.cloud().endpoints.get(name).replicas() if each.status.state == "Ready"}
        return len(ready) == 2 and not ready & before

    wait_until(renewed, timeout_s=90)
    lep.ok(word, "stop", "-n", name)
    wait_until(lambda: deployment(lep, name).status.state == "Stopped", timeout_s=60)
    lep.ok(word, "remove", "-n", name)
    wait_until(lambda: name not in [e.name for e in lep.lab.cloud().endpoints.list()], timeout_s=60)


def test_everything_that_an_endpoint_can_say_is_taken_and_given_back(lep: LepClient) -> None:
    word, name = endpoint_word(lep), f"full-{lep.version.replace('.', '-')}"
    lep.ok("secret", "create", "-n", f"KEY_{len(lep.version)}{lep.version[2]}", "-v", "hidden")
    more = ["--load-balance", "sticky-routing"] if lep.version == "0.47.1" else []
    lep.ok(
        *(word, "create", "--name", name, "--container-image", "python:3.11", "--container-port", "8082"),
        *("--container-command", SERVE, "--secret", f"KEY=KEY_{len(lep.version)}{lep.version[2]}"),
        *("--autoscale-qpm", "1,3,60", "--initial-delay-seconds", "5", *more),
    )
    said = deployment(lep, name).model_dump(mode="json")["spec"]
    assert said["auto_scaler"]["target_throughput"]["qpm"] == 60
    assert said["envs"][0]["value_from"]["secret_name_ref"].startswith("KEY_")
    assert "hidden" not in json.dumps(said)
    lep.ok(word, "remove", "-n", name)


def test_log_of_a_replica_is_shown(lep: LepClient, created: str) -> None:
    asked(lep, created, "opensesame")
    time.sleep(0.5)
    done = lep.run(endpoint_word(lep), "log", "-n", created, timeout_s=20)
    assert "GET /" in done.stdout + done.stderr


def test_pod_is_made_listed_stopped_and_removed(lep: LepClient) -> None:
    name = f"pod-{lep.version.replace('.', '-')}"
    lep.ok("pod", "create", "-n", name, "--resource-shape", "cpu.small")
    wait_until(lambda: deployment(lep, name).status.state == "Ready", timeout_s=60)
    assert name in lep.ok("pod", "list")
    lep.ok("pod", "stop", "-n", name)
    wait_until(lambda: deployment(lep, name).status.state == "Stopped", timeout_s=60)
    lep.ok("pod", "remove", "-n", name)
