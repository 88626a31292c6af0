"""Writes units of work in transactions, one after the other; units that wait at the same time share one."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.util import greenlet_spawn

from orderwatch.cancellation import shielded
from orderwatch.db.file_errors import translated
from orderwatch.errors import DatabaseError

R = TypeVar("R")


@dataclass(eq=False, slots=True)
class _Unit(Generic[R]):
    """A unit of work that waits or is being written, and how it ended."""

    work: Callable[[Connection], R]
    on_commit: Callable[[], object]
    end: asyncio.Future[R]
    results: list[R] = field(default_factory=list)  # one once it is committed
    error: BaseException | None = None

    def settle(self) -> None:
        """Report the end to the caller."""
        if self.error is not None:
            self.end.set_exception(self.error)
            return
        self.end.set_result(self.results[0])
        self.on_commit()


class Worker(Protocol):
    """Runs blocking code of the engine beside the event loop."""

    def start(self, work: Callable[[], None]) -> "asyncio.Future[None]":
        """Begin the work; `RuntimeError` once it is closed."""
        ...

    async def close(self, dispose: Callable[[], None]) -> None:
        """Run this last."""
        ...


class ThreadWorker:
    """For a driver that blocks: one thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")

    def start(self, work: Callable[[], None]) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self, dispose: Callable[[], None]) -> None:
        def end() -> None:
            self._thread.shutdown()
            dispose()

        await asyncio.to_thread(end)


class GreenletWorker:
    """For a driver that awaits: a greenlet of SQLAlchemy."""

    def __init__(self) -> None:
        self._last: asyncio.Future[None] | None = None
        self._is_closed = False

    def start(self, work: Callable[[], None]) -> "asyncio.Future[None]":
        if self._is_closed:
            raise RuntimeError("closed")
        self._last = asyncio.ensure_future(greenlet_spawn(work))
        return self._last

    async def close(self, dispose: Callable[[], None]) -> None:
        self._is_closed = True
        if self._last is not None:
            await self._last
        await greenlet_spawn(dispose)


class Writer:
    """The only writer of the database in this process: one connection. Raises `DatabaseError`."""

    def __init__(self, engine: Engine, worker: Worker) -> None:
        self._engine = engine
        self._worker = worker
        self._waiting: list[_Unit[Any]] = []
        self._is_writing = False

    async def write(self, work: Callable[[Connection], R], on_commit: Callable[[], object]) -> R:
        """Write a unit and return once it is committed; call `on_commit` before.

        A cancelled caller has written nothing while the unit still waits, else it waits for the commit.
        """
        unit = _Unit(work, on_commit, asyncio.get_running_loop().create_future())
        self._waiting.append(unit)
        if not self._is_writing:
            self._begin()
        return await shielded(unit.end, hurry=partial(self._withdraw, unit))

    async def close(self) -> None:
        """Close the connection."""
        await self._worker.close(self._engine.dispose)

    def _withdraw(self, unit: _Unit[Any]) -> None:
        if unit in self._waiting:
            self._waiting.remove(unit)
            unit.end.cancel()

    def _begin(self) -> None:
        """Write all units that wait now."""
        units, self._waiting = self._waiting, []
        try:
            writing = self._worker.start(partial(self._write, units))
        except RuntimeError:  # the worker is closed
            for unit in units:
                unit.end.set_exception(DatabaseError("the database is closed"))
            return
        self._is_writing = True
        writing.add_done_callback(partial(self._on_end, units))

    def _on_end(self, units: Sequence[_Unit[Any]], _: asyncio.Future[None]) -> None:
        self._is_writing = False
        if self._waiting:
            self._begin()
        for unit in units:
            unit.settle()

    def _write(self, units: Sequence[_Unit[Any]]) -> None:
        """Write the units in one transaction; if one fails, each in its own, so that its error is its own."""
        has_begun = False
        try:
            with translated("the database cannot be written"), self._engine.begin() as db:
                has_begun = True
                results = [unit.work(db) for unit in units]
        except BaseException as error:  # noqa: BLE001 - the callers raise it
            if has_begun and len(units) > 1:
                for unit in units:
                    self._write([unit])
                return
            for unit in units:
                unit.error = error
        else:
            for unit, result in zip(units, results, strict=True):
                unit.results.append(result)
