"""`rebuild`: the database from the tree's own sidecars."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from orderwatch.cli.common import FAILED, Context, complain, configured, print_json
from orderwatch.cli.progress import shown
from orderwatch.core.shapes import refused_facts
from orderwatch.core.sizes import amount
from orderwatch.core.text import whole


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def rebuild(context: Context, *, as_json: bool) -> None:
    """Make a new database from the sidecars in the delivery tree, where the old one is lost.

    Nothing of what stands in the tree is fetched again, or changed. Run `orderwatch verify` afterwards:
    the files are not read here.
    """
    from orderwatch.app.rebuild import held_for_rebuild  # noqa: PLC0415 - `--help` stays quick
    from orderwatch.app.rebuild import rebuild as read_trees  # noqa: PLC0415 - as above

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
                "refused": [refused_facts(one) for one in done.refused],
            }
        )
    else:
        click.echo(
            f"{settings.database.path} knows {done.orders} orders with {done.deliveries} stored files,"
            f" {amount(done.size)}; their bytes were not read: run orderwatch verify"
        )
    for one in done.refused:
        root = settings.delivery.root if one.root is None else Path(one.root)
        complain([f"not taken up: {whole(str(root / one.path))}: {one.detail}"])
    if done.refused:
        sys.exit(FAILED)
