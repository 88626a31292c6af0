"""The database file: many readers, one writer, and retries while another process keeps it busy."""

import asyncio
import sqlite3
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Executable, RowMapping, Select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from orderwatch.cancellation import unit
from orderwatch.db.engine import (
    BUSY_TIMEOUT_SECONDS,
    RETRIED_BUSY_TIMEOUT_SECONDS,
    close,
    reader_engine,
    writer_engine,
)
from orderwatch.errors import BusyError, DatabaseError

log = structlog.get_logger()

_MAX_REASON_CHARACTERS = 200  # a damaged file reports errors with its content
_PASSING_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}
_PASSING_EXTENDED_CODES = {sqlite3.SQLITE_IOERR_SHMSIZE}  # a full disk, when the file of the locks grows

R = TypeVar("R")
Work = Callable[[AsyncConnection], Awaitable[R]]
"""One unit of work; it must not change anything but the database, since it may be run again."""

_MIN_RETRY_SECONDS, _MAX_RETRY_SECONDS = 0.1, 3.0
_STREAMED_ROWS = 1_000  # at once


class Database:
    """Runs units of work: reads as snapshots side by side, writes as transactions one after the other.

    A cancelled caller never leaves a unit half-way. While SQLite is busy a unit is run again, for
    `retry_seconds` at most (0: never, `math.inf`: without end). Raises `DatabaseError`.
    """

    def __init__(
        self,
        readers: AsyncEngine,
        writer: AsyncEngine | None = None,
        retry_seconds: float = 0.0,
        *,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._turn = asyncio.Lock()  # to write
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

    async def write(self, work: Work[R], on_commit: Callable[[], object] = bool) -> R:
        """Run the unit as one transaction, then call `on_commit`.

        A caller that is cancelled while it waits for its turn has written nothing.
        """

        async def once() -> R:
            async with self._turn:
                return await self._write(work, on_commit)

        return await self._run(once)

    async def rows(self, query: Executable) -> list[RowMapping]:
        """Read all rows of one query."""

        async def work(db: AsyncConnection) -> list[RowMapping]:
            return list((await db.execute(query)).mappings())

        return await self.read(work)

    async def scalar(self, query: Executable) -> Any:  # noqa: ANN401 - of any column
        """Read the first value of one query."""
        return await self.read(lambda db: db.scalar(query))

    async def execute(self, *statements: Executable) -> None:
        """Execute the statements in one transaction."""

        async def work(db: AsyncConnection) -> None:
            for statement in statements:
                await db.execute(statement)

        await self.write(work)

    async def check_writable(self) -> None:
        """Return once a transaction can be written; `DatabaseError` if none can."""
        await self.execute()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Read as of one moment; neither retried nor protected from cancellation."""
        with translated("the database cannot be read"):
            async with self._readers.begin() as db:
                yield db

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Write all or nothing; neither retried nor protected from cancellation."""
        if self._writer is None:
            raise DatabaseError("the database is open for reading only")
        with translated("the database cannot be written"):
            async with self._writer.begin() as db:
                yield db

    @unit
    async def _read(self, work: Work[R]) -> R:
        async with self.snapshot() as db:
            return await work(db)

    @unit
    async def _write(self, work: Work[R], on_commit: Callable[[], object]) -> R:
        async with self.transaction() as db:
            done = await work(db)
        on_commit()
        return done

    async def _run(self, attempt: Callable[[], Awaitable[R]]) -> R:
        """Run the unit; `BusyError` if it is busy for too long."""
        try:
            done = await attempt()
        except BusyError as error:
            if not self._retry_seconds:
                raise
            self._report_busy(error)
            self._retrying += 1
            try:
                done = await self._retry(attempt, error)
            finally:
                self._retrying -= 1
        self._report_free()
        return done

    async def _retry(self, attempt: Callable[[], Awaitable[R]], error: BusyError) -> R:
        """Run it until it is done; a cancelled caller does not wait, since the next start can catch up."""
        began, pause = self._steady(), _MIN_RETRY_SECONDS
        while True:
            if self._stopping.is_set() or _is_cancelled():
                raise asyncio.CancelledError from error
            if self._steady() - began > self._retry_seconds:
                raise error
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(2 * pause, _MAX_RETRY_SECONDS)
            try:
                return await attempt()
            except BusyError as again:
                error = again

    def _report_busy(self, error: BusyError) -> None:
        if self.trouble is None:
            self.trouble, self._busy_since = str(error), self._steady()
            log.error("database.busy", reason=self.trouble)

    def _report_free(self) -> None:
        """Report it once every busy unit is done: on a full disk small writes may succeed meanwhile."""
        if self.trouble is not None and not self._retrying:
            self.trouble = None
            log.info("database.free", lasted_seconds=round(self._steady() - self._busy_since))


@asynccontextmanager
async def open_database(path: Path, retry_seconds: float = 0.0) -> AsyncIterator[Database]:
    """Open a database at head. The writer is closed last, since only it checkpoints."""
    busy = RETRIED_BUSY_TIMEOUT_SECONDS if retry_seconds else BUSY_TIMEOUT_SECONDS
    readers, writer = reader_engine(path, busy), writer_engine(path, busy)
    try:
        yield Database(readers, writer, retry_seconds)
    finally:
        await close(readers, writer)


@asynccontextmanager
async def open_read_only(path: Path, busy_timeout: float = BUSY_TIMEOUT_SECONDS) -> AsyncIterator[Database]:
    """Open a database at head for reading, beside a running daemon or inside it."""
    engine = reader_engine(path, busy_timeout)
    try:
        yield Database(engine)
    finally:
        await close(engine)


async def streamed(db: AsyncConnection, query: Select[*tuple[Any, ...]]) -> AsyncIterator[Sequence[Any]]:
    """Read many rows in small parts."""
    async with db.stream(query) as result:
        async for rows in result.partitions(_STREAMED_ROWS):
            for row in rows:
                yield row


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextmanager
def translated(failure: str) -> Iterator[None]:
    """Turn every error of the file into a `DatabaseError`, so that callers never see SQLAlchemy's.

    A `BusyError` if it passes without anyone touching the file. `IntegrityError` is not the file's fault.
    """
    try:
        yield
    except IntegrityError:
        raise
    except (
        OSError,
        DBAPIError,
        sqlite3.Error,
        UnicodeDecodeError,
    ) as error:  # damage garbles even the message
        cause = error.orig if isinstance(error, DBAPIError) else error
        is_external = isinstance(cause, OSError | sqlite3.OperationalError)
        advice = "check its disk, its permissions and who else uses it" if is_external else "restore a backup"
        kind = BusyError if _is_passing(cause) else DatabaseError
        raise kind(f"{failure}: {one_line(cause)}; {advice}") from error


def one_line(reason: object) -> str:
    return textwrap.shorten(str(reason), _MAX_REASON_CHARACTERS, placeholder="…")


def _is_passing(cause: object) -> bool:
    code = getattr(cause, "sqlite_errorcode", None)
    return isinstance(code, int) and (code & 0xFF in _PASSING_CODES or code in _PASSING_EXTENDED_CODES)
