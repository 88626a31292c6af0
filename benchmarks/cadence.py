"""A year of orders on a virtual clock: what each way of polling costs, how late it learns of a publication.

Prints requests per order-day and the delay from publication to discovery; asserts nothing. Looks are requests
for the captures of one order; pages are those of the list, which every way of polling needs once per interval
to find new orders and moved statuses, and which shows the orders of the whole year.
"""

import heapq
import random
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Order,
    OrderPhase,
    OrderState,
    TrackedStatus,
)
from orderwatch.core.orders.poll_schedule import Pace, next_look
from orderwatch.core.orders.publication_lag import UNLEARNED, Lags, fit_lags

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY = 3600.0, 86_400.0
YEAR = 365 * DAY
PAGE = 100  # orders on a page of the list
FINAL_AFTER = 600.0  # s from the last publication to the order's final word


@dataclass(slots=True)
class Strip:
    """A capture's life, in seconds of the year; without `published` it fails at `ends`."""

    shown: float
    start: float
    ends: float
    published: bool
    found: float | None = None


@dataclass(slots=True)
class Told:
    number: int
    product: str
    placed: float
    opens: float
    closes: float
    strips: list[Strip] = field(default_factory=list)

    @property
    def final(self) -> float:
        last = max((s.ends for s in self.strips), default=self.closes)
        return last + FINAL_AFTER if len(self.strips) and self.product == "point" else max(last, self.closes)


@dataclass(frozen=True, slots=True)
class Result:
    """Per order-day, and delays from publication to discovery in seconds."""

    looks: float
    pages: float
    delays: list[float]

    @property
    def requests(self) -> float:
        return self.looks + self.pages


def year(count: int, chance: random.Random) -> list[Told]:
    """Three quarters point orders with 1-3 captures over weeks, the others areas with dozens of strips."""
    orders = []
    for number in range(count):
        area = number % 4 == 3  # noqa: PLR2004 - every fourth
        placed = chance.uniform(0, YEAR - 60 * DAY)
        opens = placed + chance.uniform(0.2, 10) * DAY
        closes = opens + chance.uniform(14, 50) * DAY
        told = Told(number, "area" if area else "point", placed, opens, closes)
        wanted = chance.randint(24, 60) if area else chance.randint(1, 3)
        for start in sorted(chance.uniform(opens, closes) for _ in range(wanted)):
            told.strips += attempts(start, told, chance)
        orders.append(told)
    return orders


def attempts(start: float, told: Told, chance: random.Random) -> Iterator[Strip]:
    """One in four captures fails or is refused for its quality, and is tried again days later."""
    while start < told.closes:
        ahead = chance.uniform(6, 48) * HOUR if chance.random() < 0.8 else -chance.uniform(0.1, 1) * HOUR  # noqa: PLR2004
        shown = max(told.placed, start - ahead)
        median = 8 if told.product == "area" else 5
        lag = min(max(chance.lognormvariate(0, 0.7) * median, 1), 36) * HOUR
        good = chance.random() > 0.25  # noqa: PLR2004 - as said above
        yield Strip(shown, start, max(start + lag, shown), published=good)
        if good:
            return
        start += chance.uniform(1, 5) * DAY


def fixed(orders: list[Told], interval: float, chance: random.Random) -> Result:
    """A poller that asks each open order every `interval` seconds."""
    delays = []
    for told in orders:
        phase = chance.uniform(0, interval)
        delays += [interval - (s.ends - phase) % interval for s in told.strips if s.published]
    return Result(DAY / interval, pages(orders, interval), delays)


def budget(orders: list[Told], requests: float) -> float:
    """The interval in seconds at which a fixed poller makes so many requests per order-day."""
    return (DAY + HOUR * pages(orders, HOUR)) / requests


