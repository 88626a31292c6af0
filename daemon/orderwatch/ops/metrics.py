"""Metrics in Prometheus' formats, in a registry of our own."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from orderwatch.core.statistics import MetricCounts
from orderwatch.errors import DatabaseError
from orderwatch.ops.gauges import process_gauges, work_gauges
from orderwatch.ops.live_state import LiveState, Work
from orderwatch.ops.process_metrics import ProcessUse
from orderwatch.ports import Meter

_KNOWN_CODES = frozenset(HTTPStatus)
_REQUEST = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # seconds
_TRANSFER = (1, 10, 60, 300, 1800, 7200, 43200)
_DISCOVERY = (60, 300, 600, 1800, 3600, 21600, 86400)


class Meters:
    """The counters; `of` gives those of one account to the workers."""

    def __init__(self, registry: CollectorRegistry, wall: Callable[[], float] = time.time) -> None:
        self.wall = wall
        account = ("account",)
        self.requests = Counter(
            "orderwatch_requests_total",
            "Requests by API and HTTP code; none: no answer came.",
            ("account", "api", "code"),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "orderwatch_request_seconds",
            "How long requests took, up to the answer's end; of downloads up to its headers.",
            ("account", "api"),
            registry=registry,
            buckets=_REQUEST,
        )
        self.answered = Gauge(
            "orderwatch_last_answer_timestamp_seconds",
            "When the API gave its last good answer.",
            ("account", "api"),
            registry=registry,
        )
        self.swept = Gauge(
            "orderwatch_last_sweep_timestamp_seconds",
            "When everything that was due had been asked for and answered last.",
            account,
            registry=registry,
        )
        self.discovery = Histogram(
            "orderwatch_discovery_delay_seconds",
            "From the look before to the one that showed a move: it was discovered no later.",
            account,
            registry=registry,
            buckets=_DISCOVERY,
        )
        self.received = Counter(
            "orderwatch_received_bytes_total",
            "Bytes of downloads that came.",
            account,
            registry=registry,
        )
        self.stored = Counter(
            "orderwatch_stored_total",
            "Deliveries that were stored.",
            account,
            registry=registry,
        )
        self.transfer = Histogram(
            "orderwatch_transfer_seconds",
            "How long the attempt took that stored a delivery.",
            account,
            registry=registry,
            buckets=_TRANSFER,
        )
        self.failed = Counter(
            "orderwatch_failed_attempts_total",
            "Attempts at deliveries that failed, by trouble.",
            ("account", "trouble"),
            registry=registry,
        )

    def of(self, account: str) -> Meter:
        return _AccountMeter(self, account)


class _AccountMeter(Meter):
    def __init__(self, meters: Meters, account: str) -> None:
        self._meters = meters
        self._account = account

    def asked(self, api: str, code: int | None, seconds: float) -> None:
        meters, account = self._meters, self._account
        meters.requests.labels(account, api, _closed(code)).inc()
        meters.request_seconds.labels(account, api).observe(seconds)
        if code in range(200, 300):
            meters.answered.labels(account, api).set(meters.wall())

    def swept(self) -> None:
        self._meters.swept.labels(self._account).set(self._meters.wall())

    def discovered(self, delay: timedelta) -> None:
        self._meters.discovery.labels(self._account).observe(delay.total_seconds())

    def received(self, size: int) -> None:
        self._meters.received.labels(self._account).inc(size)

    def stored(self, seconds: float) -> None:
        self._meters.stored.labels(self._account).inc()
        self._meters.transfer.labels(self._account).observe(seconds)

    def failed(self, trouble: str) -> None:
        self._meters.failed.labels(self._account, trouble).inc()


def _closed(code: int | None) -> str:
    """The provider cannot make series of its own by inventing codes."""
    if code is None:
        return "none"
    return str(code) if code in _KNOWN_CODES else "other"


_FRESH = 5.0  # seconds that a census serves


class Metrics(Collector):
    """One for the life of the process: counters go on over reloads."""

    def __init__(self, live: LiveState, wall: Callable[[], float] = time.time) -> None:
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
        self._census: MetricCounts | None = None
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
