"""`retry`: re-queues parked and given-up deliveries."""

import asyncio
from collections.abc import Sequence

import click

from orderwatch.app.plan import Plan
from orderwatch.cli.acting.common import acting
from orderwatch.cli.common import Context, configured, print_json
from orderwatch.core.model import Delivery
from orderwatch.core.serializers import requeued_to_dict
from orderwatch.db.daemon_status import read_daemon_status


@click.command()
@click.option("--order", "--task", metavar="ID", help="Re-queue the deliveries of this order.")
@click.option("--capture", metavar="ID", help="Re-queue the deliveries of this capture.")
@click.option("--all", "everything", is_flag=True, help="Re-queue every parked or given-up delivery.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def retry(
    context: Context, order: str | None, capture: str | None, *, everything: bool, as_json: bool
) -> None:
    """Re-queue deliveries that were parked or given up. A running daemon downloads them at once."""
    if [order is not None, capture is not None, everything].count(True) != 1:
        raise click.UsageError("specify --order ID, --capture ID or --all")
    plan = context.plan(resolve=False)
    queued = asyncio.run(_retry(plan, order, capture))
    running = read_daemon_status(plan.database.location).running
    if as_json:
        print_json({"requeued": [requeued_to_dict(one) for one in queued], "daemon_running": running})
    elif not queued:
        click.echo("no delivery is parked or given up")
    else:
        number = "1 delivery" if len(queued) == 1 else f"{len(queued)} deliveries"
        what_next = "" if running else "; no daemon is running: orderwatch run or once downloads"
        click.echo(f"{number} re-queued{what_next}")


async def _retry(plan: Plan, order: str | None, capture: str | None) -> Sequence[Delivery]:
    async with acting(plan) as operator:
        return await operator.retry(order=order, capture=capture)
