"""What began and has not ended, heard from our own log; kept over restarts, and told."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import MappingProxyType

from orderwatch.core.notifications.problems import Problem, ProblemChange, begins, begins_again, begun, ends
from orderwatch.core.ordering.intent import IntentState
from orderwatch.errors import DatabaseError
from orderwatch.ports import Journal

_AGAIN = 5.0  # seconds; how long a database that cannot be written is left alone
_REVIEW = timedelta(minutes=5)
_INTENT = "intent.unclear"  # may be settled by a command beside us, which we do not hear


class ProblemTracker:
    """`heard` may be called from any thread, also before `load`; `run` writes what it led to.

    What was open at a start is not told again when it begins again; what does not begin again within
    `settling` is over.
    """

    def __init__(self, journal: Journal, *, now: Callable[[], datetime], settling: timedelta) -> None:
        self._journal = journal
        self._now = now
        self._settling = settling
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, Problem] = {}
        self.open: Mapping[str, Problem] = MappingProxyType(self._open)
        self._doubted: dict[str, float] = {}  # until when, by the loop's clock
        self._early: list[tuple[str, Mapping[str, object], datetime]] | None = []  # heard before `load`
        self._unwritten: deque[ProblemChange] = deque()
        self._news = asyncio.Event()
        self._writing = asyncio.Lock()

    def heard(self, event: str, level: str, fields: Mapping[str, object]) -> None:
        """An event of the log; what it means is known once the loop has turned."""
        del level
        if begins(event, fields) or ends(event, fields):
            with suppress(RuntimeError):  # the loop is closed: the next start finds out by itself
                self._loop.call_soon_threadsafe(self._take, event, fields, self._now())

    async def load(self) -> None:
        """Take over what the last process left open. `DatabaseError`."""
        self._open.update(await self._journal.problems())
        self.doubt()
        early, self._early = self._early or [], None
        for event, fields, at in early:
            self._take(event, fields, at)

    def doubt(self, which: Callable[[Problem], bool] = lambda _: True) -> None:
        """These have to begin again, or are over: who would say their end is gone."""
        now = self._loop.time()
        for key, problem in self._open.items():
            if which(problem):
                within = max(self._settling, begins_again(problem.event))
                self._doubted[key] = now + within.total_seconds()

    async def run(self) -> None:
        """Write what is heard, in order, however long the database cannot be written."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write())
            tasks.create_task(self._watch())

    async def flush(self) -> None:
        """Write what was heard until now. `DatabaseError`."""
        await asyncio.sleep(0)  # what was heard just now is taken in first
        async with self._writing:
            while some := list(self._unwritten):
                await self._journal.note_problems(some)
                for _ in some:
                    self._unwritten.popleft()

    async def settle(self, at: float = math.inf) -> None:
        """What was open before and did not begin again until then is over."""
        for key in [key for key, until in self._doubted.items() if until <= at]:
            del self._doubted[key]
            if not self._is_of_intent(key):
                self._end(key, self._now())
        await self.review()

    async def review(self) -> None:
        """End what was settled by somebody whom we do not hear."""
        asked = {key for key in self._open if self._is_of_intent(key)}
        if not asked:
            return
        unclear = {
            begins(_INTENT, {"account": i.account, **i.request.body})
            for i in await self._journal.intents(unsettled=True)
            if i.state is not IntentState.ABSENT
        }
        for key in asked - unclear:
            self._end(key, self._now())

    def _is_of_intent(self, key: str) -> bool:
        return key in self._open and self._open[key].event == _INTENT

    def _take(self, event: str, fields: Mapping[str, object], at: datetime) -> None:
        if self._early is not None:
            self._early.append((event, fields, at))
        elif key := begins(event, fields):
            self._doubted.pop(key, None)
            if change := begun(self._open.get(key), event, fields, at):
                self._open[key] = change.problem
                self._write_later(change)
        elif key := ends(event, fields):
            self._end(key, at)

    def _end(self, key: str, at: datetime) -> None:
        self._doubted.pop(key, None)
        if problem := self._open.pop(key, None):
            self._write_later(ProblemChange(problem, at, over=True))

    def _write_later(self, change: ProblemChange) -> None:
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
                await asyncio.sleep(_AGAIN)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(_REVIEW, self._settling).total_seconds())
            with suppress(DatabaseError):  # the next time will do
                await self.settle(self._loop.time())
