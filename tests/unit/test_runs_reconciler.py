"""Training runs over a real database and artifact store; their processes are turned by hand."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lepton_ai.core.access import Access
from lepton_ai.core.access.quotas import QuotaExceeded, Quotas
from lepton_ai.core.access.workspaces import Quota
from lepton_ai.core.clock import ManualClock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import Conflict, InvalidInput, NotFound
from lepton_ai.core.events import Journal
from lepton_ai.core.idempotency import Once
from lepton_ai.core.ids import id_source
from lepton_ai.core.migrate import migrate
from lepton_ai.core.reconcile import reconcile_once
from lepton_ai.infrastructure.compute.drivers.memory import MemoryExecutor
from lepton_ai.infrastructure.storage.datasets import Catalogue
from lepton_ai.infrastructure.storage.drivers.local import LocalArtifactStore
from lepton_ai.platform.model_management.registry.records import ArtifactFile
from lepton_ai.platform.model_management.registry.service import Registry
from lepton_ai.platform.model_management.runs import store
from lepton_ai.platform.model_management.runs.data import find_table, store_table
from lepton_ai.platform.model_management.runs.folder import RunFolder
from lepton_ai.platform.model_management.runs.lifecycle import RunReason, RunStatus
from lepton_ai.platform.model_management.runs.reconciler import RunReconciler
from lepton_ai.platform.model_management.runs.records import Run, RunSpec
from lepton_ai.platform.model_management.runs.service import Runs
from lepton_ai.platform.model_management.runs.store import count_unfinished
from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec

TABLE = b"age,stay\n41,3\n52,4\n"
SIGNATURE = Signature(
    Task.REGRESSION, (TensorSpec("x", "float32", (None, 1)),), (TensorSpec("y", "float32", (None, 1)),)
)


class House:
    """All that a run needs, with a clock and processes that a test turns."""

    def __init__(self, folder: Path, places: int = 1) -> None:
        self.clock = ManualClock()
        self.executor = MemoryExecutor()
        self.artifacts_folder = folder / "artifacts"
        self.artifacts = LocalArtifactStore(self.artifacts_folder)
        self.database = Database.open(folder / "lepton.db")
        migrate(self.database)
        self.training = folder / "training"
        self._new_id = id_source(self.clock)
        self._journal = Journal(self.clock, self._new_id)
        self.access = Access(self.database, self.clock, self._new_id, self._journal)
        self.access.create_workspace("default")
        quotas = Quotas({"jobs": (count_unfinished,)})
        self.registry = Registry(self.database, self.artifacts, self.clock, self._new_id, self._journal, quotas)
        self.runs = Runs(self.database, self.clock, self._new_id, self._journal, lambda: None, quotas)
        self.reconciler = self.control_plane(places)
        table = folder / "visits.csv"
        table.write_bytes(TABLE)
        self.files = store_table(table, self.artifacts)

    def control_plane(self, places: int = 1) -> RunReconciler:
        """A reconciler that knows nothing but what is written down."""
        return RunReconciler(
            self.database,
            self.executor,
            self.artifacts,
            self.registry,
            self.training,
            places,
            self.clock,
            self._new_id,
            self._journal,
        )

    def ask(self, name: str = "visits", **wishes: Any) -> Run:
        """Ask for a run."""
        self.clock.advance(0.01)
        return asyncio.run(self.runs.create("default", self.spec(name, **wishes), "me"))

    def spec(self, name: str = "visits", **wishes: Any) -> RunSpec:
        return RunSpec(name, "visits.csv", self.files, "stay", **wishes)

    def passes(self, number: int = 6) -> None:
        """Some passes over all that is due, half a minute apart."""
        for _ in range(number):
            self.clock.advance(30)
            for claim in self.reconciler.claim(self.clock.now_ms(), 64):
                reconcile_once(self.reconciler, claim, self.clock)

    def get(self, run: Run) -> Run:
        """The run as it is written down now."""
        return self.runs.get("default", run.id)

    def folder(self, run: Run) -> RunFolder:
        return RunFolder(self.training / run.id)

    def finish(self, run: Run) -> None:
        """The process of a run leaves a model and ends."""
        model = self.folder(run).model
        model.mkdir()
        (model / "model.onnx").write_bytes(b"onnx of " + run.id.encode())
        (model / "signature.json").write_text(json.dumps(SIGNATURE.to_json()))
        (model / "metrics.json").write_text(json.dumps({"evaluation": {"loss": 0.25}, "training": {"loss": 0.1}}))
        self.executor.end(self.get(run).worker_id, exit_code=0)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.database.close()


def test_run_trains_on_its_own_copy_of_the_data_and_ends_in_a_version(house: House) -> None:
    run = house.ask(steps=100, columns={"age": {"kind": "number"}})
    house.passes()
    assert house.get(run).status is RunStatus.STARTING
    [worker] = house.executor.specs.values()
    wish = json.loads(Path(worker.argv[-1]).read_bytes())
    assert (Path(wish["data"]) / "visits.csv").read_bytes() == TABLE
    assert (wish["target"], wish["steps"], wish["columns"]) == ("stay", 100, {"age": {"kind": "number"}})
    Path(wish["begun"]).touch()
    house.passes(1)
    assert house.get(run).status is RunStatus.RUNNING
    house.finish(run)
    house.passes()
    ended = house.get(run)
    assert (ended.status, ended.version, ended.message) == (RunStatus.COMPLETED, 1, "It registered visits:1.")
    version = house.registry.details("default", "visits").versions[0]
    assert version.manifest.metrics == {"loss": 0.25}
    assert version.manifest.lineage["run"] == run.id
    assert version.created_by == "me"
    assert not house.folder(run).has_leftovers()
    reasons = [event.reason for event in house.runs.events("default", run.id)]
    assert reasons == ["asked", "worker_starts", "trains", "trained", "registered"]


@pytest.mark.parametrize("dies", ["observe", "act", "apply"])
def test_version_is_registered_once_wherever_the_control_plane_dies(house: House, dies: str) -> None:
    run = house.ask()
    house.passes()
    house.finish(run)
    for status in (RunStatus.REGISTERING, RunStatus.COMPLETED, RunStatus.COMPLETED):
        # Each step is first done by a control plane that dies before it writes the result down; then by the next one.
        house.clock.advance(30)
        [claim] = house.reconciler.claim(house.clock.now_ms(), 64)
        if dies in ("act", "apply"):
            seen = house.reconciler.observe(claim.record)
            change = house.reconciler.decide(claim.record, seen, house.clock.now_ms())
            house.reconciler.act(claim.record, change)
        house.database.write(store.free_all_leases)
        if dies == "apply" and claim.record.status is RunStatus.REGISTERING:
            # It comes back to life after its lease was taken away, and finds that it may not write any more.
            assert not house.reconciler.apply(claim, change, house.clock.now_ms())
        house.reconciler = house.control_plane()
        house.passes(1)
        assert house.get(run).status is status
    house.passes(3)
    assert [version.version for version in house.registry.details("default", "visits").versions] == [1]
    assert house.get(run).version == 1


def test_runs_take_turns_in_the_order_they_were_asked_for(house: House) -> None:
    runs = [house.ask(f"visits-{number}") for number in range(3)]
    house.passes()
    assert [house.get(run).status.value for run in runs] == ["starting", "queued", "queued"]
    house.finish(runs[0])
    house.passes()
    assert [house.get(run).status.value for run in runs] == ["completed", "starting", "queued"]
    asyncio.run(house.runs.stop("default", runs[1].id, "me"))
    house.passes()
    assert [house.get(run).status.value for run in runs] == ["completed", "stopped", "starting"]


def test_one_free_place_is_taken_by_one_run_however_many_passes_see_it(house: House) -> None:
    runs = [house.ask("a"), house.ask("b")]
    claims = house.reconciler.claim(house.clock.now_ms() + 1, 64)
    changes = []
    for claim in claims:
        seen = house.reconciler.observe(claim.record)
        changes.append(house.reconciler.decide(claim.record, seen, house.clock.now_ms()))
    # The second saw that it was not its turn; make it believe otherwise, as two control planes at once might.
    stolen = house.reconciler.decide(
        claims[1].record, type(seen)(worker=seen.worker, has_place=True), house.clock.now_ms()
    )
    assert house.reconciler.apply(claims[0], changes[0], house.clock.now_ms())
    assert not house.reconciler.apply(claims[1], stolen, house.clock.now_ms())
    assert [house.get(run).status.value for run in runs] == ["starting", "queued"]
    house.passes(2)
    assert [house.get(run).status.value for run in runs] == ["starting", "queued"]


def test_several_runs_train_at_once_where_there_are_places(tmp_path: Path) -> None:
    house = House(tmp_path, places=2)
    runs = [house.ask("a"), house.ask("b"), house.ask("c")]
    house.passes()
    assert [house.get(run).status.value for run in runs] == ["starting", "starting", "queued"]
    house.database.close()


def test_stopped_cloud_writes_down_that_its_runs_go_on_at_the_next_start(house: House) -> None:
    runs = [house.ask("a"), house.ask("b")]
    house.passes()
    house.executor.specs.clear()
    house.executor.states.clear()
    now_ms = house.clock.now_ms()
    house.database.write(lambda connection: store.all_runs_interrupted(connection, now_ms))
    assert [(house.get(run).status, house.get(run).reason) for run in runs] == [
        (RunStatus.QUEUED, RunReason.CLOUD_STOPPED),
        (RunStatus.QUEUED, RunReason.ASKED),
    ]
    assert "next start" in house.get(runs[0]).message
    house.database.write(store.free_all_leases)
    house.passes()
    assert list(house.executor.specs) == [f"{runs[0].id}.2"]


def test_run_that_was_stopping_when_the_cloud_stopped_is_stopped(house: House) -> None:
    run = house.ask()
    house.passes()
    asyncio.run(house.runs.stop("default", run.id, "me"))
    house.database.write(lambda connection: store.all_runs_interrupted(connection, 5))
    assert house.get(run).status is RunStatus.STOPPED
    assert house.get(run).finished_at_ms == 5


def test_stopped_run_keeps_its_files_until_it_is_removed_and_can_go_on(house: House) -> None:
    run = house.ask()
    house.passes()
    checkpoints = house.folder(run).checkpoints
    checkpoints.mkdir()
    (checkpoints / "step-000000400.npz").write_bytes(b"")
    assert asyncio.run(house.runs.stop("default", "visits", "me")).status is RunStatus.STOPPING
    house.passes()
    assert (house.get(run).status, house.get(run).checkpoint_step) == (RunStatus.STOPPED, 400)
    assert asyncio.run(house.runs.stop("default", run.id, "me")).status is RunStatus.STOPPED
    assert asyncio.run(house.runs.resume("default", run.id, "me")).status is RunStatus.QUEUED
    house.passes()
    assert "step 400" in house.get(run).message
    assert len(house.executor.specs) == 1
    asyncio.run(house.runs.remove("default", run.id, "me"))
    house.passes()
    with pytest.raises(NotFound, match="there is no run"):
        house.get(run)
    assert not (house.training / run.id).exists()
    assert not house.executor.specs


def test_verbs_that_do_not_fit_are_refused(house: House) -> None:
    run = house.ask()
    with pytest.raises(Conflict, match="only one that was stopped or has failed can go on"):
        asyncio.run(house.runs.resume("default", run.id, "me"))
    house.passes()
    house.finish(run)
    house.passes()
    with pytest.raises(Conflict, match="is completed: there is nothing to stop"):
        asyncio.run(house.runs.stop("default", run.id, "me"))
    with pytest.raises(NotFound, match="none of a model of that name"):
        house.runs.get("default", "nothing")
    with pytest.raises(NotFound):
        house.runs.get("other", run.id)


def test_model_name_means_its_newest_run(house: House) -> None:
    house.ask()
    newest = house.ask()
    assert house.runs.get("default", "visits").id == newest.id
    assert house.runs.list("default")[0].id == newest.id


def test_same_request_with_the_same_key_makes_one_run(house: House) -> None:
    first, again = (
        asyncio.run(house.runs.create("default", house.spec(), "me", Once("key-1", b"body"))) for _ in range(2)
    )
    assert first.id == again.id
    assert len(house.runs.list("default")) == 1


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"steps": 10, "epochs": 2}, "got steps and epochs"),
        ({"budget_s": 0.5}, "`budget_s` must be from 1"),
        ({"budget_s": float("inf")}, "`budget_s` must be"),
        ({"steps": 0}, "`steps` must be from 1"),
        ({"seed": -1}, "`seed` must be from 0"),
    ],
)
def test_wishes_that_no_run_can_be_made_of_are_refused(house: House, wishes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        house.ask(**wishes)


def test_damaged_model_fails_the_run_and_names_what_is_wrong(house: House) -> None:
    run = house.ask()
    house.passes()
    house.finish(run)
    (house.folder(run).model / "signature.json").write_text("{}")
    house.passes()
    assert house.get(run).reason is RunReason.NOT_REGISTERED
    with pytest.raises(NotFound):
        house.registry.details("default", "visits")


def test_run_whose_data_are_damaged_fails_with_the_file_that_is(house: House) -> None:
    digest = house.files["visits.csv"].digest
    [stored] = (path for path in house.artifacts_folder.rglob("*") if path.name == digest)
    stored.write_bytes(b"damaged")
    run = house.ask()
    house.passes()
    failed = house.get(run)
    assert (failed.status, failed.reason) == (RunStatus.FAILED, RunReason.REFUSED)
    assert digest in failed.message
    assert not house.executor.specs


def test_table_of_a_data_set_is_found_by_name_and_by_file(tmp_path: Path) -> None:
    catalogue = Catalogue([tmp_path / "sets"], tmp_path / "sets")
    for name, files in {"one": ["a.csv", "notes.txt"], "two": ["a.csv", "b.csv.gz"], "none": ["notes.txt"]}.items():
        folder = tmp_path / "sets" / name
        folder.mkdir(parents=True)
        for file in files:
            (folder / file).write_bytes(TABLE)
    assert find_table(catalogue, "one").name == "a.csv"
    assert find_table(catalogue, "two/b.csv.gz").name == "b.csv.gz"
    with pytest.raises(InvalidInput, match="got 2 of them"):
        find_table(catalogue, "two")
    with pytest.raises(InvalidInput, match="got only notes"):
        find_table(catalogue, "none")
    with pytest.raises(NotFound, match="has no file"):
        find_table(catalogue, "two/c.csv")
    with pytest.raises(NotFound, match="no data set"):
        find_table(catalogue, "three")


def test_stored_table_is_named_by_its_content(house: House) -> None:
    digest = hashlib.sha256(TABLE).hexdigest()
    assert house.files == {"visits.csv": ArtifactFile(digest, len(TABLE))}
    assert b"".join(house.artifacts.read(digest)) == TABLE


def test_runs_beyond_the_quota_are_refused_until_one_is_over(house: House) -> None:
    house.access.set_quota("default", Quota(jobs=1), "admin")
    first = house.ask()
    with pytest.raises(QuotaExceeded, match="the quota of jobs is 1 in workspace 'default': 1 are used"):
        house.ask("other")
    asyncio.run(house.runs.stop("default", first.id, "me"))
    house.ask("other")
    with pytest.raises(QuotaExceeded):
        asyncio.run(house.runs.resume("default", first.id, "me"))
