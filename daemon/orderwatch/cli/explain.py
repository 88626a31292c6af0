"""`explain`: why an order is where it is."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from orderwatch.cli.common import TASK_ID, Context, configured, demand_current, print_json, unknown_order
from orderwatch.cli.output.tables import console, print_warning, title
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.formatting import printable
from orderwatch.core.orders.explain import Facts
from orderwatch.core.orders.explain import explain as explained
from orderwatch.core.serializers import explanation_to_dict
from orderwatch.db.daemon_status import liveness

_TOPIC = 16  # columns


@click.command()
@click.argument("task_id", type=TASK_ID)
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def explain(context: Context, task_id: int, *, as_json: bool) -> None:
    """Why an order is where it is: what was seen, what is awaited, when it is looked at next and why then."""
    from orderwatch.app.order_facts import gather  # noqa: PLC0415 - `--help` stays quick

    settings = context.settings(resolve=False)
    demand_current(settings.database.path)
    found = asyncio.run(gather(settings, task_id, datetime.now(UTC)))
    if as_json:
        print_json({"orders": [explanation_to_dict(facts) for facts in found]})
    else:
        _print(found, liveness(settings.database.path))
    if not found:
        if task_id in {i for watch in settings.watch for i in watch.task_ids}:
            raise unknown_order(task_id, "it is watched, but was never looked at")
        raise unknown_order(task_id)


def _print(found: Sequence[Facts], daemon: DaemonStatus) -> None:
    from rich.text import Text  # noqa: PLC0415 - rich is loaded only where it prints

    screen = console()
    if found:
        print_warning(screen, daemon, datetime.now(UTC))
    for facts in found:
        order = facts.order
        names, account = title(order.project_name, order.task_name), printable(order.account)
        screen.print(
            Text.assemble((f"order {order.task_id}", "bold"), " ", names, (f" (account {account})", "dim"))
        )
        for line in explained(facts):
            topic = Text(f"  {printable(line.topic):{_TOPIC}}", "cyan")
            screen.print(topic.append(f"  {printable(line.text)}", "none"), soft_wrap=True)
