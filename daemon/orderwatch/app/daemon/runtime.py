"""What works by one configuration, made of what is there already where its part of it did not change."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from orderwatch.app.daemon.resources import House, open_house
from orderwatch.app.factories import Parts, open_connection
from orderwatch.app.notifications import listen, open_deadman, open_tellers, watching
from orderwatch.app.plan import declared_of, manner_of, retries_of, rights_of, roots_of, watched_of
from orderwatch.config import Settings
from orderwatch.core.attention.concern import Concern
from orderwatch.db.lock import sole_writer
from orderwatch.db.store import Store
from orderwatch.ops.log import Redactor
from orderwatch.ports import AccountState, Meter
from orderwatch.provider.connection import Connection
from orderwatch.service.account_breaker import Gate
from orderwatch.service.fetching.attempt import Tools, Tree
from orderwatch.service.fetching.disk_budget import Space
from orderwatch.service.fetching.fetcher import Fetcher, recover
from orderwatch.service.fetching.mount_guard import Volume
from orderwatch.service.liveness import Member, patience
from orderwatch.service.notifications.dispatcher import Teller
from orderwatch.service.notifications.heartbeat import Deadman
from orderwatch.service.ordering.standing_orders import Standing
from orderwatch.service.polling.poller import Poller
from orderwatch.transfer.http.downloader import Downloader, open_downloader
from orderwatch.transfer.tree.destination import FilesystemDestination

_WHOLE_LISTS = 1800.0  # seconds more: a search may read several


@dataclass(frozen=True, slots=True)
class OpenTree:
    """A delivery tree that this process holds, and the room in it."""

    destination: FilesystemDestination
    space: Space
    volume: Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Everything that works by one configuration, opened; trees by the names that rows have for them."""

    settings: Settings
    store: Store
    connections: Mapping[str, Connection]
    gates: Mapping[str, Gate]
    pollers: Mapping[str, Poller]
    standing: Mapping[str, Standing]
    tellers: Sequence[Teller]
    deadman: Deadman | None
    fetcher: Fetcher
    trees: Mapping[str | None, OpenTree]

    @property
    def watchers(self) -> Sequence[Poller | Standing]:
        return [*self.pollers.values(), *self.standing.values()]


@asynccontextmanager
async def open_app(settings: Settings, redactor: Redactor) -> AsyncIterator[App]:
    """For a run that ends: everything is opened, and what a killed process left is recovered."""
    async with open_house(settings, redactor) as house, furnished(house, settings) as app:
        await listen(house.store, settings, house.news)
        await recover(house.store, house.clock.now)
        yield app


@asynccontextmanager
async def furnished(house: House, settings: Settings) -> AsyncIterator[App]:
    """What works by these settings; what others made of the same parts is taken over as it is.

    `LockedError` where a tree is another process's.
    """
    async with AsyncExitStack() as stack:
        builder = Builder(house, settings, stack)
        trees = {key: await builder.tree(root) for key, root in roots_of(settings).items()}
        kept = await house.store.accounts()
        connections = {name: await builder.connection(name) for name in settings.accounts}
        gates = {name: await builder.gate(name, kept) for name in settings.accounts}
        tools, pollers, standing = {}, {}, {}
        for name, connection in connections.items():
            tools[name] = await builder.tools(name, connection, gates[name], trees)
            pollers[name], standing[name] = await builder.work(name, connection, gates[name])
        yield App(
            settings=settings,
            store=house.store,
            connections=connections,
            gates=gates,
            pollers=pollers,
            standing=standing,
            tellers=await builder.tellers(),
            deadman=await builder.deadman(),
            fetcher=await builder.fetcher(tools),
            trees=trees,
        )


