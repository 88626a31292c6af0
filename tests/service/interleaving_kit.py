"""A process that may be struck down at any moment, while provider, disk and time go on.

Moments are counted: each request that arrives, each write to the database and to the disk, before and after
it. A blow falls at the n-th of them, so that a story ends the same way each time it is told. Who is killed
leaves an image of database and tree as they were at that very moment; the next process starts on it.
"""

import asyncio
import errno
import math
import os
import random
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple, cast

import structlog
from structlog import DropEvent
from structlog.typing import EventDict, Processor
from tests import databases
from tests.databases import of_either_engine
from tests.service.service_kit import (
    DAY,
    HOUR,
    PACE,
    RETRIES,
    Disk,
    House,
    Time,
    connected,
    new_volume,
)

from orderwatch.core.database_location import DatabaseLocation, PostgresServer
from orderwatch.core.deliveries import state_machine
from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import Delivery, DeliveryState, Order, OrderState
from orderwatch.core.orders.snapshot import AttachmentSnapshot
from orderwatch.core.orders.watches import WatchSet
from orderwatch.db.deliveries import Deliveries
from orderwatch.db.orders import Accounts, Orders
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import DatabaseError, DiskError
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.account_context import AccountContext
from orderwatch.service.fetching.attempt import AttemptTree, FetchContext
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.service.liveness import unsupervised
from orderwatch.service.polling.poller import Poller
from orderwatch.service.wakeup import Wakeup
from orderwatch.simulator import Scenario, Simulator, serve
from orderwatch.simulator.faults import Fault, Faults, On
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.tree.destination import FilesystemDestination

_S = DeliveryState
SETTLED = {_S.STORED, _S.SUPERSEDED}
STRANDED = {_S.PARKED, _S.GIVEN_UP}
WAYS = replace(PACE, grace=6 * DAY)
HONEST_AFTER = 5 * DAY  # a lie that outlasts an order's grace could not be told from the truth

Where = Literal["request", "row", "disk"]
Kind = Literal[
    "stop",  # SIGTERM: the tasks are cancelled, and clean up behind themselves
    "kill",  # SIGKILL: what was written stays
    "power",  # a power cut: what was written and not made durable is gone
    "broken row",  # one write to the database fails; the process ends
    "broken disk",  # one write to the disk fails
    "dead disk",  # that one, and all that follow
]
_FALLS_AT: Mapping[Kind, frozenset[Where]] = {
    "stop": frozenset({"request", "row", "disk"}),
    "kill": frozenset({"request", "row", "disk"}),
    "power": frozenset({"request", "row", "disk"}),
    "broken row": frozenset({"row"}),
    "broken disk": frozenset({"disk"}),
    "dead disk": frozenset({"disk"}),
}
_DISK_CALLS = ("fsync", "fdatasync", "ftruncate", "link", "mkdir", "replace", "unlink", "pwritev")
_WRITES = {
    "checkpoint",
    "claim",
    "claim_more",
    "intend_all",
    "mark_listed",
    "reserve",
    "save",
    "save_all",
    "save_circuit",
    "save_volume",
}
_DECEITS = {"words", "vanished"}
_MOST_FETCHES = 100  # in a row; more is a loop without end
_MOST_ROUNDS = 150
_STALL = 5.0  # seconds


# What a script is made of


@dataclass(frozen=True)
class Blow:
    kind: Kind
    at: int


@dataclass(frozen=True)
class Wait:
    minutes: int


@dataclass(frozen=True)
class Work:
    what: Literal["round", "everything", "fetch", "batch", "fetch all", "together"]
    blow: Blow | None = None


@dataclass(frozen=True)
class Restart:
    blow: Blow | None = None


@dataclass(frozen=True)
class Misbehave:
    """From now on the provider has these faults and no others."""

    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Room:
    """There is room on the disk, or none."""

    left: bool


@dataclass(frozen=True)
class Hide:
    """An order answers 404 from now on, or is there again; `which` wraps around."""

    which: int
    gone: bool


@dataclass(frozen=True)
class Retry:
    """`orderwatch retry` for everything that is parked or given up."""


Step = Wait | Work | Restart | Misbehave | Room | Hide | Retry


