"""Endpoints that serve a command of the user's: any program that listens where it is told."""

import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cloud_lab import CloudLab
from lepton_ai.core.errors import Conflict, InvalidInput, Unavailable
from lepton_ai.sdk.cloud import Cloud
from lepton_ai.sdk.connection import Connection
from lepton_ai.sdk.endpoints import Endpoint
from waiting import wait_until

SERVE = "exec python -m http.server $PORT --bind 127.0.0.1"


@pytest.fixture(scope="module")
def cloud(lab: CloudLab) -> Iterator[Cloud]:
    with Cloud(data_dir=lab.data_dir) as cloud:
        yield cloud


def connection(cloud: Cloud) -> Connection:
    """Below the SDK's nouns: what a client of the protocol sends."""
    return cloud._connection


def asked(cloud: Cloud, endpoint: Endpoint, path: str = "", headers: Mapping[str, str] | None = None) -> str:
    bearer = {"Authorization": f"Bearer {cloud.address.token}", **(headers or {})}
    request = urllib.request.Request(endpoint.url + path, headers=bearer)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


def said_by(cloud: Cloud, endpoint: Endpoint, replica_id: str) -> str:
    return asked(cloud, endpoint, "said", {"X-Lepton-Replica-Target": replica_id}).strip()


def opens(cloud: Cloud, endpoint: Endpoint) -> bool:
    try:
        return bool(asked(cloud, endpoint))
    except urllib.error.HTTPError:
        return False


def test_command_answers_behind_the_gateway_with_the_environment_that_was_asked_for(cloud: Cloud) -> None:
    script = f"echo $GREETING $LEPTON_DEPLOYMENT_NAME > said; {SERVE}"
    endpoint = cloud.endpoints.create("hello", command=["sh", "-c", script], port=8080, env={"GREETING": "good day"})
    endpoint.wait()
    assert asked(cloud, endpoint, "said") == "good day hello\n"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(endpoint.url, timeout=10)
    assert refused.value.code == 401
    endpoint.remove()


def test_two_replicas_of_one_command_listen_on_ports_of_their_own(cloud: Cloud) -> None:
    endpoint = cloud.endpoints.create("twins", command=["sh", "-c", SERVE], port=8080, min_replicas=2)
    endpoint.wait()
    assert endpoint.refresh().details.status.ready_replicas == 2
    endpoint.remove()


def test_change_of_a_command_is_rolled_out(cloud: Cloud) -> None:
    endpoint = cloud.endpoints.create("change", command=["sh", "-c", f"echo one > said; {SERVE}"], port=8080)
    endpoint.wait()
    changed = {"container": {"command": ["sh", "-c", f"echo two > said; {SERVE}"], "ports": [{"container_port": 8080}]}}
    connection(cloud).patch("/deployments/change", {"spec": changed})
    endpoint.wait()
    assert asked(cloud, endpoint, "said") == "two\n"
    endpoint.remove()


def test_secret_reaches_the_command_and_no_answer_or_event(cloud: Cloud) -> None:
    cloud.secrets.create({"hidden": "xyzzy-4711"})
    script = f"echo $KEY > said; {SERVE}"
    endpoint = cloud.endpoints.create("keeper", command=["sh", "-c", script], port=8080, secrets={"KEY": "hidden"})
    endpoint.wait()
    assert asked(cloud, endpoint, "said") == "xyzzy-4711\n"
    told = [endpoint.details.model_dump_json(), *(event.model_dump_json() for event in endpoint.events())]
    assert not any("xyzzy" in each for each in told)
    endpoint.remove()
    cloud.secrets.remove("hidden")


def test_secret_that_is_not_there_is_named_in_the_log(cloud: Cloud) -> None:
    endpoint = cloud.endpoints.create("secretive", command=["sh", "-c", SERVE], port=8080, secrets={"KEY": "missing"})
    with pytest.raises(Unavailable, match="does not come up"):
        endpoint.wait()
    with endpoint.logs(endpoint.replicas()[-1].id) as chunks:
        assert "there is no secret 'missing'" in b"".join(chunks).decode()
    endpoint.remove()


def test_pod_without_a_command_runs_until_it_is_stopped_and_has_no_address(cloud: Cloud) -> None:
    body = {
        "metadata": {"name": "desk"},
        "spec": {"is_pod": True, "resource_requirement": {"resource_shape": "cpu.small"}},
    }
    connection(cloud).create("/deployments", body)
    pod = cloud.endpoints.get("desk").wait()
    assert pod.details.spec.is_pod
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(pod.url, timeout=10)
    assert refused.value.code == 404
    other = cloud.endpoints.create("beside", command=["sh", "-c", f"echo here > said; {SERVE}"], port=8080).wait()
    assert asked(cloud, other, "said") == "here\n"  # a pod is in nobody's way to the gateway
    other.remove()
    pod.remove()


def test_what_is_not_acted_on_is_kept_given_back_and_said(cloud: Cloud) -> None:
    spec = {
        "container": {"image": "python:3.11", "command": ["sleep", "100"], "ports": []},
        "queue_config": {"priority_class": "mid-4000"},
        "reservation_config": None,
    }
    made = connection(cloud).create("/deployments", {"metadata": {"id": "kept", "name": "kept"}, "spec": spec})
    assert made["spec"]["queue_config"] == spec["queue_config"]
    assert made["spec"]["container"]["image"] == "python:3.11"
    said = cloud.endpoints.get("kept").events()[0].message
    assert "not acted on yet: queue_config." in said
    assert "image is kept and not used" in said
    cloud.endpoints.get("kept").remove()


