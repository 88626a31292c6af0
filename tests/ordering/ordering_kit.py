"""A desk where orders are placed: the simulated provider, a database, and processes that may be killed."""

import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import cast

from tests.core.ordering.test_core_request import request
from tests.databases import new_database
from tests.service.service_kit import EVERYTHING, PACE, Time, connected

from orderwatch.core.model import Subject, Transition
from orderwatch.core.ordering.intent import Intent, IntentState
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import Request
from orderwatch.db.intents import Intents
from orderwatch.db.orders import Orders
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import ProviderError
from orderwatch.ports import Tasking
from orderwatch.service.account_context import AccountContext
from orderwatch.service.clock import Clock
from orderwatch.service.ordering.canceller import Canceller
from orderwatch.service.ordering.placer import PlaceOutcome, Placer
from orderwatch.service.polling.recorder import Recorder
from orderwatch.service.wakeup import Wakeup
from orderwatch.simulator import Scenario, Simulator, serve
from orderwatch.simulator.faults import Fault, Faults
from orderwatch.simulator.scenario import Order as Told

WAIT = timedelta(seconds=60)
LONG = WAIT + timedelta(minutes=2)  # so far no clock is set unnoticed
ACT = Provenance(who="ada@desk", source="quay.toml", digest="d1" * 32, note="for the port")

_S = IntentState
_ORDERS = ("get", "save")
_INTENTS = ("list_all", "add", "update", "settle")
_TASKING = ("place", "cancel", "order")


class Killed(BaseException):
    """The process is gone: nothing of it does anything any more."""


