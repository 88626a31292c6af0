"""`rebuild` and `stac rebuild`: the database from the sidecars, the catalog from the database."""

import asyncio
import sys
from datetime import UTC, datetime

import click

from orderwatch.cli.common import FAILED, Context, complain, configured, print_json
from orderwatch.cli.output.progress import shown
from orderwatch.cli.run import begin
from orderwatch.core.formatting import escape_name, format_bytes
from orderwatch.core.report_serializers import refused_to_dict


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def rebuild(context: Context, *, as_json: bool) -> None:
    """Recreate a lost database from the delivery tree.

    Reads the sidecars, changes no file, and downloads nothing again. Run `orderwatch verify` afterwards,
    which reads the files.
    """
    from orderwatch.app.commands.rebuild import held_for_rebuild
    from orderwatch.app.commands.rebuild import rebuild as read_trees

    plan = context.plan(resolve=False)
    with held_for_rebuild(plan), shown(plain=as_json) as progress:
        done = asyncio.run(read_trees(plan, datetime.now(UTC), progress))
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
            f"{plan.database.location} contains {done.orders} orders with {done.deliveries} stored files,"
            f" {format_bytes(done.size)}; the files were not read: run orderwatch verify"
        )
    for one in done.refused:
        root = plan.roots[None] if one.root is None else one.root
        complain([f"refused: {escape_name(f'{root}/{one.path}')}: {one.detail}"])
    if done.refused:
        sys.exit(FAILED)


@click.group()
def stac() -> None:
    """Manage the STAC catalog in the delivery trees."""


@stac.command("rebuild")
@configured
def rebuild_catalog(context: Context) -> None:
    """Rewrite the catalog from the database. If a daemon is running, it does this."""
    from orderwatch.app.commands.rebuild import rebuild_catalog
    from orderwatch.app.plan import resolve

    settings, redactor = begin(context)
    plan = resolve(settings)
    problems = asyncio.run(rebuild_catalog(plan, redactor))
    if problems is None:
        click.echo("the running daemon writes the catalog again")
        return
    complain(problems)
    if problems:
        sys.exit(FAILED)
    click.echo(f"the catalog is written: {plan.roots[None]}/catalog.json")
