"""What the tests of the services share: the simulated provider, a real store and tree, time that is moved."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Interval, literal, update
from tests.databases import ON_POSTGRES, of_either_engine

from orderwatch.core.database_location import DatabaseLocation
from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.state_machine import DeliveryUpdate, RetryPolicy
from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import Delivery, DeliveryState, Order
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.core.orders.watches import DeliveryPlan, Watch, WatchSet
from orderwatch.db.repositories import Store, open_store
from orderwatch.db.tables import hosts, shifts
from orderwatch.ports import UNMETERED, Meter
from orderwatch.ports import Store as StorePort
from orderwatch.provider.connection import Connection, connect
from orderwatch.provider.credentials import Credentials
from orderwatch.provider.delivery.offered_links import FRESH_SECONDS
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.account_context import AccountContext
from orderwatch.service.actions.controls import Controls
from orderwatch.service.fetching.attempt import AttemptTree, FetchContext
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.polling.poller import Poller
from orderwatch.service.wakeup import Wakeup
from orderwatch.simulator import Scenario, Simulator, serve
from orderwatch.simulator.journal import Entry
from orderwatch.simulator.scenario import CONTRACT, Account
from orderwatch.simulator.scenario import Order as Told
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.zip.verify import digest

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SECRET = Account().client_secret
LAYOUT = "{project_name}/{task_id}/{capture_id}/{file_name}"
USUAL = DeliveryPlan(attachments=WantedAttachments(frozenset({"delivery_zip"})), layout=LAYOUT)
RETRIES = RetryPolicy(retry_min=timedelta(seconds=30), retry_max=6 * HOUR, max_attempts=4)
PACE = Pace(interval=5 * MINUTE, max_interval=6 * HOUR, grace=14 * DAY)


def watching(*watches: Watch, usual: DeliveryPlan = USUAL) -> WatchSet:
    return WatchSet(usual=usual, watches=watches)


def patterns(**names: Any) -> WatchSet:  # noqa: ANN401 - fields of a watch
    return watching(Watch(**names))


def by_id(*task_ids: int, **more: Any) -> Watch:  # noqa: ANN401 - fields of a watch
    """As the configuration makes it for v1, where the numbers are the ids too."""
    return Watch(task_ids=frozenset(task_ids), order_ids=frozenset(map(str, task_ids)), **more)


def only(*task_ids: int) -> WatchSet:
    return watching(by_id(*task_ids))


def wanting(*attachments: str) -> WatchSet:
    """Everything, with these attachments."""
    return watching(
        Watch(project_name="*"), usual=replace(USUAL, attachments=WantedAttachments(frozenset(attachments)))
    )


EVERYTHING = patterns(project_name="*")


async def age_beats(store: Store, by: timedelta) -> None:
    """Have time pass for the leases of hosts and shifts on PostgreSQL, whose clock no test moves."""
    if ON_POSTGRES:
        span = literal(by, Interval())
        await store.database.execute(
            update(hosts).values(seen_at=hosts.c.seen_at - span),
            update(shifts).values(lease_until=shifts.c.lease_until - span),
        )


@dataclass
class Time:
    """Stands still until it is moved; the provider and we read the same clock."""

    seconds: float = 0.0
    epoch: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def read(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.epoch + timedelta(seconds=self.seconds)

    def move(self, by: timedelta) -> None:
        self.seconds += by.total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Moves the clock: of a connection that rests so, the journal shows when it sent what."""
        self.seconds += seconds
        await asyncio.sleep(0)


