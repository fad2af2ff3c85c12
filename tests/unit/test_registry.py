"""The registry: versions that never change, numbers that are never used twice, aliases with a history."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection

from lepton_ai.core.access import Access
from lepton_ai.core.access.quotas import QuotaExceeded, Quotas
from lepton_ai.core.access.workspaces import Quota
from lepton_ai.core.clock import ManualClock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import Conflict, InvalidInput, NotFound
from lepton_ai.core.events import Journal, events_of
from lepton_ai.core.idempotency import KEPT_MS, Once
from lepton_ai.core.ids import id_source
from lepton_ai.core.migrate import migrate
from lepton_ai.infrastructure.storage.drivers.local import open_driver
from lepton_ai.infrastructure.storage.port import ArtifactStore
from lepton_ai.platform.model_management.registry.records import (
    CHAMPION,
    ArtifactFile,
    Manifest,
    ModelReference,
    ModelVersion,
)
from lepton_ai.platform.model_management.registry.service import Registry
from lepton_ai.platform.model_management.registry.store import bytes_of
from lepton_ai.platform.preprocessing.signature import Signature, Task, TensorSpec

SIGNATURE = Signature(
    Task.REGRESSION, (TensorSpec("inputs", "float32", (None, 4)),), (TensorSpec("outputs", "float32", (None, 1)),)
)


@dataclass
class Lab:
    registry: Registry
    database: Database
    artifacts: ArtifactStore
    clock: ManualClock

    def put(self, data: bytes) -> ArtifactFile:
        digest = hashlib.sha256(data).hexdigest()
        writer = self.artifacts.writer(digest)
        writer.write(data)
        return ArtifactFile(digest, writer.commit())

    def manifest(self, content: bytes = b"net", message: str = "") -> Manifest:
        files = {"model.onnx": self.put(content), "signature.json": self.put(b"{}")}
        return Manifest(files, SIGNATURE, {"loss": 0.5}, {"data": {"rows": 3}}, message)

    def register(self, name: str = "m", *, content: bytes = b"net", once: Once | None = None) -> ModelVersion:
        return asyncio.run(self.registry.register("default", name, self.manifest(content), "me", once))

    def events(self, name: str) -> list[tuple[str, str]]:
        def work(connection: Connection) -> list[tuple[str, str]]:
            return [(e.action, e.reason) for e in events_of(connection, "default", "model", name)]

        return self.database.read(work)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    clock = ManualClock()
    new_id = id_source(clock)
    database = Database.open(tmp_path / "lepton.db")
    migrate(database)
    artifacts = open_driver(tmp_path / "artifacts")
    journal = Journal(clock, new_id)
    Access(database, clock, new_id, journal).create_workspace("default")
    registry = Registry(database, artifacts, clock, new_id, journal, Quotas({"storage_bytes": (bytes_of,)}))
    yield Lab(registry, database, artifacts, clock)
    database.close()


def test_the_first_version_becomes_champion_and_later_ones_do_not(lab: Lab) -> None:
    assert lab.register().version == 1
    assert lab.register().version == 2
    assert lab.registry.details("default", "m").aliases == {CHAMPION: 1}
    assert lab.events("m") == [("pushed", "pushed"), ("alias_moved", "first_version"), ("pushed", "pushed")]


def test_a_version_comes_back_as_it_was_registered(lab: Lab) -> None:
    made = lab.register()
    assert lab.registry.resolve("default", ModelReference("m", 1)) == made
    assert lab.registry.resolve("default", ModelReference.parse("m")) == made
    assert lab.registry.resolve("default", ModelReference.parse("m@champion")) == made


def test_numbers_are_never_used_twice_even_after_a_removal(lab: Lab) -> None:
    lab.register()
    lab.register()
    lab.registry.remove("default", "m", 2, "me", {})
    assert lab.register().version == 3


def test_a_file_that_was_not_uploaded_is_refused_and_no_version_appears(lab: Lab) -> None:
    files = {"model.onnx": ArtifactFile("0" * 64, 3), "signature.json": lab.put(b"{}")}
    with pytest.raises(InvalidInput, match=r"model\.onnx.*no artifact"):
        asyncio.run(lab.registry.register("default", "m", Manifest(files, SIGNATURE), "me"))
    with pytest.raises(NotFound):
        lab.registry.details("default", "m")


def test_a_wrong_size_is_refused(lab: Lab) -> None:
    good = lab.put(b"net")
    files = {"model.onnx": ArtifactFile(good.digest, 99), "signature.json": lab.put(b"{}")}
    with pytest.raises(InvalidInput, match="3 bytes, not 99"):
        asyncio.run(lab.registry.register("default", "m", Manifest(files, SIGNATURE), "me"))


def test_a_version_without_its_graph_is_refused(lab: Lab) -> None:
    with pytest.raises(InvalidInput, match=r"needs the file `model\.onnx`"):
        manifest = Manifest({"signature.json": lab.put(b"{}")}, SIGNATURE)
        asyncio.run(lab.registry.register("default", "m", manifest, "me"))


@pytest.mark.parametrize("name", ["", "M", "a_b", "-a", "a-", "a/b", "..", "a" * 64, "ä", "a b"])
def test_evil_names_are_refused(lab: Lab, name: str) -> None:
    with pytest.raises(InvalidInput, match="`model` name must be"):
        asyncio.run(lab.registry.register("default", name, lab.manifest(), "me"))


def test_an_alias_moves_and_its_history_keeps_where_it_was_and_why(lab: Lab) -> None:
    lab.register()
    lab.register()
    lab.clock.advance(60)
    lab.registry.move_alias("default", "m", CHAMPION, 2, "better", "ann")
    lab.registry.move_alias("default", "m", CHAMPION, 1, "worse in use", "bob")
    history = lab.registry.details("default", "m").history
    assert [(move.version, move.previous, move.reason, move.actor) for move in history] == [
        (1, None, "first version", "me"),
        (2, 1, "better", "ann"),
        (1, 2, "worse in use", "bob"),
    ]
    assert history[1].at_ms - history[0].at_ms == 60_000


def test_an_alias_cannot_point_to_a_version_that_is_not_there(lab: Lab) -> None:
    lab.register()
    with pytest.raises(NotFound, match="no version 7") as raised:
        lab.registry.move_alias("default", "m", CHAMPION, 7, "", "me")
    assert raised.value.hint == "Versions: 1."


def test_an_unknown_alias_is_told_with_those_there_are(lab: Lab) -> None:
    lab.register()
    with pytest.raises(NotFound, match="no alias 'stable'") as raised:
        lab.registry.resolve("default", ModelReference.parse("m@stable"))
    assert "m@champion" in str(raised.value.hint)


def test_what_an_alias_or_an_endpoint_uses_cannot_be_removed(lab: Lab) -> None:
    lab.register()
    lab.register()
    with pytest.raises(Conflict, match="alias 'champion' points"):
        lab.registry.remove("default", "m", 1, "me", {})
    with pytest.raises(Conflict, match="served by endpoint 'live'"):
        lab.registry.remove("default", "m", 2, "me", {2: "live"})
    with pytest.raises(Conflict, match="served by endpoint 'live'"):
        lab.registry.remove("default", "m", None, "me", {2: "live"})
    assert len(lab.registry.details("default", "m").versions) == 2


def test_a_whole_model_goes_with_its_aliases_but_not_its_history(lab: Lab) -> None:
    lab.register()
    lab.register()
    assert lab.registry.remove("default", "m", None, "me", {}) == 2
    with pytest.raises(NotFound):
        lab.registry.resolve("default", ModelReference.parse("m"))
    assert lab.registry.models("default") == []
    assert lab.events("m")[-1] == ("removed", "asked")


def test_the_same_request_sent_twice_makes_one_version(lab: Lab) -> None:
    first = lab.register(once=Once("key-1", b"m"))
    again = lab.register(once=Once("key-1", b"m"))
    assert again == first
    assert len(lab.registry.details("default", "m").versions) == 1


def test_a_key_cannot_be_used_for_another_request(lab: Lab) -> None:
    lab.register(once=Once("key-1", b"m"))
    with pytest.raises(InvalidInput, match="another request"):
        lab.register(once=Once("key-1", b"other"))


def test_old_keys_are_forgotten_in_time(lab: Lab) -> None:
    requests = (str(number).encode() for number in range(10_000))
    request = next(request for request in requests if Once("k", request)._fingerprint.startswith("00"))
    lab.register(once=Once("old", b"m"))
    lab.clock.advance(KEPT_MS / 1000 + 1)
    lab.register(once=Once("new", request))
    assert lab.register(once=Once("old", b"another request")).version == 3


def test_models_are_listed_with_their_newest_version_and_aliases(lab: Lab) -> None:
    lab.register("b")
    lab.register("a")
    lab.register("a", content=b"other")
    listed = lab.registry.models("default")
    assert [(m.name, m.versions, m.latest, dict(m.aliases)) for m in listed] == [
        ("a", 2, 2, {"champion": 1}),
        ("b", 1, 1, {"champion": 1}),
    ]
    assert lab.registry.models("elsewhere") == []


def test_a_file_that_versions_share_counts_once(lab: Lab) -> None:
    lab.register(content=b"abc")
    lab.register(content=b"abc")
    lab.register(content=b"defgh")
    assert lab.registry.bytes_of("default") == len(b"abc") + len(b"defgh") + len(b"{}")


@pytest.mark.parametrize("text", ["m:0", "m:-1", "m:1.5", "m:x", "m:1@champion", "m@", ":1", "", "m:99999999999"])
def test_a_wrong_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        ModelReference.parse(text)


def test_version_that_would_go_beyond_the_quota_is_refused_with_number_and_limit(lab: Lab) -> None:
    lab.register(content=b"x" * 100)
    new_id = id_source(lab.clock)
    access = Access(lab.database, lab.clock, new_id, Journal(lab.clock, new_id))
    access.set_quota("default", Quota(storage_bytes=150), "admin")
    lab.register(content=b"x" * 100)  # the same bytes are stored once
    with pytest.raises(QuotaExceeded, match=r"storage bytes is 150 .* 102 are used, and 100 more"):
        lab.register(content=b"y" * 100)
    assert lab.registry.resolve("default", ModelReference("m", 2))
    with pytest.raises(NotFound):
        lab.registry.resolve("default", ModelReference("m", 3))
