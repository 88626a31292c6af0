"""Time that does not wait: where nobody works and nothing is under way, the clocks go on to the next timer.

For a process of its own: it puts other clocks into `time`, and into the modules that ask `datetime` for the
time of day. Sockets, files and the database are real, and take the time that they take. Real remain too the
times of files, and what threads wait for by themselves: how long SQLite waits for a lock.
"""

import asyncio
import datetime as dt
import inspect
import selectors
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

T = TypeVar("T")

_SETTLE = 0.001  # seconds for bytes that are on their way over loopback
_AT_WORK = 0.02  # seconds between two looks whether threads are done
_ASKING = ("orderwatch", "apscheduler", "structlog")  # modules that may ask for the time of day


class Hurry:
    """The clocks of this process: ahead of the host's by what was skipped."""

    def __init__(self) -> None:
        self.skipped = 0.0  # seconds
        self._working = 0
        self._turn = threading.Lock()

    @property
    def busy(self) -> bool:
        return self._working > 0

    def begin(self) -> None:
        with self._turn:
            self._working += 1

    def end(self, *_: object) -> None:
        with self._turn:
            self._working -= 1

    def take_over(self) -> None:
        """From now on this process goes by these clocks, and it is known which of its threads work."""
        for name in ("time", "monotonic"):
            setattr(time, name, self._ahead(getattr(time, name)))
        for name in ("time_ns", "monotonic_ns"):
            setattr(time, name, self._ahead_ns(getattr(time, name)))
        time.clock_gettime = self._ahead(time.clock_gettime)
        self._watch_threads()
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in _ASKING and _asks(module):
                was = module.__dict__.get("datetime")
                module.__dict__["datetime"] = _Datetime if was is dt.datetime else _MODULE

    def _ahead(self, clock: Callable[..., float]) -> Callable[..., float]:
        return lambda *which: clock(*which) + self.skipped

    def _ahead_ns(self, clock: Callable[[], int]) -> Callable[[], int]:
        return lambda: clock() + int(self.skipped * 1e9)

    def _watch_threads(self) -> None:
        submit = ThreadPoolExecutor.submit

        def submitted(pool: ThreadPoolExecutor, *args: Any, **facts: Any) -> Future[Any]:  # noqa: ANN401
            self.begin()
            future = submit(pool, *args, **facts)
            future.add_done_callback(self.end)
            return future

        ThreadPoolExecutor.submit = submitted  # type: ignore[assignment,method-assign]

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_Selector(self))) as runner:
            return runner.run(main())


class _Selector(selectors.EpollSelector):
    """Waits only for what is real."""

    def __init__(self, hurry: Hurry) -> None:
        super().__init__()
        self._hurry = hurry

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        if ready := super().select(_SETTLE):
            return ready
        if timeout is None or self._hurry.busy:
            return super().select(_AT_WORK)
        self._hurry.skipped += timeout
        return []


class _Asked(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, dt.datetime)


class _Datetime(dt.datetime, metaclass=_Asked):
    """Makes real ones, and asks our clock what time it is."""

    def __new__(cls, *args: Any, **facts: Any) -> dt.datetime:  # type: ignore[misc]  # noqa: ANN401
        return dt.datetime(*args, **facts)  # noqa: DTZ001 - as whoever asks wants it

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
        return dt.datetime.fromtimestamp(time.time(), tz)


_MODULE = SimpleNamespace(**{**vars(dt), "datetime": _Datetime})


def _asks(module: ModuleType) -> bool:
    if module.__dict__.get("datetime") not in (dt, dt.datetime):
        return False
    return "datetime.now(" in inspect.getsource(module)
