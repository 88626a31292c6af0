"""Metrics of the present state, read at each scrape."""

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

import orderwatch
from orderwatch.core.actions.pauses import Pauses
from orderwatch.core.attention.concern import Concern, Reason
from orderwatch.core.deliveries.disk_shortage import shortage
from orderwatch.core.model import CapturePhase, DeliveryState, OrderState
from orderwatch.core.ordering.intent import IntentState
from orderwatch.core.statistics import MetricCounts
from orderwatch.errors import DiskError
from orderwatch.ops.live_state import AccountAtWork, Begun, LiveState, TreeAtWork, Work

_OTHER = "other"
L = TypeVar("L", bound=tuple[str, ...])  # the values of a sample's labels


def process_gauges(live: LiveState) -> Iterator[Metric]:
    """Yield metrics of the process, which outlive a reload."""
    build = {(orderwatch.__version__, platform.python_version()): 1.0}
    yield _gauge("build_info", "Running version; always 1.", build, "version", "python")
    yield _gauge("loop_lag_seconds", "Latest delay of the event loop.", {(): live.loop.lag})
    worst = {(): live.loop.take_worst()}
    yield _gauge("loop_lag_max_seconds", "Longest delay of the event loop since the last scrape.", worst)
    late = {(): float(len(live.loop.late()) + len(live.liveness.late()))}
    yield _gauge("late_workers", "Workers that make no progress.", late)
    if live.work is None or live.work.is_keeper:
        yield from _problems(list(live.problems()))
        yield from _attention(live.attention())
    backup = _moments({(): live.last_backup()})
    yield _gauge("last_backup_timestamp_seconds", "Time of the last backup of the database.", backup)


def work_gauges(work: Work, census: MetricCounts | None, pauses: Pauses) -> Iterator[Metric]:
    """Yield metrics of the present configuration; counts only if the database is readable."""
    yield from _accounts(work.polled)
    if work.is_keeper:
        yield from _pauses(pauses, work.accounts)
    yield from _trees(work.trees, census.largest_parked if census else {})
    ahead = {(): work.clock.ahead().total_seconds()}
    yield _gauge("clock_ahead_seconds", "This host's clock minus the provider's.", ahead)
    readable = {(): float(census is not None)}
    yield _gauge("database_readable", "1 if the database could be read for this scrape.", readable)
    if isinstance(work.database, Path):
        yield _gauge("database_bytes", "Size of the database.", {(): _size(work.database)})
        wal = {(): _size(Path(f"{work.database}-wal"))}
        yield _gauge("wal_bytes", "Size of the database's write-ahead log.", wal)
    if census is not None and work.is_keeper:
        yield from _counts(census, list(work.accounts))
        yield from _notes(census.notes, work.channels)


def _problems(problems: list[Begun]) -> Iterator[Metric]:
    """Yield the open problems; labels are our event names."""
    numbers = {(event,): float(n) for event, n in Counter(p.event for p in problems).items()}
    yield _gauge("problems", "Open problems by event.", numbers, "event")
    oldest = {(p.event,): p.began_at for p in sorted(problems, key=lambda p: p.began_at, reverse=True)}
    text = "When the oldest open problem began."
    yield _gauge("oldest_problem_timestamp_seconds", text, _moments(oldest), "event")


def _attention(found: Sequence[Concern] | None) -> Iterator[Metric]:
    """Yield a sample for every reason, so that an alert ends when nothing needs a person any more."""
    numbers = Counter(concern.reason for concern in found or ())
    samples = {(str(reason),): float(numbers[reason]) for reason in Reason} if found is not None else {}
    yield _gauge("attention", "What needs a person, by reason.", samples, "reason")


def _accounts(accounts: Mapping[str, AccountAtWork]) -> Iterator[Metric]:
    states: dict[tuple[str, str], float] = {}
    again: dict[tuple[str], datetime | None] = {}
    began: dict[tuple[str, str], datetime | None] = {}
    for name, (breaker, _) in accounts.items():
        trouble = breaker.trouble
        states |= {
            (name, state): float(state == breaker.state) for state in ("fine", "unavailable", "refused")
        }
        again[name,] = trouble.until if trouble else None
        began[name, breaker.state] = trouble.began_at if trouble else None
    yield _gauge("account_state", "1 for the account's current state.", states, "account", "state")
    text = "When the failure of an account began, by its state."
    yield _gauge("account_trouble_timestamp_seconds", text, _moments(began), "account", "state")
    text = "When a paused account is requested again."
    yield _gauge("account_asked_again_timestamp_seconds", text, _moments(again), "account")
    gaps = {(name,): at_work.pacer.gap for name, at_work in accounts.items()}
    text = "Seconds between two requests to a host; longer after failures."
    yield _gauge("pacer_gap_seconds", text, gaps, "account")
    held = {(name,): at_work.pacer.pause_left for name, at_work in accounts.items()}
    yield _gauge(
        "pacer_hold_seconds",
        "How long the provider still delays requests.",
        held,
        "account",
    )