@dataclass
class Blow:
    """Falls at the n-th moment: each call to the store or the provider is one before and one after it."""

    at: int
    anew: bool = False  # whoever is to die has a store of his own
    passed: int = 0

    def reach(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise Killed


class Mortal:
    """Something whose calls are moments."""

    def __init__(self, inner: object, names: Sequence[str], blow: Blow) -> None:
        self._inner = inner
        self._names = names
        self._blow = blow

    def __getattr__(self, name: str) -> object:
        found = getattr(self._inner, name)
        if name == "listing":
            return self._pages(found)
        return self._counted(found) if name in self._names else found

    def _counted(self, call: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def run(*args: object, **names: object) -> object:
            self._blow.reach()
            done = await call(*args, **names)
            self._blow.reach()
            return done

        return run

    def _pages(self, listing: Callable[[], AsyncIterator[object]]) -> Callable[[], AsyncIterator[object]]:
        async def pages() -> AsyncIterator[object]:
            self._blow.reach()
            async for page in listing():
                yield page
            self._blow.reach()

        return pages


@dataclass(frozen=True)
class Process:
    """What one run of `place`, or `cancel`, works with."""

    tasking: Tasking
    placer: Placer
    canceller: Canceller


@dataclass
class Desk:
    """`asked` is what is placed where nothing else is named; `store` only looks on."""

    simulator: Simulator
    time: Time
    database: Path
    store: Store
    asked: Request = field(default_factory=request)
    days: int = 0

    def new_day(self) -> None:
        """Honest again, with two orders of strangers; what was meant before is forgotten on both sides."""
        self.days += 1
        self.time.seconds = 0.0
        with closing(sqlite3.connect(self.database)) as db, db:
            db.execute("DELETE FROM intents")
        self.asked = request(task_name=f"Quay {self.days}")
        strangers = tuple(
            Told(task_id=1000 * self.days + number, task_name=f"Another's {number}") for number in (1, 2)
        )
        self.simulator.journal.clear()
        self.misbehave()
        self.become(orders=strangers, listing_lag=0.0)

    def misbehave(self, *faults: Fault) -> None:
        """From now on the provider has these faults and no others."""
        self.simulator.faults = Faults(faults)

    def become(self, **changes: object) -> None:
        self.simulator._replace_scenario(self.simulator.scenario.model_copy(update=changes))

    @asynccontextmanager
    async def process(self, blow: Blow | None = None) -> AsyncIterator[Process]:
        """What a process opens; one that is killed has a store of its own, which nobody uses afterwards."""
        clock = Clock(self.time.now, self.time.read)
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(connected(self.simulator, heard=clock.on_date))
            tasking, store = connection.tasking, self.store
            if blow is not None:
                real = await stack.enter_async_context(open_store(self.database)) if blow.anew else self.store
                tasking = cast("Tasking", Mortal(tasking, _TASKING, blow))
                orders = cast("Orders", Mortal(real.orders, _ORDERS, blow))
                intents = cast("Intents", Mortal(real.intents, _INTENTS, blow))
                store = replace(real, orders=orders, intents=intents)
            rng = random.Random(7)
            context = AccountContext(account="main", store=store, pace=PACE, now=clock.now, rng=rng)
            recorder = Recorder(context, EVERYTHING, todo=Wakeup())
            sleep = self.time.sleep
            yield Process(
                tasking,
                Placer(context, tasking, recorder, wait=WAIT, sleep=sleep),
                Canceller(tasking, recorder, now=clock.now, sleep=sleep),
            )

    async def place(
        self,
        asked: Request | None = None,
        *,
        resume: bool = False,
        again: bool = False,
        blow: Blow | None = None,
    ) -> PlaceOutcome | None:
        """The command, from start to end. None where nothing was sent since the list failed; may be `Killed`.

        Whatever it says is the truth.
        """
        intent = Intent(
            account="main", request=asked or self.asked, provenance=ACT, written_at=self.time.now()
        )
        async with self.process(blow) as process:
            try:
                outcome = await process.placer.order(intent, resume=resume, again=again)
            except ProviderError:
                outcome = None
        if outcome is not None:
            await self.must_be_true(outcome.intent)
        return outcome

    async def must_be_true(self, said: Intent) -> None:
        """What is said of an intent, against what the provider holds beside its other intents' orders."""
        others = {i.task_id for i in await self.intents(said.request)} - {said.task_id}
        held = [task_id for task_id in self.held(said.request) if task_id not in others]
        if said.state is _S.PLACED:
            assert said.task_id in held, f"said to be placed as {said.task_id}, there are {held}"
        elif said.state in {_S.REFUSED, _S.UNSENT, _S.ABSENT}:
            assert not held, f"said to be {said.state}, there are {held}"
        assert len(held) <= 1, f"more than one: {held}"

    def held(self, asked: Request | None = None) -> list[int]:
        """What the provider holds of it, shown or not."""
        name = (asked or self.asked).task_name
        return [order.task_id for order in self.simulator.scenario.orders if order.task_name == name]

    @property
    def posts(self) -> int:
        return self.simulator.journal.count(method="POST", path="/tasking/tasks/")

    async def intents(self, asked: Request | None = None) -> list[Intent]:
        return [i for i in await self.store.intents.list_all("main") if i.request == (asked or self.asked)]

    async def moves(self, task_id: int) -> list[Transition]:
        return [m for m in await self.store.history.of_order(str(task_id)) if m.subject is Subject.ORDER]

    async def must_be_placed_once(self, asked: Request | None = None, *, sends: int | None = None) -> Intent:
        """One order there, one row here, and one first move that tells who, from what and what for."""
        [task_id] = self.held(asked)
        [placed] = [i for i in await self.intents(asked) if i.state is _S.PLACED]
        assert placed.task_id == task_id
        assert sends in {None, placed.sends}
        order = await self.store.orders.get("main", str(task_id))
        assert order is not None
        assert order.ours
        assert order.next_look_at is not None
        [first] = [move for move in await self.moves(task_id) if move.before is None]
        told = (
            placed.provenance.who,
            placed.provenance.source,
            placed.provenance.digest,
            placed.provenance.note,
        )
        assert all(word in (first.detail or "") for word in told if word), first
        return placed


@asynccontextmanager
async def open_desk(folder: Path, scenario: Scenario | None = None) -> AsyncIterator[Desk]:
    time, database = Time(), new_database(folder)
    async with (
        serve(scenario or Scenario(), clock=time.read, now=time.now) as simulator,
        open_store(database) as store,
    ):
        desk = Desk(simulator, time, database, store)
        desk.new_day()
        yield desk
