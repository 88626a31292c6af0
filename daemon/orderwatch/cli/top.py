"""`top`: what the daemon does, live; read from its database beside it."""

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
from orderwatch.cli.common import Context, configured, demand_current
from orderwatch.cli.output.keyboard import listening
from orderwatch.cli.output.live import framed, in_a_line, move_line, orders_table, transfers_table
from orderwatch.cli.output.tables import concern_line, console, plain
from orderwatch.config import Settings
from orderwatch.core.attention.attention import headline, unacknowledged
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.deliveries.bandwidth import Progress, SpeedMeter
from orderwatch.core.formatting import until
from orderwatch.core.model import Order, OrderState
from orderwatch.core.orders.recent_changes import STEPS, fold_changes
from orderwatch.core.statistics import Summary
from orderwatch.db.daemon_status import liveness
from orderwatch.db.reader import Reader, open_reader

_FRAME = 1.0  # seconds between two pictures
_PLAIN = 50  # lines, where no window limits them
_MOST_CONCERNS, _MOST_MOVES = 3, 8
_AROUND = 8  # lines: the header, and the frames of orders (with their heading), transfers and moves
_LEAST = 12  # with a problem, an order, a transfer and a move; each of these has its share of what is more
_SHARES = 4


@click.command()
@configured
def top(context: Context) -> None:
    """What the daemon does, live: orders, transfers, what moved. `q` or Ctrl-C ends it.

    Reads the database beside the daemon and changes nothing. Without a terminal it is printed once.
    """
    asyncio.run(_top(context.settings(resolve=False)))


async def _top(settings: Settings) -> None:
    database = settings.database.path
    demand_current(database)
    screen = console()
    async with open_reader(database) as reader:
        if sys.stdout.isatty() and not screen.is_dumb_terminal:
            await _watch(settings, reader, screen)
        else:
            glance = await _glance(settings, reader, _PLAIN)
            warning = liveness(database).warning(datetime.now(UTC))
            screen.print(Group(*_plain(glance, warning)), soft_wrap=True)


async def _glance(settings: Settings, reader: Reader, most: int) -> Summary:
    found = await concerns_of(settings, reader, datetime.now(UTC))
    return replace(await reader.glance(most, STEPS * _MOST_MOVES), attention=unacknowledged(found))


async def _watch(settings: Settings, reader: Reader, screen: Console) -> None:
    speeds = SpeedMeter()
    with listening() as keys, Live(console=screen, screen=True, auto_refresh=False) as live:
        while not keys.ended:
            glance = await _glance(settings, reader, screen.height)
            now = datetime.now(UTC)
            going = speeds.measured(glance.running, now)
            live.update(
                picture(glance, going, liveness(settings.database.path), now, screen.height), refresh=True
            )
            await keys.pause(_FRAME)


def picture(
    glance: Summary, going: Sequence[Progress], daemon: DaemonStatus, now: datetime, height: int
) -> RenderableType:
    """As much as there is room for; orders have what the other parts leave."""
    share = max(1, (height - _LEAST) // _SHARES)
    warning = daemon.warning(now)
    first = [in_a_line(line) for line in _warned(warning)]
    some = glance.attention[: min(share, _MOST_CONCERNS) - len(first)]
    concerns = [in_a_line(concern_line(one, now)) for one in some]
    running, moves = going[:share], fold_changes(glance.moves)[-min(share, _MOST_MOVES) :]
    left = height - _AROUND - len(first) - len(concerns) - max(1, len(running)) - max(1, len(moves))
    orders = glance.orders[: max(1, left)]
    under_way = sum(n for state, n in glance.counts.orders.items() if state is not OrderState.DONE)
    return Group(
        *first,
        in_a_line(header(glance, is_running=warning is None)),
        *concerns,
        framed(_orders(orders, now), f"orders, {len(orders)} of {under_way}" if under_way else "orders"),
        framed(transfers_table(running), f"transfers, {len(going)}"),
        framed(Group(*map(move_line, moves)), "what moved"),
    )


def header(glance: Summary, *, is_running: bool) -> Text:
    """How much there is of what, and whether all is well, which nobody knows without a daemon."""
    counts = glance.counts
    parts = [
        Text(f"{_number(counts.open, 'order', 'orders')} open", "bold"),
        Text(f"{_number(counts.to_come, 'delivery', 'deliveries')} to come"),
        Text(f"{counts.stored} stored", "green"),
    ]
    if counts.given_up:
        parts.append(Text(f"{counts.given_up} given up", "bold red"))
    if glance.attention or is_running:
        parts.append(Text(headline(glance.attention), "bold red" if glance.attention else "green"))
    return Text(" · ").join(parts)


def _warned(warning: str | None) -> Sequence[Text]:
    return [plain(warning, "bold red")] if warning else []


def _number(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count or 'no'} {many}"


def _plain(glance: Summary, warning: str | None) -> Iterator[RenderableType]:
    yield from _warned(warning)
    yield header(glance, is_running=warning is None)
    yield from (concern_line(concern, None) for concern in glance.attention)
    if glance.orders:
        yield _orders(glance.orders, None)
    if glance.running:
        yield transfers_table([Progress(delivery, None) for delivery in glance.running])
    yield from map(move_line, fold_changes(glance.moves)[-_MOST_MOVES:])


def _orders(orders: Sequence[Order], now: datetime | None) -> RenderableType:
    def next_look(order: Order) -> str:
        return until(order.next_look_at, now) if order.next_look_at else ""

    return orders_table(orders, {"next look": next_look})
