"""Builds the runtime of one plan, reusing components whose settings did not change."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orderwatch.app.daemon.resources import Resources, open_resources
from orderwatch.app.daemon.this_host import visiting
from orderwatch.app.factories import Factory, lanes_of, open_connection, ordering_turn
from orderwatch.app.notifications import listen, open_dispatchers, open_heartbeat
from orderwatch.app.plan import AccountPlan, Plan, resolved
from orderwatch.app.trees.opening import open_object_store, tree_of
from orderwatch.app.trees.tree import StagedDestination, Tree
from orderwatch.core.attention.concern import Concern
from orderwatch.core.cluster.shifts import account_shift, channel_shift
from orderwatch.core.deliveries.delivery_root import BucketRoot, DeliveryRoot
from orderwatch.db.lock import exclusive_lock, shared_lock
from orderwatch.db.repositories import Store
from orderwatch.ops.log import Redactor
from orderwatch.ports import AccountState, Meter
from orderwatch.provider.connection import Connection
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.actions.controls import Controls
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.fetching.attempt import AttemptTree, FetchContext
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.liveness import Worker, liveness_limit
from orderwatch.service.notifications.dispatcher import Dispatcher
from orderwatch.service.notifications.heartbeat import Heartbeat
from orderwatch.service.ordering.standing_orders import StandingOrders
from orderwatch.service.polling.poller import Poller
from orderwatch.transfer.http.downloader import Downloader, open_downloader

if TYPE_CHECKING:
    from orderwatch.app.trees.bucket import ObjectStore

_LIST_SEARCH_SECONDS = 1800.0  # a search may read several whole lists


@dataclass(frozen=True, slots=True)
class OpenTree:
    """A delivery tree locked by this process, and its disk budget."""

    tree: Tree
    destination: StagedDestination
    space: DiskBudget
    volume: MountGuard


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The open components of one plan; trees by their key in the rows."""

    plan: Plan
    store: Store
    connections: Mapping[str, Connection]
    breakers: Mapping[str, AccountBreaker]
    pollers: Mapping[str, Poller]
    standing_orders: Mapping[str, StandingOrders]
    dispatchers: Sequence[Dispatcher]
    heartbeat: Heartbeat | None
    fetcher: Fetcher
    trees: Mapping[str | None, OpenTree]
    controls: Controls
    lease: OwnLease

    @property
    def watchers(self) -> Sequence[Poller | StandingOrders]:
        return [*self.pollers.values(), *self.standing_orders.values()]


@asynccontextmanager
async def open_runtime(plan: Plan, redactor: Redactor) -> AsyncIterator[Runtime]:
    """Open a runtime for a command, and queue again what a killed process was downloading."""
    async with (
        open_resources(plan, redactor) as opened,
        visiting(opened, shared=plan.database.is_shared) as resources,
        build_runtime(resources, plan) as runtime,
    ):
        await listen(resources.store, plan.channels, resources.notify_wakeup, shared=plan.database.is_shared)
        await resources.action_watch.read()
        yield runtime


@asynccontextmanager
async def build_runtime(resources: Resources, plan: Plan) -> AsyncIterator[Runtime]:
    """Build the runtime of a plan; components with unchanged settings are shared with the previous one.

    Raises `LockedError` if another process has locked a tree.
    """
    async with AsyncExitStack() as stack:
        builder = RuntimeBuilder(resources, plan, stack)
        trees = {key: await builder.tree(root) for key, root in plan.roots.items()}
        kept = await resources.store.accounts.states()
        accounts = plan.accounts
        connections = {name: await builder.connection(account) for name, account in accounts.items()}
        breakers = {name: await builder.breaker(account, kept) for name, account in accounts.items()}
        tools, pollers, standing = {}, {}, {}
        for name, account in accounts.items():
            connection, breaker = connections[name], breakers[name]
            tools[name] = await builder.tools(account, connection, breaker, trees)
            pollers[name], standing[name] = await builder.work(account, connection, breaker)
        yield Runtime(
            plan=plan,
            store=resources.store,
            connections=connections,
            breakers=breakers,
            pollers=pollers,
            standing_orders=standing,
            dispatchers=await builder.dispatchers(),
            heartbeat=await builder.heartbeat(),
            fetcher=await builder.fetcher(tools),
            trees=trees,
            controls=resources.controls,
            lease=resources.lease,
        )


