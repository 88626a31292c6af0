"""`check`, `migrate`, `retry`."""

import asyncio
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orderwatch.cli.common import (
    EXIT_CODES,
    FAILED,
    Context,
    complain,
    configured,
    demand_current,
    print_json,
)
from orderwatch.config import Settings, not_in_effect
from orderwatch.core.delivery import again
from orderwatch.core.model import DeliveryState
from orderwatch.db.lock import sole_writer
from orderwatch.db.store import open_store
from orderwatch.db.upgrade import HEAD, Schema, schema_of, upgrade
from orderwatch.errors import RefusedError
from orderwatch.ops.log import Redactor, set_up

if TYPE_CHECKING:
    from orderwatch.app.probe import Finding


@click.command()
@click.option("--online", is_flag=True, help="Also try accounts, clock, database and destination.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def check(context: Context, *, online: bool, as_json: bool) -> None:
    """Every problem of the configuration at once; exit 0 means that the daemon can start."""
    settings = context.settings(resolve=True)
    notes = not_in_effect(settings)
    findings = asyncio.run(_probe(settings)) if online else []
    if as_json:
        facts = [asdict(finding) for finding in findings]
        print_json({"config": str(context.path), "problems": [], "notes": notes, "checks": facts})
    else:
        click.echo(f"{context.path} is good")
        for finding in findings:
            click.echo(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.name}: {finding.detail}")
    for note in notes:
        click.echo(f"orderwatch: note: {note}", err=True)
    complain([f"{f.name}: {f.detail}" for f in findings if not f.ok])
    if any(f.refused for f in findings):
        sys.exit(EXIT_CODES[RefusedError])
    if not all(f.ok for f in findings):
        sys.exit(FAILED)


@click.command()
@configured
def migrate(context: Context) -> None:
    """Bring the database to the code's schema. `run` does it by itself unless told not to."""
    database = context.settings(resolve=False).database.path
    database.parent.mkdir(parents=True, exist_ok=True)
    with sole_writer(database):
        if schema_of(database, thorough=True) is Schema.CURRENT:
            click.echo(f"{database} is at schema {HEAD} already")
            return
        upgrade(database)
    click.echo(f"{database} is now at schema {HEAD}")


@click.command()
@click.option("--task", type=int, metavar="ID", help="The deliveries of this order.")
@click.option("--capture", metavar="ID", help="The deliveries of this capture.")
@click.option("--all", "everything", is_flag=True, help="Every parked or given-up delivery.")
@configured
def retry(context: Context, task: int | None, capture: str | None, *, everything: bool) -> None:
    """Want again what was parked or given up. A running daemon takes it up by itself."""
    if [task is not None, capture is not None, everything].count(True) != 1:
        raise click.UsageError("say which: --task ID, --capture ID or --all")
    database = context.settings(resolve=False).database.path
    demand_current(database)
    wanted = asyncio.run(_want_again(database, task, capture))
    click.echo(f"{wanted} deliveries are wanted again")


async def _want_again(database: Path, task: int | None, capture: str | None) -> int:
    async with open_store(database) as store:
        stuck = await store.deliveries(DeliveryState.PARKED, DeliveryState.GIVEN_UP)
        chosen = [d for d in stuck if task in (None, d.task_id) and capture in (None, d.capture_id)]
        for delivery in chosen:
            await store.record(again(delivery, datetime.now(UTC)))
    return len(chosen)


async def _probe(settings: Settings) -> list["Finding"]:
    from orderwatch.app.probe import probe  # noqa: PLC0415 - only `--online` needs the whole daemon

    redactor = Redactor()
    set_up("error", settings.log.format, redactor)
    return await probe(settings, redactor)
