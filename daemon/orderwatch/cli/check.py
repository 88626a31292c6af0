"""`check`."""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from orderwatch.cli.common import EXIT_CODES, FAILED, Context, complain, configured, print_json, quiet
from orderwatch.cli.output.tables import console, plain
from orderwatch.config import remarks
from orderwatch.core.formatting import printable
from orderwatch.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from orderwatch.app.plan import Plan
    from orderwatch.config import Settings
    from orderwatch.service.maintenance.checks.finding import CheckResult

_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@click.command()
@click.option("--online", is_flag=True, help="Also test accounts, clock, database and delivery trees.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@click.option(
    "--no-credentials", is_flag=True, help="Skip systemd credentials, which only the daemon can read."
)
@configured
def check(context: Context, *, online: bool, as_json: bool, no_credentials: bool) -> None:
    """Check the configuration and report all problems. Exits 0 if the daemon can start."""
    from orderwatch.app.plan import resolve

    if online and no_credentials:
        raise click.UsageError("--online cannot be combined with --no-credentials")
    try:
        settings = context.settings(resolve=True, credentials=not no_credentials)
    except ConfigError as error:
        if as_json:
            print_json(_facts(context, problems=list(error.problems)))
        raise
    notes = [*remarks(settings), *_ignored(settings, os.environ)]
    plan = resolve(settings)
    findings = asyncio.run(_probe(plan)) if online else []
    notes += [] if online else [*asyncio.run(_unmounted(plan)), *_nested_mounts(plan)]
    notes += asyncio.run(_blocked(plan)) if settings.order else []
    if as_json:
        print_json(_facts(context, notes=notes, checks=[asdict(finding) for finding in findings]))
    else:
        click.echo(f"{context.path} is valid")
        _print(findings)
    for note in notes:
        click.echo(f"orderwatch: note: {note}", err=True)
    complain([_line(f) for f in findings if not f.ok])
    if any(f.refused for f in findings):
        sys.exit(EXIT_CODES[RefusedError])
    if not all(f.ok for f in findings):
        sys.exit(FAILED)


def _print(findings: "Sequence[CheckResult]") -> None:
    """Print every check; the details of a failed one go to stderr."""
    from rich.table import Table

    screen = console()
    if not screen.is_terminal:
        for f in findings:
            click.echo(f"ok       {printable(_line(f))}" if f.ok else f"PROBLEM  {printable(f.name)}")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("", "check", "found"):
        table.add_column(column, overflow="fold")
    for f in findings:
        mark = plain("ok", "green") if f.ok else plain("PROBLEM", "bold red")
        table.add_row(mark, plain(f.name), plain(f.detail if f.ok else ""))
    if findings:
        screen.print(table)


def _line(f: "CheckResult") -> str:
    return f"{f.name}: {f.detail}; {f.advice}" if f.advice else f"{f.name}: {f.detail}"


def _ignored(settings: "Settings", environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a note if only the environment names a proxy."""
    names = [name for name in _PROXY_VARIABLES if environ.get(name)]
    if names and not settings.network.proxy.get_secret_value():
        yield f"network.proxy: {names[0]} is set, but orderwatch uses only [network] proxy"


def _facts(context: Context, **found: list[Any]) -> dict[str, object]:
    return {"config": str(context.path), "problems": [], "notes": [], "checks": [], **found}


async def _unmounted(plan: "Plan") -> list[str]:
    """Return unmounted volumes as notes: the daemon starts without them and waits."""
    from orderwatch.app.commands.check import unmounted

    return list((await unmounted(plan)).values())


def _nested_mounts(plan: "Plan") -> list[str]:
    """Return a note for each tree with folders that are separate mounts."""
    from orderwatch.app.trees.folder import copied_into
    from orderwatch.core.deliveries.delivery_root import BucketRoot
    from orderwatch.errors import DiskError

    notes = []
    for root in plan.roots.values():
        if isinstance(root, BucketRoot):
            continue
        try:
            found = copied_into(root)
        except DiskError as error:
            found = str(error)
        notes += [f"{root}: {found}"] if found else []
    return notes


async def _blocked(plan: "Plan") -> list[str]:
    from orderwatch.app.commands.place_orders import why_blocked

    return await why_blocked(plan, datetime.now(UTC))


async def _probe(plan: "Plan") -> list["CheckResult"]:
    from orderwatch.app.commands.check import run_checks

    return await run_checks(plan, quiet(plan.settings))
