"""`migrate`, `backup` and `restore`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from orderwatch.cli.common import Context, configured, demand_current, quiet
from orderwatch.core.formatting import escape_name, format_bytes
from orderwatch.db.lock import database_lock
from orderwatch.db.migrate import HEAD, Schema, schema_of, upgrade

_PATH = click.Path(path_type=Path)


@click.command()
@configured
def migrate(context: Context) -> None:
    """Migrate the database to this version's schema. `run` does so unless `migrate = "manual"`."""
    database = context.settings(resolve=False).database.location
    with database_lock(database):
        if schema_of(database, thorough=True) is Schema.CURRENT:
            click.echo(f"{database} is already at schema {HEAD}")
            return
        upgrade(database)
    click.echo(f"{database} is now at schema {HEAD}")


@click.command()
@click.option("--to", type=_PATH, metavar="PATH", help="Path of the copy; default: with the nightly backups.")
@configured
def backup(context: Context, to: Path | None) -> None:
    """Back up the database.

    Works beside a running daemon, which also backs it up every night.
    """
    from orderwatch.app.commands.restore import back_up

    settings = context.settings(resolve=False)
    demand_current(settings.database.file)
    made = asyncio.run(back_up(settings.database, to, datetime.now(UTC)))
    click.echo(f"{escape_name(str(made.path))}, {format_bytes(made.size)}")


@click.command()
@click.argument("path", type=_PATH)
@configured
def restore(context: Context, path: Path) -> None:
    """Restore a backup of the database. Stop the daemon first.

    Renames the current database and never deletes it. Registers files delivered since the backup, if they
    have a sidecar, so that they are not downloaded again.
    """
    from orderwatch.app.commands.restore import restore as put_back

    plan = context.plan(resolve=False)
    quiet(plan.settings)
    done = put_back(plan, path, datetime.now(UTC))
    if done.aside is not None:
        click.echo(f"the former database is now {escape_name(str(done.aside))}")
    click.echo(f"{plan.database.location} is restored; {done.files} files in the trees were registered")
    click.echo("next: run orderwatch verify, then start the daemon, which polls every open order at once")
