"""`cancel`: cancels an order at the provider."""

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from orderwatch.cli.common import (
    FAILED,
    Context,
    complain,
    configured,
    demand_account,
    print_json,
    quiet,
)
from orderwatch.cli.ordering.common import ask, note_of
from orderwatch.core.formatting import printable
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.ops.actor import current_actor

if TYPE_CHECKING:
    from orderwatch.app.plan import Plan
    from orderwatch.service.ordering.canceller import CancelResult


@click.command()
@click.argument("order")
@click.option("--account", metavar="NAME", help="Account of the order, if several may have it.")
@click.option("--note", metavar="TEXT", callback=note_of, help="Reason, kept in the history of the order.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def cancel(
    context: Context, order: str, account: str | None, note: str | None, *, yes: bool, as_json: bool
) -> None:
    """Cancel an order at the provider. Scenes that are already published are still delivered."""
    from orderwatch.app.commands import place_orders

    plan = context.plan(resolve=True)
    redactor = quiet(plan.settings)
    whose, order_id = _order(plan, account, order)
    seen = asyncio.run(place_orders.read_order(plan, redactor, whose, order_id))
    if not yes:
        ask(f"Cancel {_named(seen)}, which is {printable(seen.status)}?")
    act = Provenance(who=current_actor(), note=note)
    try:
        done = asyncio.run(place_orders.cancel(plan, redactor, whose, order_id, act))
    except KeyboardInterrupt:
        complain(
            [f"interrupted: order {order_id} may be cancelled or not; run the command again to find out"]
        )
        raise
    problem = _problem(done)
    if as_json:
        print_json(
            {
                "account": whose,
                "order_id": done.seen.order_id,
                "task_id": done.seen.task_id,
                "status": done.seen.status,
                "sent": done.sent,
                "problem": problem,
            }
        )
    elif problem is None:
        click.echo(_result(done))
    if problem is not None:
        complain([problem])
        sys.exit(FAILED)


def _order(plan: "Plan", account: str | None, name: str) -> tuple[str, str]:
    """Return account and id of the order with this order or task id, known or not."""
    from orderwatch.app.commands import place_orders

    demand_account(plan.accounts, account)
    known = asyncio.run(place_orders.orders_named(plan, name)) or [(each, name) for each in plan.accounts]
    found = [(whose, order_id) for whose, order_id in known if account in (None, whose)]
    if len(found) > 1:
        raise click.UsageError(f"several accounts may have order {name}; specify --account")
    return found[0] if found else (account or "", name)


def _named(seen: OrderSnapshot) -> str:
    return f'order {seen.order_id} "{printable(seen.task_name or "")}"'


def _result(done: "CancelResult") -> str:
    status = printable(done.seen.status)
    if not done.sent:
        return f"{_named(done.seen)} is already {status}: nothing was sent"
    if done.lost is not None:
        return f"{_named(done.seen)} is {status}: the response was lost, but the provider shows it"
    if not done.over:
        why = f": {printable(done.seen.reason)}" if done.seen.reason else ""
        return f"the provider accepted the request to cancel {_named(done.seen)}; its status is {status}{why}"
    return f"{_named(done.seen)} is {status}"


def _problem(done: "CancelResult") -> str | None:
    status = printable(done.seen.status)
    if not done.sent and not done.cancelled:
        return f"{_named(done.seen)} is already {status}: there is nothing to cancel, nothing was sent"
    if done.over and not done.cancelled:
        return f"{_named(done.seen)} is {status}: it was over before it could be cancelled"
    if done.lost is not None and not done.over:
        return (
            f"{_named(done.seen)} may be cancelled: the response was lost ({done.lost}), and its status "
            f"is {status}; check again with `orderwatch cancel {done.seen.order_id}`"
        )
    return None
