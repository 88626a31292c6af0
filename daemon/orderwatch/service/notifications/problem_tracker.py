"""Tracks problems that began and have not ended, from log events; saves and notifies them."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import MappingProxyType

from orderwatch.core.cluster.problems import shift_of
from orderwatch.core.notifications.problems import (
    ON_HOST,
    Problem,
    ProblemChange,
    begins,
    begins_again,
    begun,
    ends,
    located,
)
from orderwatch.core.ordering.intent import IntentState
from orderwatch.errors import DatabaseError
from orderwatch.ports import Store

_RETRY_SECONDS = 5.0  # while the database cannot be written
_REVIEW_INTERVAL = timedelta(minutes=5)
_INTENT_EVENT = "intent.unclear"  # another process may settle it, whose log is not seen here


class ProblemTracker:
    """`on_event` may be called from any thread, also before `load`; `run` writes the changes.

    A problem that was open at the start is not notified again when it begins again; if it does not begin
    again within `settling`, it is over.

    Of several hosts only the one that would log the end of a problem ends it by silence. `refresh` takes over
    what the others have recorded; `host` is the name of this one.
    """

    def __init__(
        self, store: Store, *, now: Callable[[], datetime], settling: timedelta, host: str | None = None
    ) -> None:
        self._store = store
        self._now = now
        self._settling = settling
        self._host = host
        self.holds: Callable[[str], bool] = lambda _: host is None  # a shift, by its name
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, Problem] = {}
        self.open: Mapping[str, Problem] = MappingProxyType(self._open)
        self._owned: set[str] = set()  # at the last refresh, or begun here
        self._unconfirmed: dict[str, float] = {}  # deadline by the loop's clock
        self._before_load: (
            list[tuple[str, Mapping[str, object], datetime]] | None
        ) = []  # events received before `load`
        self._unwritten: deque[ProblemChange] = deque()
        self._news = asyncio.Event()
        self._writing = asyncio.Lock()

    def on_event(self, event: str, level: str, fields: Mapping[str, object]) -> None:
        """Receive a log event; it is processed in the event loop."""
        del level
        fields = located(event, fields, self._host)
        if begins(event, fields) or ends(event, fields):
            with suppress(RuntimeError):  # the loop is closed; the next start detects the problem again
                self._loop.call_soon_threadsafe(self._process, event, fields, self._now())

    async def load(self) -> None:
        """Load the open problems of the last process. Raises `DatabaseError`."""
        self._open.update(await self._store.outbox.problems())
        self.require_confirmation(self._owns)
        self._owned = {key for key, problem in self._open.items() if self._owns(problem)}
        events, self._before_load = self._before_load or [], None
        for event, fields, at in events:
            self._process(event, fields, at)

    def require_confirmation(self, which: Callable[[Problem], bool] = lambda _: True) -> None:
        """End these problems unless they begin again: the component that would end them is gone."""
        now = self._loop.time()
        for key, problem in self._open.items():
            if which(problem):
                within = max(self._settling, begins_again(problem.event))
                self._unconfirmed[key] = now + within.total_seconds()

    def find(self, event: str) -> list[Problem]:
        """Return the open problems that began with this event."""
        return [problem for problem in self._open.values() if problem.event == event]

    def end_where(self, is_over: Callable[[Problem], bool]) -> None:
        """End these problems now."""
        for key in [key for key, problem in self._open.items() if is_over(problem)]:
            self._end(key, self._now())

    async def refresh(self) -> None:
        """Take over what other hosts recorded; what this one owns now has to begin again here, or is over."""
        try:
            recorded = await self._store.outbox.problems()
        except DatabaseError:
            return
        if self._unwritten:
            return  # the rows are older than what happened here
        for key in self._open.keys() - recorded.keys():
            self._unconfirmed.pop(key, None)
            del self._open[key]
        self._open.update(recorded)
        owned = {key for key, problem in self._open.items() if self._owns(problem)}
        gained, self._owned = owned - self._owned, owned
        self.require_confirmation(lambda problem: problem.key in gained)

    def _owns(self, problem: Problem) -> bool:
        """Return whether this host would log the end of the problem."""
        on_host = problem.facts.get(ON_HOST)
        return on_host == self._host if on_host is not None else self.holds(shift_of(problem))

    async def run(self) -> None:
        """Write changes in order, forever; waits while the database cannot be written."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write())
            tasks.create_task(self._watch())

    async def flush(self) -> None:
        """Write all changes received until now. Raises `DatabaseError`."""
        await asyncio.sleep(0)  # processes events received just now
        async with self._writing:
            while changes := list(self._unwritten):
                await self._store.outbox.record_problems(changes)
                for _ in changes:
                    self._unwritten.popleft()

    async def settle(self, at: float = math.inf) -> None:
        """End the problems that have not begun again by their deadline."""
        for key in [key for key, until in self._unconfirmed.items() if until <= at]:
            del self._unconfirmed[key]
            if key in self._open and self._owns(self._open[key]) and not self._is_of_intent(key):
                self._end(key, self._now())
        await self.review()

    async def review(self) -> None:
        """End the problems of intents that another process has settled."""
        watched = {key for key in self._open if self._is_of_intent(key)}
        if not watched:
            return
        unclear = {
            begins(_INTENT_EVENT, {"account": i.account, **i.request.body})
            for i in await self._store.intents.list_all(unsettled=True)
            if i.state is not IntentState.ABSENT
        }
        for key in watched - unclear:
            self._end(key, self._now())

    def _is_of_intent(self, key: str) -> bool:
        return key in self._open and self._open[key].event == _INTENT_EVENT

    def _process(self, event: str, fields: Mapping[str, object], at: datetime) -> None:
        if self._before_load is not None:
            self._before_load.append((event, fields, at))
        elif key := begins(event, fields):
            self._unconfirmed.pop(key, None)
            if change := begun(self._open.get(key), event, fields, at):
                self._open[key] = change.problem
                self._owned.add(key)
                self._enqueue(change)
        elif key := ends(event, fields):
            self._end(key, at)

    def _end(self, key: str, at: datetime) -> None:
        self._unconfirmed.pop(key, None)
        if problem := self._open.pop(key, None):
            self._enqueue(ProblemChange(problem, at, over=True))

    def _enqueue(self, change: ProblemChange) -> None:
        self._unwritten.append(change)
        self._news.set()

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.flush()
            except DatabaseError:
                self._news.set()
                await asyncio.sleep(_RETRY_SECONDS)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(_REVIEW_INTERVAL, self._settling).total_seconds())
            with suppress(DatabaseError):  # retried at the next review
                await self.settle(self._loop.time())
