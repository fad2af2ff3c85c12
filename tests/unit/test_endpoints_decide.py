"""What the endpoint reconciler decides, step by step, in a world turned by hand."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from endpoint_records import new_endpoint
from lepton_ai.infrastructure.compute.port import WorkerPhase, WorkerState
from lepton_ai.platform.model_management.endpoints.changes import in_status, with_spec
from lepton_ai.platform.model_management.endpoints.decide import (
    DRAIN_MS,
    FAILURES_UNTIL_ERROR,
    LONGEST_RETRY_MS,
    PROBES_UNTIL_DEAD,
    START_TIMEOUT_MS,
    decide,
)
from lepton_ai.platform.model_management.endpoints.lifecycle import (
    ENDPOINT_LIFECYCLE,
    REPLICA_LIFECYCLE,
    EndpointReason,
    EndpointStatus,
    ReplicaReason,
    ReplicaStatus,
)
from lepton_ai.platform.model_management.endpoints.records import (
    Command,
    Endpoint,
    EndpointSpec,
    EndpointState,
    PhotonReference,
    Replica,
    ReplicaObservation,
)

SERVING = (ReplicaStatus.PENDING, ReplicaStatus.STARTING, ReplicaStatus.READY)


class World:
    """Processes and a gateway that do as they are told: the reconciler's surroundings without any process."""

    def __init__(self, replicas: int = 2) -> None:
        self.now_ms = 1_000_000
        self.endpoint: Endpoint | None = new_endpoint("digits", EndpointSpec("digits", 1, replicas))
        self.replicas: dict[str, Replica] = {}
        self.workers: dict[str, WorkerState] = {}
        self.answering: dict[str, bool] = {}
        self.comes_up = True
        self.gateway_listens = True
        self.routed: set[str] = set()
        self.made = 0

    def step(self, after_ms: int = 100) -> None:
        """Let time pass, then reconcile once: observe, decide, act, apply."""
        self.now_ms += after_ms
        if self.endpoint is None:
            return
        live = tuple(r for r in self.replicas.values() if not r.is_over)
        seen = {r.id: self._see(r.id) for r in live}
        change = decide(EndpointState(self.endpoint, live), seen, self.now_ms, self._new_replica)
        for action in change.actions:
            if action.verb == "submit" and action.replica_id not in self.workers:
                self.workers[action.replica_id] = WorkerState(action.replica_id, WorkerPhase.RUNNING, pid=1)
                if not self.comes_up:
                    self.kill(action.replica_id, exit_code=1)
            elif action.verb == "stop" and not self.workers[action.replica_id].is_over:
                self.kill(action.replica_id, exit_code=0)
            elif action.verb == "release":
                del self.workers[action.replica_id]
        self.endpoint = change.endpoint
        self.replicas |= {r.id: r for r in change.replicas}
        if self.gateway_listens:
            self.routed = {r.id for r in self.replicas.values() if r.takes_requests}

    def run(self, steps: int = 30) -> None:
        for _ in range(steps):
            self.step()

    def kill(self, replica_id: str, *, exit_code: int | None = None) -> None:
        self.workers[replica_id] = WorkerState(
            replica_id, WorkerPhase.EXITED, exit_code=exit_code, signal=None if exit_code is not None else 9
        )

    def ask(self, **spec: object) -> None:
        """Change the spec as a user does."""
        assert self.endpoint is not None
        self.endpoint = with_spec(self.endpoint, replace(self.endpoint.spec, **spec))

    def ready(self, generation: int | None = None) -> list[str]:
        return [
            r.id
            for r in self.replicas.values()
            if r.status is ReplicaStatus.READY and generation in (None, r.generation)
        ]

    def running(self) -> list[str]:
        return [worker.worker_id for worker in self.workers.values() if not worker.is_over]

    def _see(self, replica_id: str) -> ReplicaObservation:
        worker = self.workers.get(replica_id, WorkerState(replica_id, WorkerPhase.ABSENT))
        answers = self.answering.get(replica_id, True) if worker.phase is WorkerPhase.RUNNING else None
        return ReplicaObservation(worker, answers, replica_id in self.routed)

    def _new_replica(self, endpoint: Endpoint, now_ms: int) -> Replica:
        self.made += 1
        return Replica(
            id=f"rep-{self.made:04}",
            endpoint_id=endpoint.id,
            generation=endpoint.generation,
            status=ReplicaStatus.PENDING,
            reason=ReplicaReason.WANTED,
            message="",
            address="unix:/x",
            created_at_ms=now_ms,
            changed_at_ms=now_ms,
        )


