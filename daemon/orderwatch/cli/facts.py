"""`status` and `history`: what the database knows, beside a running daemon too."""

import asyncio
from datetime import UTC, datetime

import click

from orderwatch.cli.common import TASK_ID, Context, configured, print_json
from orderwatch.cli.database import demand_current
from orderwatch.cli.shapes import Known, status_facts
from orderwatch.cli.tables import print_status
from orderwatch.cli.timeline import print_history
from orderwatch.config import Settings
from orderwatch.core.geojson import collection
from orderwatch.core.model import Transition
from orderwatch.core.shapes import transition_facts
from orderwatch.db.reader import open_reader


@click.command()
@click.argument("task_id", type=TASK_ID, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@click.option("--geojson", "as_geojson", is_flag=True, help="Print targets and footprints, for a map.")
@configured
def status(context: Context, task_id: int | None, *, as_json: bool, as_geojson: bool) -> None:
    """Orders, captures, deliveries as the daemon last recorded them; what may have been ordered; problems."""
    if as_json and as_geojson:
        raise click.UsageError("--json and --geojson exclude each other; give one of them")
    known = asyncio.run(_status(context.settings(resolve=False), task_id))
    if as_json:
        print_json(status_facts(known))
    elif as_geojson:
        print_json(collection(known.orders))
    else:
        print_status(known, datetime.now(UTC))
    if task_id is not None and not known.orders:
        raise click.ClickException(f"order {task_id} is not known")


@click.command()
@click.argument("task_id", type=TASK_ID)
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def history(context: Context, task_id: int, *, as_json: bool) -> None:
    """Every recorded transition of an order, its captures and deliveries, oldest first."""
    moves = asyncio.run(_history(context.settings(resolve=False), task_id))
    if as_json:
        print_json({"transitions": [transition_facts(move) for move in moves]})
    else:
        print_history(moves)
    if not moves:
        raise click.ClickException(f"order {task_id} is not known")


async def _status(settings: Settings, task_id: int | None) -> Known:
    demand_current(settings.database.path)
    async with open_reader(settings.database.path) as reader:
        accounts = await reader.accounts()
        kept = {name: state for name, state in accounts.items() if name in settings.accounts}
        orders = await reader.orders(task_id)
        if task_id is not None:
            return Known(orders, kept)
        problems = (await reader.problems()).values()
        return Known(orders, kept, await reader.intents(unsettled=True), list(problems))


async def _history(settings: Settings, task_id: int) -> list[Transition]:
    demand_current(settings.database.path)
    async with open_reader(settings.database.path) as reader:
        return list(await reader.history(task_id))
