"""The route table of now: made anew when something was written or a token has expired, and else the one before."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from endpoint_records import new_endpoint
from lepton_ai.core.database import Database
from lepton_ai.core.migrate import migrate
from lepton_ai.core.settings import Settings
from lepton_ai.platform.model_management.endpoints import store
from lepton_ai.platform.model_management.endpoints.lifecycle import (
    REPLICA_LIFECYCLE,
    ReplicaReason,
)
from lepton_ai.platform.model_management.endpoints.records import Command, Endpoint, EndpointSpec, Replica
from lepton_ai.server.gateway_table import RouteTables

DIGEST = "0123456789abcdef" * 4


def endpoint(name: str, workspace_id: str = "default", **spec: Any) -> Endpoint:
    return new_endpoint(name, EndpointSpec(**spec), workspace_id=workspace_id)


class House:
    """A database with endpoints, tokens, and the tables that follow from both."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.replicas = 0
        self.tokens: dict[str, dict[str, str]] = {}
        self.tables = RouteTables(
            Settings(),
            "/run/control.sock",
            "unix:/run/activator.sock",
            database,
            lambda name: self.tokens.get(name, {}),
        )

    def add(self, endpoint: Endpoint) -> None:
        self.database.write(lambda connection: store.insert_endpoint(connection, endpoint))

    def run(self, endpoint: Endpoint, reason: ReplicaReason, address: str) -> None:
        self.replicas += 1
        status = REPLICA_LIFECYCLE.status_of(reason)
        replica = Replica(
            f"rep-{self.replicas}", endpoint.id, 1, status, reason, "", address, created_at_ms=0, changed_at_ms=0
        )

        def work(connection: Connection) -> None:
            (claim,) = [
                each for each in store.claim(connection, 10**6, 9, list("abc")) if each.record.endpoint == endpoint
            ]
            assert store.apply(connection, claim.lease_token, endpoint, [replica], 0)
            store.free_all_leases(connection)

        self.database.write(work)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    database = Database.open(tmp_path / "lepton.db")
    migrate(database)
    yield House(database)
    database.close()


def test_table_stays_the_same_while_nothing_is_written_and_no_token_expires(house: House) -> None:
    house.add(endpoint("digits", model_name="digits", model_version=1))
    house.tokens["default"] = {DIGEST: "ada"}
    first = house.tables()
    assert [route.token_digests for route in first.endpoints] == [{DIGEST: "ada"}]
    assert house.tables() is first
    house.tokens["default"] = {}  # it expired: nothing was written
    assert [route.token_digests for route in house.tables().endpoints] == [{}]
    house.add(endpoint("other", model_name="digits", model_version=1))
    assert [route.name for route in house.tables().endpoints] == ["digits", "other"]


def test_replicas_that_take_requests_are_in_the_table_and_a_pod_that_runs_is_not(house: House) -> None:
    pod, model = endpoint("pod", command=Command(("sleep", "9"))), endpoint("m", model_name="m", model_version=1)
    house.add(pod)
    house.add(model)
    house.run(pod, ReplicaReason.RUNS, "")
    house.run(model, ReplicaReason.PROCESS_STARTED, "unix:/run/1.sock")
    house.run(model, ReplicaReason.ANSWERS, "unix:/run/2.sock")
    house.run(model, ReplicaReason.ROUTED, "unix:/run/3.sock")
    house.run(model, ReplicaReason.REPLACED, "unix:/run/4.sock")
    (route,) = house.tables().endpoints
    assert [upstream.address for upstream in route.upstreams] == ["unix:/run/2.sock", "unix:/run/3.sock"]


def test_only_endpoints_that_answer_have_a_route_and_only_those_that_may_wake_are_held(house: House) -> None:
    house.add(endpoint("pod", command=Command(("sleep", "9")), is_pod=True))
    house.add(endpoint("digits", model_name="digits", model_version=1))
    (route,) = house.tables().endpoints
    assert (route.name, route.upstreams) == ("digits", ())


def test_tokens_open_the_endpoints_of_their_workspace_alone(house: House) -> None:
    house.tokens = {"default": {DIGEST: "ada"}, "other": {DIGEST[::-1]: "bob"}}
    house.add(endpoint("a", "default", model_name="m", model_version=1))
    house.add(endpoint("b", "other", model_name="m", model_version=1))
    house.add(endpoint("c", "other", model_name="m", model_version=1, api_tokens=["f" * 64]))
    assert {route.name: set(route.token_digests.values()) for route in house.tables().endpoints} == {
        "a": {"ada"},
        "b": {"bob"},
        "c": {"api-token"},
    }