def status_of(world: World) -> EndpointStatus:
    assert world.endpoint is not None
    return world.endpoint.status


def test_a_new_endpoint_brings_up_its_replicas_and_becomes_ready() -> None:
    world = World(replicas=2)
    world.step()
    assert status_of(world) is EndpointStatus.STARTING
    world.run()
    assert status_of(world) is EndpointStatus.READY
    assert len(world.ready()) == 2


def test_it_is_starting_until_every_replica_answers() -> None:
    world = World(replicas=2)
    world.step()
    slow = sorted(world.replicas)[0]
    world.answering[slow] = False
    world.run()
    assert status_of(world) is EndpointStatus.STARTING
    world.answering[slow] = True
    world.run(3)
    assert status_of(world) is EndpointStatus.READY


def test_it_is_ready_only_once_the_gateway_sends_it_requests() -> None:
    world = World(replicas=2)
    world.gateway_listens = False
    world.run(2 * START_TIMEOUT_MS // 100)
    assert status_of(world) is EndpointStatus.STARTING
    assert [r.reason for r in world.replicas.values()] == [ReplicaReason.ANSWERS] * 2, "nobody gave up on them"
    world.gateway_listens = True
    world.run(2)
    assert status_of(world) is EndpointStatus.READY


def test_an_old_version_serves_until_the_gateway_has_the_new_one() -> None:
    world = World(replicas=1)
    world.run()
    world.gateway_listens = False
    world.ask(model_version=2)
    world.run()
    assert len(world.ready(generation=1)) == 1
    assert status_of(world) is EndpointStatus.UPDATING
    world.gateway_listens = True
    world.run()
    assert len(world.ready(generation=2)) == 1
    assert status_of(world) is EndpointStatus.READY


def test_a_rollout_waits_for_approval_where_that_is_asked_for() -> None:
    world = World(replicas=2)
    world.ask(needs_approval=True)
    world.run()
    assert status_of(world) is EndpointStatus.READY, "the first replicas need nobody"
    world.ask(model_version=2)
    world.run(2 * START_TIMEOUT_MS // 100)
    assert world.endpoint is not None
    assert world.endpoint.reason is EndpointReason.AWAITS_APPROVAL
    assert (len(world.ready(generation=1)), len(world.ready(generation=2))) == (2, 0)
    assert len(world.running()) == 3
    assert not any(r.takes_requests for r in world.replicas.values() if r.generation == 2)
    world.endpoint = replace(world.endpoint, approved_generation=world.endpoint.generation)
    world.run()
    assert (len(world.ready(generation=1)), len(world.ready(generation=2))) == (0, 2)
    assert status_of(world) is EndpointStatus.READY


def test_replicas_that_replace_dead_ones_wait_for_nobody() -> None:
    world = World(replicas=1)
    world.ask(needs_approval=True)
    world.run()
    world.ask(model_version=2)
    world.run()
    world.kill(world.ready(generation=1)[0])
    world.run()
    assert len(world.ready(generation=2)) == 1, "nothing serves meanwhile: waiting would only be an outage"
    assert status_of(world) is EndpointStatus.READY


def test_a_replica_that_falls_silent_before_the_gateway_has_it_is_replaced() -> None:
    world = World(replicas=1)
    world.gateway_listens = False
    world.run(3)
    silent = next(iter(world.replicas))
    world.answering[silent] = False
    world.run(PROBES_UNTIL_DEAD)
    assert world.replicas[silent].reason is ReplicaReason.NO_ANSWER
    world.gateway_listens = True
    world.run()
    assert status_of(world) is EndpointStatus.READY


def test_a_pod_that_answers_nothing_is_ready_without_the_gateway() -> None:
    world = World(replicas=1)
    world.gateway_listens = False
    world.ask(command=Command(("sleep", "9")), model_name=None)
    world.run()
    assert [r.reason for r in world.replicas.values() if not r.is_over] == [ReplicaReason.RUNS]
    assert status_of(world) is EndpointStatus.READY


def test_a_killed_replica_is_replaced_while_the_other_serves() -> None:
    world = World(replicas=2)
    world.run()
    victim = world.ready()[0]
    world.kill(victim)
    world.step()
    assert world.endpoint is not None
    assert (world.endpoint.status, world.endpoint.reason) == (EndpointStatus.READY, EndpointReason.DEGRADED)
    assert "killed by signal 9" in world.endpoint.message
    assert world.replicas[victim].status is ReplicaStatus.FAILED
    world.run()
    assert len(world.ready()) == 2
    assert world.endpoint.reason is EndpointReason.ALL_READY


def test_when_the_last_replica_dies_the_endpoint_is_not_ready_until_its_replacement_answers() -> None:
    world = World(replicas=1)
    world.run()
    world.kill(world.ready()[0])
    world.step()
    assert status_of(world) is EndpointStatus.NOT_READY
    world.run()
    assert status_of(world) is EndpointStatus.READY


def test_a_replica_that_stops_answering_is_taken_out_after_three_probes() -> None:
    world = World(replicas=2)
    world.run()
    hung = world.ready()[0]
    world.answering[hung] = False
    for _ in range(PROBES_UNTIL_DEAD - 1):
        world.step()
        assert hung in world.ready()
    world.step()
    assert hung not in world.ready()
    world.run()
    assert hung not in world.running()
    assert len(world.ready()) == 2


def test_one_missed_probe_is_forgiven() -> None:
    world = World(replicas=1)
    world.run()
    replica_id = world.ready()[0]
    for answers in (False, True) * 6:
        world.answering[replica_id] = answers
        world.step()
    assert world.ready() == [replica_id]


def test_replicas_that_end_at_their_start_are_retried_ever_more_slowly_and_reported() -> None:
    world = World(replicas=1)
    world.comes_up = False
    made_by = []
    for _ in range(3000):
        world.step()
        made_by.append(world.made)
    assert world.endpoint is not None
    assert (world.endpoint.status, world.endpoint.reason) == (EndpointStatus.ERROR, EndpointReason.REPLICAS_FAIL)
    assert "exit code 1" in world.endpoint.message
    assert made_by[100] >= FAILURES_UNTIL_ERROR
    # 300 seconds in all: with a pause that doubles up to 30 s no more than a good dozen attempts fit in.
    assert world.made <= 16
    assert world.endpoint.retry_at_ms - world.now_ms <= LONGEST_RETRY_MS


def test_an_endpoint_in_error_recovers_once_its_replicas_come_up() -> None:
    world = World(replicas=1)
    world.comes_up = False
    world.run(200)
    assert status_of(world) is EndpointStatus.ERROR
    world.comes_up = True
    world.run(400)
    assert world.endpoint is not None
    assert (world.endpoint.status, world.endpoint.failures) == (EndpointStatus.READY, 0)


def test_a_replica_that_never_answers_is_stopped_and_counts_as_failed() -> None:
    world = World(replicas=1)
    world.step()
    world.answering["rep-0001"] = False
    world.run(3)
    world.step(START_TIMEOUT_MS)
    assert world.endpoint is not None
    assert world.replicas["rep-0001"].reason is ReplicaReason.START_TIMED_OUT
    assert world.endpoint.failures == 1


def test_a_new_version_takes_over_replica_by_replica_and_never_with_fewer_answering() -> None:
    world = World(replicas=3)
    world.run()
    world.ask(model_version=2)
    assert status_of(world) is EndpointStatus.UPDATING
    most = 0
    for _ in range(60):
        world.step()
        assert len(world.ready()) >= 3
        most = max(most, sum(r.status in SERVING for r in world.replicas.values()))
    assert most <= 4, "a rollout needs room for one replica more"
    assert len(world.ready(generation=2)) == 3
    assert world.ready(generation=1) == []
    assert status_of(world) is EndpointStatus.READY
    assert len(world.running()) == 3


def test_a_bad_version_never_drops_the_old_one() -> None:
    world = World(replicas=2)
    world.run()
    world.comes_up = False
    world.ask(model_version=2)
    world.run(300)
    assert len(world.ready(generation=1)) == 2
    assert world.endpoint is not None
    assert (world.endpoint.status, world.endpoint.reason) == (EndpointStatus.UPDATING, EndpointReason.ROLLOUT_FAILS)
    world.comes_up = True
    world.ask(model_version=1)
    world.run(60)
    assert status_of(world) is EndpointStatus.READY
    assert len(world.running()) == 2


def test_a_replica_is_stopped_only_after_the_gateway_let_go_of_it() -> None:
    world = World(replicas=2)
    world.run()
    world.ask(min_replicas=1)
    world.step()
    draining = [r.id for r in world.replicas.values() if r.status is ReplicaStatus.DRAINING]
    assert len(draining) == 1
    still_routed = set(draining)
    for _ in range(5):
        world.routed |= still_routed
        world.step(DRAIN_MS)
        assert world.replicas[draining[0]].status is ReplicaStatus.DRAINING
    world.routed = set()
    world.step(DRAIN_MS)
    assert world.replicas[draining[0]].status is ReplicaStatus.STOPPING


def test_scaling_down_keeps_the_oldest_and_says_so() -> None:
    world = World(replicas=3)
    world.run()
    oldest = sorted(world.ready())[0]
    world.ask(min_replicas=1)
    assert status_of(world) is EndpointStatus.SCALING
    world.run()
    assert world.ready() == [oldest]
    assert status_of(world) is EndpointStatus.READY


def test_stopping_ends_every_replica_and_starting_again_brings_them_back() -> None:
    world = World(replicas=2)
    world.run()
    world.ask(min_replicas=0)
    assert status_of(world) is EndpointStatus.STOPPING, "the answer to the request itself says so"
    world.step()
    assert status_of(world) is EndpointStatus.STOPPING
    world.run()
    assert status_of(world) is EndpointStatus.STOPPED
    assert world.running() == []
    world.ask(min_replicas=2)
    assert status_of(world) is EndpointStatus.STARTING, "whoever waits must not take it for stopped"
    world.run()
    assert status_of(world) is EndpointStatus.READY


def test_a_removed_endpoint_is_gone_when_its_last_replica_is() -> None:
    world = World(replicas=2)
    world.run()
    assert world.endpoint is not None
    world.endpoint = in_status(replace(world.endpoint, deleting=True), EndpointReason.BEING_REMOVED)
    world.step()
    assert status_of(world) is EndpointStatus.DELETING
    world.run()
    assert world.endpoint is None
    assert world.running() == []


@given(st.data())
def test_whatever_happens_no_illegal_step_is_taken_and_peace_brings_what_was_asked(data: st.DataObject) -> None:
    """`decide` refuses illegal transitions by itself, so this fails on any sequence that leads to one."""
    world = World(replicas=data.draw(st.integers(0, 3)))
    for _ in range(data.draw(st.integers(0, 12))):
        happening = data.draw(
            st.sampled_from(["kill", "hang", "wake", "scale", "version", "break", "mend", "wait", "lose"])
        )
        if happening == "kill" and world.running():
            world.kill(data.draw(st.sampled_from(world.running())))
        elif happening == "lose" and world.running():
            del world.workers[data.draw(st.sampled_from(world.running()))]
        elif happening == "hang" and world.running():
            world.answering[data.draw(st.sampled_from(world.running()))] = False
        elif happening == "wake":
            world.answering.clear()
        elif happening == "scale":
            world.ask(min_replicas=data.draw(st.integers(0, 3)))
        elif happening == "version":
            world.ask(model_version=data.draw(st.integers(1, 3)))
        elif happening in ("break", "mend"):
            world.comes_up = happening == "mend"
        for _ in range(data.draw(st.integers(1, 5))):
            world.step(data.draw(st.sampled_from([50, 100, 2000])))
    world.comes_up = True
    world.answering.clear()
    for _ in range(80):
        world.step(1000)
    assert world.endpoint is not None
    wanted = world.endpoint.spec.min_replicas
    assert len(world.ready(world.endpoint.generation)) == len(world.running()) == wanted
    assert world.endpoint.status is (EndpointStatus.READY if wanted else EndpointStatus.STOPPED)


def test_every_status_has_a_meaning_and_every_reason_a_sentence() -> None:
    for lifecycle, statuses, reasons in (
        (ENDPOINT_LIFECYCLE, EndpointStatus, EndpointReason),
        (REPLICA_LIFECYCLE, ReplicaStatus, ReplicaReason),
    ):
        assert set(lifecycle.statuses) == set(statuses) == set(lifecycle.transitions)
        assert set(lifecycle.reasons) == set(reasons)
        assert {meaning.status for meaning in lifecycle.reasons.values()} == set(statuses)
        assert all(meaning.sentence.endswith(".") for meaning in lifecycle.reasons.values())


def test_endpoint_of_a_photon_says_that_nothing_runs_it_and_starts_nothing() -> None:
    world = World(replicas=1)
    assert world.endpoint is not None
    world.endpoint = replace(world.endpoint, spec=EndpointSpec(photon=PhotonReference("counter-1", "private")))
    for _ in range(3):
        world.step()
        assert world.endpoint.reason is EndpointReason.PHOTON_NOT_RUN
        assert world.endpoint.status is EndpointStatus.NOT_READY
    assert not world.replicas
    world.endpoint = replace(world.endpoint, deleting=True)
    world.step()
    assert world.endpoint is None
