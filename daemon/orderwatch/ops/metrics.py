"""Metrics in the Prometheus formats, in our own registry."""

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
_REQUEST_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_TRANSFER_BUCKETS = (1, 10, 60, 300, 1800, 7200, 43200)
_DISCOVERY_BUCKETS = (60, 300, 600, 1800, 3600, 21600, 86400)


class Meters:
    """The counters; `of` returns those of one account for its workers."""

    def __init__(self, registry: CollectorRegistry, wall: Callable[[], float] = time.time) -> None:
        self.wall = wall
        account = ("account",)
        self.requests = Counter(
            "orderwatch_requests_total",
            "Requests by API and HTTP code; code none = no response.",
            ("account", "api", "code"),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "orderwatch_request_seconds",
            "Duration of requests until the end of the response; of downloads until its headers.",
            ("account", "api"),
            registry=registry,
            buckets=_REQUEST_BUCKETS,
        )
        self.answered = Gauge(
            "orderwatch_last_answer_timestamp_seconds",
            "Time of the API's last successful response.",
            ("account", "api"),
            registry=registry,
        )
        self.swept = Gauge(
            "orderwatch_last_sweep_timestamp_seconds",
            "Time of the last complete sweep.",
            account,
            registry=registry,
        )
        self.discovery = Histogram(
            "orderwatch_discovery_delay_seconds",
            "Time between the previous poll and the one that showed a status change.",
            account,
            registry=registry,
            buckets=_DISCOVERY_BUCKETS,
        )
        self.received = Counter(
            "orderwatch_received_bytes_total",
            "Bytes received by downloads.",
            account,
            registry=registry,
        )
        self.stored = Counter(
            "orderwatch_stored_total",
            "Deliveries stored.",
            account,
            registry=registry,
        )
        self.transfer = Histogram(
            "orderwatch_transfer_seconds",
            "Duration of attempts that stored a delivery.",
            account,
            registry=registry,
            buckets=_TRANSFER_BUCKETS,
        )
        self.failed = Counter(
            "orderwatch_failed_attempts_total",
            "Failed attempts at deliveries, by kind of failure.",
            ("account", "trouble"),
            registry=registry,
        )

    def of(self, account: str) -> Meter:
        return _AccountMeter(self, account)


class _AccountMeter(Meter):
    def __init__(self, meters: Meters, account: str) -> None:
        self._meters = meters
        self._account = account

    def requested(self, api: str, code: int | None, seconds: float) -> None:
        meters, account = self._meters, self._account
        meters.requests.labels(account, api, _closed(code)).inc()
        meters.request_seconds.labels(account, api).observe(seconds)
        if code in range(200, 300):
            meters.answered.labels(account, api).set(meters.wall())

    def sweep_ended(self) -> None:
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
    """Return a label for the code; invented codes of the provider create no series."""
    if code is None:
        return "none"
    return str(code) if code in _KNOWN_CODES else "other"


class _OfHost(CollectorRegistry):
    """The metrics of one of several hosts: each sample has its name."""

    def __init__(self, registry: CollectorRegistry, host: str) -> None:
        super().__init__()
        self._all = registry
        self._host = host

    def collect(self) -> Iterator[Metric]:
        for metric in self._all.collect():
            samples = [s._replace(labels={**s.labels, "host": self._host}) for s in metric.samples]
            metric.samples = samples
            yield metric


_COUNTS_MAX_AGE_SECONDS = 5.0


class Metrics(Collector):
    """The metrics of the process; counters continue across reloads."""

    def __init__(self, live: LiveState, wall: Callable[[], float] = time.time) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the number of series
        self._live = live
        self._wall = wall
        self._registry = CollectorRegistry()
        self._meters = Meters(self._registry, wall)
        self._reload_ok = Gauge(
            "orderwatch_config_last_reload_successful",
            "1 if the last reading of the configuration succeeded.",
            registry=self._registry,
        )
        self._reloaded_at = Gauge(
            "orderwatch_config_last_reload_success_timestamp_seconds",
            "When the configuration was last applied.",
            registry=self._registry,
        )
        self._census: MetricCounts | None = None
        self._counted: tuple[Work, float] | None = None
        self.reloaded(good=True)
        self._registry.register(ProcessUse(wall()))
        self._registry.register(self)

    def meter(self, account: str) -> Meter:
        """Return the meter of an account's workers."""
        return self._meters.of(account)

    def reloaded(self, *, good: bool) -> None:
        """Record whether the configuration was applied, at the start or a reload."""
        self._reload_ok.set(good)
        if good:
            self._reloaded_at.set(self._wall())

    async def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics in a format that the `Accept` header allows, with its content type."""
        await self._count()
        encode, kind = choose_encoder(accept)
        host = self._live.work and self._live.work.host
        return encode(_OfHost(self._registry, host) if host else self._registry), kind

    def collect(self) -> Iterator[Metric]:
        yield from process_gauges(self._live)
        if self._live.work is not None:
            yield from work_gauges(self._live.work, self._census, self._live.controls.pauses)

    async def _count(self) -> None:
        """Read the counts at most every few seconds."""
        work, now = self._live.work, time.monotonic()
        if work is None or (
            self._counted and self._counted[0] is work and now < self._counted[1] + _COUNTS_MAX_AGE_SECONDS
        ):
            return
        self._counted = (work, now)
        try:
            self._census = await work.store.statistics.metric_counts()
        except DatabaseError:
            self._census = None