@dataclass
class Rest:
    """Who sleeps finds that the time has passed at once."""

    seconds: float = 0.0

    def read(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


@dataclass
class Disk:
    """Of so many bytes, of which those of the partials are not free."""

    folder: Path
    size: int = 10**12

    def free(self) -> int:
        held = 0
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # another worker has published it meanwhile
                held += path.stat().st_size
        return self.size - held


@dataclass
class House:
    """Everything of one account, opened."""

    simulator: Simulator
    time: Time
    root: Path
    database: DatabaseLocation
    store: Store
    connection: Connection
    destination: FilesystemDestination
    fetcher: Fetcher
    disk: "Disk"
    tools: dict[str, FetchContext]  # of the fetcher: another account's may be put beside those of main
    todo: Wakeup = field(default_factory=Wakeup)
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    rest: Rest = field(default_factory=Rest)  # of the connection
    controls: Controls = field(default_factory=Controls)

    def poller(
        self,
        watched: WatchSet = EVERYTHING,
        connection: Connection | None = None,
        *,
        account: str = "main",
        breaker: AccountBreaker | None = None,
        meter: Meter = UNMETERED,
    ) -> Poller:
        provider, now = connection or self.connection, self.time.now
        context = AccountContext(
            account=account,
            store=self.store,
            pace=PACE,
            now=now,
            rng=self.rng,
            meter=meter,
            controls=self.controls,
        )
        return Poller(
            context,
            watched,
            provider.tasking,
            provider.archive,
            breaker or new_gate(self.store, self.time, account),
            fetch_wakeup=self.todo,
        )

    async def look(self, watched: WatchSet = EVERYTHING) -> None:
        """Have a look at everything there is."""
        done = await self.poller(watched).sweep(everything=True)
        assert not done.problems

    def forget_links(self) -> None:
        """Let the last answers about scenes get old, so that links have to be requested."""
        self.rest.seconds += FRESH_SECONDS

    async def claim(self) -> Delivery:
        delivery = await self.store.deliveries.claim(self.time.now(), {"main"})
        assert delivery is not None
        return delivery

    async def fetch(self) -> Delivery:
        """One attempt at the delivery whose turn it is, as the row has it afterwards."""
        after = await self.fetcher.fetch(await self.claim())
        [row] = [d for d in await self.deliveries() if d.key == after.key]
        assert row == after
        return row

    async def fetch_all(self) -> None:
        while delivery := await self.store.deliveries.claim(self.time.now(), self.tools):
            await self.fetcher.fetch(delivery)

    async def deliveries(self) -> Sequence[Delivery]:
        return await self.store.deliveries.in_states(*DeliveryState)

    async def the_delivery(self) -> Delivery:
        [delivery] = await self.deliveries()
        return delivery

    async def the_order(self) -> Order:
        [order] = await self.store.orders.list_all()
        return order

    async def rewrite(self, delivery: Delivery, **changes: object) -> Delivery:
        """Put the row into a state that only a crash leaves."""
        changed = replace(delivery, **changes)  # type: ignore[arg-type]  # by name
        await self.store.deliveries.save(DeliveryUpdate(delivery=changed, transition=None))
        return changed

    async def moves(self, task_id: int) -> list[str]:
        """The states of the order's deliveries, as the history has them."""
        return [
            move.after
            for move in await self.store.history.of_order(str(task_id))
            if move.subject == "delivery"
        ]

    async def restart(self) -> None:
        """What a new process does first."""
        await new_volume(self.destination, self.root, self.store).open()
        await self.store.deliveries.hand_over(self.time.now())
        await self.store.deliveries.renew(self.time.now())

    def partial(self, delivery: Delivery) -> Path:
        return self.destination.partials / partial_name(delivery)

    @property
    def partials(self) -> list[str]:
        return sorted(path.name for path in self.destination.partials.iterdir())

    @property
    def quarantined(self) -> list[str]:
        folder = self.root / ".orderwatch" / "quarantine"
        return sorted(path.read_text() for path in folder.glob("*.reason.txt"))

    @property
    def tree(self) -> dict[str, str]:
        """The sha256 of every file under a final name, without the sidecars."""
        return {
            str(path.relative_to(self.root)): digest(path)
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and ".orderwatch" not in path.parts and path.suffix != ".json"
        }

    @property
    def sidecars(self) -> dict[str, Mapping[str, object]]:
        return {
            str(path.relative_to(self.root)): orjson.loads(path.read_bytes())
            for path in self.root.rglob("*.json")
            if ".orderwatch" not in path.parts
        }

    async def truth(self) -> set[str]:
        """The sha256 of every zip as the provider has it now."""
        return {row["sha256"] for row in await self.simulator.truth() if row["attachment"] == "delivery_zip"}

    async def assert_all_stored(self) -> None:
        """Each zip stands once, as the provider has it, described by its sidecar; nothing is left over."""
        await self.assert_sound()
        current = [d for d in await self.deliveries() if d.state is not DeliveryState.SUPERSEDED]
        assert {d.state for d in current} == {DeliveryState.STORED}
        assert sorted(d.sha256 or "" for d in current) == sorted(await self.truth())
        assert not self.partials

    async def assert_sound(self) -> None:
        """What must hold at any time: rows, files and sidecars tell the same story."""
        rows = {d.path: d for d in await self.deliveries() if d.stored_at is not None}
        assert {path: d.sha256 for path, d in rows.items()} == self.tree
        assert self.sidecars.keys() == {f"{path}.json" for path in rows}
        for path, delivery in rows.items():
            told = self.sidecars[f"{path}.json"]
            assert (told["scene"], told["version"], told["sha256"], told["size"]) == (
                delivery.scene_id,
                delivery.version,
                delivery.sha256,
                delivery.size,
            )

    @property
    def downloads(self) -> list[Entry]:
        return self.simulator.journal.find(listener="download")


def new_gate(
    store: Store, time: Time, account: str = "main", trouble: OpenCircuit | None = None
) -> AccountBreaker:
    return AccountBreaker(account, trouble, store, interval=PACE.interval, now=time.now, rng=random.Random(7))


def new_volume(destination: FilesystemDestination, root: Path, store: StorePort) -> MountGuard:
    return MountGuard(str(root), destination, store, nullcontext)


def told(task_id: int = 41, *scenes: Mapping[str, object], **more: object) -> Told:
    """An order with one capture, published from the beginning, with these scenes."""
    facts = {
        "task_id": task_id,
        "status": [[0, "completed"]],
        "captures": [{"status": [[0, "published"]], "scenes": list(scenes) or [{}]}],
    }
    return Told.model_validate(facts | more)


@asynccontextmanager
async def house(
    folder: Path,
    scenario: Scenario,
    *,
    retries: RetryPolicy = RETRIES,
    stall: float = 5.0,
    floor: int = 0,
    **access: Any,  # noqa: ANN401 - fields of the credentials
) -> AsyncIterator[House]:
    time = Time()
    root, database = folder / "deliveries", of_either_engine(folder)
    destination = FilesystemDestination(root)
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(serve(scenario, clock=time.read, now=time.now))
        rest = Rest()
        connection = await stack.enter_async_context(connected(simulator, rest=rest, **access))
        store = await stack.enter_async_context(open_store(database))
        transport = await stack.enter_async_context(
            open_downloader(
                "127.0.0.1",
                destination.partials,
                DownloadOptions(stall_timeout=stall, min_speed=floor),
                RateLimit(0),
                api_scheme="http",
            )
        )
        disk = Disk(destination.partials)
        tree = AttemptTree(
            destination=destination,
            transport=transport,
            space=DiskBudget(disk.free, 0),
            volume=new_volume(destination, root, store),
        )
        tools = FetchContext(
            archive=connection.archive,
            breaker=new_gate(store, time),
            watched=EVERYTHING,
            trees={None: tree},
            store=store,
            now=time.now,
        )
        by_account = {"main": tools}
        controls = Controls()
        fetcher = Fetcher(
            by_account,
            store,
            retries=retries,
            now=time.now,
            rng=random.Random(7),
            controls=controls,
        )
        await tree.volume.open()
        await store.deliveries.renew(time.now())
        yield House(
            simulator,
            time,
            root,
            database,
            store,
            connection,
            destination,
            fetcher,
            disk,
            by_account,
            rest=rest,
            controls=controls,
        )


@asynccontextmanager
async def connected(
    simulator: Simulator,
    secret: str | Callable[[], str] = SECRET,
    *,
    rest: Rest | Time | None = None,
    heard: Callable[[datetime], None] = lambda _date: None,
    meter: Meter = UNMETERED,
    **changes: Any,  # noqa: ANN401 - fields of the credentials
) -> AsyncIterator[Connection]:
    """A connection of its own; a `secret` that is called may be another one tomorrow."""
    rest = rest or Rest()
    access = Credentials(
        name="main",
        kind="platform",
        client_id="sim-client",
        read_secret=secret if callable(secret) else lambda: secret,
        contract_id=CONTRACT,
        token_url=simulator.token_url,
        accounts_url=simulator.api_url,
        api_url=simulator.api_url,
        requests_per_second=100_000,
        archive_url=f"{simulator.api_url}/v2/archive/search",
    )
    async with connect(
        replace(access, **changes),
        rng=random.Random(7),
        learn_secret=lambda _secret: None,
        on_date=heard,
        meter=meter,
        monotonic=rest.read,
        sleep=rest.sleep,
    ) as connection:
        yield connection
