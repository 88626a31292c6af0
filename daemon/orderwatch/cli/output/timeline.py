"""`history` for people: by day, in words, with the pauses between changes."""

from collections.abc import Hashable, Iterator, Sequence
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
_MAX_LINES = 14  # of files that change alike; more are a line together
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
    for move, count in _runs(moves):
        if last is None or move.at.date() != last.date():
            table.add_row(f"{move.at:%Y-%m-%d}", "UTC", style="bold")
        table.add_row(f"  {move.at:%H:%M:%S}", _line(move, count, last))
        last = move.at
    return table


def _runs(moves: Sequence[Transition]) -> Iterator[tuple[Transition, int]]:
    """Yield each change with 1, or the first of many files that change alike with their number."""
    for _, run in groupby(moves, _likeness):
        some = list(run)
        if len(some) > _MAX_LINES and some[0].subject is Subject.DELIVERY:
            yield some[0], len(some)
        else:
            yield from ((move, 1) for move in some)


def _likeness(move: Transition) -> Hashable:
    return move.at.date(), move.subject, move.capture_id, move.before, move.after


def _line(move: Transition, count: int, last: datetime | None) -> "Text":
    """Return a change as a line: subject, states, remarks, and the pause before it."""
    from rich.text import Text

    before = f"{printable(move.before)} → " if move.before else "→ "
    name = _name(move) if count == 1 else f"{count} files of capture {(move.capture_id or '')[:8]}"
    line = Text(f"{printable(name)}  {before}")
    line.append(printable(move.after), STYLES.get(move.after))
    detail = move.detail if count == 1 else None
    if remarks := "; ".join(filter(None, (_REMARKS.get(move.kind), detail))):
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
            attachment = "" if move.detail == move.file else (move.file or "").partition(" ")[0]
            return f"scene    {move.scene_id or ''} {attachment}".rstrip()
