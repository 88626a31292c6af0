"""Who works, by one configuration and then by the next. Whoever fails ends the daemon: it is a bug."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

from orderwatch.app.daemon.resources import House
from orderwatch.app.daemon.runtime import App, furnished
from orderwatch.app.notifications import channels_of, listen
from orderwatch.app.plan import limit_of, rights_of, roots_of
from orderwatch.config import Settings, current
from orderwatch.errors import DatabaseError
from orderwatch.ops import live_state
from orderwatch.ops.live_state import AccountAtWork, TreeAtWork
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.web.server.listener import Wanted

_STOP_GRACE = 3.0  # seconds that a delivery under way gets to end by itself

Work = Callable[[], Coroutine[Any, Any, None]]


class Team(NamedTuple):
    """Those who fetch, until they are told to stop: then each ends what it has."""

    fetcher: Fetcher
    parallel: int
    stopping: asyncio.Event
    workers: Collection[asyncio.Task[None]]


class Crew:
    """`app` is what is worked by."""

    def __init__(self, house: House, tasks: asyncio.TaskGroup, app: App, opened: AsyncExitStack) -> None:
        self.app = app
        self._house = house
        self._tasks = tasks
        self._opened = opened  # what `app` is made of
        self._watching: dict[object, asyncio.Task[None]] = {}
        self._always: list[asyncio.Task[None]] = []
        self._team: Team | None = None
        self._leaving: list[tuple[Team, AsyncExitStack]] = []

    def employ(self, *works: Work) -> None:
        """What goes on whatever the configuration is, until the crew is dismissed."""
        self._always += [self._tasks.create_task(work()) for work in works]

    async def take_up(self, settings: Settings) -> None:
        """Work by these settings from now on; raises `OrderwatchError` where that cannot be: nothing changed.

        A download under way ends as it began; a watcher whose part of the settings is as it was goes on.
        """
        async with AsyncExitStack() as opening:
            app = await opening.enter_async_context(furnished(self._house, settings))
            async with self._house.observed.front.moved(_wanted(settings)):
                await listen(self._house.store, settings, self._house.news)
            await self._part_with(self._watching.keys() - _watchers(self._house, app).keys())
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

    async def _bring_up_to_date(self, app: App) -> None:
        """A gate made anew may have missed what the old one heard last."""
        try:
            kept = await self._house.store.accounts()
        except DatabaseError:  # nobody works any more who could go on with the old configuration
            return
        for name, gate in app.gates.items():
            trouble = kept[name].trouble if name in kept else None
            if gate is not self.app.gates.get(name) and gate.lasts is not (trouble is not None):
                gate.trouble = trouble

    def begin(self) -> None:
        """Work by `app`."""
        _heed(self._house, self.app)
        for watcher, work in _watchers(self._house, self.app).items():
            if watcher not in self._watching:
                self._watching[watcher] = self._tasks.create_task(work())
        parallel = self.app.settings.delivery.parallel
        if self._team is None or self._team[:2] != (self.app.fetcher, parallel):
            self._team = self._hired(self.app.fetcher, parallel)

    async def dismiss(self) -> None:
        """Everybody ends; a delivery under way gets a moment, and goes on after the next start."""
        self._house.store.hurry()
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

    def _hired(self, fetcher: Fetcher, parallel: int) -> Team:
        stopping, house = asyncio.Event(), self._house
        workers = [
            self._tasks.create_task(fetcher.work(house.todo, stopping, house.turns))
            for _ in range(2 * parallel)  # half of them for what is slow
        ]
        return Team(fetcher, parallel, stopping, workers)

    def _stop(self, team: Team) -> None:
        team.stopping.set()
        self._house.todo.ring()

    async def _see_off(self, team: Team, opened: AsyncExitStack) -> None:
        self._stop(team)
        await asyncio.wait(team.workers)
        self._leaving.remove((team, opened))
        await opened.aclose()


@asynccontextmanager
async def open_crew(house: House, settings: Settings) -> AsyncIterator[Crew]:
    """A crew at work by these settings, dismissed in the end; raises `OrderwatchError` where it cannot be."""
    tasks, opened = asyncio.TaskGroup(), AsyncExitStack()
    crew = Crew(house, tasks, await opened.enter_async_context(furnished(house, settings)), opened)
    try:
        async with tasks:
            await listen(house.store, settings, house.news)
            house.observed.front.listen(_wanted(settings))
            crew.begin()
            yield crew
            await crew.dismiss()
    finally:
        house.store.hurry()  # also where a bug ended the crew
        await crew.close()


def _watchers(house: House, app: App) -> Mapping[object, Work]:
    """Who works by this configuration, and how."""
    works: dict[object, Work] = {}
    for watcher in app.watchers:
        works[watcher] = partial(watcher.run, house.tick)
    for teller in app.tellers:
        works[teller] = partial(teller.run, house.news)
    if app.deadman is not None:
        works[app.deadman] = app.deadman.run
    return works


def _heed(house: House, app: App) -> None:
    """What also counts for a download under way, and what looks on."""
    settings, observed = app.settings, house.observed
    house.bandwidth.limit = limit_of(settings)
    house.turns.resize(settings.delivery.parallel)
    for tree in app.trees.values():
        tree.space.keep_free = settings.delivery.keep_free
        tree.destination.rights = rights_of(settings)
    house.rounds.deadman = app.deadman
    roots = roots_of(settings)
    observed.live.work = live_state.Work(
        store=house.store,
        database=house.database,
        clock=house.clock,
        accounts={n: AccountAtWork(app.gates[n], c.pacer) for n, c in app.connections.items()},
        trees={
            str(roots[key]): TreeAtWork(
                key, tree.volume, tree.destination.free, tree.space.room, tree.space.keep_free
            )
            for key, tree in app.trees.items()
        },
        channels=[channel.name for channel in channels_of(settings)],
    )
    house.showing.settings = settings


def _wanted(settings: Settings) -> Wanted:
    http = settings.http
    return Wanted(http.listen, http.hosts, current(http.token))
