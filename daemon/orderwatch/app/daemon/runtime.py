"""What works by one configuration, made of what is there already where its part of it did not change."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from orderwatch.app.daemon.resources import Resources, open_resources
from orderwatch.app.factories import Factory, open_connection
from orderwatch.app.notifications import listen, open_dispatchers, open_heartbeat, watching
from orderwatch.app.plan import declared_of, manner_of, retries_of, rights_of, roots_of, watched_of
from orderwatch.config import Settings
from orderwatch.core.attention.concern import Concern
from orderwatch.db.lock import sole_writer
from orderwatch.db.store import Store
from orderwatch.ops.log import Redactor
from orderwatch.ports import AccountState, Meter
from orderwatch.provider.connection import Connection
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.fetching.attempt import AttemptTree, FetchContext
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.fetcher import Fetcher, recover
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.liveness import Worker, liveness_limit
from orderwatch.service.notifications.dispatcher import Dispatcher
from orderwatch.service.notifications.heartbeat import Heartbeat
from orderwatch.service.ordering.standing_orders import StandingOrders
from orderwatch.service.polling.poller import Poller
from orderwatch.transfer.http.downloader import Downloader, open_downloader
from orderwatch.transfer.tree.destination import FilesystemDestination

_WHOLE_LISTS = 1800.0  # seconds more: a search may read several


@dataclass(frozen=True, slots=True)
class OpenTree:
    """A delivery tree that this process holds, and the room in it."""

    destination: FilesystemDestination
    space: DiskBudget
    volume: MountGuard


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Everything that works by one configuration, opened; trees by the names that rows have for them."""

    settings: Settings
    store: Store
    connections: Mapping[str, Connection]
    breakers: Mapping[str, AccountBreaker]
    pollers: Mapping[str, Poller]
    standing_orders: Mapping[str, StandingOrders]
    dispatchers: Sequence[Dispatcher]
    heartbeat: Heartbeat | None
    fetcher: Fetcher
    trees: Mapping[str | None, OpenTree]

    @property
    def watchers(self) -> Sequence[Poller | StandingOrders]:
        return [*self.pollers.values(), *self.standing_orders.values()]


@asynccontextmanager
async def open_runtime(settings: Settings, redactor: Redactor) -> AsyncIterator[Runtime]:
    """For a run that ends: everything is opened, and what a killed process left is recovered."""
    async with open_resources(settings, redactor) as resources, build_runtime(resources, settings) as app:
        await listen(resources.store, settings, resources.notify_wakeup)
        await recover(resources.store, resources.clock.now)
        yield app


@asynccontextmanager
async def build_runtime(resources: Resources, settings: Settings) -> AsyncIterator[Runtime]:
    """What works by these settings; what others made of the same parts is taken over as it is.

    `LockedError` where a tree is another process's.
    """
    async with AsyncExitStack() as stack:
        builder = RuntimeBuilder(resources, settings, stack)
        trees = {key: await builder.tree(root) for key, root in roots_of(settings).items()}
        kept = await resources.store.accounts()
        connections = {name: await builder.connection(name) for name in settings.accounts}
        breakers = {name: await builder.breaker(name, kept) for name in settings.accounts}
        tools, pollers, standing = {}, {}, {}
        for name, connection in connections.items():
            tools[name] = await builder.tools(name, connection, breakers[name], trees)
            pollers[name], standing[name] = await builder.work(name, connection, breakers[name])
        yield Runtime(
            settings=settings,
            store=resources.store,
            connections=connections,
            breakers=breakers,
            pollers=pollers,
            standing_orders=standing,
            dispatchers=await builder.dispatchers(),
            heartbeat=await builder.heartbeat(),
            fetcher=await builder.fetcher(tools),
            trees=trees,
        )


