"""`history` for people: by day, in words, with the pauses between changes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from orderwatch.cli.output.tables import STYLES, console, plain
from orderwatch.core.formatting import format_duration, printable
from orderwatch.core.model import Subject, Transition, TransitionKind

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_REMARKS = {
    TransitionKind.ODD: "odd: not a known transition",
    TransitionKind.SKIP: "skip: a state in between was not seen",
    TransitionKind.UNKNOWN: "unknown status",
}
_MIN_SHOWN_PAUSE = timedelta(minutes=1)  # shorter pauses are not shown


def print_history(moves: Sequence[Transition]) -> None:
    """Print the status changes of one task id as recorded, grouped by account."""
    screen = console()
    accounts = groupby(sorted(moves, key=attrgetter("account")), attrgetter("account"))
    tables = {account: _timeline(list(its_moves)) for account, its_moves in accounts}
    for account, table in tables.items():
        if len(tables) > 1:
            screen.print(plain(f"account {account}", "bold"))
        screen.print(table)


def _timeline(moves: Sequence[Transition]) -> "Table":
    """Return a row per day with its changes below it."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    last: datetime | None = None
    for move in moves:
        if last is None or move.at.date() != last.date():
            table.add_row(f"{move.at:%Y-%m-%d}", "UTC", style="bold")
        table.add_row(f"  {move.at:%H:%M:%S}", _line(move, last))
        last = move.at
    return table


def _line(move: Transition, last: datetime | None) -> "Text":
    """Return a change as a line: subject, states, remarks, and the pause before it."""
    from rich.text import Text

    before = f"{printable(move.before)} → " if move.before else "→ "
    line = Text(f"{printable(_name(move))}  {before}")
    line.append(printable(move.after), STYLES.get(move.after))
    if remarks := "; ".join(filter(None, (_REMARKS.get(move.kind), move.detail))):
        line.append(f"  {printable(remarks)}", "dim")
    if last is not None and move.at - last > _MIN_SHOWN_PAUSE:
        line.append(f"  + {format_duration(move.at - last)}", "dim")
    return line


def _name(move: Transition) -> str:
    match move.subject:
        case Subject.ORDER:
            return f"order    {move.order_id}"
        case Subject.CAPTURE:
            return f"capture  {(move.capture_id or '')[:8]}"
        case Subject.DELIVERY:
            return f"scene    {move.scene_id or ''}"
