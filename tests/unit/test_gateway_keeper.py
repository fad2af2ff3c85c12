"""What the gateway's keeper says of replicas while the gateway takes over one table after another."""

from collections.abc import Iterator, Mapping

import pytest

from lepton_ai.core.clock import SystemClock
from lepton_ai.infrastructure.compute.drivers.memory import MemoryExecutor
from lepton_ai.infrastructure.compute.ports import free_port
from lepton_ai.infrastructure.network.keeper import GatewayKeeper
from lepton_ai.infrastructure.network.port import EndpointStats, GatewayCommand
from lepton_ai.infrastructure.network.routes import EndpointRoute, RouteTable, Upstream
from waiting import wait_until


class SlowGateway:
    """A gateway that works by the table that the test says, whatever was written."""

    name = "slow"

    def __init__(self) -> None:
        self.written: list[str] = []
        self.applied: str | None = None

    def unavailable_reason(self) -> str | None:
        return None

    def write(self, table: RouteTable) -> str:
        version = ",".join(upstream.replica_id for upstream in table.endpoints[0].upstreams)
        self.written.append(version)
        return version

    def command(self) -> GatewayCommand:
        return GatewayCommand(("/bin/gateway",))

    def applied_version(self) -> str | None:
        return self.applied

    def is_ready(self) -> bool:
        return True

    def stats(self) -> Mapping[str, EndpointStats]:
        return {}


class House:
    """A keeper, the gateway that it keeps, and the replicas that there are."""

    def __init__(self) -> None:
        self.replicas: tuple[str, ...] = ("a",)
        self.gateway = SlowGateway()
        self.told = 0
        self.port = free_port(None)
        self.failures: list[Exception] = []
        self.keeper = GatewayKeeper(
            driver=self.gateway,
            why="as configured",
            executor=MemoryExecutor(),
            read_table=self._table,
            routed_changed=self._routed_changed,
            clock=SystemClock(),
            new_id=lambda kind: f"{kind}-1",
            report=lambda _where, error: self.failures.append(error),
        )

    def ask(self, *replicas: str) -> None:
        """Change the replicas and wait until the gateway was told."""
        self.replicas = replicas
        self.keeper.hint()
        wait_until(lambda: self.gateway.written[-1] == ",".join(replicas))

    def apply(self, *replicas: str) -> None:
        """Let the gateway take over a table and wait until the keeper knows."""
        told = self.told
        self.gateway.applied = ",".join(replicas)
        wait_until(lambda: self.told > told)

    def _table(self) -> RouteTable:
        upstreams = tuple(Upstream(name, f"unix:/tmp/{name}.sock") for name in self.replicas)
        return RouteTable(
            "127.0.0.1",
            self.port,
            self.port,
            "unix:/tmp/control.sock",
            (EndpointRoute("default", "digits", upstreams),),
        )

    def _routed_changed(self) -> None:
        self.told += 1


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    house.keeper.start()
    yield house
    house.keeper.stop()
    assert house.failures == []


def test_nothing_is_known_before_the_gateway_says_what_it_works_by(house: House) -> None:
    assert house.keeper.is_routed("a") is None
    assert house.keeper.is_routed("b") is None
    house.apply("a")
    assert house.keeper.is_routed("a") is True
    assert house.keeper.is_routed("b") is False


def test_a_replica_is_neither_in_nor_out_while_the_gateway_takes_over_its_table(house: House) -> None:
    house.apply("a")
    house.ask("b")
    assert house.keeper.is_routed("a") is None
    assert house.keeper.is_routed("b") is None
    house.apply("b")
    assert house.keeper.is_routed("a") is False
    assert house.keeper.is_routed("b") is True


def test_a_replica_in_every_table_is_routed_though_the_gateway_is_behind(house: House) -> None:
    house.apply("a")
    house.ask("a", "b")
    house.ask("a", "b", "c")
    assert house.keeper.is_routed("a") is True
    house.apply("a", "b")  # one behind, as where routes change all the time
    assert house.keeper.is_routed("b") is True
    assert house.keeper.is_routed("c") is None


def test_a_table_that_the_gateway_never_had_changes_nothing(house: House) -> None:
    house.apply("a")
    house.ask("a", "b")
    house.gateway.applied = "somebody else's"
    house.ask("a", "b", "c")
    assert house.keeper.is_routed("b") is None
    assert house.told == 1
