"""`status` and `history`, read from the database; they work beside a running daemon."""

import asyncio
import sys
from datetime import UTC, datetime

import click

from orderwatch.app.attention import concerns_of
from orderwatch.app.plan import Plan
from orderwatch.cli.common import (
    FAILED,
    Context,
    configured,
    demand_account,
    demand_current,
    print_json,
    unknown_order,
)
from orderwatch.cli.filters import Filters
from orderwatch.cli.output.serializers import Known, status_to_dict
from orderwatch.cli.output.tables import print_status
from orderwatch.cli.output.timeline import print_history
from orderwatch.core.attention.attention import by_order, unacknowledged
from orderwatch.core.geo.geojson import collection
from orderwatch.core.model import OrderState, Transition
from orderwatch.core.serializers import transition_to_dict
from orderwatch.db.daemon_status import read_daemon_status
from orderwatch.db.repositories import open_reader
from orderwatch.ports import Detail


@click.command()
@click.argument("order_id", required=False)
@click.option("--account", metavar="NAME", help="Only orders of this account.")
@click.option("--project", metavar="NAME", help="Only orders of this project (shell pattern).")
@click.option("--state", type=click.Choice([str(s) for s in OrderState]), help="Only orders in this state.")
@click.option("--attention", is_flag=True, help="Only what needs your attention.")
@click.option(
    "--check",
    is_flag=True,
    help="Exit with 1 if something needs your attention, waits under a pause, or no daemon is running.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@click.option("--geojson", "as_geojson", is_flag=True, help="Print targets and footprints as GeoJSON.")
@configured
def status(
    context: Context,
    order_id: str | None,
    *,
    account: str | None,
    project: str | None,
    state: str | None,
    attention: bool,
    check: bool,
    as_json: bool,
    as_geojson: bool,
) -> None:
    """Show what needs you, orders, captures and deliveries.

    Reads what was last recorded, beside a running daemon too.
    """
    if as_json and as_geojson:
        raise click.UsageError("--json cannot be combined with --geojson")
    plan = context.plan(resolve=False)
    demand_account(plan.accounts, account)
    filters = Filters(
        order_id=order_id,
        account=account,
        project=project,
        state=OrderState(state) if state else None,
        attention=attention,
    )
    known = asyncio.run(_status(plan, filters, Detail.ALL if as_json or as_geojson else Detail.LISTED))
    unknown = not known.orders and filters == Filters(order_id=order_id)
    if as_json:
        print_json(status_to_dict(known))
    elif as_geojson:
        print_json(collection(known.orders))
    elif order_id is None or not unknown:
        print_status(known, datetime.now(UTC), empty=filters.empty)
    if order_id is not None and unknown:
        raise unknown_order(order_id)
    is_held = known.pauses.hold(known.orders)
    if check and (known.attention or is_held or known.daemon.warning(datetime.now(UTC))):
        sys.exit(FAILED)


@click.command()
@click.argument("order_id")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def history(context: Context, order_id: str, *, as_json: bool) -> None:
    """Show every recorded status change, oldest first.

    Covers the order, its captures and its deliveries.
    """
    moves = asyncio.run(_history(context.plan(resolve=False), order_id))
    if as_json:
        print_json({"transitions": [transition_to_dict(move) for move in moves]})
    else:
        print_history(moves)
    if not moves:
        raise unknown_order(order_id)


async def _status(plan: Plan, filters: Filters, detail: Detail) -> Known:
    """Read what `status` shows; orders that need a person come first."""
    demand_current(plan.database.location)
    daemon = read_daemon_status(plan.database.location)
    async with open_reader(plan.database.location) as reader:
        found = unacknowledged(await concerns_of(plan, reader, datetime.now(UTC)))
        concerned = by_order(found)
        every = await reader.orders.list_all(filters.order_id, detail)
        orders = [order for order in every if filters.takes(order, concerned)]
        shown = {(order.account, order.order_id) for order in orders}
        accounts, narrowed = await reader.accounts.states(), filters != Filters()
        return Known(
            orders=sorted(orders, key=lambda order: (order.account, order.order_id) not in concerned),
            accounts={name: state for name, state in accounts.items() if name in plan.accounts},
            intents=await reader.intents.list_all(unsettled=True),
            problems=list((await reader.outbox.problems()).values()),
            attention=[concern for concern in found if filters.takes_concern(concern, shown)],
            daemon=daemon,
            pauses=await reader.actions.pauses(),
            backlog=None if narrowed else (await reader.queue.totals(datetime.now(UTC))).backlog,
        )


async def _history(plan: Plan, order_id: str) -> list[Transition]:
    demand_current(plan.database.location)
    async with open_reader(plan.database.location) as reader:
        return list(await reader.history.of_order(order_id))
