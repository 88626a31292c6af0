"""Supervises the worker tasks across reloads. An unexpected exception ends the daemon."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import structlog

from orderwatch.app.daemon.resources import Resources
from orderwatch.app.daemon.runtime import Runtime, build_runtime
from orderwatch.app.notifications import listen
from orderwatch.app.plan import Plan
from orderwatch.config import Http, current
from orderwatch.core.cluster.shifts import KEEPER, account_shift, channel_shift
from orderwatch.errors import DatabaseError, LostShiftError
from orderwatch.ops import live_state
from orderwatch.ops.live_state import AccountAtWork, TreeAtWork
from orderwatch.service.cluster.roster import Roster
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.web.server.listener import ListenAddress

log = structlog.get_logger()

_STOP_GRACE_SECONDS = 3.0  # for downloads to finish

Work = Callable[[], Coroutine[Any, Any, None]]


class Assignment(NamedTuple):
    """What runs while this host holds the shift."""

    shift: str
    run: Work


class WorkerPool(NamedTuple):
    """The workers of one fetcher; once `stopping` is set each finishes its delivery and ends."""

    fetcher: Fetcher
    parallel: int
    stopping: asyncio.Event
    workers: Collection[asyncio.Task[None]]


class Supervisor:
    """Runs the workers of `runtime`, the present runtime."""

    def __init__(
        self, resources: Resources, tasks: asyncio.TaskGroup, runtime: Runtime, opened: AsyncExitStack
    ) -> None:
        self.runtime = runtime
        self._resources = resources
        self._tasks = tasks
        self._opened = opened  # the components of `runtime`
        self._watching: dict[object, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()  # a reload and a change of shifts both start and stop workers
        self._assigned: dict[object, Assignment] = {}  # across reloads
        self._always: list[asyncio.Task[None]] = []
        self._pool: WorkerPool | None = None
        self._retiring: list[tuple[WorkerPool, AsyncExitStack]] = []

    def start(self, *works: Work) -> None:
        """Start workers that run across reloads, until `drain`."""
        self._always += [self._tasks.create_task(work()) for work in works]

    def assign(self, shift: str, *works: Work) -> None:
        """Run these works across reloads, whenever this host holds the shift."""
        self._assigned |= {work: Assignment(shift, work) for work in works}

    async def apply(self, plan: Plan) -> None:
        """Apply another plan; raises `OrderwatchError` if that fails, and nothing changed.

        Running downloads finish under the old plan; workers whose settings did not change go on.
        """
        async with self._turn, AsyncExitStack() as opening:
            runtime = await opening.enter_async_context(build_runtime(self._resources, plan))
            async with self._resources.monitoring.listener.moved(_listen_address(plan.http)):
                await _listen(self._resources, plan)
            assignments = self._assignments(runtime)
            await self._cancel([w for w in self._watching if w not in assignments])
            await self._refresh_breakers(runtime)
            before, self._opened, self.runtime = self._opened, opening.pop_all(), runtime
            pool = self._pool
            self.begin()
        if pool is None or pool is self._pool:
            await before.aclose()
        else:
            self._retiring.append((pool, before))
            self._tasks.create_task(self._retire(pool, before))

    async def _refresh_breakers(self, runtime: Runtime) -> None:
        """Load the state of new breakers, which may lack the last failure that the old ones recorded."""
        try:
            kept = await self._resources.store.accounts.states()
        except DatabaseError:  # the old workers have been stopped already
            return
        for name, breaker in runtime.breakers.items():
            trouble = kept[name].trouble if name in kept else None
            if breaker is not self.runtime.breakers.get(name) and breaker.is_open is not (
                trouble is not None
            ):
                breaker.trouble = trouble

    async def follow_roster(self) -> None:
        """Start and stop workers as this host gets and loses shifts."""
        roster = self._resources.roster
        while True:
            ticket = roster.renewed.subscribe()
            with suppress(DatabaseError):  # the next renewal follows it again
                async with self._turn:
                    await self._follow_once(roster)
            await ticket.wait()

    async def _follow_once(self, roster: Roster) -> None:
        assignments = self._assignments(self.runtime)
        await self._cancel(
            [
                watcher
                for watcher, task in self._watching.items()
                if task.done() or not roster.holds(assignments[watcher].shift)
            ]
        )
        await self._follow_breakers()
        self.begin()
        await roster.hand_over()

    async def _follow_breakers(self) -> None:
        """Load the state of the breakers that another host's poller opens and closes."""
        pollers, breakers = self.runtime.pollers, self.runtime.breakers
        others = [name for name, poller in pollers.items() if poller not in self._watching]
        kept = await self._resources.store.accounts.states() if others else {}
        for name in others:
            breakers[name].trouble = kept[name].trouble if name in kept else None

    def begin(self) -> None:
        """Start the workers of `runtime` that do not run yet and whose shift this host holds."""
        _configure(self._resources, self.runtime)
        for watcher, (shift, work) in self._assignments(self.runtime).items():
            if watcher not in self._watching and self._resources.roster.holds(shift):
                self._watching[watcher] = self._tasks.create_task(_until_lost(shift, work))
        parallel = self.runtime.plan.parallel
        if self._pool is None or self._pool[:2] != (self.runtime.fetcher, parallel):
            self._pool = self._start_pool(self.runtime.fetcher, parallel)

    def _assignments(self, runtime: Runtime) -> Mapping[object, Assignment]:
        return {**_watchers(self._resources, runtime), **self._assigned}

    async def drain(self) -> None:
        """Stop all workers; downloads resume after the next start, or at once on another host.

        If there is no other host they get a few seconds to finish.
        """
        self._resources.store.database.stop_waiting()
        await self._turn.acquire()  # for good: nothing starts workers any more
        await self._cancel(self._watching.keys())
        for task in self._always:
            task.cancel()
        pools = [pool for pool, _ in self._retiring] + ([self._pool] if self._pool else [])
        for pool in pools:
            self._stop(pool)
        workers = [worker for pool in pools for worker in pool.workers]
        if workers:
            grace = 0.0 if self._resources.lease.is_shared else _STOP_GRACE_SECONDS
            await asyncio.wait(workers, timeout=grace)
        for worker in workers:
            worker.cancel()

    async def close(self) -> None:
        """Close every component after all workers have ended."""
        for _, opened in self._retiring:
            await opened.aclose()
        await self._opened.aclose()

    async def _cancel(self, watchers: Collection[object]) -> None:
        ended = [self._watching.pop(watcher) for watcher in list(watchers)]
        for task in ended:
            task.cancel()
        if ended:
            await asyncio.wait(ended)

    def _start_pool(self, fetcher: Fetcher, parallel: int) -> WorkerPool:
        stopping, resources = asyncio.Event(), self._resources
        work = partial(fetcher.work, resources.fetch_wakeup, stopping, resources.slots)
        workers = [self._tasks.create_task(work()) for _ in range(2 * parallel)]  # half for slow downloads
        return WorkerPool(fetcher, parallel, stopping, workers)

    def _stop(self, pool: WorkerPool) -> None:
        pool.stopping.set()
        self._resources.fetch_wakeup.trigger()

    async def _retire(self, pool: WorkerPool, opened: AsyncExitStack) -> None:
        self._stop(pool)
        await asyncio.wait(pool.workers)
        self._retiring.remove((pool, opened))
        await opened.aclose()


