"""`pause` and `resume`: stop and continue downloads, or everything of an account."""

import asyncio

import click

from orderwatch.app.plan import Plan
from orderwatch.cli.acting.common import acting
from orderwatch.cli.common import Context, configured, demand_account, print_json
from orderwatch.cli.output.tables import console, pause_line
from orderwatch.core.actions.pauses import Pause, Pauses
from orderwatch.core.serializers import pause_to_dict
from orderwatch.db.daemon_status import read_daemon_status


@click.command()
@click.option("--account", metavar="NAME", help="Pause polling, ordering and downloads of this account.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def pause(context: Context, account: str | None, *, as_json: bool) -> None:
    """Pause the downloads of all accounts, or everything of one account, until `resume`.

    A running daemon stops within a second and keeps what it has received. Restarts change nothing.
    """
    plan = context.plan(resolve=False)
    demand_account(plan.accounts, account)
    made, known = asyncio.run(_pause(plan, account))
    if as_json:
        print_json(_facts(plan, known) | {"paused": pause_to_dict(made)})
    else:
        console().print(pause_line(made, None), soft_wrap=True)


@click.command()
@click.option("--account", metavar="NAME", help="Continue polling, ordering and downloads of this account.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def resume(context: Context, account: str | None, *, as_json: bool) -> None:
    """Continue what `pause` with the same option has paused. Downloads continue where they stopped."""
    plan = context.plan(resolve=False)
    ended, known = asyncio.run(_resume(plan, account))
    if as_json:
        print_json(_facts(plan, known) | {"resumed": pause_to_dict(ended) if ended else None})
        return
    if ended is None:
        click.echo("the downloads are not paused" if account is None else f"account {account} is not paused")
    else:
        click.echo("downloads are resumed" if account is None else f"account {account} is resumed")
    for left in known.all:
        console().print(pause_line(left, None), soft_wrap=True)


def _facts(plan: Plan, known: Pauses) -> dict[str, object]:
    running = read_daemon_status(plan.database.location).running
    return {"pauses": [pause_to_dict(one) for one in known.all], "daemon_running": running}


async def _pause(plan: Plan, account: str | None) -> tuple[Pause, Pauses]:
    async with acting(plan) as operator:
        return await operator.pause(account), await operator.store.actions.pauses()


async def _resume(plan: Plan, account: str | None) -> tuple[Pause | None, Pauses]:
    async with acting(plan) as operator:
        return await operator.resume(account), await operator.store.actions.pauses()
