"""What outlives a configuration: the database, the clock, the bells, what a new one leaves as it is."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from orderwatch.app.observation import Observation, observation
from orderwatch.app.shared import Shared
from orderwatch.app.showing import Showing
from orderwatch.app.values import limit_of
from orderwatch.config import Settings
from orderwatch.db.alive import liveness
from orderwatch.db.gallery import open_gallery
from orderwatch.db.store import Store, open_store
from orderwatch.ops.log import Redactor
from orderwatch.ops.tap import Tap
from orderwatch.ops.telemetry import Live
from orderwatch.service.bell import Bell
from orderwatch.service.clock import Clock
from orderwatch.service.deadman import Deadman, use_of
from orderwatch.service.outage import Outages
from orderwatch.service.poller import Round
from orderwatch.service.pulse import Pulse, Punctuality
from orderwatch.service.space import Promises
from orderwatch.service.turns import Turns
from orderwatch.transfer.bandwidth import Bandwidth
from orderwatch.web.api.changes import Changes
from orderwatch.web.api.routes import api
from orderwatch.web.pages.pictures import Pictures
from orderwatch.web.pages.site import Site
from orderwatch.web.sharing import Sharing
from orderwatch.web.static import add_static


@dataclass(slots=True)
class Rounds:
    """What the pollers' rounds came to, told to the dead man's switch of the present configuration.

    `swept` is when each account's last good one ended.
    """

    now: Callable[[], datetime]
    deadman: Deadman | None = None
    swept: dict[str, datetime] = field(default_factory=dict)

    def heard(self, account: str, done: Round) -> None:
        if done.swept:
            self.swept[account] = self.now()
        if self.deadman is not None:
            self.deadman.swept(account, use_of(done))


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """`tick` rings the watchers, `todo` the fetchers, `news` the tellers; `turns` are those of all downloads.

    `tap` hears the log, once it is set up with it.
    """

    database: Path
    store: Store
    redactor: Redactor
    bandwidth: Bandwidth
    turns: Turns
    clock: Clock
    rng: random.Random = field(default_factory=random.SystemRandom)
    tick: Bell = field(default_factory=Bell)
    todo: Bell = field(default_factory=Bell)
    news: Bell = field(default_factory=Bell)
    tap: Tap
    rounds: Rounds
    observed: Observation
    showing: Showing
    outages: Outages = field(default_factory=Outages)
    promises: Promises = field(default_factory=dict)
    shared: Shared = field(default_factory=Shared)


@asynccontextmanager
async def open_house(settings: Settings, redactor: Redactor, patience: float = 0.0) -> AsyncIterator[House]:
    """Open the database, which this process holds; while it is busy it is waited for, so many seconds."""
    database, clock = settings.database.path, Clock()
    async with open_store(database, patience) as store, open_gallery(database) as gallery:
        live = Live(pulse=Pulse(), loop=Punctuality())
        rounds, changes = Rounds(clock.now), Changes(gallery, clock.now)
        showing = Showing(gallery=gallery, live=live, now=clock.now, swept=rounds.swept, settings=settings)
        site = Site(
            records=gallery,
            overview=showing.overview,
            attention=showing.attention,
            transfers=changes.transfers,
            explain=showing.explain,
            learned=showing.learned,
            now=clock.now,
            sharing=Sharing(lambda: changes.newest),
        )
        pictures = Pictures(gallery, showing.picture)
        shown = api(gallery, showing.facts, showing.attention, changes, partial(liveness, database))
        yield House(
            database=database,
            store=store,
            clock=clock,
            rounds=rounds,
            observed=observation(live, add_static, site.add_to, pictures.add_to, shown),
            showing=showing,
            redactor=redactor,
            tap=Tap(redactor),
            bandwidth=Bandwidth(limit_of(settings)),
            turns=Turns(settings.delivery.parallel),
        )
