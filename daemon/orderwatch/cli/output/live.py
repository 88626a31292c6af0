"""Parts of a live view: orders, transfers with their speeds, recent changes."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from rich.console import RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orderwatch.cli.output.tables import plain, styled, title, when
from orderwatch.core.deliveries.bandwidth import Progress
from orderwatch.core.formatting import format_bytes
from orderwatch.core.model import DeliveryState, Order
from orderwatch.core.orders.recent_changes import RecentChange

_MAX_CAPTURES = 4  # shown one by one
_BAR_WIDTH = 30


def framed(part: RenderableType, name: str) -> Panel:
    return Panel(part, title=name, title_align="left", border_style="dim")


def transfers_table(running: Sequence[Progress]) -> RenderableType:
    if not running:
        return Text("no transfers", style="dim")
    table = _table("file", "bar", "bytes", "pace", "tries", giving={"file", "bar"})
    table.show_header = False
    for going in running:
        delivery = going.delivery
        total = delivery.total or 0
        table.add_row(
            in_a_line(plain(delivery.file_name)),
            ProgressBar(
                total=total or 1,
                completed=delivery.durable,
                width=_BAR_WIDTH,
                complete_style="cyan",
                finished_style="green",
            ),
            f"{format_bytes(delivery.durable)} of {format_bytes(total)}",
            going.words,
            "" if delivery.attempts == 0 else Text(f"attempt {delivery.attempts + 1}", "yellow"),
        )
    return table


def orders_table(orders: Sequence[Order], more: Mapping[str, Callable[[Order], str]] | None = None) -> Table:
    """Return a row per order; `more` are further columns by their heading."""
    headings = ("order", "project / task", "status", "captures", "stored", *(more or ()))
    table = _table(*headings, giving={"project / task"})
    for order in orders:
        files = order.files
        stored = sum(some.number for some in files if some.state is DeliveryState.STORED)
        table.add_row(
            str(order.order_id),
            in_a_line(title(order.project_name, order.task_name)),
            styled(order.status.word),
            _captures(order),
            f"{stored} of {sum(some.number for some in files)}" if files else "",
            *(cell(order) for cell in (more or {}).values()),
        )
    return table


def move_line(row: RecentChange) -> Text:
    move, *earlier = row.move, *row.words[:-1]
    before = plain("".join(f"{word} → " for word in earlier))
    detail = plain(f"  {row.detail}" if row.detail and move.after != "stored" else "", "dim")
    at = (when(move.at)[11:], "dim")
    line = Text.assemble(
        at, f" {move.subject:<8} ", plain(row.name), "  ", before, styled(move.after), detail
    )
    return in_a_line(line)


def in_a_line(text: Text) -> Text:
    """Cut a text that is too long for its line."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _table(*headings: str, giving: Collection[str]) -> Table:
    """Create a table whose `giving` columns shrink first."""
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for heading in headings:
        table.add_column(in_a_line(Text(heading)), no_wrap=heading not in giving)
    return table


def _captures(order: Order) -> Text:
    words = [capture.status.word for capture in order.captures]
    if not words:
        return plain("none yet", "dim")
    if len(words) <= _MAX_CAPTURES:
        return Text(" ").join(map(styled, words))
    return Text(", ").join(Text.assemble(f"{n} ", styled(word)) for word, n in Counter(words).items())
