"""What the reconciler of training runs decides, step by step, in a world turned by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.core.errors import Conflict
from lepton_ai.infrastructure.compute.port import WorkerPhase, WorkerState
from lepton_ai.platform.model_management.registry.records import Manifest
from lepton_ai.platform.model_management.runs.decide import LONGEST_RETRY_MS, MOST_FAILURES, decide, move
from lepton_ai.platform.model_management.runs.lifecycle import ACTIVE, OVER, RUN_LIFECYCLE, RunReason, RunStatus
from lepton_ai.platform.model_management.runs.records import Refusal, Run, RunObservation, RunSpec
from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec

SIGNATURE = Signature(
    Task.REGRESSION, (TensorSpec("x", "float32", (None, 4)),), (TensorSpec("y", "float32", (None, 1)),)
)


class World:
    """Processes and files that do as they are told: the reconciler's surroundings without any process."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.run: Run | None = Run(
            id="run-1",
            workspace_id="default",
            spec=RunSpec("visits", "visits.csv", {}, "stay"),
            status=RunStatus.QUEUED,
            reason=RunReason.ASKED,
            message="",
            attempt=0,
            failures=0,
            checkpoint_step=0,
            retry_at_ms=0,
            version=None,
            created_at_ms=0,
            changed_at_ms=0,
            started_at_ms=None,
            finished_at_ms=None,
            created_by="test",
        )
        self.workers: dict[str, WorkerState] = {}
        self.submitted: list[str] = []
        self.stopping: set[str] = set()
        self.has_place = True
        self.trains = self.has_model = self.leftovers = False
        self.checkpoint_step = 0
        self.refusals: dict[str, Refusal] = {}
        self.registered = 0

    @property
    def worker_id(self) -> str:
        assert self.run is not None
        return self.run.worker_id

    def refuse(self, refusal: Refusal) -> None:
        """The process of this attempt says why it ends."""
        self.refusals[self.worker_id] = refusal

    def step(self) -> None:
        """One pass."""
        assert self.run is not None
        seen = self.seen()
        change = decide(self.run, seen, self.now_ms)
        for action in change.actions:
            self.do(action)
        if change.manifest is not None:
            self.registered += 1
        if change.run is not None:
            assert RUN_LIFECYCLE.allows(self.run.status, change.run.status)
            assert RUN_LIFECYCLE.status_of(change.run.reason) is change.run.status
        self.run = change.run

    def seen(self) -> RunObservation:
        assert self.run is not None
        worker = self.workers.get(self.worker_id, WorkerState(self.worker_id, WorkerPhase.ABSENT))
        registering = self.run.status is RunStatus.REGISTERING and self.has_model
        return RunObservation(
            worker=worker,
            has_place=self.has_place,
            trains=self.trains,
            checkpoint_step=self.checkpoint_step,
            has_model=self.has_model,
            manifest=Manifest({}, SIGNATURE) if registering else None,
            refusal=self.refusals.get(self.worker_id),
            has_leftovers=self.leftovers,
        )

    def do(self, action: str) -> None:
        if action == "submit":
            self.submitted.append(self.worker_id)
            self.trains, self.leftovers = False, True
            self.workers.setdefault(self.worker_id, WorkerState(self.worker_id, WorkerPhase.RUNNING))
        elif action == "stop":
            self.stopping.add(self.worker_id)
        elif action == "release":
            self.workers.pop(self.worker_id, None)
        elif action in ("clear", "remove"):
            self.has_model = self.leftovers = False

    def end(self, *, exit_code: int | None = None, signal: int | None = None, starved: bool = False) -> None:
        """The process of this attempt ends."""
        self.workers[self.worker_id] = WorkerState(
            self.worker_id, WorkerPhase.EXITED, exit_code=exit_code, signal=signal, out_of_memory=starved
        )

    def steps(self, number: int = 4) -> Run:
        """Some passes, each long after the one before; returns the run."""
        for _ in range(number):
            if self.run is not None:
                self.now_ms += LONGEST_RETRY_MS
                self.step()
        assert self.run is not None
        return self.run

    def training(self) -> Run:
        """Bring it to where it trains."""
        self.steps(2)
        self.trains = True
        run = self.steps(1)
        assert run.status is RunStatus.RUNNING
        return run


def test_run_goes_from_the_queue_to_a_registered_version() -> None:
    world = World()
    world.training()
    world.has_model = True
    world.end(exit_code=0)
    world.step()
    assert world.run is not None
    assert world.run.status is RunStatus.REGISTERING
    assert world.registered == 0
    world.step()
    assert world.run.status is RunStatus.COMPLETED
    assert world.run.finished_at_ms == world.now_ms
    assert world.registered == 1
    assert world.submitted == ["run-1.1"]
    world.steps(1)
    assert not world.leftovers
    assert decide(world.run, world.seen(), world.now_ms).next_check_ms is None


