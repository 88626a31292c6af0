"""`migrate`, `backup` and `restore`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from orderwatch.cli.common import Context, configured, demand_current, quiet
from orderwatch.core.formatting import escape_name, format_bytes
from orderwatch.db.lock import make_folder, sole_writer
from orderwatch.db.migrate import HEAD, Schema, schema_of, upgrade

_PATH = click.Path(path_type=Path)


@click.command()
@configured
def migrate(context: Context) -> None:
    """Bring the database to the code's schema. `run` does it by itself unless told not to."""
    database = context.settings(resolve=False).database.path
    make_folder(database)
    with sole_writer(database):
        if schema_of(database, thorough=True) is Schema.CURRENT:
            click.echo(f"{database} is at schema {HEAD} already")
            return
        upgrade(database)
    click.echo(f"{database} is now at schema {HEAD}")


@click.command()
@click.option("--to", type=_PATH, metavar="PATH", help="Where to; default: beside the daily backups.")
@configured
def backup(context: Context, to: Path | None) -> None:
    """Copy the database, whole and durable, beside a running daemon too. The daemon does it each night."""
    from orderwatch.app.commands.restore import back_up  # noqa: PLC0415 - `--help` stays quick

    settings = context.settings(resolve=False)
    demand_current(settings.database.path)
    made = asyncio.run(back_up(settings, to, datetime.now(UTC)))
    click.echo(f"{escape_name(str(made.path))}, {format_bytes(made.size)}")


@click.command()
@click.argument("path", type=_PATH)
@configured
def restore(context: Context, path: Path) -> None:
    """Put a backup in the place of the database, which is kept under another name. Stop the daemon first.

    Files that stand beside their sidecar in the delivery tree, and that the backup does not know, are taken
    up: nothing of them is fetched again.
    """
    from orderwatch.app.commands.restore import restore as put_back  # noqa: PLC0415 - `--help` stays quick

    settings = context.settings(resolve=False)
    quiet(settings)
    done = put_back(settings, path, datetime.now(UTC))
    if done.aside is not None:
        click.echo(f"the former database is {escape_name(str(done.aside))} now")
    click.echo(
        f"{settings.database.path} is that of the backup; {done.files} files in the tree were new to it"
    )
    click.echo("next: orderwatch verify, then start the daemon: it looks at every open order at once")