@dataclass(frozen=True, slots=True)
class RuntimeBuilder:
    """Puts one configuration's things together, of new parts or of those that are there."""

    resources: Resources
    settings: Settings
    stack: AsyncExitStack

    @property
    def parts(self) -> Factory:
        return Factory(self.settings, self.resources.rng, self.resources.clock, self.resources.fetch_wakeup)

    async def tree(self, root: Path) -> OpenTree:
        """Held for this process alone as soon as it can be used."""
        return await self.resources.pool.open(self.stack, ("tree", _place(root)), lambda: self._tree(root))

    @asynccontextmanager
    async def _tree(self, root: Path) -> AsyncIterator[OpenTree]:
        destination = FilesystemDestination(root, rights_of(self.settings))
        lock = partial(sole_writer, root / ".orderwatch" / "tree")
        volume = MountGuard(_place(root), destination, self.resources.store, lock)
        room = self.settings.delivery.keep_free
        space = DiskBudget(destination.free, room, destination.device, self.resources.reservations)
        try:
            await volume.open()
            yield OpenTree(destination, space, volume)
        finally:
            volume.leave()

    async def connection(self, name: str) -> Connection:
        key = ("connection", name, self.settings.accounts[name], self.settings.polling.requests_per_second)
        heard, meter = self.resources.clock.heard, self.meter(name)
        opening = partial(
            open_connection, name, self.settings, self.resources.redactor, heard=heard, meter=meter
        )
        return await self.resources.pool.open(self.stack, key, opening)

    async def breaker(self, name: str, kept: Mapping[str, AccountState]) -> AccountBreaker:
        key = ("gate", name, self.settings.accounts[name], self.settings.polling.interval)
        making = partial(self.parts.breaker, name, self.resources.store, kept)
        return await self.resources.pool.make(self.stack, key, making)

    async def tools(
        self, name: str, connection: Connection, breaker: AccountBreaker, trees: Mapping[str | None, OpenTree]
    ) -> FetchContext:
        host = urlsplit(self.settings.accounts[name].endpoints.api).hostname or ""
        options = manner_of(self.settings)
        partials = trees[None].destination.partials
        downloader = await self.resources.pool.open(
            self.stack,
            ("downloader", name, host, options, partials),
            partial(
                open_downloader, host, partials, options, self.resources.bandwidth, meter=self.meter(name)
            ),
        )
        return FetchContext(
            archive=connection.archive,
            breaker=breaker,
            watched=watched_of(name, self.settings),
            trees={root: await self._way(downloader, tree) for root, tree in trees.items()},
            store=self.resources.store,
            now=self.resources.clock.now,
            meter=self.meter(name),
        )

    async def _way(self, downloader: Downloader, tree: OpenTree) -> AttemptTree:
        destination = tree.destination
        into = partial(downloader.into, destination.partials)
        transport = await self.resources.pool.make(self.stack, ("into", downloader, tree), into)
        return AttemptTree(destination=destination, transport=transport, space=tree.space, volume=tree.volume)

    async def work(
        self, name: str, connection: Connection, breaker: AccountBreaker
    ) -> tuple[Poller, StandingOrders]:
        """What looks at the orders of an account, and what places its standing ones."""
        settings, parts, store = self.settings, self.parts, self.resources.store

        def making() -> tuple[Poller, StandingOrders]:
            worker, meter = self._worker(f"poller {name}"), self.meter(name)
            recorder = parts.recorder(name, store, meter)
            heard = partial(self.resources.sweep_log.heard, name)
            poller = parts.poller(
                recorder, connection, store, breaker, worker=worker, meter=meter, heard=heard
            )
            ordering = self._worker(f"standing {name}", _WHOLE_LISTS)
            return poller, parts.standing(recorder, connection, store, breaker, worker=ordering)

        options = (watched_of(name, settings), settings.polling, settings.ordering)
        key = ("work", name, connection, breaker, options, declared_of(name, settings))
        return await self.resources.pool.make(self.stack, key, making)

    async def dispatchers(self) -> Sequence[Dispatcher]:
        key = ("tellers", self.settings.notify)
        opening = partial(open_dispatchers, self.settings, self.resources.redactor, self.resources.store)
        return await self.resources.pool.open(self.stack, key, partial(opening, now=self.resources.clock.now))

    async def heartbeat(self) -> Heartbeat | None:
        key = ("deadman", self.settings.heartbeat, watching(self.settings), self.settings.polling.interval)
        live = self.resources.monitoring.live

        async def attention() -> Sequence[Concern] | None:  # who knows it begins later
            return await live.read_attention()

        opening = partial(open_heartbeat, self.settings, self.resources.redactor, attention)
        return await self.resources.pool.open(self.stack, key, opening)

    async def fetcher(self, tools: Mapping[str, FetchContext]) -> Fetcher:
        resources, retries = self.resources, retries_of(self.settings)
        making = partial(
            Fetcher,
            tools,
            resources.store,
            retries=retries,
            now=resources.clock.now,
            rng=resources.rng,
            host_breakers=resources.host_breakers,
            liveness=resources.monitoring.live.liveness,
            patience=self._patience,
        )
        return await resources.pool.make(self.stack, ("fetcher", tools, retries, self._patience), making)

    def meter(self, name: str) -> Meter:
        return self.resources.monitoring.metrics.meter(name)

    @property
    def _patience(self) -> float:
        return liveness_limit(self.settings.polling.requests_per_second)

    def _worker(self, name: str, more: float = 0.0) -> Worker:
        return self.resources.monitoring.live.liveness.worker(name, self._patience + more)


def _place(root: Path) -> str:
    """The same folder by whatever name."""
    return str(root.resolve())
