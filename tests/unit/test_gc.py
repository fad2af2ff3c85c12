"""Leftovers: what no record names goes when it is old enough, what any record names never does."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_ai.core.clock import SystemClock
from lepton_ai.core.database import Database
from lepton_ai.core.events import Journal
from lepton_ai.core.ids import id_source
from lepton_ai.core.migrate import migrate
from lepton_ai.infrastructure.storage.drivers.local import LocalArtifactStore
from lepton_ai.infrastructure.storage.objects.drivers.local import LocalObjectStore
from lepton_ai.infrastructure.storage.objects.records import Bucket, BucketName
from lepton_ai.platform.gc.collectors import ArtifactCollector, FileCollector, ObjectCollector
from lepton_ai.platform.gc.records import Leftover, LeftoverKind
from lepton_ai.platform.gc.service import Leftovers
from lepton_ai.platform.photons import store as photon_store
from lepton_ai.platform.photons.records import PhotonNamespace
from lepton_ai.platform.photons.service import Photons
from photon_archives import archive

DAY_S = 86400.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "lepton.db")
    migrate(database)
    yield database
    database.close()


def make_old(folder: Path) -> None:
    """Let everything below a folder look two days old."""
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (time.time() - 2 * DAY_S,) * 2)


def store(artifacts: LocalArtifactStore, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    writer = artifacts.writer(digest)
    writer.write(data)
    writer.commit()
    return digest


def test_artifact_that_no_record_names_goes_when_it_is_old(tmp_path: Path) -> None:
    artifacts = LocalArtifactStore(tmp_path / "artifacts")
    needed, left = store(artifacts, b"needed"), store(artifacts, b"left over")
    collector = ArtifactCollector(artifacts, [set, lambda: {needed}])
    assert collector.find(DAY_S) == []
    make_old(tmp_path / "artifacts")
    assert collector.find(DAY_S) == [Leftover(LeftoverKind.ARTIFACT, left, 9)]
    assert collector.remove(Leftover(LeftoverKind.ARTIFACT, left, 9))
    assert artifacts.size(left) is None
    assert artifacts.size(needed) == 6


def test_artifact_that_is_being_named_meanwhile_stays(tmp_path: Path) -> None:
    artifacts = LocalArtifactStore(tmp_path / "artifacts")
    left = store(artifacts, b"left over")
    make_old(tmp_path / "artifacts")
    collector = ArtifactCollector(artifacts, [set])
    [found] = collector.find(DAY_S)
    assert artifacts.size(left) == 9  # as the registry asks before it writes the record
    assert not collector.remove(found)
    assert artifacts.size(left) == 9


def test_archive_of_a_removed_photon_goes_and_of_a_kept_one_stays(tmp_path: Path, database: Database) -> None:
    clock = SystemClock()
    new_id = id_source(clock)
    journal = Journal(clock, new_id)
    artifacts = LocalArtifactStore(tmp_path / "artifacts")
    photons = Photons(database, artifacts, tmp_path / "incoming", clock, new_id, journal)
    made = []
    for data in (archive(), archive(), archive(model="py:two.py:Two")):
        incoming = photons.receive()
        incoming.write(data)
        made.append(photons.add("default", PhotonNamespace.PRIVATE, incoming, "ada"))
        incoming.discard()
    make_old(tmp_path / "artifacts")
    collector = ArtifactCollector(
        LocalArtifactStore(tmp_path / "artifacts"), [lambda: database.read(photon_store.digests)]
    )
    leftovers = Leftovers([collector], database, journal)
    photons.remove("default", PhotonNamespace.PRIVATE, made[0].id, "ada")
    assert made[0].digest == made[1].digest != made[2].digest
    assert leftovers.list(DAY_S) == []
    photons.remove("default", PhotonNamespace.PRIVATE, made[1].id, "ada")
    gone = {item.name for item in leftovers.remove(DAY_S, "default", "ada")}
    assert gone == {made[0].digest}
    assert b"".join(photons.content(made[2])) == archive(model="py:two.py:Two")


def test_file_of_an_object_that_a_crash_left_goes_and_objects_stay(tmp_path: Path, database: Database) -> None:
    clock = SystemClock()
    objects = LocalObjectStore(tmp_path / "objects", database, clock, id_source(clock))
    bucket = Bucket("default", BucketName.PRIVATE)
    kept = objects.writer(bucket, "kept")
    kept.write(b"kept")
    kept.commit()
    kept.abort()
    (tmp_path / "objects" / "zz").mkdir(exist_ok=True)
    (tmp_path / "objects" / "zz" / "obj-0-zz").write_bytes(b"of a crash")
    make_old(tmp_path / "objects")
    under_way = objects.writer(bucket, "under-way")
    under_way.write(b"x")
    collector = ObjectCollector(objects)
    assert collector.find(0) == collector.find(DAY_S) == [Leftover(LeftoverKind.OBJECT, "obj-0-zz", 10)]
    assert collector.remove(collector.find(0)[0])
    under_way.commit()
    under_way.abort()
    assert b"".join(objects.read(bucket, "kept")[1]) == b"kept"
    assert b"".join(objects.read(bucket, "under-way")[1]) == b"x"
    assert collector.find(0) == []


def test_files_and_folders_go_with_their_record_and_strangers_stay(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in ("run-1.1.log", "run-1.2.log", "run-2.1.log", "rep-1.log", "server.log"):
        (logs / name).write_bytes(b"printed")
    (tmp_path / "training" / "run-2").mkdir(parents=True)
    (tmp_path / "training" / "run-2" / "step-1.npz").write_bytes(b"x" * 100)
    make_old(tmp_path)

    def owner(name: str) -> str:
        return name.partition(".")[0]

    clock = SystemClock()
    found = [
        FileCollector(LeftoverKind.LOG, logs, "run-*.log", owner, lambda: {"run-1"}, clock),
        FileCollector(LeftoverKind.RUN_FOLDER, tmp_path / "training", "run-*", owner, lambda: {"run-1"}, clock),
    ]
    listed = [leftover for collector in found for leftover in collector.find(DAY_S)]
    assert listed == [Leftover(LeftoverKind.LOG, "run-2.1.log", 7), Leftover(LeftoverKind.RUN_FOLDER, "run-2", 100)]
    for collector, leftover in zip(found, listed, strict=True):
        assert collector.remove(leftover)
    assert sorted(path.name for path in logs.iterdir()) == ["rep-1.log", "run-1.1.log", "run-1.2.log", "server.log"]
    assert not (tmp_path / "training" / "run-2").exists()
