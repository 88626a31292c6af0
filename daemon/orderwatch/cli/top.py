"""`top`: a live view of the daemon, read from its database."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from orderwatch.app.attention import concerns_of
from orderwatch.app.plan import Plan
from orderwatch.cli.common import Context, configured, demand_current
from orderwatch.cli.output.keyboard import listening
from orderwatch.cli.output.live import framed, in_a_line, move_line, orders_table, transfers_table
from orderwatch.cli.output.tables import concern_line, console, plain
from orderwatch.core.attention.attention import headline, unacknowledged
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.deliveries.bandwidth import Progress, SpeedMeter, total_speed
from orderwatch.core.formatting import until
from orderwatch.core.model import Order, OrderState
from orderwatch.core.orders.recent_changes import fold_changes
from orderwatch.core.statistics import Summary
from orderwatch.db.daemon_status import read_daemon_status
from orderwatch.db.repositories import Store, open_reader

_FRAME_SECONDS = 1.0
_MAX_PLAIN_LINES = 50  # without a terminal
_MAX_CONCERNS, _MAX_CHANGES = 3, 8
_MAX_MOVES = 256  # status changes that are read for them: a batch of files has many
_FIXED_LINES = 8  # header, and frames of orders (with headings), transfers and changes
_MIN_LINES = (
    12  # with a problem, an order, a transfer and a move; each of these has its share of what is more
)
_SHARES = 4


@click.command()
@configured
def top(context: Context) -> None:
    """Show orders, transfers and recent changes live. Press `q` or Ctrl-C to quit.

    Reads the daemon's database and changes nothing. Without a terminal it prints once.
    """
    asyncio.run(_top(context.plan(resolve=False)))


async def _top(plan: Plan) -> None:
    database = plan.database.location
    demand_current(database)
    screen = console()
    async with open_reader(database) as reader:
        if sys.stdout.isatty() and not screen.is_dumb_terminal:
            await _watch(plan, reader, screen)
        else:
            summary = await _summary(plan, reader, _MAX_PLAIN_LINES)
            warning = read_daemon_status(database).warning(datetime.now(UTC))
            screen.print(Group(*_plain(summary, warning)), soft_wrap=True)


async def _summary(plan: Plan, reader: Store, most: int) -> Summary:
    now = datetime.now(UTC)
    found = await concerns_of(plan, reader, now)
    summary = await reader.statistics.summary(most, _MAX_MOVES)
    return replace(
        summary,
        attention=unacknowledged(found),
        pauses=await reader.actions.pauses(),
        backlog=(await reader.queue.totals(now)).backlog,
    )


async def _watch(plan: Plan, reader: Store, screen: Console) -> None:
    speeds = SpeedMeter()
    with listening() as keys, Live(console=screen, screen=True, auto_refresh=False) as live:
        while not keys.ended:
            summary = await _summary(plan, reader, screen.height)
            now = datetime.now(UTC)
            going = speeds.measured(summary.running, now)
            live.update(
                picture(summary, going, read_daemon_status(plan.database.location), now, screen.height),
                refresh=True,
            )
            await keys.pause(_FRAME_SECONDS)


def picture(
    summary: Summary, going: Sequence[Progress], daemon: DaemonStatus, now: datetime, height: int
) -> RenderableType:
    """Lay out one frame; orders get the height that the other parts leave."""
    share = max(1, (height - _MIN_LINES) // _SHARES)
    warning = daemon.warning(now)
    first = [in_a_line(line) for line in _warned(warning)]
    some = summary.attention[: min(share, _MAX_CONCERNS) - len(first)]
    concerns = [in_a_line(concern_line(one, now)) for one in some]
    running, moves = going[:share], fold_changes(summary.moves)[-min(share, _MAX_CHANGES) :]
    left = height - _FIXED_LINES - len(first) - len(concerns) - max(1, len(running)) - max(1, len(moves))
    orders = summary.orders[: max(1, left)]
    pace = summary.backlog.pace_words(total_speed(going))
    under_way = sum(n for state, n in summary.counts.orders.items() if state is not OrderState.DONE)
    return Group(
        *first,
        in_a_line(header(summary, is_running=warning is None)),
        *concerns,
        framed(_orders(orders, now), f"orders, {len(orders)} of {under_way}" if under_way else "orders"),
        framed(transfers_table(running), f"transfers, {len(going)}{pace and f': {pace}'}"),
        framed(Group(*map(move_line, moves)), "recent changes"),
    )


def header(summary: Summary, *, is_running: bool) -> Text:
    """Return the totals, and whether something needs attention if a daemon is running."""
    counts, backlog = summary.counts, summary.backlog
    size = f", {backlog.size_words}" if backlog.files else ""
    parts = [
        Text(f"{_number(counts.open, 'order', 'orders')} open", "bold"),
        Text(f"{_number(backlog.files, 'delivery', 'deliveries')} to come{size}"),
        Text(f"{counts.stored} stored", "green"),
    ]
    if counts.given_up:
        parts.append(Text(f"{counts.given_up} given up", "bold red"))
    if summary.attention or summary.pauses.all or is_running:
        usual = "bold yellow" if summary.pauses.all else "green"
        line = headline(summary.attention, summary.pauses)
        parts.append(Text(line, "bold red" if summary.attention else usual))
    return Text(" · ").join(parts)


def _warned(warning: str | None) -> Sequence[Text]:
    return [plain(warning, "bold red")] if warning else []


def _number(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count or 'no'} {many}"


def _plain(summary: Summary, warning: str | None) -> Iterator[RenderableType]:
    yield from _warned(warning)
    yield header(summary, is_running=warning is None)
    yield from (concern_line(concern, None) for concern in summary.attention)
    if summary.orders:
        yield _orders(summary.orders, None)
    if summary.running:
        yield transfers_table([Progress(delivery, None) for delivery in summary.running])
    yield from map(move_line, fold_changes(summary.moves)[-_MAX_CHANGES:])


def _orders(orders: Sequence[Order], now: datetime | None) -> RenderableType:
    def next_poll(order: Order) -> str:
        return until(order.next_look_at, now) if order.next_look_at else ""

    return orders_table(orders, {"next poll": next_poll})