def test_number_of_the_process_is_written_down_before_the_process_is_started() -> None:
    world = World()
    world.step()
    assert world.run is not None
    assert (world.run.status, world.run.attempt, world.submitted) == (RunStatus.STARTING, 1, [])
    world.step()
    assert world.submitted == ["run-1.1"]


def test_run_waits_where_there_is_no_place() -> None:
    world = World()
    world.has_place = False
    assert world.steps().status is RunStatus.QUEUED
    assert not world.submitted
    world.has_place = True
    assert world.steps(1).status is RunStatus.STARTING


def test_killed_process_is_started_again_under_a_new_number_and_says_where_it_goes_on() -> None:
    world = World()
    world.training()
    world.checkpoint_step = 1200
    world.end(signal=9)
    world.step()
    assert world.run is not None
    assert world.run.reason is RunReason.RESTARTS
    assert world.run.message == "Its process ended unasked (killed by signal 9); it goes on from step 1,200."
    run = world.steps(2)
    assert world.submitted == ["run-1.1", "run-1.2"]
    assert run.checkpoint_step == 1200


def test_process_that_comes_no_further_is_given_up_and_the_pauses_grow() -> None:
    world = World()
    pauses = []
    for _ in range(MOST_FAILURES):
        world.training()
        world.end(signal=9)
        world.step()
        assert world.run is not None
        pauses.append(world.run.retry_at_ms - world.now_ms)
    assert world.run is not None
    assert (world.run.status, world.run.reason) == (RunStatus.FAILED, RunReason.KILLED)
    assert "killed by signal 9" in world.run.message
    assert pauses[:2] == [500, 1000]
    assert world.steps().status is RunStatus.FAILED


def test_process_that_comes_further_each_time_is_never_given_up() -> None:
    world = World()
    for number in range(1, 4 * MOST_FAILURES):
        world.training()
        world.checkpoint_step = 100 * number
        world.end(signal=9)
        world.step()
        assert world.run is not None
        assert world.run.failures == 1
    assert world.run is not None
    assert world.run.status is RunStatus.QUEUED


@pytest.mark.parametrize(
    ("ending", "refusal", "reason"),
    [
        ({"signal": 9}, None, RunReason.KILLED),
        ({"signal": 9, "starved": True}, None, RunReason.OUT_OF_MEMORY),
        ({"exit_code": 1}, Refusal("out_of_memory", "it got no memory", None, False), RunReason.OUT_OF_MEMORY),
        ({"exit_code": 1}, Refusal("internal_error", "KeyError: 'x'", None, False), RunReason.EXITED),
        ({"exit_code": 0}, None, RunReason.EXITED),
        (None, None, RunReason.LOST),
    ],
)
def test_ways_to_end_are_told_apart(ending: dict[str, int] | None, refusal: Refusal | None, reason: RunReason) -> None:
    world = World()
    for _ in range(MOST_FAILURES):
        world.training()
        if ending is None:
            world.workers[world.worker_id] = WorkerState(world.worker_id, WorkerPhase.LOST)
        else:
            world.end(**ending)
        if refusal is not None:
            world.refuse(refusal)
        world.step()
    assert world.run is not None
    assert world.run.reason is reason
    assert world.run.message.startswith(RUN_LIFECYCLE.sentence(reason))
    if refusal is not None:
        assert refusal.message in world.run.message


def test_what_trying_again_cannot_change_fails_at_once_with_the_workers_own_words() -> None:
    world = World()
    world.steps(2)
    world.refuse(Refusal("invalid_input", "there is no column 'stay'", "Columns: age.", is_final=True))
    world.end(exit_code=1)
    world.step()
    assert world.run is not None
    assert (world.run.status, world.run.reason) == (RunStatus.FAILED, RunReason.REFUSED)
    assert world.run.message == "There is no column 'stay'. Columns: age."
    world.step()
    assert not world.leftovers


def test_process_that_is_gone_without_a_trace_is_started_again() -> None:
    """The machine restarted, or a control plane died between the release of a process and writing it down."""
    world = World()
    world.training()
    world.workers.clear()
    assert world.steps(3).status is RunStatus.STARTING
    assert world.submitted == ["run-1.1", "run-1.2"]