@dataclass(frozen=True, slots=True)
class Builder:
    """Puts one configuration's things together, of new parts or of those that are there."""

    house: House
    settings: Settings
    stack: AsyncExitStack

    @property
    def parts(self) -> Parts:
        return Parts(self.settings, self.house.rng, self.house.clock, self.house.todo)

    async def tree(self, root: Path) -> OpenTree:
        """Held for this process alone as soon as it can be used."""
        return await self.house.shared.open(self.stack, ("tree", _place(root)), lambda: self._tree(root))

    @asynccontextmanager
    async def _tree(self, root: Path) -> AsyncIterator[OpenTree]:
        destination = FilesystemDestination(root, rights_of(self.settings))
        lock = partial(sole_writer, root / ".orderwatch" / "tree")
        volume = Volume(_place(root), destination, self.house.store, lock)
        room = self.settings.delivery.keep_free
        space = Space(destination.free, room, destination.device, self.house.promises)
        try:
            await volume.open()
            yield OpenTree(destination, space, volume)
        finally:
            volume.leave()

    async def connection(self, name: str) -> Connection:
        key = ("connection", name, self.settings.accounts[name], self.settings.polling.requests_per_second)
        heard, meter = self.house.clock.heard, self.meter(name)
        opening = partial(open_connection, name, self.settings, self.house.redactor, heard=heard, meter=meter)
        return await self.house.shared.open(self.stack, key, opening)

    async def gate(self, name: str, kept: Mapping[str, AccountState]) -> Gate:
        key = ("gate", name, self.settings.accounts[name], self.settings.polling.interval)
        making = partial(self.parts.gate, name, self.house.store, kept)
        return await self.house.shared.make(self.stack, key, making)

    async def tools(
        self, name: str, connection: Connection, gate: Gate, trees: Mapping[str | None, OpenTree]
    ) -> Tools:
        host = urlsplit(self.settings.accounts[name].endpoints.api).hostname or ""
        manner = manner_of(self.settings)
        partials = trees[None].destination.partials
        downloader = await self.house.shared.open(
            self.stack,
            ("downloader", name, host, manner, partials),
            partial(open_downloader, host, partials, manner, self.house.bandwidth, meter=self.meter(name)),
        )
        return Tools(
            archive=connection.archive,
            gate=gate,
            watched=watched_of(name, self.settings),
            trees={root: await self._way(downloader, tree) for root, tree in trees.items()},
            store=self.house.store,
            now=self.house.clock.now,
            meter=self.meter(name),
        )

    async def _way(self, downloader: Downloader, tree: OpenTree) -> Tree:
        destination = tree.destination
        into = partial(downloader.into, destination.partials)
        transport = await self.house.shared.make(self.stack, ("into", downloader, tree), into)
        return Tree(destination=destination, transport=transport, space=tree.space, volume=tree.volume)

    async def work(self, name: str, connection: Connection, gate: Gate) -> tuple[Poller, Standing]:
        """What looks at the orders of an account, and what places its standing ones."""
        settings, parts, store = self.settings, self.parts, self.house.store

        def making() -> tuple[Poller, Standing]:
            member, meter = self._member(f"poller {name}"), self.meter(name)
            recorder = parts.recorder(name, store, meter)
            heard = partial(self.house.rounds.heard, name)
            poller = parts.poller(recorder, connection, store, gate, member=member, meter=meter, heard=heard)
            ordering = self._member(f"standing {name}", _WHOLE_LISTS)
            return poller, parts.standing(recorder, connection, store, gate, member=ordering)

        manner = (watched_of(name, settings), settings.polling, settings.ordering)
        key = ("work", name, connection, gate, manner, declared_of(name, settings))
        return await self.house.shared.make(self.stack, key, making)

    async def tellers(self) -> Sequence[Teller]:
        key = ("tellers", self.settings.notify)
        opening = partial(open_tellers, self.settings, self.house.redactor, self.house.store)
        return await self.house.shared.open(self.stack, key, partial(opening, now=self.house.clock.now))

    async def deadman(self) -> Deadman | None:
        key = ("deadman", self.settings.heartbeat, watching(self.settings), self.settings.polling.interval)
        live = self.house.observed.live

        async def attention() -> Sequence[Concern] | None:  # who knows it begins later
            return await live.read_attention()

        opening = partial(open_deadman, self.settings, self.house.redactor, attention)
        return await self.house.shared.open(self.stack, key, opening)

    async def fetcher(self, tools: Mapping[str, Tools]) -> Fetcher:
        house, retries = self.house, retries_of(self.settings)
        making = partial(
            Fetcher,
            tools,
            house.store,
            retries=retries,
            now=house.clock.now,
            rng=house.rng,
            outages=house.outages,
            pulse=house.observed.live.pulse,
            patience=self._patience,
        )
        return await house.shared.make(self.stack, ("fetcher", tools, retries, self._patience), making)

    def meter(self, name: str) -> Meter:
        return self.house.observed.metrics.meter(name)

    @property
    def _patience(self) -> float:
        return patience(self.settings.polling.requests_per_second)

    def _member(self, name: str, more: float = 0.0) -> Member:
        return self.house.observed.live.pulse.member(name, self._patience + more)


def _place(root: Path) -> str:
    """The same folder by whatever name."""
    return str(root.resolve())
