"""SQLite as we use it: WAL, durable commits, foreign keys, explicit transactions, one writer."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, AsyncAdaptedQueuePool, Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from orderwatch.cancellation import shielded
from orderwatch.db.column_types import parsed

BUSY = 10.0  # seconds; only a command beside the daemon ever makes a writer wait
BUSY_PATIENT = 2.0  # where it is tried again: nobody can be stopped meanwhile
_CONNECT = {"isolation_level": None, "timeout": BUSY}  # no transaction begins behind our back
_STEPS = 10_000  # of SQLite's machine, after which it asks whether to stop
_DURABLE = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")


def writer_engine(path: Path, busy: float = BUSY) -> AsyncEngine:
    """The only engine that writes: one connection, `BEGIN IMMEDIATE`, so no update is lost."""
    engine = _async_engine(path, busy, size=1)
    _set_up(engine.sync_engine, *_DURABLE, "PRAGMA foreign_keys=ON")
    _begin(engine.sync_engine, "BEGIN IMMEDIATE")
    return engine


def reader_engine(path: Path, busy: float = BUSY) -> AsyncEngine:
    """Reads a consistent snapshot and cannot write."""
    engine = _async_engine(path, busy, size=4)
    _set_up(engine.sync_engine, "PRAGMA query_only=ON")
    _begin(engine.sync_engine, "BEGIN")
    return engine


def upgrade_engine(path: Path) -> Engine:
    """Blocking, for migrations: foreign keys off, or rebuilding a parent table would empty its children."""
    engine = _engine(path, "rwc")
    _set_up(engine, *_DURABLE, "PRAGMA foreign_keys=OFF")
    _begin(engine, "BEGIN IMMEDIATE")
    return engine


def inspect_engine(path: Path) -> Engine:
    """Blocking, reads only: to ask an existing file what it is."""
    engine = _engine(path, "rw")
    _set_up(engine, "PRAGMA query_only=ON")
    _begin(engine, "BEGIN")
    return engine


@contextmanager
def beside(path: Path, enough: Callable[[], bool]) -> Iterator[sqlite3.Connection]:
    """Blocking, a bare connection to read with: what takes long ends as soon as it is `enough`.

    Not with mode "ro", which leaves an empty `-wal` behind where no one else has the file open.
    """
    with closing(sqlite3.connect(_file(path, "rw"), uri=True, timeout=BUSY, isolation_level=None)) as db:
        db.set_progress_handler(enough, _STEPS)
        yield db


async def close(*engines: AsyncEngine) -> None:
    """Close them in this order, all of them, whoever is cancelled meanwhile."""

    async def close_each() -> None:
        for engine in engines:
            await engine.dispose()

    await shielded(close_each())


def _engine(path: Path, mode: str) -> Engine:
    return create_engine(_url("sqlite", path, mode), connect_args=_CONNECT, poolclass=NullPool)


def _async_engine(path: Path, busy: float, size: int) -> AsyncEngine:
    return create_async_engine(
        _url("sqlite+aiosqlite", path, "rw"),
        connect_args={**_CONNECT, "timeout": busy},
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        json_deserializer=parsed,
    )


def _set_up(engine: Engine, *pragmas: str) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()


def _begin(engine: Engine, statement: str) -> None:
    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)


def _url(driver: str, path: Path, mode: str) -> URL:
    """With mode "rw" a file that vanished is an error, with "rwc" a new empty database."""
    return URL.create(driver, database=_file(path, mode), query={"uri": "true"})


def _file(path: Path, mode: str) -> str:
    return f"file:{quote(bytes(path))}?mode={mode}"
