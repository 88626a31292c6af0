"""`refresh`: has the running daemon poll now, and reports what it found."""

import asyncio
import sys
from collections.abc import Sequence

import click

from orderwatch.app.plan import Plan
from orderwatch.cli.acting.common import acting
from orderwatch.cli.common import FAILED, Context, configured, demand_account, demand_current, print_json
from orderwatch.core.actions.action import Action
from orderwatch.core.formatting import printable
from orderwatch.core.serializers import refresh_to_dict
from orderwatch.db.daemon_status import read_daemon_status

_POLL_SECONDS = 0.1
_MAX_WAIT_SECONDS = 60.0  # an account with many orders takes longer; the daemon continues


@click.command()
@click.option("--order", metavar="ID", help="Poll only this order.")
@click.option("--account", metavar="NAME", help="Poll only the orders of this account.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def refresh(context: Context, order: str | None, account: str | None, *, as_json: bool) -> None:
    """Have the running daemon poll every open order now, and report what it found.

    Without a daemon, `orderwatch once` polls and downloads once.
    """
    plan = context.plan(resolve=False)
    demand_account(plan.accounts, account)
    demand_current(plan.database.location)
    if not read_daemon_status(plan.database.location).running:
        raise click.ClickException("no daemon is running; to poll and download once: orderwatch once")
    done = asyncio.run(_refresh(plan, order, account))
    if as_json:
        print_json({"refreshed": [refresh_to_dict(action) for action in done]})
    else:
        for action in done:
            click.echo(printable(_line(action)))
    if not done or any(action.answer is None or action.answer.problems for action in done):
        sys.exit(FAILED)


async def _refresh(plan: Plan, order: str | None, account: str | None) -> Sequence[Action]:
    """Return the actions with the daemon's answers, as far as they came in time."""
    async with acting(plan) as operator:
        numbers = await operator.refresh(order=order, account=account)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _MAX_WAIT_SECONDS
        while True:
            done = await operator.store.actions.get(numbers)
            if all(action.answer is not None for action in done) or loop.time() > deadline:
                return done
            await asyncio.sleep(_POLL_SECONDS)


def _line(action: Action) -> str:
    what = f"account {action.account}"
    if action.order_id is not None:
        what += f", order {action.order_id}"
    if action.answer is None:
        return f"{what}: the daemon is not done yet; it continues, and orderwatch status shows the result"
    return f"{what}: {action.answer.words}"
