"""Connections to SQLite: WAL, durable commits, foreign keys, explicit transactions."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, AsyncAdaptedQueuePool, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from orderwatch.db.mappers import parse_json, to_json

BUSY_TIMEOUT_SECONDS = 10.0  # only a command beside the daemon ever makes a writer wait
RETRIED_BUSY_TIMEOUT_SECONDS = 2.0  # of units that are retried: nothing can be stopped meanwhile
_MAX_READERS = 4
_PROGRESS_STEPS = 10_000  # of SQLite's virtual machine, between two questions whether to stop
_JSON: dict[str, Any] = {"json_serializer": to_json, "json_deserializer": parse_json}
_DURABLE = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")


def writer_engine(path: Path, busy: float = BUSY_TIMEOUT_SECONDS) -> Engine:
    """The only engine that writes: one connection, `BEGIN IMMEDIATE`, so no update is lost. Blocking."""
    engine = create_engine(
        _url(path, "rw"),
        **_pool(busy, size=1),
        poolclass=QueuePool,
        **_JSON,
    )
    _set_up(engine, *_DURABLE, "PRAGMA foreign_keys=ON")
    _begin(engine, "BEGIN IMMEDIATE")
    return engine


def reader_engine(path: Path, busy: float = BUSY_TIMEOUT_SECONDS) -> Engine:
    """Reads a consistent snapshot and cannot write; for `greenlet_spawn`, over aiosqlite."""
    engine = create_engine(
        _url(path, "rw").set(drivername="sqlite+aiosqlite"),
        **_pool(busy, size=_MAX_READERS),
        poolclass=AsyncAdaptedQueuePool,
        **_JSON,
    )
    _set_up(engine, "PRAGMA query_only=ON")
    _begin(engine, "BEGIN")
    return engine


def upgrade_engine(path: Path) -> Engine:
    """For migrations: without foreign keys, or a rebuilt parent table would empty its children."""
    engine = _engine(path, "rwc")
    _set_up(engine, *_DURABLE, "PRAGMA foreign_keys=OFF")
    _begin(engine, "BEGIN IMMEDIATE")
    return engine


def inspect_engine(path: Path) -> Engine:
    """Read-only, for a file that may not be our database."""
    engine = _engine(path, "rw")
    _set_up(engine, "PRAGMA query_only=ON")
    _begin(engine, "BEGIN")
    return engine


@contextmanager
def side_connection(path: Path, stop: Callable[[], bool]) -> Iterator[sqlite3.Connection]:
    """Blocking: a bare connection to read with, beside the writer; statements end once `stop` returns true.

    Not with mode "ro", which leaves an empty `-wal` behind if nothing else has the file open.
    """
    with closing(
        sqlite3.connect(_file(path, "rw"), uri=True, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
    ) as db:
        db.set_progress_handler(stop, _PROGRESS_STEPS)
        yield db


def _engine(path: Path, mode: str) -> Engine:
    return create_engine(_url(path, mode), connect_args=_connect(BUSY_TIMEOUT_SECONDS), poolclass=NullPool)


def _pool(busy: float, size: int) -> dict[str, Any]:
    return {"connect_args": _connect(busy), "pool_size": size, "max_overflow": 0}


def _connect(busy: float) -> dict[str, object]:
    return {"isolation_level": None, "timeout": busy}  # no implicit transactions


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


def _url(path: Path, mode: str) -> URL:
    """With mode "rw" a file that vanished is an error, with "rwc" a new empty database."""
    return URL.create("sqlite", database=_file(path, mode), query={"uri": "true"})


def _file(path: Path, mode: str) -> str:
    return f"file:{quote(bytes(path))}?mode={mode}"