@asynccontextmanager
async def open_supervisor(resources: Resources, plan: Plan) -> AsyncIterator[Supervisor]:
    """Run the workers of a plan until the context ends; raises `OrderwatchError` if they cannot start."""
    tasks, opened = asyncio.TaskGroup(), AsyncExitStack()
    supervisor = Supervisor(
        resources, tasks, await opened.enter_async_context(build_runtime(resources, plan)), opened
    )
    try:
        async with tasks:
            await _listen(resources, plan)
            resources.monitoring.listener.listen(_listen_address(plan.http))
            supervisor.begin()
            yield supervisor
            await supervisor.drain()
    finally:
        resources.store.database.stop_waiting()  # also when a bug ended the workers
        await supervisor.close()


async def _until_lost(shift: str, work: Work) -> None:
    """Run until another host has the shift, as a refused write shows."""
    try:
        await work()
    except* LostShiftError:
        log.debug("shift.refused", shift=shift)


def _watchers(resources: Resources, runtime: Runtime) -> Mapping[object, Assignment]:
    """Return the shift and the `run` of each worker of this runtime."""
    found: dict[object, Assignment] = {}
    for watchers in (runtime.pollers, runtime.standing_orders):
        for name, watcher in watchers.items():
            run = partial(watcher.run, resources.poll_wakeup)
            found[watcher] = Assignment(account_shift(name), run)
    for dispatcher in runtime.dispatchers:
        run = partial(dispatcher.run, resources.notify_wakeup)
        found[dispatcher] = Assignment(channel_shift(dispatcher.channel), run)
    if runtime.heartbeat is not None:
        found[runtime.heartbeat] = Assignment(KEEPER, runtime.heartbeat.run)
    return found


def _configure(resources: Resources, runtime: Runtime) -> None:
    """Apply the settings that running downloads, monitoring and pages share."""
    plan, live = runtime.plan, resources.monitoring.live
    resources.configure(plan)
    for tree in runtime.trees.values():
        tree.space.keep_free = plan.keep_free
        tree.destination.permissions = plan.permissions
    resources.sweep_log.heartbeat = runtime.heartbeat
    live.work = live_state.Work(
        store=resources.store,
        database=resources.database,
        clock=resources.clock,
        accounts={
            n: AccountAtWork(runtime.breakers[n], c.rate_limiter) for n, c in runtime.connections.items()
        },
        trees={
            str(plan.roots[key]): TreeAtWork(
                key,
                tree.volume,
                tree.destination.free,
                tree.space.available,
                tree.space.keep_free,
                tree.tree.picture,
                tree.tree.link,
            )
            for key, tree in runtime.trees.items()
        },
        channels=[channel.name for channel in plan.channels],
        holds=resources.roster.holds,
        host=plan.settings.cluster.name if plan.database.is_shared else None,
    )


async def _listen(resources: Resources, plan: Plan) -> None:
    shared = plan.database.is_shared
    await listen(resources.store, plan.channels, resources.notify_wakeup, shared=shared)


def _listen_address(http: Http) -> ListenAddress:
    return ListenAddress(
        http.listen,
        http.hosts,
        current(http.token),
        actions=http.actions,
        files=http.files,
        user_header=http.user_header,
    )
