"""Counters of what is done, by account. Every label is of a closed set."""

import time
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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
