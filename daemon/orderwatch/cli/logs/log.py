"""`log`: the daemon's log for people."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from orderwatch.cli.logs.sources import journal_lines, lines_of
from orderwatch.cli.output.tables import console, plain
from orderwatch.config.quantities import duration
from orderwatch.core.formatting import printable
from orderwatch.core.logs.line import Level, LogLine, parse_line
from orderwatch.core.logs.sentences import sentence

_STYLES = {Level.DEBUG: "dim", Level.WARNING: "yellow", Level.ERROR: "bold red", Level.CRITICAL: "bold red"}
_LEVELS = [level.name.lower() for level in Level]


class _Since(click.ParamType[datetime]):
    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            try:
                return datetime.now().astimezone() - duration(value)
            except ValueError:
                self.fail('expected a date or time such as "2026-11-22 08:00", or "2h", "3d"', param, ctx)
        return at if at.tzinfo else at.astimezone()


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option("-u", "--unit", default="orderwatch", show_default=True, help="Read this unit's journal.")
@click.option("--user", is_flag=True, help="Read the journal of your own services.")
@click.option("--since", type=_Since(), help='Only later lines: a local date or time, or "2h" ago.')
@click.option("--order", metavar="ID", help="Only lines about this order.")
@click.option("--level", type=click.Choice(_LEVELS), default="info", show_default=True, help="At least.")
@click.option("-f", "--follow", is_flag=True, help="Wait for more lines.")
def log(
    files: tuple[Path, ...],
    unit: str,
    since: datetime | None,
    order: str | None,
    level: str,
    *,
    user: bool,
    follow: bool,
) -> None:
    """Show the daemon's log with local times and sentences.

    Reads the journal, or FILEs in turn: also compressed ones (.gz), and - for standard input. Lines that are
    not the daemon's are shown unchanged.
    """
    if files:
        lines = lines_of(files, follow=follow)
    else:
        lines = journal_lines(unit, user=user, since=since, follow=follow)
    screen = console()
    for at, text, style in _chosen(lines, since, order, Level[level.upper()]):
        moment = plain(f"{at.astimezone():%Y-%m-%d %H:%M:%S}  " if at else "", "dim")
        screen.print(moment.append_text(plain(text, style)), soft_wrap=True)


def _chosen(
    lines: Iterator[str], since: datetime | None, order: str | None, level: Level
) -> Iterator[tuple[datetime | None, str, str]]:
    """Yield time, text and style of each line to show; a foreign line belongs to the line before it."""
    is_shown = since is None and order is None
    for raw in lines:
        if not (text := raw.rstrip("\r\n")):
            continue
        line = parse_line(text)
        if line is None:
            if is_shown:
                yield None, printable(text, keep="\t"), ""
            continue
        is_shown = _is_chosen(line, since, order, level)
        if is_shown:
            mark = f"{line.level.name.lower()}: " if line.level >= Level.WARNING else ""
            yield line.at, f"{mark}{sentence(line)}", _STYLES.get(line.level, "")


def _is_chosen(line: LogLine, since: datetime | None, order: str | None, level: Level) -> bool:
    is_late = since is None or line.at >= since
    return is_late and line.level >= level and (order is None or line.concerns(order))
