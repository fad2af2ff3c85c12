"""What every object store promises."""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from lepton_ai.core.clock import SystemClock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import InvalidInput, NotFound
from lepton_ai.core.ids import id_source
from lepton_ai.core.migrate import migrate
from lepton_ai.infrastructure.storage.objects.port import ObjectStore
from lepton_ai.infrastructure.storage.objects.records import Bucket, BucketName, check_key

DATA = b"bytes of an object" * 100_000
PRIVATE = Bucket("default", BucketName.PRIVATE)
PUBLIC = Bucket("default", BucketName.PUBLIC)
OTHER = Bucket("other", BucketName.PRIVATE)


@pytest.fixture(params=["local", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    if request.param == "s3":
        pytest.importorskip("obstore", reason="the driver s3 needs obstore: pip install 'lepton-ai[s3]'")
    database = Database.open(tmp_path / "lepton.db")
    migrate(database)
    clock = SystemClock()
    driver = import_module(f"lepton_ai.infrastructure.storage.objects.drivers.{request.param}")
    # The driver `s3` speaks to obstore, whose store in memory is one like the others.
    yield driver.open_driver(tmp_path / "objects", "memory:///", database, clock, id_source(clock))
    database.close()


def put(store: ObjectStore, key: str, data: bytes = b"x", bucket: Bucket = PRIVATE) -> None:
    writer = store.writer(bucket, key)
    try:
        for at in range(0, len(data), 1 << 20):
            writer.write(data[at : at + (1 << 20)])
        stored = writer.commit()
    finally:
        writer.abort()
    assert (stored.key, stored.size_bytes) == (key, len(data))


def read(store: ObjectStore, key: str, bucket: Bucket = PRIVATE) -> bytes:
    return b"".join(store.read(bucket, key)[1])


def keys(
    store: ObjectStore, prefix: str = "", after: str = "", limit: int = 100, bucket: Bucket = PRIVATE
) -> list[str]:
    return [stored.key for stored in store.list(bucket, prefix, after, limit).objects]


def test_what_was_stored_can_be_read_and_is_described(objects: ObjectStore) -> None:
    before_ms = datetime.now(UTC).timestamp() * 1000 - 2000
    put(objects, "a/b.bin", DATA)
    assert read(objects, "a/b.bin") == DATA
    found = objects.find(PRIVATE, "a/b.bin")
    assert found is not None
    assert (found.key, found.size_bytes) == ("a/b.bin", len(DATA))
    assert before_ms < found.changed_at_ms < before_ms + 60_000
    assert objects.read(PRIVATE, "a/b.bin")[0] == found


def test_an_empty_object_is_an_object(objects: ObjectStore) -> None:
    put(objects, "empty", b"")
    assert read(objects, "empty") == b""


def test_object_is_replaced_as_a_whole_while_somebody_reads_the_old_one(objects: ObjectStore) -> None:
    put(objects, "k", DATA)
    _, chunks = objects.read(PRIVATE, "k")
    put(objects, "k", b"new")
    assert b"".join(chunks) == DATA
    assert read(objects, "k") == b"new"


def test_object_is_not_there_until_it_is_committed(objects: ObjectStore) -> None:
    put(objects, "k", b"old")
    writer = objects.writer(PRIVATE, "k")
    writer.write(DATA)
    assert read(objects, "k") == b"old"
    writer.abort()
    assert read(objects, "k") == b"old"
    never = objects.writer(PRIVATE, "never")
    never.write(b"x")
    never.abort()
    assert objects.find(PRIVATE, "never") is None


def test_object_that_is_not_there_is_not_found_and_removed_without_complaint(objects: ObjectStore) -> None:
    with pytest.raises(NotFound, match="absent"):
        objects.read(PRIVATE, "absent")
    objects.remove(PRIVATE, "absent")
    put(objects, "k")
    objects.remove(PRIVATE, "k")
    assert objects.find(PRIVATE, "k") is None
    assert keys(objects) == []


def test_list_is_by_key_and_goes_on_where_it_was_cut(objects: ObjectStore) -> None:
    names = ["a", "a/b", "a/b/c", "a0", "ab", "b", "é", "z/1", "z/10", "z/2"]
    for name in reversed(names):
        put(objects, name)
    assert keys(objects) == sorted(names)
    seen: list[str] = []
    while True:
        page = objects.list(PRIVATE, "", seen[-1] if seen else "", 3)
        seen += [stored.key for stored in page.objects]
        if not page.more:
            break
    assert seen == sorted(names)


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("a", ["a/b", "a1", "ab"]),
        ("a/", ["a/b"]),
        ("ab", ["ab"]),
        ("z/1", ["z/1", "z/10"]),
        ("%", ["%x"]),
        ("q", []),
        ("a/b/", []),
    ],
)
def test_prefix_is_any_text(objects: ObjectStore, prefix: str, found: list[str]) -> None:
    for name in ("a/b", "a1", "ab", "b", "z/1", "z/10", "z/2", "%x", "_x"):
        put(objects, name)
    assert keys(objects, prefix) == found


def test_buckets_and_workspaces_are_apart(objects: ObjectStore) -> None:
    put(objects, "k", b"private")
    put(objects, "k", b"public", PUBLIC)
    put(objects, "k", b"other", OTHER)
    objects.remove(OTHER, "k")
    assert (read(objects, "k"), read(objects, "k", PUBLIC)) == (b"private", b"public")
    assert keys(objects, bucket=OTHER) == []


@pytest.mark.parametrize(
    "key", ["a b", "ü/ñ", "100%", "a?b#c", "a+b&c=d", "x" * 255, "-", "a.b..c", "/".join("d" * 50)]
)
def test_key_of_every_kind_is_kept_as_it_is(objects: ObjectStore, key: str) -> None:
    put(objects, check_key(key), key.encode())
    assert read(objects, key) == key.encode()
    assert keys(objects) == [key]


@pytest.mark.parametrize(
    "key", ["", "/", "a//b", "a/", ".", "..", "a/../b", "./a", "a\x00", "a\nb", "x" * 1025, "\ud800"]
)
def test_key_that_some_store_would_bend_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="key"):
        check_key(key)


def test_nothing_that_is_kept_or_on_its_way_counts_as_left_over(objects: ObjectStore) -> None:
    put(objects, "kept")
    writer = objects.writer(PRIVATE, "on-its-way")
    writer.write(b"x" * 1000)
    assert list(objects.orphans()) == []
    writer.commit()
    writer.abort()
    objects.remove(PRIVATE, "kept")
    put(objects, "on-its-way", b"replaced")
    assert list(objects.orphans()) == []