def test_newer_clients_word_for_an_open_endpoint_is_understood(cloud: Cloud) -> None:
    spec = {
        "container": {"command": ["sh", "-c", SERVE], "ports": [{"container_port": 8080}]},
        "allow_unauthenticated_access": True,
    }
    made = connection(cloud).create("/deployments", {"metadata": {"name": "open"}, "spec": spec})
    assert made["spec"]["allow_unauthenticated_access"] is True
    endpoint = cloud.endpoints.get("open").wait()
    with urllib.request.urlopen(endpoint.url, timeout=10) as answer:  # on loopback anyone may
        assert answer.status == 200
    endpoint.remove()


def test_dry_run_shows_what_would_be_and_changes_nothing(cloud: Cloud) -> None:
    cloud.endpoints.create("dry", command=["sleep", "100"])
    would = connection(cloud).patch("/deployments/dry?dryrun=true", {"spec": {"timeout_s": 77}})
    assert would["spec"]["timeout_s"] == 77
    assert cloud.endpoints.get("dry").details.spec.timeout_s == 300
    cloud.endpoints.get("dry").remove()


def test_callers_stick_to_a_replica_or_name_one(cloud: Cloud) -> None:
    script = f"echo $LEPTON_REPLICA_ID > said; {SERVE}"
    endpoint = cloud.endpoints.create("loyal", command=["sh", "-c", script], port=8080, min_replicas=2, sticky=True)
    endpoint.wait()
    assert endpoint.details.spec.load_balance_config is not None
    assert len({asked(cloud, endpoint, "said") for _ in range(10)}) == 1
    policy = {"routing_policy": {"enable_header_based_replica_routing": True}}
    connection(cloud).patch("/deployments/loyal", {"spec": policy})
    first, second = (replica.id for replica in endpoint.replicas())
    wait_until(lambda: [said_by(cloud, endpoint, each) for each in (first, second)] == [first, second])
    assert endpoint.refresh().details.metadata.generation == 1  # a change of the way to them replaces no replica
    endpoint.remove()


def test_rollout_waits_for_approval(cloud: Cloud) -> None:
    def serving(word: str) -> dict[str, Any]:
        return {"command": ["sh", "-c", f"echo {word} > said; {SERVE}"], "ports": [{"container_port": 8080}]}

    health = {"readiness": {"require_approval": True}}
    body = {"metadata": {"name": "careful"}, "spec": {"container": serving("one"), "health": health}}
    connection(cloud).create("/deployments", body)
    endpoint = cloud.endpoints.get("careful").wait()
    with pytest.raises(Conflict, match="nothing of endpoint 'careful' waits"):
        endpoint.approve()
    connection(cloud).patch("/deployments/careful", {"spec": {"container": serving("two")}})
    wait_until(lambda: endpoint.refresh().details.status.reason == "awaits_approval", 30)
    told = connection(cloud).get("/deployments/careful/readiness")
    assert sorted(reason["reason"] for (reason,) in told.values()) == ["Ready", "RequireReadinessApproval"]
    assert asked(cloud, endpoint, "said") == "one\n"
    endpoint.approve().wait()
    assert asked(cloud, endpoint, "said") == "two\n"
    assert endpoint.details.spec.health is not None
    endpoint.remove()


def test_addresses_that_may_call_are_kept_by_the_gateway(cloud: Cloud) -> None:
    spec = {
        "container": {"command": ["sh", "-c", SERVE], "ports": [{"container_port": 8080}]},
        "auth_config": {"ip_allowlist": ["10.1.2.3", "192.168.0.0/16"]},
    }
    made = connection(cloud).create("/deployments", {"metadata": {"name": "fenced"}, "spec": spec})
    assert made["spec"]["auth_config"]["ip_allowlist"] == ["10.1.2.3/32", "192.168.0.0/16"]
    endpoint = cloud.endpoints.get("fenced").wait()
    with pytest.raises(urllib.error.HTTPError) as refused:
        asked(cloud, endpoint)
    assert refused.value.code == 403
    connection(cloud).patch("/deployments/fenced", {"spec": {"auth_config": {"ip_allowlist": []}}})
    wait_until(lambda: opens(cloud, endpoint))
    endpoint.remove()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "serves a model, a command or a photon, got 0"),
        ({"model": {"name": "m"}, "container": {"command": ["true"]}}, "got 2 of these"),
        ({"container": {"image": "nginx"}}, "images are not run here"),
        ({"container": {"command": ["true"]}, "envs": [{"name": "PORT", "value": "1"}]}, "the cloud itself does"),
        ({"container": {"command": ["true"]}, "envs": [{"name": "A B", "value": "1"}]}, "envs"),
        ({"container": {"command": ["a\0b"]}}, "without NUL"),
        ({"container": {"command": ["true"], "ports": [{"container_port": 0}]}}, "container_port"),
        ({"container": {"command": ["true"]}, "auth_config": {"ip_allowlist": ["moon"]}}, "got 'moon'"),
        (
            {"container": {"command": ["true"]}, "resource_requirement": {"min_replicas": 2, "max_replicas": 1}},
            "`max_replicas` must not be below",
        ),
    ],
)
def test_spec_that_makes_no_sense_is_refused_with_the_field(cloud: Cloud, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        connection(cloud).create("/deployments", {"metadata": {"name": "wrong"}, "spec": spec})
