"""`explain`: why an order has its status."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from orderwatch.cli.common import Context, configured, demand_current, print_json, unknown_order
from orderwatch.cli.output.tables import console, print_warning, title
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.formatting import printable
from orderwatch.core.orders.explain import Facts
from orderwatch.core.orders.explain import explain as explained
from orderwatch.core.serializers import explanation_to_dict
from orderwatch.db.daemon_status import read_daemon_status
from orderwatch.ports import Detail

_TOPIC_WIDTH = 16


@click.command()
@click.argument("order_id")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def explain(context: Context, order_id: str, *, as_json: bool) -> None:
    """Explain the state of an order and its next poll.

    Shows what was last seen, what orderwatch waits for, when it polls next, and why then.
    """
    from orderwatch.app.order_facts import gather

    plan = context.plan(resolve=False)
    demand_current(plan.database.location)
    found = asyncio.run(gather(plan, order_id, datetime.now(UTC), Detail.ALL if as_json else Detail.LISTED))
    if as_json:
        print_json({"orders": [explanation_to_dict(facts) for facts in found]})
    else:
        _print(found, read_daemon_status(plan.database.location))
    if not found:
        if order_id in {
            i for watch in plan.settings.watch for i in (*watch.order_ids, *map(str, watch.task_ids))
        }:
            raise unknown_order(order_id, "it is watched, but has not been polled yet")
        raise unknown_order(order_id)


def _print(found: Sequence[Facts], daemon: DaemonStatus) -> None:
    from rich.text import Text

    screen = console()
    if found:
        print_warning(screen, daemon, datetime.now(UTC))
    for facts in found:
        order = facts.order
        names, account = title(order.project_name, order.task_name), printable(order.account)
        screen.print(
            Text.assemble((f"order {order.order_id}", "bold"), " ", names, (f" (account {account})", "dim"))
        )
        for line in explained(facts):
            topic = Text(f"  {printable(line.topic):{_TOPIC_WIDTH}}", "cyan")
            screen.print(topic.append(f"  {printable(line.text)}", "none"), soft_wrap=True)
