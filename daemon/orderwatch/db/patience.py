"""A database that is busy is waited for: whatever it refused is done again, and the trouble is said once."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import structlog

from orderwatch.cancellation import shielded
from orderwatch.errors import BusyError

log = structlog.get_logger()

A = ParamSpec("A")
R = TypeVar("R")

_FIRST, _SLOWEST = 0.1, 3.0  # seconds between two tries


class Patience:
    """How long whoever uses the database waits for it: so many seconds, for ever with `math.inf`.

    `trouble` is why it is waited for, None where it is not.
    """

    def __init__(self, longest: float = 0.0, steady: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._steady = steady
        self._began = 0.0
        self._waiting = 0  # units that were refused and not done yet
        self._hurry = asyncio.Event()
        self.trouble: str | None = None

    def hurry(self) -> None:
        """Nobody waits any more: what is refused from here on counts as cancelled."""
        self._hurry.set()

    async def through(self, work: Callable[[], Awaitable[R]]) -> R:
        """Do it, again and again while the database is busy; `BusyError` when that takes too long.

        A caller that is cancelled does not wait: what it still wanted to write, a next start finds out.
        """
        try:
            done = await work()
        except BusyError as error:
            if not self._longest:
                raise
            self._begin(error)
            self._waiting += 1
            try:
                done = await self._repeated(work, error)
            finally:
                self._waiting -= 1
        self._done()
        return done

    async def _repeated(self, work: Callable[[], Awaitable[R]], error: BusyError) -> R:
        began, pause = self._steady(), _FIRST
        while True:
            if self._hurry.is_set() or _is_cancelled():
                raise asyncio.CancelledError from error
            if self._steady() - began > self._longest:
                raise error
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            pause = min(2 * pause, _SLOWEST)
            try:
                return await work()
            except BusyError as again:
                error = again

    def _begin(self, error: BusyError) -> None:
        if self.trouble is None:
            self.trouble, self._began = str(error), self._steady()
            log.error("database.busy", reason=self.trouble)

    def _done(self) -> None:
        """It is over when all that was refused is done: on a full disk what is small may still go through."""
        if self.trouble is not None and not self._waiting:
            self.trouble = None
            log.info("database.free", lasted_seconds=round(self._steady() - self._began))


class Patient(Protocol):
    """Who does units of work."""

    @property
    def patience(self) -> Patience: ...

    @property
    def turn(self) -> asyncio.Lock: ...


O = TypeVar("O", bound=Patient)  # noqa: E741 - an owner
Method = Callable[Concatenate[O, A], Coroutine[Any, Any, R]]


def reading(method: Method[O, A, R]) -> Method[O, A, R]:
    """A method that is one unit of work, and can be repeated."""

    @functools.wraps(method)
    async def run(owner: O, /, *args: A.args, **kwargs: A.kwargs) -> R:
        return await owner.patience.through(lambda: shielded(method(owner, *args, **kwargs)))

    return run


def writing(method: Method[O, A, R]) -> Method[O, A, R]:
    """The same, one after the other; who is cancelled while waiting for the turn has done nothing."""

    @functools.wraps(method)
    async def run(owner: O, /, *args: A.args, **kwargs: A.kwargs) -> R:
        async def once() -> R:
            async with owner.turn:
                return await shielded(method(owner, *args, **kwargs))

        return await owner.patience.through(once)

    return run


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
