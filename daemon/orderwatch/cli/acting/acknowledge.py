"""`acknowledge`: removes what a person has seen from the list."""

import asyncio
from collections.abc import Sequence

import click

from orderwatch.app.plan import Plan
from orderwatch.cli.acting.common import acting
from orderwatch.cli.common import Context, configured, print_json
from orderwatch.cli.ordering.common import note_of
from orderwatch.core.attention.concern import Concern
from orderwatch.core.formatting import printable
from orderwatch.core.serializers import concern_to_dict


@click.command()
@click.option("--order", metavar="ID", help="Acknowledge what needs attention for this order.")
@click.option("--all", "everything", is_flag=True, help="Acknowledge everything that needs attention.")
@click.option("--note", metavar="TEXT", callback=note_of, help="Reason, kept in the history of the order.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def acknowledge(
    context: Context, order: str | None, note: str | None, *, everything: bool, as_json: bool
) -> None:
    """Acknowledge what needs your attention. It returns to the list if it ends and begins again."""
    if (order is not None) is everything:
        raise click.UsageError("specify --order ID or --all")
    plan = context.plan(resolve=False)
    found = asyncio.run(_acknowledge(plan, order, note))
    if as_json:
        print_json({"acknowledged": [concern_to_dict(concern) for concern in found]})
    else:
        for concern in found:
            click.echo(f"acknowledged: {concern.reason.words}: {printable(concern.text)}")
    if not found and order is not None:
        raise click.ClickException(
            f"order {order} does not need attention; see: orderwatch status --attention"
        )
    if not found and not as_json:
        click.echo("nothing needs attention")


async def _acknowledge(plan: Plan, order: str | None, note: str | None) -> Sequence[Concern]:
    async with acting(plan) as operator:
        return await operator.acknowledge(order=order, note=note)
