"""The health watch: replicas that are ready are asked in rounds, and only those that are silent are spoken of."""

from lepton_ai.infrastructure.compute.drivers.memory import MemoryExecutor
from lepton_ai.infrastructure.compute.port import WorkerSpec
from lepton_ai.platform.model_management.endpoints.health import PROBE_PERIOD_S, HealthWatch
from lepton_ai.platform.model_management.endpoints.probe import Probe
from lepton_ai.platform.model_management.endpoints.records import Command, EndpointSpec, Watched


class Street:
    """Replicas that run, some of which do not answer."""

    def __init__(self, *replicas: Watched) -> None:
        self.replicas = list(replicas)
        self.executor = MemoryExecutor()
        for replica in replicas:
            self.executor.submit(WorkerSpec(replica.replica_id, "replica", ("serve",)))
        self.mute: set[str] = set()
        self.asked: list[str] = []
        self.silent: list[str] = []
        self.looked_up = 0
        self.watch = HealthWatch(
            self._replicas,
            self.executor,
            Probe(model=self._answers, command=self._answers),
            self.silent.append,
        )

    def _replicas(self) -> list[Watched]:
        self.looked_up += 1
        return list(self.replicas)

    def _answers(self, address: str) -> bool:
        self.asked.append(address)
        return address not in self.mute


def model(name: str) -> Watched:
    return Watched(name, EndpointSpec("digits", 1), f"unix:/{name}")


def test_only_replicas_that_are_silent_are_spoken_of() -> None:
    street = Street(model("a"), model("b"))
    street.watch.round()
    assert sorted(street.asked) == ["unix:/a", "unix:/b"]
    assert street.silent == []
    street.mute.add("unix:/b")
    street.watch.round()
    assert street.silent == ["b"]


def test_replica_without_a_process_is_not_asked_and_counts_as_silent() -> None:
    pod = Watched("pod", EndpointSpec(command=Command(("sleep", "9"))), "")
    street = Street(model("a"), pod)
    street.watch.round()
    assert street.silent == []
    street.executor.end("a", exit_code=1)
    street.executor.end("pod", exit_code=1)
    street.asked.clear()
    street.watch.round()
    assert street.silent == ["a", "pod"]
    assert street.asked == []


def test_replicas_are_looked_up_only_when_there_may_be_others() -> None:
    street = Street(model("a"))
    for _ in range(3):
        street.watch.round()
    assert street.looked_up == 1
    street.replicas.clear()
    street.watch.changed()
    street.asked.clear()
    street.watch.round()
    assert (street.looked_up, street.asked) == (2, [])


def test_very_many_replicas_are_asked_less_often() -> None:
    assert Street(model("a")).watch.round() == PROBE_PERIOD_S
    assert Street(*(model(f"r{number}") for number in range(500))).watch.round() == 10 * PROBE_PERIOD_S
