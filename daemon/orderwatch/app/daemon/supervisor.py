"""Who works, by one configuration and then by the next. Whoever fails ends the daemon: it is a bug."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

from orderwatch.app.daemon.resources import Resources
from orderwatch.app.daemon.runtime import Runtime, build_runtime
from orderwatch.app.notifications import channels_of, listen
from orderwatch.app.plan import limit_of, rights_of, roots_of
from orderwatch.config import Settings, current
from orderwatch.errors import DatabaseError
from orderwatch.ops import live_state
from orderwatch.ops.live_state import AccountAtWork, TreeAtWork
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.web.server.listener import ListenAddress

_STOP_GRACE = 3.0  # seconds that a delivery under way gets to end by itself

Work = Callable[[], Coroutine[Any, Any, None]]


class WorkerPool(NamedTuple):
    """Those who fetch, until they are told to stop: then each ends what it has."""

    fetcher: Fetcher
    parallel: int
    stopping: asyncio.Event
    workers: Collection[asyncio.Task[None]]


class Supervisor:
    """`app` is what is worked by."""

    def __init__(
        self, resources: Resources, tasks: asyncio.TaskGroup, app: Runtime, opened: AsyncExitStack
    ) -> None:
        self.app = app
        self._resources = resources
        self._tasks = tasks
        self._opened = opened  # what `app` is made of
        self._watching: dict[object, asyncio.Task[None]] = {}
        self._always: list[asyncio.Task[None]] = []
        self._team: WorkerPool | None = None
        self._leaving: list[tuple[WorkerPool, AsyncExitStack]] = []

    def start(self, *works: Work) -> None:
        """What goes on whatever the configuration is, until the crew is dismissed."""
        self._always += [self._tasks.create_task(work()) for work in works]

    async def apply(self, settings: Settings) -> None:
        """Work by these settings from now on; raises `OrderwatchError` where that cannot be: nothing changed.

        A download under way ends as it began; a watcher whose part of the settings is as it was goes on.
        """
        async with AsyncExitStack() as opening:
            app = await opening.enter_async_context(build_runtime(self._resources, settings))
            async with self._resources.monitoring.listener.moved(_wanted(settings)):
                await listen(self._resources.store, settings, self._resources.notify_wakeup)
            await self._part_with(self._watching.keys() - _watchers(self._resources, app).keys())
            await self._bring_up_to_date(app)
            opened = opening.pop_all()
        before, self._opened, self.app = self._opened, opened, app
        team = self._team
        self.begin()
        if team is None or team is self._team:
            await before.aclose()
        else:
            self._leaving.append((team, before))
            self._tasks.create_task(self._see_off(team, before))

    async def _bring_up_to_date(self, app: Runtime) -> None:
        """A gate made anew may have missed what the old one heard last."""
        try:
            kept = await self._resources.store.accounts()
        except DatabaseError:  # nobody works any more who could go on with the old configuration
            return
        for name, breaker in app.breakers.items():
            trouble = kept[name].trouble if name in kept else None
            if breaker is not self.app.breakers.get(name) and breaker.is_open is not (trouble is not None):
                breaker.trouble = trouble

    def begin(self) -> None:
        """Work by `app`."""
        _heed(self._resources, self.app)
        for watcher, work in _watchers(self._resources, self.app).items():
            if watcher not in self._watching:
                self._watching[watcher] = self._tasks.create_task(work())
        parallel = self.app.settings.delivery.parallel
        if self._team is None or self._team[:2] != (self.app.fetcher, parallel):
            self._team = self._hired(self.app.fetcher, parallel)

    async def drain(self) -> None:
        """Everybody ends; a delivery under way gets a moment, and goes on after the next start."""
        self._resources.store.hurry()
        await self._part_with(self._watching.keys())
        for task in self._always:
            task.cancel()
        teams = [team for team, _ in self._leaving] + ([self._team] if self._team else [])
        for team in teams:
            self._stop(team)
        workers = [worker for team in teams for worker in team.workers]
        if workers:
            await asyncio.wait(workers, timeout=_STOP_GRACE)
        for worker in workers:
            worker.cancel()

    async def close(self) -> None:
        """Let go of everything, once nobody works any more."""
        for _, opened in self._leaving:
            await opened.aclose()
        await self._opened.aclose()

    async def _part_with(self, watchers: Collection[object]) -> None:
        ended = [self._watching.pop(watcher) for watcher in list(watchers)]
        for task in ended:
            task.cancel()
        if ended:
            await asyncio.wait(ended)

    def _hired(self, fetcher: Fetcher, parallel: int) -> WorkerPool:
        stopping, resources = asyncio.Event(), self._resources
        workers = [
            self._tasks.create_task(fetcher.work(resources.fetch_wakeup, stopping, resources.slots))
            for _ in range(2 * parallel)  # half of them for what is slow
        ]
        return WorkerPool(fetcher, parallel, stopping, workers)

    def _stop(self, team: WorkerPool) -> None:
        team.stopping.set()
        self._resources.fetch_wakeup.trigger()

    async def _see_off(self, team: WorkerPool, opened: AsyncExitStack) -> None:
        self._stop(team)
        await asyncio.wait(team.workers)
        self._leaving.remove((team, opened))
        await opened.aclose()


@asynccontextmanager
async def open_supervisor(resources: Resources, settings: Settings) -> AsyncIterator[Supervisor]:
    """A crew at work by these settings, dismissed in the end; raises `OrderwatchError` where it cannot be."""
    tasks, opened = asyncio.TaskGroup(), AsyncExitStack()
    supervisor = Supervisor(
        resources, tasks, await opened.enter_async_context(build_runtime(resources, settings)), opened
    )
    try:
        async with tasks:
            await listen(resources.store, settings, resources.notify_wakeup)
            resources.monitoring.listener.listen(_wanted(settings))
            supervisor.begin()
            yield supervisor
            await supervisor.drain()
    finally:
        resources.store.hurry()  # also where a bug ended the crew
        await supervisor.close()


def _watchers(resources: Resources, app: Runtime) -> Mapping[object, Work]:
    """Who works by this configuration, and how."""
    works: dict[object, Work] = {}
    for watcher in app.watchers:
        works[watcher] = partial(watcher.run, resources.poll_wakeup)
    for dispatcher in app.dispatchers:
        works[dispatcher] = partial(dispatcher.run, resources.notify_wakeup)
    if app.heartbeat is not None:
        works[app.heartbeat] = app.heartbeat.run
    return works


def _heed(resources: Resources, app: Runtime) -> None:
    """What also counts for a download under way, and what looks on."""
    settings, observed = app.settings, resources.monitoring
    resources.bandwidth.limit = limit_of(settings)
    resources.slots.resize(settings.delivery.parallel)
    for tree in app.trees.values():
        tree.space.keep_free = settings.delivery.keep_free
        tree.destination.permissions = rights_of(settings)
    resources.sweep_log.heartbeat = app.heartbeat
    roots = roots_of(settings)
    observed.live.work = live_state.Work(
        store=resources.store,
        database=resources.database,
        clock=resources.clock,
        accounts={n: AccountAtWork(app.breakers[n], c.pacer) for n, c in app.connections.items()},
        trees={
            str(roots[key]): TreeAtWork(
                key, tree.volume, tree.destination.free, tree.space.room, tree.space.keep_free
            )
            for key, tree in app.trees.items()
        },
        channels=[channel.name for channel in channels_of(settings)],
    )
    resources.dashboard.settings = settings


def _wanted(settings: Settings) -> ListenAddress:
    http = settings.http
    return ListenAddress(http.listen, http.hosts, current(http.token))