def test_model_that_is_there_is_registered_even_if_nobody_saw_its_process_end() -> None:
    world = World()
    world.training()
    world.workers.clear()
    world.has_model = True
    world.steps(2)
    assert world.registered == 1
    assert world.run is not None
    assert world.run.status is RunStatus.COMPLETED


def test_model_that_was_finished_when_the_cloud_stopped_is_registered_without_another_process() -> None:
    world = World()
    run = world.training()
    world.has_model = True
    world.workers.clear()
    world.run = move(run, RunReason.CLOUD_STOPPED, world.now_ms)
    world.steps(2)
    assert world.registered == 1
    assert world.submitted == ["run-1.1"]


def test_model_that_cannot_be_registered_fails_the_run_with_the_reason() -> None:
    world = World()
    run = world.training()
    world.run = move(run, RunReason.TRAINED, world.now_ms)
    world.refuse(Refusal("invalid_input", "the run left no `model.onnx`", None, is_final=True))
    world.step()
    assert world.run.reason is RunReason.NOT_REGISTERED
    assert "left no `model.onnx`" in world.run.message


def test_run_that_is_asked_to_stop_stops_when_its_process_has() -> None:
    world = World()
    world.run = move(world.training(), RunReason.STOP_ASKED, world.now_ms)
    world.step()
    assert world.stopping == {"run-1.1"}
    world.checkpoint_step = 700
    world.end(exit_code=75)
    world.step()
    assert world.run is not None
    assert (world.run.status, world.run.checkpoint_step) == (RunStatus.STOPPED, 700)
    world.run = move(world.run, RunReason.RESUMED, world.now_ms)
    assert world.steps(2).message == "Its process starts. It goes on from step 700."
    assert world.submitted == ["run-1.1", "run-1.2"]


def test_removed_run_is_gone_once_its_process_is() -> None:
    world = World()
    world.run = move(world.training(), RunReason.BEING_REMOVED, world.now_ms)
    world.step()
    assert world.run is not None
    assert world.stopping == {"run-1.1"}
    world.end(signal=15)
    world.step()
    assert world.run is None
    assert not world.leftovers


def test_table_says_what_is_true_of_every_status_and_lets_nothing_out_of_the_end() -> None:
    assert set(RUN_LIFECYCLE.statuses) == set(RunStatus) == set(RUN_LIFECYCLE.transitions)
    assert set(RUN_LIFECYCLE.reasons) == set(RunReason)
    assert not set(ACTIVE) & set(OVER)
    assert RUN_LIFECYCLE.transitions[RunStatus.COMPLETED] == {RunStatus.DELETING}
    world = World()
    with pytest.raises(Conflict, match="cannot go from queued to completed"):
        move(world.steps(0), RunReason.REGISTERED, 0)


HAPPENINGS = st.sampled_from(
    ["pass", "kill", "fail", "refuse", "trains", "checkpoint", "finish", "lose", "stop", "resume", "remove", "down"]
)


@given(st.lists(HAPPENINGS, max_size=40))
def test_whatever_happens_no_step_is_illegal_and_a_version_comes_at_most_once(happenings: list[str]) -> None:
    world = World()
    for happening in happenings:
        if world.run is None:
            break
        alive = world.workers.get(world.worker_id)
        running = alive is not None and not alive.is_over
        if happening == "pass":
            world.steps(1) if world.run.status is not RunStatus.DELETING else world.step()
        elif happening in ("kill", "fail", "refuse", "finish") and running:
            world.has_model = world.has_model or happening == "finish"
            world.end(exit_code=None if happening == "kill" else 1, signal=9 if happening == "kill" else None)
            if happening == "refuse":
                world.refuse(Refusal("invalid_input", "no", None, is_final=True))
        elif happening == "trains" and running:
            world.trains = True
        elif happening == "checkpoint" and running:
            world.checkpoint_step += 100
        elif happening == "lose":
            world.workers.clear()
        elif happening == "down" and world.run.status in (RunStatus.STARTING, RunStatus.RUNNING):
            world.workers.clear()
            world.run = move(world.run, RunReason.CLOUD_STOPPED, world.now_ms)
        elif happening == "stop" and world.run.status in (RunStatus.STARTING, RunStatus.RUNNING):
            world.run = move(world.run, RunReason.STOP_ASKED, world.now_ms)
        elif happening == "resume" and world.run.status in (RunStatus.STOPPED, RunStatus.FAILED):
            world.run = move(replace(world.run, failures=0), RunReason.RESUMED, world.now_ms)
        elif happening == "remove":
            world.run = move(world.run, RunReason.BEING_REMOVED, world.now_ms)
    assert world.registered <= 1
    assert len(world.submitted) == len(set(world.submitted)) or "lose" in happenings
