"""What outlives a configuration: the database, the clock, the bells, what a new one leaves as it is."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orderwatch.app.observation import Observation, observation
from orderwatch.app.shared import Shared
from orderwatch.app.values import limit_of
from orderwatch.config import Settings
from orderwatch.db.store import Store, open_store
from orderwatch.ops.log import Redactor
from orderwatch.ops.tap import Tap
from orderwatch.service.bell import Bell
from orderwatch.service.clock import Clock
from orderwatch.service.deadman import Deadman, use_of
from orderwatch.service.outage import Outages
from orderwatch.service.poller import Round
from orderwatch.service.space import Promises
from orderwatch.service.turns import Turns
from orderwatch.transfer.bandwidth import Bandwidth


@dataclass(slots=True)
class Rounds:
    """What the pollers' rounds came to, told to the dead man's switch of the present configuration."""

    deadman: Deadman | None = None

    def heard(self, account: str, done: Round) -> None:
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
    clock: Clock = field(default_factory=Clock)
    rng: random.Random = field(default_factory=random.SystemRandom)
    tick: Bell = field(default_factory=Bell)
    todo: Bell = field(default_factory=Bell)
    news: Bell = field(default_factory=Bell)
    tap: Tap
    rounds: Rounds = field(default_factory=Rounds)
    observed: Observation = field(default_factory=observation)
    outages: Outages = field(default_factory=Outages)
    promises: Promises = field(default_factory=dict)
    shared: Shared = field(default_factory=Shared)


@asynccontextmanager
async def open_house(settings: Settings, redactor: Redactor, patience: float = 0.0) -> AsyncIterator[House]:
    """Open the database, which this process holds; while it is busy it is waited for, so many seconds."""
    async with open_store(settings.database.path, patience) as store:
        yield House(
            database=settings.database.path,
            store=store,
            redactor=redactor,
            tap=Tap(redactor),
            bandwidth=Bandwidth(limit_of(settings)),
            turns=Turns(settings.delivery.parallel),
        )
