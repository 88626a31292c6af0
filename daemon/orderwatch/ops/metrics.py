"""Metrics in Prometheus' formats, in a registry of our own."""

import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Gauge, Metric, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from orderwatch.core.census import Census
from orderwatch.errors import DatabaseError
from orderwatch.ops.gauges import process_gauges, work_gauges
from orderwatch.ops.meter import Meters
from orderwatch.ops.process import ProcessUse
from orderwatch.ops.telemetry import Live, Work
from orderwatch.ports import Meter

_FRESH = 5.0  # seconds that a census serves


class Metrics(Collector):
    """One for the life of the process: counters go on over reloads."""

    def __init__(self, live: Live, wall: Callable[[], float] = time.time) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series
        self._live = live
        self._wall = wall
        self._registry = CollectorRegistry()
        self._meters = Meters(self._registry, wall)
        self._taken_up = Gauge(
            "orderwatch_config_last_reload_successful",
            "1 where the configuration was good when it was read last.",
            registry=self._registry,
        )
        self._taken_up_at = Gauge(
            "orderwatch_config_last_reload_success_timestamp_seconds",
            "When the configuration was taken up last.",
            registry=self._registry,
        )
        self._census: Census | None = None
        self._counted: tuple[Work, float] | None = None
        self.reloaded(good=True)
        self._registry.register(ProcessUse(wall()))
        self._registry.register(self)

    def meter(self, account: str) -> Meter:
        """What the workers of this account report to."""
        return self._meters.of(account)

    def reloaded(self, *, good: bool) -> None:
        """The configuration was read, at a start or later."""
        self._taken_up.set(good)
        if good:
            self._taken_up_at.set(self._wall())

    async def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics as this `Accept` header wants them, with their content type."""
        await self._count()
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind

    def collect(self) -> Iterator[Metric]:
        yield from process_gauges(self._live)
        if self._live.work is not None:
            yield from work_gauges(self._live.work, self._census)

    async def _count(self) -> None:
        """Once within some seconds, however many ask."""
        work, now = self._live.work, time.monotonic()
        if work is None or (self._counted and self._counted[0] is work and now < self._counted[1] + _FRESH):
            return
        self._counted = (work, now)
        try:
            self._census = await work.store.census()
        except DatabaseError:
            self._census = None
