"""The database: many readers, one writer, and retries while it is busy or away."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, Executable, RowMapping
from sqlalchemy.util import greenlet_spawn

from orderwatch.cancellation import shielded
from orderwatch.core.database_location import DatabaseLocation, PostgresServer
from orderwatch.db.engines import postgres
from orderwatch.db.engines.sqlite import (
    BUSY_TIMEOUT_SECONDS,
    RETRIED_BUSY_TIMEOUT_SECONDS,
    reader_engine,
    writer_engine,
)
from orderwatch.db.file_errors import translated
from orderwatch.db.units import Unit
from orderwatch.db.writer import GreenletWorker, ThreadWorker, Writer
from orderwatch.errors import BusyError, DatabaseError

log = structlog.get_logger()

R = TypeVar("R")
Work = Callable[[Connection], R]
"""A unit of work, which must change nothing but the database, since it may be run again."""

_MIN_RETRY_SECONDS, _MAX_RETRY_SECONDS = 0.1, 3.0
_MIN_OUTCOME_SECONDS = 15.0  # longer than a server keeps the turn for a host that has fallen silent


class Database:
    """Runs units of work: reads as snapshots side by side, writes as transactions one after the other.

    A cancelled caller never leaves a unit half-way. While the database is busy a unit is run again, for
    `retry_seconds` at most (0: never, `math.inf`: without end). When the answer to a commit is lost, the
    database is asked for it, for some seconds in any case. Raises `DatabaseError`.
    """

    def __init__(
        self,
        readers: Engine,
        writer: Writer | None = None,
        retry_seconds: float = 0.0,
        *,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._retry_seconds = retry_seconds
        self._steady = steady
        self._stopping = asyncio.Event()
        self._retrying = 0  # units that were busy and are not done yet
        self._busy_since = 0.0
        self.trouble: str | None = None
        """Why units are being retried; None if none is."""

    def stop_waiting(self) -> None:
        """Stop retrying, when the daemon ends: a unit that finds the database busy counts as cancelled."""
        self._stopping.set()

    async def read(self, work: Work[R], *, retried: bool = True) -> R:
        """Run the unit on a snapshot; it is run again while the database is busy, if it may be `retried`."""
        if not retried:
            return await self._read(work)
        return await self._run(lambda: self._read(work))

    async def read_in_turn(self, work: Work[R]) -> R:
        """Run a unit that only reads in the writer's thread: the cheapest way before and after a write.

        It may share the transaction of units that write. Alone it costs no flush.
        """
        return await self.write(work)

    async def write(self, work: Work[R], on_commit: Callable[[], object] = bool) -> R:
        """Run the unit in a transaction, together with others that wait, then call `on_commit`.

        A caller that is cancelled while it waits for its turn has written nothing.
        """
        if self._writer is None:
            raise DatabaseError("the database is open for reading only")
        unit = Unit(work)
        return await self._run(partial(self._writer.write, unit, on_commit), unit)

    async def rows(self, query: Executable) -> list[RowMapping]:
        """Read all rows of one query."""
        return await self.read(lambda db: list(db.execute(query).mappings()))

    async def scalar(self, query: Executable) -> Any:  # noqa: ANN401 - of any column
        """Read the first value of one query."""
        return await self.read(lambda db: db.scalar(query))

    async def execute(self, *statements: Executable) -> None:
        """Execute the statements in one transaction."""

        def work(db: Connection) -> None:
            for statement in statements:
                db.execute(statement)

        await self.write(work)

    async def check_writable(self) -> None:
        """Return once a transaction can be written; `DatabaseError` if none can."""
        await self.execute()

    async def close(self) -> None:
        """Close every connection. The writer's is closed last, since only it checkpoints."""
        await shielded(self._close())

    async def _close(self) -> None:
        await greenlet_spawn(self._readers.dispose)
        if self._writer is not None:
            await self._writer.close()

    async def _read(self, work: Work[R]) -> R:
        return await shielded(self._read_snapshot(work))

    async def _read_snapshot(self, work: Work[R]) -> R:
        def unit() -> R:
            with self._readers.begin() as db:
                return work(db)

        with translated("the database cannot be read"):
            return await greenlet_spawn(unit)

    async def _run(self, attempt: Callable[[], Awaitable[R]], unit: Unit[R] | None = None) -> R:
        """Run the unit; `BusyError` if it is busy for too long."""
        try:
            done = await attempt()
        except DatabaseError as error:
            is_lost = unit is not None and unit.may_be_committed
            seconds = max(self._retry_seconds, _MIN_OUTCOME_SECONDS if is_lost else 0)
            if not seconds or not (is_lost or isinstance(error, BusyError)):
                raise
            self._report_busy(error)
            self._retrying += 1
            try:
                done = await self._retry(attempt, error, seconds)
            except DatabaseError as last:
                if unit is not None and unit.may_be_committed:
                    raise BusyError(f"{last}; it is unknown whether the change was written") from last
                raise
            finally:
                self._retrying -= 1
        self._report_free()
        return done

    async def _retry(self, attempt: Callable[[], Awaitable[R]], error: DatabaseError, seconds: float) -> R:
        """Run it until it is done; a cancelled caller does not wait, since the next start can catch up."""
        began, pause = self._steady(), _MIN_RETRY_SECONDS
        while True:
            if self._stopping.is_set() or _is_cancelled():
                raise asyncio.CancelledError from error
            if self._steady() - began > seconds:
                raise error
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(2 * pause, _MAX_RETRY_SECONDS)
            try:
                return await attempt()
            except BusyError as again:
                error = again

    def _report_busy(self, error: DatabaseError) -> None:
        if self.trouble is None:
            self.trouble, self._busy_since = str(error), self._steady()
            log.error("database.busy", reason=self.trouble)

    def _report_free(self) -> None:
        """Report it once every busy unit is done: on a full disk small writes may succeed meanwhile."""
        if self.trouble is not None and not self._retrying:
            self.trouble = None
            log.info("database.free", lasted_seconds=round(self._steady() - self._busy_since))


@asynccontextmanager
async def open_database(location: DatabaseLocation, retry_seconds: float = 0.0) -> AsyncIterator[Database]:
    """Open a database at head."""
    busy = RETRIED_BUSY_TIMEOUT_SECONDS if retry_seconds else BUSY_TIMEOUT_SECONDS
    database = Database(_readers(location, busy), _writer(location, busy), retry_seconds)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_read_only(
    location: DatabaseLocation, busy_timeout: float = BUSY_TIMEOUT_SECONDS
) -> AsyncIterator[Database]:
    """Open a database at head for reading, beside a running daemon or inside it."""
    database = Database(_readers(location, busy_timeout))
    try:
        yield database
    finally:
        await database.close()


def _readers(location: DatabaseLocation, busy: float) -> Engine:
    if isinstance(location, PostgresServer):
        return postgres.reader_engine(location)
    return reader_engine(location, busy)


def _writer(location: DatabaseLocation, busy: float) -> Writer:
    if isinstance(location, PostgresServer):
        return Writer(postgres.writer_engine(location), GreenletWorker())
    return Writer(writer_engine(location, busy), ThreadWorker())


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
