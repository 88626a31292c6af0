"""`rebuild` and `stac rebuild`: the database from the sidecars, the catalogue from the database."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from orderwatch.cli.common import FAILED, Context, complain, configured, print_json
from orderwatch.cli.output.progress import shown
from orderwatch.cli.run import begin
from orderwatch.core.formatting import escape_name, format_bytes
from orderwatch.core.serializers import refused_to_dict


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def rebuild(context: Context, *, as_json: bool) -> None:
    """Make a new database from the sidecars in the delivery tree, where the old one is lost.

    Nothing of what stands in the tree is fetched again, or changed. Run `orderwatch verify` afterwards:
    the files are not read here.
    """
    from orderwatch.app.commands.rebuild import held_for_rebuild  # noqa: PLC0415 - `--help` stays quick
    from orderwatch.app.commands.rebuild import rebuild as read_trees  # noqa: PLC0415 - as above

    settings = context.settings(resolve=False)
    with held_for_rebuild(settings), shown(plain=as_json) as progress:
        done = asyncio.run(read_trees(settings, datetime.now(UTC), progress))
    if as_json:
        print_json(
            {
                "orders": done.orders,
                "captures": done.captures,
                "deliveries": done.deliveries,
                "bytes": done.size,
                "refused": [refused_to_dict(one) for one in done.refused],
            }
        )
    else:
        click.echo(
            f"{settings.database.path} knows {done.orders} orders with {done.deliveries} stored files,"
            f" {format_bytes(done.size)}; their bytes were not read: run orderwatch verify"
        )
    for one in done.refused:
        root = settings.delivery.root if one.root is None else Path(one.root)
        complain([f"not taken up: {escape_name(str(root / one.path))}: {one.detail}"])
    if done.refused:
        sys.exit(FAILED)


@click.group()
def stac() -> None:
    """The STAC catalogue in the delivery trees."""


@stac.command("rebuild")
@configured
def rebuild_catalog(context: Context) -> None:
    """Write the whole catalogue anew, as the database has it. A running daemon does it by itself."""
    from orderwatch.app.commands.rebuild import rebuild_catalog  # noqa: PLC0415 - `--help` stays quick

    settings, redactor = begin(context)
    problems = asyncio.run(rebuild_catalog(settings, redactor))
    if problems is None:
        click.echo("the running daemon writes the catalogue anew")
        return
    complain(problems)
    if problems:
        sys.exit(FAILED)
    click.echo(f"the catalogue is written anew: {settings.delivery.root / 'catalog.json'}")
