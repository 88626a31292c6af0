"""`report`: durations of orders, captures and deliveries."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orderwatch.cli.common import Context, configured, demand_current, print_json
from orderwatch.cli.output.tables import console, plain, styled, title
from orderwatch.core.database_location import DatabaseLocation
from orderwatch.core.formatting import ago, format_duration, format_time
from orderwatch.core.orders.latency_report import Figures, Group, OrderRow, Report, ReportBuilder
from orderwatch.core.report_serializers import report_to_dict
from orderwatch.db.repositories import open_reader

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

_LABEL_WIDTH = 24  # aligns the figures of all groups
_FIGURE_WIDTH = 11


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def report(context: Context, *, as_json: bool) -> None:
    """Report how long orders took and which are overdue."""
    database = context.settings(resolve=False).database.location
    demand_current(database)
    found = asyncio.run(_report(database))
    if as_json:
        print_json(report_to_dict(found))
    else:
        print_report(found)


def print_report(report: Report) -> None:
    screen = console()
    if not report.groups:
        screen.print("no orders yet")
        return
    screen.print(f"as of {format_time(report.at)}; percentiles by nearest rank", style="dim")
    for group in report.groups:
        screen.print(_title(group))
        screen.print(_figures(_steps(group)))
    screen.print("\n[bold]Time in each state[/]")
    if report.dwell:
        screen.print(_figures((f"{stay.subject} {stay.state}", stay.spans) for stay in report.dwell))
    else:
        screen.print("  no status change yet")
    _print_overdue(screen, report)


async def _report(database: DatabaseLocation) -> Report:
    builder = ReportBuilder()
    async with open_reader(database) as reader:
        await reader.statistics.fill_report(builder)
    return builder.report(datetime.now(UTC))


def _title(group: Group) -> "Text":
    from rich.text import Text

    names = title(group.project_name, group.product) or plain("no project")
    names.stylize("bold")
    orders = "1 order" if group.orders == 1 else f"{group.orders} orders"
    return Text.assemble("\n", names, "  ", plain(f"account {group.account}, {orders}"))


def _steps(group: Group) -> Iterable[tuple[str, Figures]]:
    return (
        ("placed → first capture", group.placed_to_first_capture),
        ("capture → published", group.capture_to_published),
        ("published → stored", group.published_to_stored),
    )


def _figures(rows: Iterable[tuple[str, Figures]]) -> "Padding":
    table = _table()
    table.add_column(min_width=_LABEL_WIDTH, overflow="fold")
    table.add_column("count", justify="right", no_wrap=True)
    for heading in ("median", "90 % within"):
        table.add_column(heading, justify="right", no_wrap=True, min_width=_FIGURE_WIDTH)
    for what, figures in rows:
        spans = [format_duration(length) for length in (figures.median, figures.p90) if length is not None]
        table.add_row(plain(what), str(figures.count), *(spans or ["none yet"]))
    return _indented(table)


def _print_overdue(screen: "Console", report: Report) -> None:
    if not report.overdue:
        screen.print("\nno order is overdue")
        return
    screen.print(f"\n[bold]Overdue: ended without a stored delivery[/]  [dim]{len(report.overdue)}[/]")
    table = _table()
    for heading in ("account", "order", "project / task", "status", "state", "ended"):
        table.add_column(heading, overflow="fold")
    now = report.at if screen.is_terminal else None
    for order in report.overdue:
        table.add_row(*_overdue_cells(order, now))
    screen.print(_indented(table))


def _overdue_cells(order: OrderRow, now: datetime | None) -> "Sequence[RenderableType]":
    return (
        plain(order.account),
        str(order.order_id),
        title(order.project_name, order.task_name),
        styled(order.word or "lost"),
        order.state,
        ago(order.end, now) if order.end else "",
    )


def _table() -> "Table":
    from rich.table import Table

    return Table(box=None, pad_edge=False, header_style="dim")


def _indented(table: "Table") -> "Padding":
    from rich.padding import Padding

    return Padding(table, (0, 0, 0, 2), expand=False)
