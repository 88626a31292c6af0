"""Tables: with colours and relative times on a terminal, else plain text with UTC times."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from orderwatch.cli.filters import NOTHING_KNOWN
from orderwatch.cli.output.serializers import Known
from orderwatch.core.actions.pauses import Pause, Pauses
from orderwatch.core.attention.attention import headline
from orderwatch.core.attention.concern import Concern
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.formatting import ago, format_bytes, format_time, printable, until
from orderwatch.core.model import Capture, Delivery, DeliveryState, FileCount, Order, OrderState
from orderwatch.core.orders.explain import in_words
from orderwatch.core.orders.listed_files import listed_files

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.text import Text

STYLES = {
    "stored": "green",
    "published": "green",
    "completed": "green",
    "done": "green",
    "fetching": "cyan",
    "waiting": "yellow",
    "parked": "bold red",
    "given_up": "bold red",
    "failed": "red",
    "rejected": "red",
    "canceled": "red",
    "expired": "red",
    "lost": "bold red",
}
_UNLIMITED_WIDTH = 200  # without a terminal
_COLUMN_WIDTHS = (18, 10, 8, 8, 20)  # capture, status, delivery, size, file


def print_status(known: Known, now: datetime, *, empty: str = NOTHING_KNOWN) -> None:
    from rich.text import Text

    screen = console()
    then = now if screen.is_terminal else None
    print_warning(screen, known.daemon, now)
    print_attention(screen, known.attention, then)
    print_pauses(screen, known.pauses, then)
    if known.orders:
        screen.print(status_table(known.orders, then))
        screen.print(f"\n{_summary(known.orders)}")
        if known.backlog is not None and known.backlog.files:
            screen.print(known.backlog.words)
    else:
        screen.print(empty)
    for name, state in known.accounts.items():
        if state.trouble is not None:
            line = Text.assemble((printable(f"account {name}"), "bold red"), " ")
            screen.print(line.append_text(plain(in_words(state.trouble, then))))


def print_warning(screen: "Console", daemon: DaemonStatus, now: datetime) -> None:
    """Print a warning if no daemon is running."""
    if warning := daemon.warning(now):
        screen.print(plain(warning, "bold red"), soft_wrap=True)


def print_attention(screen: "Console", found: Sequence[Concern], now: datetime | None) -> None:
    """Print what needs a person, each with what to do; times relative to `now`, or absolute without it."""
    if not found:
        return
    screen.print(plain(headline(found), "bold red"))
    for concern in found:
        screen.print(concern_line(concern, now), soft_wrap=True)
    screen.print()


def print_pauses(screen: "Console", pauses: Pauses, now: datetime | None) -> None:
    """Print what is paused, and how to continue."""
    for pause in pauses.all:
        screen.print(pause_line(pause, now), soft_wrap=True)
    if pauses.all:
        screen.print()


def pause_line(pause: Pause, now: datetime | None) -> "Text":
    """Return a pause as a line."""
    from rich.text import Text

    return Text.assemble(plain(pause.line(now), "bold yellow"), " ", plain(f"{pause.remedy}.", "dim"))


def concern_line(concern: Concern, now: datetime | None) -> "Text":
    """Return a concern as a line."""
    from rich.text import Text

    since = plain(
        f" since {format_time(concern.since)}" if now is None else f" {ago(concern.since, now)}", "dim"
    )
    return Text.assemble(
        "  ",
        (concern.reason.words, "bold red"),
        since,
        " ",
        plain(concern.text),
        " ",
        (concern.remedy, "dim"),
    )


def status_table(orders: Sequence[Order], now: datetime | None = None) -> "Group":
    """Return a block per order: its line, then its captures with their deliveries.

    Times are relative to `now`, or absolute without it.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table

    blocks: list[RenderableType] = []
    for order in orders:
        table = Table(box=None, show_header=False, pad_edge=False)
        for column, width in enumerate(_COLUMN_WIDTHS):
            table.add_column(min_width=width, no_wrap=column < len(_COLUMN_WIDTHS) - 1, overflow="fold")
        for capture in order.captures:
            for cells in _capture_rows(order, capture, now):
                table.add_row(*cells)
        blocks.append(_title(order, now))
        if order.captures:
            blocks.append(Padding(table, (0, 0, 0, 2), expand=False))
    return Group(*blocks)


def console() -> "Console":
    from rich.console import Console

    found = Console(highlight=False, emoji=False)
    return found if found.is_terminal else Console(highlight=False, emoji=False, width=_UNLIMITED_WIDTH)


def styled(word: str) -> "Text":
    return plain(word, STYLES.get(word, ""))


def plain(text: str, style: str = "") -> "Text":
    """Return text of the provider without control characters, never interpreted as markup."""
    from rich.text import Text

    return Text(printable(text), style)


def title(*names: str | None) -> "Text":
    """Join the names that are present, from the larger to the smaller."""
    return plain(" / ".join(name for name in names if name))


def when(time: datetime | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S") if time else ""


def _title(order: Order, now: datetime | None) -> "Text":
    from rich.text import Text

    names, word = title(order.project_name, order.task_name), styled(order.status.word or "lost")
    facts = [order.state.value]
    if order.shown_at:
        seen = "polled" if order.state is OrderState.LOST else "seen"
        facts.append(f"{seen} {ago(order.shown_at, now)}")
    if order.next_look_at:
        facts.append(f"next poll {until(order.next_look_at, now)}")
    details = (", ".join(facts), "dim")
    return Text.assemble((str(order.order_id), "bold"), " ", names, "  ", word, "  ", details)


def _capture_rows(order: Order, capture: Capture, now: datetime | None) -> "list[tuple[RenderableType, ...]]":
    satellite = f" {capture.satellite_name}" if capture.satellite_name else ""
    first: list[RenderableType] = [
        plain(f"{capture.capture_id[:8]}{satellite}"),
        styled(capture.status.word),
    ]
    files = listed_files(order, capture.capture_id)
    cells = [_count_cells(some) for some in files.others]
    cells += [_delivery_cells(delivery, now) for delivery in files.listed]
    empty: list[RenderableType] = ["", ""]
    return [(*(empty if row else first), *rest) for row, rest in enumerate(cells or [("", "", "")])]


def _count_cells(files: FileCount) -> "tuple[RenderableType, ...]":
    size = format_bytes(files.size) if files.size else ""
    return styled(files.state), size, f"{files.number} {'file' if files.number == 1 else 'files'}"


def _delivery_cells(delivery: Delivery, now: datetime | None) -> "tuple[RenderableType, ...]":
    size = delivery.size if delivery.size is not None else delivery.total
    name = PurePosixPath(delivery.path).name if delivery.path else delivery.file_name
    again = f"retry {until(delivery.not_before, now)}" if delivery.not_before else None
    remarks = "; ".join(filter(None, (delivery.reason, again)))
    return styled(delivery.state), format_bytes(size), plain(f"{name} ({remarks})" if remarks else name)


def _summary(orders: Sequence[Order]) -> str:
    summary = counted("order", "orders", OrderState, Counter(order.state for order in orders))
    deliveries = Counter[str]()
    for files in (files for order in orders for files in order.files):
        deliveries[files.state] += files.number
    if not deliveries:
        return summary
    return f"{summary} · {counted('delivery', 'deliveries', DeliveryState, deliveries)}"


def counted(one: str, many: str, states: Iterable[str], counts: Counter[str]) -> str:
    """Return the number of items, and how many are in each state."""
    parts = ", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in states if counts[state])
    number = counts.total()
    return f"{number} {one if number == 1 else many}: {parts}"
