"""Facts as tables: colours on a terminal, plain text elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from orderwatch.core.model import Capture, Delivery, Order, Transition
from orderwatch.ops.text import printable

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType

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
_WIDE = 200  # columns where nobody's terminal limits them
_WIDTHS = (18, 10, 8, 8, 20)  # capture, status, delivery, size, file
_UNITS = ("B", "kB", "MB", "GB", "TB")


def print_status(orders: Sequence[Order]) -> None:
    console().print(status_table(orders) if orders else "nothing is known yet")


def status_table(orders: Sequence[Order]) -> "Group":
    """One block per order: a line of its own, then its captures with their deliveries."""
    from rich.console import Group  # noqa: PLC0415 - rich is loaded only where it prints
    from rich.padding import Padding  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above

    blocks: list[RenderableType] = []
    for order in orders:
        table = Table(box=None, show_header=False, pad_edge=False)
        for column, width in enumerate(_WIDTHS):
            table.add_column(min_width=width, no_wrap=column < len(_WIDTHS) - 1, overflow="fold")
        for capture in order.captures:
            for cells in _capture_rows(order, capture):
                table.add_row(*cells)
        blocks.append(_title(order))
        if order.captures:
            blocks.append(Padding(table, (0, 0, 0, 2)))
    return Group(*blocks)


def print_history(moves: Sequence[Transition]) -> None:
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("at (UTC)", "subject", "which", "move", "kind", "detail"):
        table.add_column(heading, overflow="fold")
    for move in moves:
        which = move.scene_id or move.capture_id or str(move.task_id)
        step = f"{plain(move.before or '·')} → {styled(move.after)}"
        table.add_row(when(move.at), move.subject, plain(which), step, move.kind, plain(move.detail or ""))
    console().print(table)


def console() -> "Console":
    from rich.console import Console  # noqa: PLC0415 - as above

    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=_WIDE)


def styled(word: str) -> str:
    style = STYLES.get(word)
    return f"[{style}]{plain(word)}[/]" if style else plain(word)


def plain(text: str) -> str:
    """The provider's words without markup or control characters."""
    from rich.markup import escape  # noqa: PLC0415 - as above

    return escape(printable(text))


def when(time: datetime | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S") if time else ""


def amount(size: float | None) -> str:
    """Bytes as a person reads them, in powers of 1000."""
    if size is None:
        return ""
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - powers of 1000
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def _title(order: Order) -> str:
    names = " / ".join(plain(n) for n in (order.project_name, order.task_name) if n)
    word = styled(order.standing.word or "lost")
    looked = f", next look {when(order.next_look_at)} UTC" if order.next_look_at else ""
    return f"[bold]{order.task_id}[/] {names}  {word}  [dim]{order.state}{looked}[/]"


def _capture_rows(order: Order, capture: Capture) -> list[tuple[str, ...]]:
    satellite = f" {capture.satellite_name}" if capture.satellite_name else ""
    title = plain(f"{capture.capture_id[:8]}{satellite}")
    deliveries = order.deliveries_of(capture.capture_id)
    first = [title, styled(capture.standing.word)]
    if not deliveries:
        return [(*first, "", "", "")]
    rows = []
    for delivery in deliveries:
        rows.append((*first, *_delivery_cells(delivery)))
        first = ["", ""]
    return rows


def _delivery_cells(delivery: Delivery) -> tuple[str, str, str]:
    size = delivery.size if delivery.size is not None else delivery.total
    name = PurePosixPath(delivery.path).name if delivery.path else delivery.file_name
    reason = f" ({delivery.reason})" if delivery.reason else ""
    return styled(delivery.state), amount(size), plain(name + reason)