@dataclass(frozen=True)
class Tale:
    """A provider, what is wanted of it, and what befalls us."""

    scenario: Scenario
    watched: WatchSet
    steps: tuple[Step, ...]
    seed: int = 7


# Moments


@dataclass
class Moments:
    """Counts them, in any thread, and lets the blow fall."""

    strike: Callable[[Blow], None]
    _blow: Blow | None = None
    _left: int = 0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, blow: Blow | None) -> None:
        with self._turn:
            self._blow, self._left = blow, blow.at if blow else 0

    def reach(self, where: Where) -> None:
        blow = self._count(where)
        if blow is not None:
            self.strike(blow)

    def _count(self, where: Where) -> Blow | None:
        with self._turn:
            blow = self._blow
            if blow is None or where not in _FALLS_AT[blow.kind]:
                return None
            self._left -= 1
            if self._left > 0:
                return None
            if blow.kind != "dead disk":
                self._blow = None
            return blow


class CountedFaults(Faults):
    """Every request passes here; that makes it a moment."""

    def __init__(self, faults: Sequence[Fault], reach: Callable[[Where], None]) -> None:
        super().__init__(faults)
        self._reach = reach

    def due(self, on: On, facts: Mapping[str, object], *, ranged: bool = False) -> Fault | None:
        self._reach("request")
        return super().due(on, facts, ranged=ranged)