@dataclass(frozen=True, slots=True)
class RuntimeBuilder:
    """Builds the components of one plan, or takes them from the pool."""

    resources: Resources
    plan: Plan
    stack: AsyncExitStack

    @property
    def parts(self) -> Factory:
        return Factory(self.plan, self.resources.rng, self.resources.clock, self.resources.fetch_wakeup)

    async def tree(self, root: DeliveryRoot) -> OpenTree:
        """Lock the tree for this process as soon as it is usable."""
        store = await self._object_store() if isinstance(root, BucketRoot) else None
        tree = tree_of(self.plan, root, store)
        key = ("tree", resolved(root), tree.folder, store)
        return await self.resources.pool.open(self.stack, key, lambda: self._tree(tree))

    async def _object_store(self) -> "ObjectStore":
        settings, network = self.plan.settings.s3, self.plan.network
        opening = partial(open_object_store, settings, network)
        return await self.resources.pool.open(self.stack, ("object store", settings, network), opening)

    @asynccontextmanager
    async def _tree(self, tree: Tree) -> AsyncIterator[OpenTree]:
        destination = tree.destination(self.plan.permissions)
        lock = partial(
            shared_lock if tree.is_shared else exclusive_lock, tree.folder / ".orderwatch" / "tree"
        )
        root, store = resolved(tree.root), self.resources.store
        volume = MountGuard(root, destination, store, lock, shared=tree.is_shared)
        keep_free = self.plan.keep_free
        space = DiskBudget(destination.free, keep_free, destination.device, self.resources.reservations)
        try:
            await volume.open()
            yield OpenTree(tree, destination, space, volume)
        finally:
            volume.abandon()
            await destination.close()

    async def connection(self, account: AccountPlan) -> Connection:
        key = ("connection", account.name, account.settings, account.requests_per_second, self.plan.network)
        opening = partial(
            open_connection,
            account,
            self.plan.network,
            self.resources.redactor,
            on_date=self.resources.clock.on_date,
            meter=self.meter(account.name),
            lanes=lanes_of(self.plan, self.resources.store),
        )
        return await self.resources.pool.open(self.stack, key, opening)

    async def breaker(self, account: AccountPlan, kept: Mapping[str, AccountState]) -> AccountBreaker:
        key = ("breaker", account.name, account.settings, self.plan.pace.interval)
        store = self.resources.store_for(account_shift(account.name))
        making = partial(self.parts.breaker, account.name, store, kept)
        return await self.resources.pool.make(self.stack, key, making)

    async def tools(
        self,
        account: AccountPlan,
        connection: Connection,
        breaker: AccountBreaker,
        trees: Mapping[str | None, OpenTree],
    ) -> FetchContext:
        api = urlsplit(account.settings.endpoints.api)
        host = api.hostname or ""
        options, network, meter = self.plan.download, self.plan.network, self.meter(account.name)
        partials = trees[None].destination.partials
        downloader = await self.resources.pool.open(
            self.stack,
            ("downloader", account.name, host, api.scheme, options, partials, network),
            partial(
                open_downloader,
                host,
                partials,
                options,
                self.resources.bandwidth,
                network=network,
                meter=meter,
                api_scheme=api.scheme,
            ),
        )
        return FetchContext(
            archive=connection.archive,
            breaker=breaker,
            watched=account.watched,
            trees={root: await self._attempt_tree(downloader, tree) for root, tree in trees.items()},
            store=self.resources.store,
            now=self.resources.clock.now,
            meter=meter,
        )

    async def _attempt_tree(self, downloader: Downloader, tree: OpenTree) -> AttemptTree:
        destination = tree.destination
        into = partial(downloader.for_folder, destination.partials)
        transport = await self.resources.pool.make(self.stack, ("into", downloader, tree), into)
        return AttemptTree(destination=destination, transport=transport, space=tree.space, volume=tree.volume)

    async def work(
        self, account: AccountPlan, connection: Connection, breaker: AccountBreaker
    ) -> tuple[Poller, StandingOrders]:
        """Return what polls the orders of an account, and what places its standing orders."""
        name = account.name

        def make() -> tuple[Poller, StandingOrders]:
            polling = self._worker(f"poller {name}")
            store = self.resources.store_for(account_shift(name))
            context = self.parts.context(
                account, store, controls=self.resources.controls, meter=self.meter(name), worker=polling
            )
            on_sweep = partial(self.resources.sweep_log.record, name)
            poller = self.parts.poller(context, connection, breaker, on_sweep)
            turn = ordering_turn(self.plan, store, self.resources.clock.now)
            worker = self._worker(f"standing {name}", _LIST_SEARCH_SECONDS)
            ordering = replace(context, store=turn.store, worker=worker)
            return poller, self.parts.standing_orders(ordering, poller.recorder, connection, breaker, turn)

        options = (account.watched, self.plan.polling, self.plan.ordering)
        key = ("work", name, connection, breaker, options, account.standing_orders)
        return await self.resources.pool.make(self.stack, key, make)

    async def dispatchers(self) -> Sequence[Dispatcher]:
        plan, resources = self.plan, self.resources
        key = ("dispatchers", tuple(plan.notifiers.items()), plan.network)
        outboxes = {name: resources.store_for(channel_shift(name)).outbox for name in plan.notifiers}
        opening = partial(open_dispatchers, plan.notifiers, plan.network, resources.redactor, outboxes)
        return await self.resources.pool.open(self.stack, key, partial(opening, now=resources.clock.now))

    async def heartbeat(self) -> Heartbeat | None:
        plan, live = self.plan, self.resources.monitoring.live
        key = ("heartbeat", plan.heartbeat, plan.watching, plan.pace.interval, plan.network)

        async def attention() -> Sequence[Concern] | None:  # `read_attention` is set later
            return await live.read_attention()

        opening = partial(open_heartbeat, plan, self.resources.redactor, attention)
        return await self.resources.pool.open(self.stack, key, opening)

    async def fetcher(self, tools: Mapping[str, FetchContext]) -> Fetcher:
        resources, retries = self.resources, self.plan.retries
        making = partial(
            Fetcher,
            tools,
            resources.store,
            retries=retries,
            now=resources.clock.now,
            rng=resources.rng,
            host_breakers=resources.host_breakers,
            lease=resources.lease,
            controls=resources.controls,
            liveness=resources.monitoring.live.liveness,
            max_silence=self._patience,
        )
        return await resources.pool.make(self.stack, ("fetcher", tools, retries, self._patience), making)

    def meter(self, name: str) -> Meter:
        return self.resources.monitoring.metrics.meter(name)

    @property
    def _patience(self) -> float:
        return liveness_limit(self.plan.polling.requests_per_second)

    def _worker(self, name: str, more: float = 0.0) -> Worker:
        return self.resources.monitoring.live.liveness.worker(name, self._patience + more)
