"""`retry`: re-queues parked and given-up deliveries."""

import asyncio
from datetime import UTC, datetime

import click

from orderwatch.cli.common import (
    Context,
    configured,
    demand_current,
    unknown_order,
)
from orderwatch.core.database_location import DatabaseLocation
from orderwatch.core.deliveries.state_machine import retry as queue_again
from orderwatch.core.model import DeliveryState
from orderwatch.db.repositories import Store, open_store


@click.command()
@click.option("--order", "--task", metavar="ID", help="Re-queue the deliveries of this order.")
@click.option("--capture", metavar="ID", help="Re-queue the deliveries of this capture.")
@click.option("--all", "everything", is_flag=True, help="Re-queue every parked or given-up delivery.")
@configured
def retry(context: Context, order: str | None, capture: str | None, *, everything: bool) -> None:
    """Re-queue deliveries that were parked or given up. A running daemon downloads them."""
    if [order is not None, capture is not None, everything].count(True) != 1:
        raise click.UsageError("specify --order ID, --capture ID or --all")
    database = context.settings(resolve=False).database.location
    demand_current(database)
    count = asyncio.run(_requeue(database, order, capture))
    if not count:
        click.echo("no delivery is parked or given up")
    else:
        click.echo("1 delivery re-queued" if count == 1 else f"{count} deliveries re-queued")


async def _requeue(database: DatabaseLocation, order: str | None, capture: str | None) -> int:
    async with open_store(database) as store:
        await _demand_known(store, order, capture)
        keys = {(one.account, one.order_id) for one in await store.orders.list_all(order)} if order else set()
        stuck = await store.deliveries.in_states(DeliveryState.PARKED, DeliveryState.GIVEN_UP)
        chosen = [
            d
            for d in stuck
            if (order is None or (d.account, d.order_id) in keys) and capture in (None, d.capture_id)
        ]
        for delivery in chosen:
            await store.deliveries.save(queue_again(delivery, datetime.now(UTC)))
    return len(chosen)


async def _demand_known(store: Store, order: str | None, capture: str | None) -> None:
    if order is not None and not await store.orders.list_all(order):
        raise unknown_order(order)
    if capture is not None:
        known = {one.capture_id for any_order in await store.orders.list_all() for one in any_order.captures}
        if capture not in known:
            message = f"capture {capture} is unknown; orderwatch status ORDER --json lists those of an order"
            raise click.ClickException(message)
