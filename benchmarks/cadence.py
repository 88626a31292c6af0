"""Simulates a year of orders: requests and discovery delay of each polling strategy.

Prints requests per order-day and the delay from publication to discovery; asserts nothing. Looks are requests
for the captures of one order. Pages are those of the list, which every strategy reads once per interval to
find new orders and status changes, and which contains the orders of the whole year.
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
PAGE_ROWS = 100
FINAL_AFTER_SECONDS = 600.0  # from the last publication to the order's final status


@dataclass(slots=True)
class SimulatedCapture:
    """A capture; times in seconds of the year. It fails at `ends` unless `published`."""

    shown: float
    start: float
    ends: float
    published: bool
    found: float | None = None


@dataclass(slots=True)
class SimulatedOrder:
    number: int
    product: str
    placed: float
    opens: float
    closes: float
    captures: list[SimulatedCapture] = field(default_factory=list)

    @property
    def final(self) -> float:
        last = max((s.ends for s in self.captures), default=self.closes)
        return (
            last + FINAL_AFTER_SECONDS
            if len(self.captures) and self.product == "point"
            else max(last, self.closes)
        )


@dataclass(frozen=True, slots=True)
class Result:
    """Requests per order-day, and delays from publication to discovery in seconds."""

    looks: float
    pages: float
    delays: list[float]

    @property
    def requests(self) -> float:
        return self.looks + self.pages


def simulate_year(count: int, chance: random.Random) -> list[SimulatedOrder]:
    """Create orders: three quarters are points with 1-3 captures over weeks, the others areas with dozens."""
    orders = []
    for number in range(count):
        area = number % 4 == 3  # noqa: PLR2004 - every fourth
        placed = chance.uniform(0, YEAR - 60 * DAY)
        opens = placed + chance.uniform(0.2, 10) * DAY
        closes = opens + chance.uniform(14, 50) * DAY
        simulated = SimulatedOrder(number, "area" if area else "point", placed, opens, closes)
        wanted = chance.randint(24, 60) if area else chance.randint(1, 3)
        for start in sorted(chance.uniform(opens, closes) for _ in range(wanted)):
            simulated.captures += attempts(start, simulated, chance)
        orders.append(simulated)
    return orders


def attempts(start: float, simulated: SimulatedOrder, chance: random.Random) -> Iterator[SimulatedCapture]:
    """Yield attempts at a capture: one in four fails and is repeated days later."""
    while start < simulated.closes:
        lead = chance.uniform(6, 48) * HOUR if chance.random() < 0.8 else -chance.uniform(0.1, 1) * HOUR  # noqa: PLR2004
        shown = max(simulated.placed, start - lead)
        median = 8 if simulated.product == "area" else 5
        lag = min(max(chance.lognormvariate(0, 0.7) * median, 1), 36) * HOUR
        good = chance.random() > 0.25  # noqa: PLR2004 - as documented above
        yield SimulatedCapture(shown, start, max(start + lag, shown), published=good)
        if good:
            return
        start += chance.uniform(1, 5) * DAY


def poll_at_fixed_interval(orders: list[SimulatedOrder], interval: float, chance: random.Random) -> Result:
    """Poll each open order every `interval` seconds."""
    delays = []
    for simulated in orders:
        phase = chance.uniform(0, interval)
        delays += [interval - (s.ends - phase) % interval for s in simulated.captures if s.published]
    return Result(DAY / interval, pages(orders, interval), delays)


def budget(orders: list[SimulatedOrder], requests: float) -> float:
    """Return the interval in seconds at which a fixed poller makes that many requests per order-day."""
    return (DAY + HOUR * pages(orders, HOUR)) / requests


def pages(orders: list[SimulatedOrder], interval: float) -> float:
    """Return the pages of the list per order-day."""
    a_day = sum(-(-sum(o.placed <= day * DAY for o in orders) // PAGE_ROWS) for day in range(365)) / 365
    return a_day * (YEAR / interval) / order_days(orders)


def poll_with_orderwatch(orders: list[SimulatedOrder], interval: float, chance: random.Random) -> Result:
    """Poll with `core.orders.poll_schedule` at this `interval`."""
    pace = Pace(
        interval=timedelta(seconds=interval), max_interval=timedelta(hours=6), grace=timedelta(days=14)
    )
    for simulated in orders:
        for capture in simulated.captures:
            capture.found = None
    due = [(simulated.placed + chance.uniform(0, interval), simulated.number) for simulated in orders]
    heapq.heapify(due)
    learned: list[tuple[str | None, timedelta]] = []
    looks, lags, refit = 0, UNLEARNED, 0.0
    while due:
        now, number = heapq.heappop(due)
        simulated = orders[number]
        if now > refit:
            lags, refit = fit_lags(learned[-500:]), now + DAY
        moved, idle = poll(simulated, now, learned)
        looks += not idle
        if now < simulated.final:
            when = next_look(
                order_at(simulated, now), time_at(now), pace, chance.random(), lags=lags, moved=moved
            )
            if when is not None:
                # The list shows a final status within an interval, and a changed status triggers a poll.
                listed = simulated.final + chance.uniform(0, interval)
                heapq.heappush(due, (min((when - EPOCH).total_seconds(), listed), number))
    report_lags(lags)
    delays = [s.found - s.ends for o in orders for s in o.captures if s.published and s.found is not None]
    return Result(looks / order_days(orders), pages(orders, interval), delays)


def poll(
    simulated: SimulatedOrder, now: float, learned: list[tuple[str | None, timedelta]]
) -> tuple[bool, bool]:
    """Mark publications as found; returns whether anything changed, and whether no request was needed."""
    moved = False
    for capture in simulated.captures:
        if capture.ends <= now and capture.found is None:
            capture.found = now
            moved = True
            if capture.published and capture.shown < capture.ends:
                learned.append((simulated.product, timedelta(seconds=now - capture.start)))
    return moved, now < simulated.opens and not any(s.shown <= now for s in simulated.captures)


STATUSES = {phase: TrackedStatus(word=phase.value, phase=phase) for phase in CapturePhase}
RUNNING = TrackedStatus(word="in_progress", phase=OrderPhase.IN_PROGRESS)
DONE = Capture(capture_id="done", status=STATUSES[CapturePhase.FAILED])  # final: no longer polled


def order_at(simulated: SimulatedOrder, now: float) -> Order:
    """Return the order as a poll at this time records it; everything published is stored."""
    captures = [DONE] * sum(capture.ends <= now for capture in simulated.captures)
    for number, capture in enumerate(simulated.captures):
        if not capture.shown <= now < capture.ends:
            continue
        phase = CapturePhase.PLANNED if now < capture.start else CapturePhase.CAPTURED
        captures.append(Capture(capture_id=str(number), status=STATUSES[phase], start=time_at(capture.start)))
    return Order(
        account="main", order_id=str(simulated.number), task_id=simulated.number, product=simulated.product,
        status=RUNNING, state=OrderState.OPEN,
        start=time_at(simulated.opens), end=time_at(simulated.closes), captures=tuple(captures),
    )  # fmt: skip


def time_at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def order_days(orders: list[SimulatedOrder]) -> float:
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
    orders = simulate_year(count, random.Random(1))
    published = sum(s.published for o in orders for s in o.captures)
    print(f"{count} orders, {order_days(orders):.0f} order-days, {published} publications")
    print(f"{'per order-day:':24}{'polls':>9}{'pages':>9}{'requests':>9}   delay in minutes:")
    print(f"{'':24}{'':27}{'mean':>9}{'median':>9}{'95th':>9}")
    chance = random.Random(2)
    row("fixed 5 min", poll_at_fixed_interval(orders, 300, chance))
    row("fixed 1 h", poll_at_fixed_interval(orders, HOUR, chance))
    for minutes in (5, 4):
        result = poll_with_orderwatch(orders, minutes * 60, random.Random(3))
        row(f"ours, interval {minutes} min", result)
        row("fixed at that budget", poll_at_fixed_interval(orders, budget(orders, result.requests), chance))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