def pages(orders: list[Told], interval: float) -> float:
    """Of the list, per order-day."""
    a_day = sum(-(-sum(o.placed <= day * DAY for o in orders) // PAGE) for day in range(365)) / 365
    return a_day * (YEAR / interval) / order_days(orders)


def ours(orders: list[Told], interval: float, chance: random.Random) -> Result:
    """`core.cadence` at this `interval`."""
    pace = Pace(
        interval=timedelta(seconds=interval), max_interval=timedelta(hours=6), grace=timedelta(days=14)
    )
    for told in orders:
        for strip in told.strips:
            strip.found = None
    due = [(told.placed + chance.uniform(0, interval), told.number) for told in orders]
    heapq.heapify(due)
    learned: list[tuple[str | None, timedelta]] = []
    looks, lags, refit = 0, UNLEARNED, 0.0
    while due:
        now, number = heapq.heappop(due)
        told = orders[number]
        if now > refit:
            lags, refit = fit_lags(learned[-500:]), now + DAY
        moved, idle = look(told, now, learned)
        looks += not idle
        if now < told.final:
            when = next_look(known(told, now), moment(now), pace, chance.random(), lags=lags, moved=moved)
            if when is not None:
                # The list shows a final word within an interval, and a moved word brings a look.
                listed = told.final + chance.uniform(0, interval)
                heapq.heappush(due, (min((when - EPOCH).total_seconds(), listed), number))
    report_lags(lags)
    delays = [s.found - s.ends for o in orders for s in o.strips if s.published and s.found is not None]
    return Result(looks / order_days(orders), pages(orders, interval), delays)


def look(told: Told, now: float, learned: list[tuple[str | None, timedelta]]) -> tuple[bool, bool]:
    """Find what is published; whether anything moved since the last look, and whether nothing was asked."""
    moved = False
    for strip in told.strips:
        if strip.ends <= now and strip.found is None:
            strip.found = now
            moved = True
            if strip.published and strip.shown < strip.ends:
                learned.append((told.product, timedelta(seconds=now - strip.start)))
    return moved, now < told.opens and not any(s.shown <= now for s in told.strips)


STANDINGS = {phase: TrackedStatus(word=phase.value, phase=phase) for phase in CapturePhase}
RUNNING = TrackedStatus(word="in_progress", phase=OrderPhase.IN_PROGRESS)
DONE = Capture(capture_id="done", status=STANDINGS[CapturePhase.FAILED])  # final: it weighs nothing any more


def known(told: Told, now: float) -> Order:
    """The order as a look at this moment records it; everything published is stored."""
    captures = [DONE] * sum(strip.ends <= now for strip in told.strips)
    for number, strip in enumerate(told.strips):
        if not strip.shown <= now < strip.ends:
            continue
        phase = CapturePhase.PLANNED if now < strip.start else CapturePhase.CAPTURED
        captures.append(Capture(capture_id=str(number), status=STANDINGS[phase], start=moment(strip.start)))
    return Order(
        account="main", task_id=told.number, status=RUNNING, state=OrderState.OPEN, product=told.product,
        start=moment(told.opens), end=moment(told.closes), captures=tuple(captures),
    )  # fmt: skip


def moment(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def order_days(orders: list[Told]) -> float:
    return sum(o.final - o.placed for o in orders) / DAY


def report_lags(lags: Lags) -> None:
    found = ", ".join(
        f"{product}: median {lag.median / timedelta(hours=1):.1f} h, sigma {lag.sigma:.2f}"
        for product, lag in sorted(lags.by_product.items(), key=str)
    )
    print(f"    learned {found}")


def row(name: str, result: Result) -> None:
    mean, median = statistics.fmean(result.delays), statistics.median(result.delays)
    late = statistics.quantiles(result.delays, n=20)[-1]
    figures = (result.looks, result.pages, result.requests, mean / 60, median / 60, late / 60)
    print(f"{name:24}" + "".join(f"{figure:9.1f}" for figure in figures), flush=True)


def main(count: int) -> None:
    orders = year(count, random.Random(1))
    published = sum(s.published for o in orders for s in o.strips)
    print(f"{count} orders, {order_days(orders):.0f} order-days, {published} publications")
    print(f"{'per order-day:':24}{'looks':>9}{'pages':>9}{'requests':>9}   delay in minutes:")
    print(f"{'':24}{'':27}{'mean':>9}{'median':>9}{'95th':>9}")
    chance = random.Random(2)
    row("fixed 5 min", fixed(orders, 300, chance))
    row("fixed 1 h", fixed(orders, HOUR, chance))
    for minutes in (5, 4):
        result = ours(orders, minutes * 60, random.Random(3))
        row(f"ours, interval {minutes} min", result)
        row("fixed at that budget", fixed(orders, budget(orders, result.requests), chance))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
