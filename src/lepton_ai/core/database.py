"""The database: one connection that alone writes, many that read, and one fsync for many requests.

SQLite in WAL mode with `synchronous=FULL`: what `write` returned survives a power cut. A single thread owns the writing
connection; requests that arrive while it commits are committed together next, each behind a savepoint of its own, so
that one failing request takes no other with it. Only that connection checkpoints.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar, cast

import orjson
from sqlalchemy import Connection, Dialect, Engine, MetaData, Text, TypeDecorator, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import QueuePool, StaticPool

from lepton_ai.core.errors import LeptonError, StorageFull, Unavailable
from lepton_ai.core.failpoints import failpoint

metadata = MetaData()
"""All tables; each feature's `store` declares its own here."""


class Json(TypeDecorator[Any]):
    """A column that holds a JSON value as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> str | None:
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


Result = TypeVar("Result")
Work = Callable[[Connection], Result]

_GROUP_LIMIT = 128


class Database:
    """The control plane's memory.

    `write` and `read` take a function of a connection. The function must only speak to the database (no network, no
    files, no clock) and be short; it may be run a second time when a group of writes has to be undone.

    Example:

        >>> import tempfile
        >>> from sqlalchemy import text
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     database = Database.open(Path(folder) / "lepton.db")
        ...     _ = database.write(lambda connection: connection.execute(text("CREATE TABLE t (x)")))
        ...     _ = database.write(lambda connection: connection.execute(text("INSERT INTO t VALUES (7)")))
        ...     x = database.read(lambda connection: connection.execute(text("SELECT x FROM t")).scalar_one())
        ...     database.close()
        >>> x
        7
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._opened: Future[None] = Future()
        self._closed = False
        self.commits = 0
        """How many transactions were committed: fewer than writes, since those that queue up share one."""
        self._close_lock = threading.Lock()
        self._writer = threading.Thread(target=self._write_forever, name="database-writer", daemon=True)
        self._writer.start()
        self._opened.result()
        self._readers = _reader_engine(path)

    @classmethod
    def open(cls, path: Path) -> "Database":
        """Open the file, making it if there is none. Run the migrations next: `core.migrate.migrate(database)`."""
        return cls(path)

    def write(self, work: Work[Result]) -> Result:
        """Run `work` in a transaction and return its result once it is on disk.

        Raises:
            StorageFull: The disk is full; nothing of `work` was kept.
            Unavailable: The database does not answer, for example because it is being closed.
            LeptonError: Whatever `work` raised; nothing of it was kept.
        """
        return self._submit(work).result()

    async def write_async(self, work: Work[Result]) -> Result:
        """The same for the event loop: waits without holding a thread."""
        return await asyncio.wrap_future(self._submit(work))

    def read(self, work: Work[Result]) -> Result:
        """Run `work` on a reading connection: it sees one moment of the database and cannot change it."""
        with _translated(), self._readers.connect() as connection:
            return work(connection)

    def close(self) -> None:
        """Finish what was accepted, fold the log into the database file, and close."""
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        self._readers.dispose()

    def _submit(self, work: Work[Result]) -> "Future[Result]":
        request = _Request(work)
        with self._close_lock:
            if self._closed:
                raise Unavailable("the database is closed", hint="The server is stopping; try again in a moment.")
            self._queue.put(request)
        return request.future

    def _write_forever(self) -> None:
        try:
            engine = _writer_engine(self._path)
            connection = engine.connect()
        except DatabaseError as error:
            self._opened.set_exception(_as_lepton_error(error))
            return
        self._opened.set_result(None)
        while group := self._next_group():
            _commit(connection, group, self._count_commit)
        _raw(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        engine.dispose()

    def _count_commit(self) -> None:
        self.commits += 1

    def _next_group(self) -> "list[_Request]":
        first = self._queue.get()
        if first is None:
            return []
        group = [first]
        while len(group) < _GROUP_LIMIT:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if request is None:
                self._queue.put(None)  # finish this group first
                break
            group.append(request)
        return group


class _Request:
    """One `write` on its way."""

    __slots__ = ("error", "future", "result", "work")

    def __init__(self, work: Work[Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()
        self.result: Any = None
        self.error: BaseException | None = None

    def acknowledge(self) -> None:
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class _TransactionLost(Exception):
    """SQLite rolled the whole transaction back, not only a savepoint (a full disk does that)."""


def _commit(connection: Connection, group: list[_Request], count: Callable[[], None]) -> None:
    """Run a group, count its transaction, and acknowledge each of it."""
    try:
        _run_group(connection, group)
        count()  # before anybody is told, so that what is read from then on is not taken for what was known
    except (_TransactionLost, DatabaseError, OSError) as error:
        _abandon(connection)
        if len(group) > 1:
            # One of them filled the disk, perhaps: each gets its own transaction, and its own answer.
            for request in group:
                request.error = request.result = None
                _commit(connection, [request], count)
            return
        group[0].error = group[0].error or _as_lepton_error(error)
    for request in group:
        request.acknowledge()


def _run_group(connection: Connection, group: list[_Request]) -> None:
    raw = _raw(connection)
    with connection.begin():
        for request in group:
            _require_transaction(raw)
            raw.execute("SAVEPOINT request")
            try:
                request.result = request.work(connection)
                raw.execute("RELEASE request")
            except Exception as error:
                if not raw.in_transaction:
                    raise _TransactionLost from error
                raw.execute("ROLLBACK TO request")
                raw.execute("RELEASE request")
                request.error = _as_lepton_error(error)
        _require_transaction(raw)
        failpoint("database.before_commit")
    failpoint("database.after_commit")


def _raw(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def _require_transaction(raw: sqlite3.Connection) -> None:
    if not raw.in_transaction:
        raise _TransactionLost


def _abandon(connection: Connection) -> None:
    if connection.in_transaction():
        connection.rollback()
    raw = _raw(connection)
    if raw.in_transaction:
        raw.execute("ROLLBACK")


def _writer_engine(path: Path) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(path, isolation_level=None, timeout=10),
        poolclass=StaticPool,
    )

    @event.listens_for(engine, "connect")
    def configure(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _reader_engine(path: Path) -> Engine:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10, check_same_thread=False),
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=56,
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN DEFERRED")

    return engine


class _translated:  # noqa: N801 - reads as a word in a with statement
    """Turns the database's errors into ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, DatabaseError):
            raise _as_lepton_error(error) from error


def _as_lepton_error(error: BaseException) -> BaseException:
    if isinstance(error, LeptonError):
        return error
    causes = _causes(error)
    if any(getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL for cause in causes):
        return StorageFull("the disk is full: the change was not made", hint="Free some space; writes then go on.")
    if isinstance(error, OperationalError | OSError | _TransactionLost):
        return Unavailable(f"the database does not take writes now: {causes[-1]}", hint="Try again in a moment.")
    return error


def _causes(error: BaseException) -> list[BaseException]:
    """The error and everything behind it: a failed rollback hides the error that made it fail."""
    found: list[BaseException] = []
    behind: BaseException | None = error
    while behind is not None and behind not in found:
        found.append(behind)
        behind = getattr(behind, "orig", None) or behind.__cause__ or behind.__context__
    return found
