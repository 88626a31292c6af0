"""`hosts`: which hosts run on this database, and what each does."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orderwatch.cli.common import Context, configured, demand_current, print_json
from orderwatch.core.cluster.hosts import HostReport, HostState
from orderwatch.core.formatting import ago, format_time, printable
from orderwatch.core.serializers import host_to_dict

if TYPE_CHECKING:
    from orderwatch.app.plan import Plan

_NONE_RUNS = "No daemon is running."


@click.command()
@click.option("--forget", metavar="HOST", help="Remove a host that is gone for good.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def hosts(context: Context, forget: str | None, *, as_json: bool) -> None:
    """Show the hosts that run on this database, and what each does.

    Several hosts need a PostgreSQL database; with a file there is at most one.
    """
    plan = context.plan(resolve=False)
    demand_current(plan.database.location)
    found = asyncio.run(_read(plan, forget))
    if as_json:
        print_json({"hosts": [host_to_dict(host) for host in found]})
    else:
        _print(found)


async def _read(plan: "Plan", forget: str | None) -> Sequence[HostReport]:
    from orderwatch.app.hosts import forget_host, read_hosts

    if forget is not None and not await forget_host(plan, forget, datetime.now(UTC)):
        raise click.ClickException(f"there is no host {forget} that is gone; `orderwatch hosts` lists them")
    return await read_hosts(plan, datetime.now(UTC))


def _print(found: Sequence[HostReport]) -> None:
    from rich.table import Table

    from orderwatch.cli.output.tables import console, plain

    screen = console()
    if all(host.state is HostState.GONE for host in found):
        screen.print(_NONE_RUNS)
    if not found:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("host", "state", "version", "accounts", "downloads", "last sign of life"):
        table.add_column(heading)
    for host in found:
        seen = ago(host.seen_at, datetime.now(UTC)) if screen.is_terminal else format_time(host.seen_at)
        row = (host.host, host.state.words, host.version, ", ".join(host.accounts), str(host.downloads), seen)
        table.add_row(*(plain(printable(value)) for value in row))
    screen.print(table)
