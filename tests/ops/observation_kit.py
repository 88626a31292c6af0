"""What the tests of metrics and health share: a house that is observed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tests.service.service_kit import House

from orderwatch.app.trees.folder import FolderTree
from orderwatch.core.attention.concern import Concern
from orderwatch.ops.health import Health
from orderwatch.ops.live_state import AccountAtWork, LiveState, TreeAtWork, Work
from orderwatch.ops.metrics import Metrics
from orderwatch.service.clock import Clock
from orderwatch.service.liveness import Liveness, LoopLag


@dataclass(frozen=True)
class Lasting:
    event: str
    began_at: datetime


@dataclass
class Observed:
    """Everything of one house, and the clock of its pulse."""

    house: House
    steady: float = 1000.0
    problems: list[Lasting] = field(default_factory=list)
    backup: datetime | None = None
    attention: Sequence[Concern] | None = ()

    def __post_init__(self) -> None:
        self.live = LiveState(
            liveness=Liveness(lambda: self.steady),
            loop=LoopLag(lambda: self.steady),
            problems=lambda: self.problems,
            last_backup=lambda: self.backup,
            attention=lambda: self.attention,
        )
        self.metrics = Metrics(self.live, wall=lambda: self.house.time.now().timestamp())
        self.health = Health(self.live, patience=0.2)

    def open(self, *channels: str) -> None:
        """The house is at work from now on."""
        h = self.house
        tools = h.tools["main"]
        tree = tools.trees[None]
        self.live.work = Work(
            store=h.store,
            database=h.root.parent / "orderwatch.db",
            clock=Clock(h.time.now, h.time.read),
            accounts={"main": AccountAtWork(tools.breaker, h.connection.rate_limiter)},
            trees={
                str(h.root): TreeAtWork(
                    None,
                    tree.volume,
                    h.destination.free,
                    tree.space.available,
                    tree.space.keep_free,
                    FolderTree(h.root).picture,
                    FolderTree(h.root).link,
                )
            },
            channels=channels,
        )

    async def scraped(self) -> list[Sample]:
        self.metrics._counted = None  # as if seconds had passed
        body, _ = await self.metrics.scrape()
        families = text_string_to_metric_families(body.decode())
        return [sample for family in families for sample in family.samples]

    async def value(self, name: str, **labels: str) -> float | None:
        """Of the one sample with these labels, None where there is none."""
        found = [s.value for s in await self.scraped() if s.name == name and s.labels == labels]
        assert len(found) <= 1
        return found[0] if found else None
