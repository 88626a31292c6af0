"""`acknowledge`: a person knows of it, and it leaves the list."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from orderwatch.app import attention
from orderwatch.cli.common import TASK_ID, Context, configured, demand_current, print_json
from orderwatch.cli.ordering.common import note_of
from orderwatch.config import Settings
from orderwatch.core.attention.concern import Concern
from orderwatch.core.formatting import printable
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.serializers import concern_to_dict
from orderwatch.db.store import open_store
from orderwatch.ops.actor import current_actor


@click.command()
@click.option("--order", type=TASK_ID, metavar="ID", help="What needs you about this order.")
@click.option("--all", "everything", is_flag=True, help="Everything that needs you.")
@click.option("--note", metavar="TEXT", callback=note_of, help="Why: kept in the history of the order.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def acknowledge(
    context: Context, order: int | None, note: str | None, *, everything: bool, as_json: bool
) -> None:
    """Take things out of the list of what needs you. They come back if they end and begin again."""
    if (order is not None) is everything:
        raise click.UsageError("give --order ID or --all")
    settings = context.settings(resolve=False)
    demand_current(settings.database.path)
    found = asyncio.run(_acknowledge(settings, order, Provenance(who=current_actor(), note=note)))
    if as_json:
        print_json({"acknowledged": [concern_to_dict(concern) for concern in found]})
    else:
        for concern in found:
            click.echo(f"acknowledged: {concern.reason.words}: {printable(concern.text)}")
    if not found and order is not None:
        raise click.ClickException(
            f"nothing about order {order} needs you; see: orderwatch status --attention"
        )
    if not found and not as_json:
        click.echo("nothing needs you")


async def _acknowledge(settings: Settings, order: int | None, act: Provenance) -> Sequence[Concern]:
    async with open_store(settings.database.path) as store:
        return await attention.acknowledge(settings, store, order, act.words, datetime.now(UTC))
