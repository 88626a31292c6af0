"""`check`."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from orderwatch.cli.common import EXIT_CODES, FAILED, Context, complain, configured, print_json, quiet
from orderwatch.cli.output.tables import console, plain
from orderwatch.config import Settings, remarks
from orderwatch.core.formatting import printable
from orderwatch.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from orderwatch.service.maintenance.checks.finding import Finding


@click.command()
@click.option("--online", is_flag=True, help="Also try accounts, clock, database and destination.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@click.option(
    "--no-credentials", is_flag=True, help="Leave out systemd's credentials: only the daemon reads them."
)
@configured
def check(context: Context, *, online: bool, as_json: bool, no_credentials: bool) -> None:
    """Every problem of the configuration at once; exit 0 means that the daemon can start."""
    if online and no_credentials:
        raise click.UsageError("--online needs the credentials")
    try:
        settings = context.settings(resolve=True, credentials=not no_credentials)
    except ConfigError as error:
        if as_json:
            print_json(_facts(context, problems=list(error.problems)))
        raise
    notes = remarks(settings)
    findings = asyncio.run(_probe(settings)) if online else []
    notes += [] if online else asyncio.run(_absent(settings))
    notes += asyncio.run(_hindered(settings)) if settings.order else []
    if as_json:
        print_json(_facts(context, notes=notes, checks=[asdict(finding) for finding in findings]))
    else:
        click.echo(f"{context.path} is good")
        _print(findings)
    for note in notes:
        click.echo(f"orderwatch: note: {note}", err=True)
    complain([_told(f) for f in findings if not f.ok])
    if any(f.refused for f in findings):
        sys.exit(EXIT_CODES[RefusedError])
    if not all(f.ok for f in findings):
        sys.exit(FAILED)


def _print(findings: "Sequence[Finding]") -> None:
    """Name every check; what is wrong with one is an error, and said as such."""
    from rich.table import Table  # noqa: PLC0415 - rich is loaded only where it prints

    screen = console()
    if not screen.is_terminal:
        for f in findings:
            click.echo(f"ok       {printable(_told(f))}" if f.ok else f"PROBLEM  {printable(f.name)}")
        return
    told = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("", "check", "found"):
        told.add_column(column, overflow="fold")
    for f in findings:
        mark = plain("ok", "green") if f.ok else plain("PROBLEM", "bold red")
        told.add_row(mark, plain(f.name), plain(f.detail if f.ok else ""))
    if findings:
        screen.print(told)


def _told(f: "Finding") -> str:
    return f"{f.name}: {f.detail}; {f.advice}" if f.advice else f"{f.name}: {f.detail}"


def _facts(context: Context, **found: list[Any]) -> dict[str, object]:
    return {"config": str(context.path), "problems": [], "notes": [], "checks": [], **found}


async def _absent(settings: Settings) -> list[str]:
    """The daemon starts without a volume too, and waits for it."""
    from orderwatch.app.commands.check import unmounted  # noqa: PLC0415 - as below

    return list((await unmounted(settings)).values())


async def _hindered(settings: Settings) -> list[str]:
    from orderwatch.app.commands.place_orders import why_blocked  # noqa: PLC0415 - as below

    return await why_blocked(settings, datetime.now(UTC))


async def _probe(settings: Settings) -> list["Finding"]:
    from orderwatch.app.commands.check import run_checks  # noqa: PLC0415 - only `--online` needs the whole daemon

    return await run_checks(settings, quiet(settings))