def _pauses(pauses: Pauses, accounts: Iterable[str]) -> Iterator[Metric]:
    found = {
        (name, what): pause
        for name in accounts
        for what, pause in (
            ("polling", pauses.of_polling(name)),
            ("downloads", pauses.of_downloads(name)),
        )
    }
    states = {key: float(pause is not None) for key, pause in found.items()}
    yield _gauge("paused", "1 while an operator has paused it.", states, "account", "what")
    began = {key: pause.paused_at if pause else None for key, pause in found.items()}
    yield _gauge("paused_timestamp_seconds", "When it was paused.", _moments(began), "account", "what")


def _trees(trees: Mapping[str, TreeAtWork], parked: Mapping[str | None, int]) -> Iterator[Metric]:
    usable, free, full = {}, {}, {}
    for root, tree in trees.items():
        try:
            free[root,], room = float(tree.free()), tree.room()
        except DiskError:  # an alert on what is left out here would never fire
            usable[root,] = 0.0
            continue
        usable[root,] = float(tree.volume.usable)
        full[root,] = float(shortage(room, parked.get(tree.key, 0)) is not None)
    yield _gauge("tree_usable", "1 if the delivery tree is writable.", usable, "root")
    yield _gauge("tree_free_bytes", "Free space of its disk, keep_free included.", free, "root")
    kept = {(root,): float(tree.keep_free) for root, tree in trees.items()}
    yield _gauge("tree_keep_free_bytes", "Space that downloads leave free on its disk.", kept, "root")
    text = "1 if no space is left for downloads, or a parked delivery does not fit."
    yield _gauge("tree_full", text, full, "root")


def _counts(census: MetricCounts, accounts: list[str]) -> Iterator[Metric]:
    labels = ("account", "state")
    for name, text, states, found in (
        ("orders", "Orders by our state.", OrderState, census.orders),
        ("deliveries", "Deliveries by our state.", DeliveryState, census.deliveries),
        ("intents", "Intents to place an order, by state.", IntentState, census.intents),
    ):
        yield _gauge(name, text, _closed(found, accounts, list(states)), *labels)
    phases = _closed(census.captures, accounts, [*CapturePhase, _OTHER])
    yield _gauge("captures", "Captures by what the provider's status means.", phases, "account", "status")
    sizes = _closed({(name, ""): size for name, size in census.stored_bytes.items()}, accounts, [""])
    stored = {(account,): size for (account, _), size in sizes.items()}
    yield _gauge("stored_bytes", "Size of all stored deliveries.", stored, "account")
    lists = _moments({(name,): at for name, at in census.listed_at.items() if name in accounts})
    text = "When the last whole list of orders was read."
    yield _gauge("last_list_timestamp_seconds", text, lists, "account")
    oldest = _moments({(name,): at for name, at in census.oldest.items() if name in accounts})
    text = "When the oldest capture with an outstanding delivery was published."
    yield _gauge("oldest_undelivered_timestamp_seconds", text, oldest, "account")


def _notes(found: Mapping[str, int], channels: Iterable[str]) -> Iterator[Metric]:
    pending = Counter(dict.fromkeys(channels, 0))
    for channel, number in found.items():
        pending[channel if channel in pending else _OTHER] += number
    numbers = {(channel,): float(n) for channel, n in pending.items()}
    yield _gauge("notes_pending", "Notifications that a channel has not accepted yet.", numbers, "channel")


def _closed(
    found: Mapping[tuple[str, str | None], int] | Mapping[tuple[str, str], int],
    accounts: list[str],
    states: list[str],
) -> dict[tuple[str, str], float]:
    """Return every configured account with every state; anything else counts as other."""
    numbers = {(account, str(state)): 0.0 for account in accounts for state in states}
    for (account, state), number in found.items():
        key = (account if account in accounts else _OTHER, str(state) if state in states else _OTHER)
        numbers[key] = numbers.get(key, 0.0) + number
    return numbers


def _gauge(name: str, text: str, samples: Mapping[L, float], *labels: str) -> Metric:
    metric = GaugeMetricFamily(f"orderwatch_{name}", text, labels=labels)
    for values, value in samples.items():
        metric.add_metric(values, value)
    return metric


def _moments(moments: Mapping[L, datetime | None]) -> dict[L, float]:
    return {labels: at.timestamp() for labels, at in moments.items() if at is not None}


def _size(path: Path) -> float:
    try:
        return float(path.stat().st_size)
    except OSError:
        return 0.0