class Counted:
    """A repository, whose writes are moments."""

    def __init__(self, repository: object, reach: Callable[[Where], None]) -> None:
        self._repository = repository
        self._reach = reach

    def __getattr__(self, name: str) -> object:
        found = getattr(self._repository, name)
        return self._counted(found) if name in _WRITES else found

    def _counted(self, write: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def run(*args: object, **names: object) -> object:
            self._reach("row")
            done = await write(*args, **names)
            self._reach("row")
            return done

        return run


@contextmanager
def counted_disk(reach: Callable[[Where], None]) -> Iterator[None]:
    """Every call that changes a file or makes it durable is two moments; SQLite's own are none."""
    before = {name: getattr(os, name) for name in _DISK_CALLS}
    for name, call in before.items():
        setattr(os, name, _counted_call(call, reach))
    try:
        yield
    finally:
        for name, call in before.items():
            setattr(os, name, call)


def _counted_call(call: Callable[..., object], reach: Callable[[Where], None]) -> Callable[..., object]:
    def run(*args: object, **names: object) -> object:
        reach("disk")
        done = call(*args, **names)
        reach("disk")
        return done

    return run


# What a kill leaves


class Machine(NamedTuple):
    """What outlives a process: a folder with the tree, and the database."""

    folder: Path
    database: DatabaseLocation


def take_image(machine: Machine, into: Path) -> Machine:
    """What is committed, and the tree with its hard links, as another process would find them now."""
    into.mkdir()
    image = Machine(into, _image_of(machine.database, into))
    twins: dict[int, Path] = {}
    for path in sorted((machine.folder / "deliveries").rglob("*")):
        with suppress(FileNotFoundError):  # another worker goes on while we copy
            _copy(path, into / path.relative_to(machine.folder), twins)
    return image


def _image_of(database: DatabaseLocation, folder: Path) -> DatabaseLocation:
    if isinstance(database, PostgresServer):
        return databases.server().take_over(database)
    image = folder / database.name
    with closing(sqlite3.connect(database)) as live, closing(sqlite3.connect(image)) as copy:
        live.backup(copy)
    return image


def _copy(path: Path, to: Path, twins: dict[int, Path]) -> None:
    if path.is_dir():
        to.mkdir(parents=True)
    elif (number := path.stat().st_ino) in twins:
        to.hardlink_to(twins[number])
    else:
        shutil.copyfile(path, to)
        twins[number] = to


async def cut_power(house: House, *, names: bool) -> None:
    """Forget what no row calls durable: bytes of partials and, perhaps, names that may not be synced."""
    for delivery in await house.deliveries():
        if delivery.stored_at is not None:
            continue
        part = house.partial(delivery)
        if part.exists() and not delivery.intended:
            size = part.stat().st_size
            os.truncate(part, min(size, delivery.durable))
            os.truncate(part, size)  # the length may have come through before the bytes
        if names and delivery.path is not None:
            (house.root / delivery.path).unlink(missing_ok=True)


# The process


@dataclass
class Process:
    house: House
    poller: Poller
    store: Store  # the counted one

    async def fetch(self) -> bool:
        """One attempt at what is next; False where nothing is to be fetched now."""
        fetcher = self.house.fetcher
        delivery = await self.store.deliveries.claim(self.house.time.now(), fetcher._open_accounts())
        if delivery is not None:
            await fetcher.fetch(delivery)
        return delivery is not None

    async def fetch_batch(self) -> None:
        """One attempt at what is next, together with what else of its capture was never tried."""
        fetcher, now = self.house.fetcher, self.house.time.now()
        first = await self.store.deliveries.claim(now, fetcher._open_accounts())
        if first is None:
            return
        is_first = (first.version, first.attempts, first.path) == (1, 0, None)
        if is_first and not self.house.tools["main"].watched.extracts:
            names = {each.attachment for each in await self.house.deliveries()}
            more = await self.store.deliveries.claim_more(first, now, names, _MOST_FETCHES)
            await fetcher.fetch_batch([first, *more], unsupervised())
        else:
            await fetcher.fetch(first)

    async def fetch_all(self) -> None:
        for _ in range(_MOST_FETCHES):
            if not await self.fetch():
                return
        raise AssertionError("deliveries are fetched again and again")


@asynccontextmanager
async def process(
    machine: Machine, simulator: Simulator, time: Time, tale: Tale, moments: Moments
) -> AsyncIterator[Process]:
    """Everything that is opened once per start, as the composition root does; recovery is the caller's."""
    root = machine.folder / "deliveries"
    destination = FilesystemDestination(root)
    disk = Disk(destination.partials)
    rng, todo, now = random.Random(tale.seed), Wakeup(), time.now
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(connected(simulator, rest=time))
        real = await stack.enter_async_context(open_store(machine.database))
        transport = await stack.enter_async_context(
            open_downloader(
                "127.0.0.1", destination.partials, DownloadOptions(stall_timeout=_STALL), RateLimit(0)
            )
        )
        store = replace(
            real,
            orders=cast("Orders", Counted(real.orders, moments.reach)),
            deliveries=cast("Deliveries", Counted(real.deliveries, moments.reach)),
            accounts=cast("Accounts", Counted(real.accounts, moments.reach)),
        )
        kept = (await real.accounts.states()).get("main")
        breaker = AccountBreaker(
            "main", kept and kept.trouble, store, interval=PACE.interval, now=now, rng=rng
        )
        tools = FetchContext(
            archive=connection.archive,
            breaker=breaker,
            watched=tale.watched,
            trees={
                None: AttemptTree(
                    destination=destination,
                    transport=transport,
                    space=DiskBudget(lambda: disk.size, 0),
                    volume=new_volume(destination, root, store),
                )
            },
            store=store,
            now=now,
        )
        house = House(
            simulator=simulator,
            time=time,
            root=root,
            database=machine.database,
            store=real,
            connection=connection,
            destination=destination,
            fetcher=Fetcher({"main": tools}, store, retries=RETRIES, now=now, rng=rng),
            disk=disk,
            tools={"main": tools},
        )
        context = AccountContext(account="main", store=store, pace=WAYS, now=now, rng=rng)
        poller = Poller(
            context,
            tale.watched,
            connection.tasking,
            connection.archive,
            breaker,
            fetch_wakeup=todo,
        )
        yield Process(house, poller, store)


# The story


@dataclass
class Player:
    """Plays a script step by step. `trace` says what became of each."""

    folders: Path
    simulator: Simulator
    time: Time
    tale: Tale
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.moments = Moments(self._strike)
        self._loop = asyncio.get_running_loop()
        self._struck = asyncio.Event()
        self._stack = AsyncExitStack()
        self._image: Machine | None = None  # what a kill left, until the next start takes it up
        self._images = 0
        self._bug: Exception | None = None  # of our own, in a thread that would call it a disk's
        self._cut: Blow | None = None  # a power cut that the next start has to find
        self._room = True
        self._faults: tuple[Fault, ...] | None = None
        self._stored: dict[str, str | None] = {}
        self._published = published(self.simulator, self.tale)

    @property
    def house(self) -> House:
        return self._process.house

    async def begin(self) -> None:
        folder = self.folders / "0"
        self._machine = Machine(folder, of_either_engine(folder))
        self._misbehave(())
        await self._start(None)

    async def end(self) -> None:
        await self._stack.aclose()

    async def play(self, step: Step) -> None:
        self._say(str(step))
        match step:
            case Wait():
                self.time.move(timedelta(minutes=step.minutes))
                self._misbehave(self._faults or ())
            case Work():
                await self._work(step)
            case Restart():
                await self._restart(step.blow)
            case Misbehave():
                self._misbehave(step.faults)
            case Room():
                self._furnish(room=step.left)
            case Hide():
                self._hide(step)
            case Retry():
                await self._retry()
        await self.check()

    def hear(self, _logger: object, _level: str, event: EventDict) -> EventDict:
        """What is logged belongs to the trace, and nowhere else."""
        facts = {name: value for name, value in event.items() if name != "event" and value is not None}
        self._say(f"    {event['event']} {facts}")
        raise DropEvent

    def _say(self, what: str) -> None:
        self.trace.append(f"{self.time.now() - self.time.epoch}  {what}")

    # Steps

    async def _work(self, step: Work) -> None:
        if await self._suffer(self._works(step.what), step.blow, DatabaseError):
            await self._restart(None)

    def _works(self, what: str) -> Sequence[Callable[[], Awaitable[object]]]:
        poller, process = self._process.poller, self._process
        match what:
            case "round":
                return [poller.sweep]
            case "everything":
                return [partial(poller.sweep, everything=True)]
            case "fetch":
                return [process.fetch]
            case "batch":
                return [process.fetch_batch]
            case "fetch all":
                return [process.fetch_all]
            case _:
                return [poller.sweep, process.fetch_all, process.fetch_all]

    def _misbehave(self, faults: tuple[Fault, ...]) -> None:
        if self.time.now() - self.time.epoch > HONEST_AFTER:
            faults = tuple(fault for fault in faults if fault.kind not in _DECEITS)
        if faults != self._faults:
            self._faults = faults
            self.simulator.faults = CountedFaults(faults, self.moments.reach)

    def _furnish(self, *, room: bool) -> None:
        self._room = room
        self.house.disk.size = 10**12 if room else 0

    def _hide(self, step: Hide) -> None:
        scenario = self.simulator.scenario
        orders = list(scenario.orders)
        number = step.which % len(orders)
        lost = self.simulator.seconds() if step.gone else None
        orders[number] = orders[number].model_copy(update={"lost": lost})
        self.simulator._replace_scenario(scenario.model_copy(update={"orders": tuple(orders)}))

    async def _retry(self) -> None:
        for delivery in await self.house.store.deliveries.in_states(*STRANDED):
            await self.house.store.deliveries.save(state_machine.retry(delivery, self.time.now()))

    # Blows

    async def _suffer(
        self,
        works: Sequence[Callable[[], Awaitable[object]]],
        blow: Blow | None,
        *fatal: type[Exception],
    ) -> bool:
        """Work until it is done or the blow falls; True where the process ended of it."""
        self._struck.clear()
        self.moments.arm(blow)
        work = asyncio.create_task(_all(works))
        struck = asyncio.create_task(self._struck.wait())
        await asyncio.wait({work, struck}, return_when=asyncio.FIRST_COMPLETED)
        self.moments.arm(None)
        for task in (work, struck):
            task.cancel()
        [outcome, _] = await asyncio.gather(work, struck, return_exceptions=True)
        if self._bug is not None:
            raise self._bug
        if isinstance(outcome, asyncio.CancelledError) or outcome is None:
            return self._struck.is_set()
        self._say(f"  {outcome!r}")
        if blow is None or not _is_only(outcome, fatal):
            raise outcome
        return True

    def _strike(self, blow: Blow) -> None:
        """In whatever thread the moment came."""
        self._say(f"  {blow} falls")
        match blow.kind:
            case "broken disk" | "dead disk":
                raise OSError(errno.EIO, "Input/output error")
            case "broken row":
                raise DatabaseError("the database cannot be written: disk I/O error")
            case "kill" | "power":
                self._cut = blow if blow.kind == "power" else None
                self._photograph()
            case "stop":
                pass
        self._loop.call_soon_threadsafe(self._struck.set)

    def _photograph(self) -> None:
        self._images += 1
        folder = self.folders / str(self._images)
        try:
            self._image = take_image(self._machine, folder)
        except Exception as error:  # noqa: BLE001 - it is raised where nobody takes it for the product's
            self._bug = error

    async def _restart(self, blow: Blow | None) -> None:
        await self._stop()
        await self._start(blow)

    async def _stop(self) -> None:
        await self._stack.aclose()
        if self._image is not None:
            self._machine, self._image = self._image, None

    async def _start(self, blow: Blow | None) -> None:
        """Open everything and recover; where that is cut short, the next start does it."""
        while True:
            opened = process(self._machine, self.simulator, self.time, self.tale, self.moments)
            self._process = await self._stack.enter_async_context(opened)
            if self._cut is not None:
                await cut_power(self.house, names=self._cut.at % 2 == 0)
                self._cut = None
            if not await self._suffer([self.house.restart], blow, DatabaseError, DiskError):
                break
            await self._stop()
            blow = None
        self._furnish(room=self._room)

    # In the end

    async def calm(self) -> None:
        """The provider tells the truth, the disk has room, an operator has asked again: all comes home."""
        self._furnish(room=True)
        for number in range(len(self.simulator.scenario.orders)):
            self._hide(Hide(number, gone=False))
        self._misbehave(())
        await self._retry()
        orders: Sequence[Order] = ()
        for _ in range(_MOST_ROUNDS):
            self._say("calm")
            await self._work(Work("round"))
            await self._work(Work("fetch all"))
            orders = await self.check()
            if not self._left(orders):
                return
            self.time.move(self._pause(orders))
        raise AssertionError(f"never settled: {self._left(orders)}")

    def _left(self, orders: Sequence[Order]) -> list[str]:
        """What is not done yet, in words."""
        known = {order.task_id for order in orders}
        return [
            *(f"{o.task_id} is unknown" for o in self.simulator.scenario.orders if o.task_id not in known),
            *(f"order {o.state}: {o}" for o in orders if o.state is not OrderState.DONE),
            *(f"delivery {d.state}: {d}" for d in _deliveries(orders) if d.state not in SETTLED),
        ]

    def _pause(self, orders: Sequence[Order]) -> timedelta:
        """Until something is due, but no less than half a day: who runs us by cron is served too."""
        now = self.time.now()
        dues = [order.next_look_at for order in orders] + [d.not_before for d in _deliveries(orders)]
        soonest = min((due for due in dues if due is not None), default=now)
        return min(max(soonest - now, 12 * HOUR), 2 * DAY)

    # What must hold

    async def check(self) -> Sequence[Order]:
        """At any time: nothing half, nothing lost, no order done too early. Returns the orders."""
        orders = await self.house.store.orders.list_all()
        deliveries = _deliveries(orders)
        self._check_rows_and_files(deliveries)
        stored = {d.path or "": d.sha256 for d in deliveries if d.stored_at is not None}
        assert self._stored.items() <= stored.items(), "what was stored is stored for ever"
        self._stored = stored
        done = {order.order_id for order in orders if order.state is OrderState.DONE}
        missing = await self._wanted_now(done) - set(self.house.tree.values()) if done else set()
        assert not missing, f"an order is done, and not all of it stored: {missing}"
        return orders

    def _check_rows_and_files(self, deliveries: Sequence[Delivery]) -> None:
        """As `House.assert_sound`, but whole files may stand there before their rows say so."""
        rows = {d.path: d for d in deliveries if d.stored_at is not None}
        tree, sidecars = self.house.tree, self.house.sidecars
        stored = {path: d.sha256 for path, d in rows.items()}
        assert stored.items() <= tree.items(), "a row is stored, its file is not there"
        early = tree.items() - stored.items()
        assert {sha256 for _, sha256 in early} <= self._published, f"half a file: {early}"
        assert {f"{path}.json" for path in tree} <= sidecars.keys(), "a file has no sidecar"
        assert {told["scene"] for told in sidecars.values()} <= {d.scene_id for d in deliveries}
        for path, d in rows.items():
            told = sidecars[f"{path}.json"]
            facts = (told["scene"], told["version"], told["sha256"], told["size"])
            assert facts == (d.scene_id, d.version, d.sha256, d.size)

    async def _wanted_now(self, order_ids: set[str]) -> set[str]:
        """The sha256 of what the provider has now of these orders, as far as it is wanted."""
        names = self.tale.watched.usual.attachments
        return {
            row["sha256"]
            for row in await self.simulator.truth()
            if wants(names, row["attachment"]) and str(row["task_id"]) in order_ids
        }

    async def check_all(self) -> None:
        """When all is calm: what an undisturbed run stores, once, and nothing left over."""
        await self.house.assert_sound()
        await self._check_history()
        await self._restart(None)  # a start sweeps what was begun of files that were published anew meanwhile
        stored = list(self.house.tree.values())
        wanted = await self._wanted_now({str(order.task_id) for order in self.simulator.scenario.orders})
        assert len(stored) == len(set(stored)), "the same bytes stand twice"
        assert wanted <= set(stored), f"never stored: {wanted - set(stored)}"
        assert set(stored) <= self._published, "nobody ever published that"
        assert not self.house.partials, f"left over: {self.house.partials}"
        assert not self.simulator.journal.leaks

    async def _check_history(self) -> None:
        """Each version that has a file was stored in exactly one move."""
        told: Counter[tuple[object, ...]] = Counter()
        for order in await self.house.store.orders.list_all():
            moves = [
                m for m in await self.house.store.history.of_order(order.order_id) if m.subject == "delivery"
            ]
            told.update((m.task_id, m.scene_id, m.detail) for m in moves if m.after == "stored")
        rows = [d for d in await self.house.deliveries() if d.stored_at is not None]
        assert told == Counter((d.task_id, d.scene_id, d.path) for d in rows), "history and rows disagree"


def wants(attachments: WantedAttachments, name: str) -> bool:
    return attachments.take(AttachmentSnapshot(name=name, file_name=name, fingerprint=""))


def published(simulator: Simulator, tale: Tale) -> set[str]:
    """The sha256 of every revision of everything that is wanted."""
    end = math.inf
    return {
        simulator.world.content(place, name, at).sha256()
        for place in simulator.world.places(end)
        for name in simulator.world.attachments(place, end)
        if wants(tale.watched.usual.attachments, name)
        for at in (-1.0, *place.scene.republished)
    }


async def tell(tale: Tale) -> Player:
    """Play the whole tale and what comes after it; returns the player, closed."""
    time = Time()
    with TemporaryDirectory(prefix="orderwatch-") as folder:
        async with serve(tale.scenario, clock=time.read, now=time.now) as simulator:
            player = Player(Path(folder), simulator, time, tale)
            with forwarding_to(player.hear), counted_disk(player.moments.reach):
                await _told(player)
    return player


async def _told(player: Player) -> None:
    try:
        await player.begin()
        for step in player.tale.steps:
            await player.play(step)
        await player.calm()
        await player.check_all()
    except Exception as error:
        error.add_note("\n".join(player.trace))
        raise
    finally:
        await player.end()


@contextmanager
def forwarding_to(listener: Processor) -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(processors=[listener])
    try:
        yield
    finally:
        structlog.configure(**before)


def _deliveries(orders: Sequence[Order]) -> list[Delivery]:
    return [delivery for order in orders for delivery in order.deliveries]


async def _all(works: Sequence[Callable[[], Awaitable[object]]]) -> None:
    async with asyncio.TaskGroup() as crew:
        for work in works:
            crew.create_task(_one(work))


async def _one(work: Callable[[], Awaitable[object]]) -> None:
    await work()


def _is_only(error: BaseException, kinds: tuple[type[Exception], ...]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_only(inner, kinds) for inner in error.exceptions)
    return isinstance(error, kinds)
