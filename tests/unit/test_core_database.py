"""The database: what is acknowledged is on disk, and one bad request takes no other with it."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from lepton_ai.core.database import Database
from lepton_ai.core.errors import NotFound, StorageFull, Unavailable
from lepton_ai.core.remembered import Remembered


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "lepton.db")
    database.write(lambda connection: connection.execute(text("CREATE TABLE t (x INTEGER PRIMARY KEY, y TEXT)")))
    yield database
    database.close()


def put(database: Database, x: int, y: str = "") -> None:
    database.write(lambda connection: connection.execute(text("INSERT INTO t VALUES (:x, :y)"), {"x": x, "y": y}))


def numbers(database: Database) -> list[int]:
    return list(database.read(lambda connection: connection.execute(text("SELECT x FROM t ORDER BY x")).scalars()))


def test_what_was_written_can_be_read_at_once(database: Database) -> None:
    put(database, 1)
    assert numbers(database) == [1]


def test_many_writers_at_once_lose_nothing(database: Database) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda x: put(database, x), range(400)))
    assert numbers(database) == list(range(400))


def test_writes_that_queue_up_are_committed_together(database: Database) -> None:
    """While the writer is held up, twenty writes queue; they must all arrive, in one commit or few."""
    going, release = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        going.set()
        release.wait(10)

    with ThreadPoolExecutor(21) as pool:
        held = pool.submit(database.write, hold)
        going.wait(10)
        queued = [pool.submit(put, database, x) for x in range(20)]
        before = database.commits
        release.set()
        held.result()
        for done in queued:
            done.result()
    assert numbers(database) == list(range(20))
    assert database.commits - before <= 21
    assert database.commits - before < 20, "twenty queued writes took a commit each"


def test_a_failing_write_takes_no_other_of_its_group_with_it(database: Database) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(text("INSERT INTO t VALUES (1000, 'half')"))
        raise NotFound("on purpose")

    with ThreadPoolExecutor(20) as pool:
        good = [pool.submit(put, database, x) for x in range(30)]
        bad = [pool.submit(database.write, fail) for _ in range(10)]
        for done in good:
            done.result()
        for done in bad:
            with pytest.raises(NotFound, match="on purpose"):
                done.result()
    assert numbers(database) == list(range(30))


def test_a_broken_constraint_is_the_callers_error_alone(database: Database) -> None:
    put(database, 1)
    with pytest.raises(Exception, match="UNIQUE"):
        put(database, 1)
    put(database, 2)
    assert numbers(database) == [1, 2]


def test_a_full_disk_is_told_as_such_and_heals(database: Database) -> None:
    """SQLite's own page limit stands in for the disk: it gives the same error code and the same rollback."""
    database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 20"))
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(put, database, x, "z" * 20_000) for x in range(16)]
    acknowledged = [x for x, done in enumerate(results) if done.exception() is None]
    refused = [done.exception() for done in results if done.exception() is not None]
    assert refused
    assert all(isinstance(error, StorageFull) for error in refused)
    assert numbers(database) == acknowledged, "nothing acknowledged is lost, nothing refused is kept"
    database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 100000"))
    put(database, 99, "z" * 20_000)
    assert 99 in numbers(database)


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(Unavailable, match="readonly"):
        database.read(lambda connection: connection.execute(text("INSERT INTO t VALUES (1, '')")))
    assert numbers(database) == []


def test_a_closed_database_refuses_clearly_and_leaves_one_whole_file(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "one.db")
    database.write(lambda connection: connection.execute(text("CREATE TABLE t (x)")))
    database.close()
    database.close()
    with pytest.raises(Unavailable, match="closed"):
        database.write(lambda connection: connection.execute(text("INSERT INTO t VALUES (1)")))
    assert not (tmp_path / "one.db-wal").exists() or (tmp_path / "one.db-wal").stat().st_size == 0
    raw = sqlite3.connect(tmp_path / "one.db")
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(Exception, match="not a database"):
        Database.open(tmp_path / "no.db")


def test_what_is_remembered_is_read_again_only_after_a_write(database: Database) -> None:
    looks = []

    def look(connection: Connection) -> list[int]:
        looks.append(1)
        return list(connection.execute(text("SELECT x FROM t ORDER BY x")).scalars())

    known = Remembered(database, look, lambda c: c.execute(text("SELECT max(x) FROM t")).scalar())
    assert known() == known() == []
    assert len(looks) == 1
    for x in range(200):  # whoever was told that it is written reads it, every time
        put(database, x)
        assert known()[-1] == x
    assert len(looks) == 201


def test_write_that_fails_leaves_what_is_remembered_right(database: Database) -> None:
    def count(connection: Connection) -> int:
        return int(connection.execute(text("SELECT count(*) FROM t")).scalar_one())

    known = Remembered(database, count, count)
    put(database, 1)
    assert known() == 1
    with pytest.raises(Exception, match="UNIQUE"):
        put(database, 1)
    assert known() == 1


def test_fingerprint_that_stays_the_same_saves_the_reading(database: Database) -> None:
    looks = []

    def look(connection: Connection) -> int:
        looks.append(1)
        return int(connection.execute(text("SELECT count(*) FROM t WHERE x < 100")).scalar_one())

    known = Remembered(database, look, lambda c: c.execute(text("SELECT max(x) FROM t WHERE x < 100")).scalar())
    put(database, 1)
    assert known() == 1
    put(database, 100)
    put(database, 101)
    assert known() == 1
    assert len(looks) == 1
    put(database, 2)
    assert (known(), len(looks)) == (2, 2)
