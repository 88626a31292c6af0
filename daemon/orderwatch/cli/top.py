"""`top`: what the daemon does, live; read from its database beside it."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from orderwatch.cli.common import Context, configured
from orderwatch.cli.database import demand_current
from orderwatch.cli.keys import heard
from orderwatch.cli.live import framed, in_a_line, move_line, orders_table, transfers_table
from orderwatch.cli.tables import console, problem_line
from orderwatch.core.glance import Glance
from orderwatch.core.model import Order, OrderState
from orderwatch.core.spans import ahead
from orderwatch.core.speed import Going, Speeds
from orderwatch.db.reader import Reader, open_reader

_FRAME = 1.0  # seconds between two pictures
_PLAIN = 50  # lines, where no window limits them
_MOST_PROBLEMS, _MOST_MOVES = 3, 8
_AROUND = 8  # lines: the header, and the frames of orders (with their heading), transfers and moves
_LEAST = 12  # with a problem, an order, a transfer and a move; each of these has its share of what is more
_SHARES = 4


@click.command()
@configured
def top(context: Context) -> None:
    """What the daemon does, live: orders, transfers, what moved. `q` or Ctrl-C ends it.

    Reads the database beside the daemon and changes nothing. Without a terminal it is printed once.
    """
    asyncio.run(_top(context.settings(resolve=False).database.path))


async def _top(database: Path) -> None:
    demand_current(database)
    screen = console()
    async with open_reader(database) as reader:
        if sys.stdout.isatty() and not screen.is_dumb_terminal:
            await _watch(reader, screen)
        else:
            screen.print(Group(*_plain(await reader.glance(_PLAIN, _MOST_MOVES))), soft_wrap=True)


async def _watch(reader: Reader, screen: Console) -> None:
    speeds = Speeds()
    with heard() as keys, Live(console=screen, screen=True, auto_refresh=False) as live:
        while not keys.ended:
            glance = await reader.glance(screen.height, _MOST_MOVES)
            now = datetime.now(UTC)
            going = speeds.measured(glance.running, now)
            live.update(picture(glance, going, now, screen.height), refresh=True)
            await keys.pause(_FRAME)


def picture(glance: Glance, going: Sequence[Going], now: datetime, height: int) -> RenderableType:
    """As much as there is room for; orders have what the other parts leave."""
    share = max(1, (height - _LEAST) // _SHARES)
    problems = [in_a_line(problem_line(one, now)) for one in glance.problems[: min(share, _MOST_PROBLEMS)]]
    running, moves = going[:share], glance.moves[-share:]
    left = height - _AROUND - len(problems) - max(1, len(running)) - max(1, len(moves))
    orders = glance.orders[: max(1, left)]
    under_way = sum(n for state, n in glance.counts.orders.items() if state is not OrderState.DONE)
    return Group(
        in_a_line(header(glance)),
        *problems,
        framed(_orders(orders, now), f"orders, {len(orders)} of {under_way}" if under_way else "orders"),
        framed(transfers_table(running), f"transfers, {len(going)}"),
        framed(Group(*map(move_line, moves)), "what moved"),
    )


def header(glance: Glance) -> Text:
    """How much there is of what."""
    counts = glance.counts
    parts = [
        Text(f"{_number(counts.open, 'order', 'orders')} open", "bold"),
        Text(f"{_number(counts.to_come, 'delivery', 'deliveries')} to come"),
        Text(f"{counts.stored} stored", "green"),
    ]
    if counts.given_up:
        parts.append(Text(f"{counts.given_up} given up", "bold red"))
    problems = len(glance.problems)
    parts.append(Text(_number(problems, "problem", "problems"), "bold red" if problems else "green"))
    return Text(" · ").join(parts)


def _number(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count or 'no'} {many}"


def _plain(glance: Glance) -> Iterator[RenderableType]:
    yield header(glance)
    yield from (problem_line(problem, None) for problem in glance.problems)
    if glance.orders:
        yield _orders(glance.orders, None)
    if glance.running:
        yield transfers_table([Going(delivery, None) for delivery in glance.running])
    yield from map(move_line, glance.moves)


def _orders(orders: Sequence[Order], now: datetime | None) -> RenderableType:
    def next_look(order: Order) -> str:
        return ahead(order.next_look_at, now) if order.next_look_at else ""

    return orders_table(orders, {"next look": next_look})
