"""The demonstration: simulator and daemon as two processes, and this one watching the database."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.tree import Tree

from orderwatch.app.attention import concerns_of
from orderwatch.cli.common import FAILED, our_command
from orderwatch.cli.output.demo_view import View
from orderwatch.cli.output.keyboard import listening
from orderwatch.cli.output.tables import console, print_attention, status_table
from orderwatch.cli.playground import free_port
from orderwatch.config import load
from orderwatch.core.attention.attention import unacknowledged
from orderwatch.core.attention.concern import Concern
from orderwatch.core.formatting import format_bytes
from orderwatch.core.model import DeliveryState, Order
from orderwatch.core.orders.order_state import is_complete
from orderwatch.db.migrate import Schema, schema_of
from orderwatch.db.reader import Reader, open_reader
from orderwatch.errors import ConfigError

_DEADLINE = 300.0  # seconds; the orders of the demonstration live for half a minute, on a quick machine
_FRAME = 0.2  # seconds between two pictures
_PORT = 8787  # of the page, where nothing else has it

_DELIVERY = """[delivery]
attachments = ["delivery_zip", "thumbnail", "preview"]
stac = true
"""
_LOG = """
[log]
format = "json"
"""


async def run_demo(folder: Path | None, picture: Path | None, *, stay: bool) -> int:
    """Run the demonstration in a folder that stays; returns the exit code."""
    folder = _empty_folder(folder or Path(tempfile.mkdtemp(prefix="orderwatch-demo-")))
    config, port = folder / "config.toml", free_port(_PORT)
    page = f"http://127.0.0.1:{port}/"
    async with AsyncExitStack() as stack:
        simulate = ["simulate", "--scenario", "demo", "--page-port", str(port), "--write-config", str(config)]
        simulator = await stack.enter_async_context(_process(folder / "simulator.log", *simulate))
        await _until(config.exists, simulator, folder / "simulator.log")
        text = config.read_text(encoding="utf-8").replace("[delivery]\n", _DELIVERY)
        config.write_text(text + _LOG, encoding="utf-8")
        daemon = await stack.enter_async_context(
            _process(folder / "daemon.log", "run", "--config", str(config))
        )
        database = folder / "orderwatch.db"
        await _until(lambda: schema_of(database) is Schema.CURRENT, daemon, folder / "daemon.log")
        reader = await stack.enter_async_context(open_reader(database))
        click.echo(f"The page: {page}\n")
        view = View()
        try:
            async with asyncio.timeout(_DEADLINE):
                await _watch(reader, view, daemon)
        except TimeoutError:
            click.echo(
                f"orderwatch: the demonstration did not end in time; see {folder}/daemon.log", err=True
            )
            return FAILED
        if picture is not None:
            view.save_picture(picture)
        if daemon.returncode is None:
            concerns = await concerns_of(load(config, {}, resolve=False), reader, datetime.now(UTC))
            _tell(folder, await reader.orders(), unacknowledged(concerns))
            if stay:
                await _stay(page, daemon)
    if daemon.returncode != 0:
        click.echo(
            f"orderwatch: the daemon ended with {daemon.returncode}; see {folder}/daemon.log", err=True
        )
        return FAILED
    return 0


async def _watch(reader: Reader, view: View, daemon: asyncio.subprocess.Process) -> None:
    with view:
        while daemon.returncode is None:
            orders = await reader.orders()
            view.show(orders, await reader.moves_after(view.last_move))
            done = orders and all(o.status.final and is_complete(o) for o in orders)
            if done and not await reader.unlisted(None):
                return
            await asyncio.sleep(_FRAME)


async def _stay(page: str, daemon: asyncio.subprocess.Process) -> None:
    """There is time to look at it."""
    click.echo(f"\nThe page stays until you press q: {page}")
    with listening() as keys:
        while not keys.ended and daemon.returncode is None:
            await keys.pause(_FRAME)


@asynccontextmanager
async def _process(log: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of our own commands as a process of its own; stopped as a service manager would."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ORDERWATCH_")}
    with log.open("w", encoding="utf-8") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "orderwatch", *arguments, stdout=output, stderr=output, env=environment
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _until(ready: Callable[[], bool], process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait for what the process does; one that has ended will not do it any more."""
    for _ in range(round(_DEADLINE / _FRAME)):
        if ready():
            return
        if process.returncode is not None:
            break
        await asyncio.sleep(_FRAME)
    raise click.ClickException(f"the demonstration did not begin; see {log}")


def _empty_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        raise ConfigError([f"{folder} cannot be used: {error.strerror}"]) from error
    if taken:
        raise ConfigError([f"{folder} is not empty"])
    return folder.resolve()


def _tell(folder: Path, orders: Sequence[Order], attention: Sequence[Concern]) -> None:
    stored = [d for o in orders for d in o.deliveries if d.state is DeliveryState.STORED]
    screen = console()
    screen.print(
        f"\n[bold]{len(stored)} deliveries, {format_bytes(sum(d.size or 0 for d in stored))}[/], "
        "all verified, each with a sidecar (.json) beside it:"
    )
    screen.print(_tree(folder / "deliveries"), highlight=False)
    screen.print(
        f"\nThe catalogue of it, for QGIS and pystac: {folder}/deliveries/catalog.json",
        highlight=False,
        soft_wrap=True,
    )
    screen.print("\n[bold]orderwatch status[/]")
    print_attention(screen, attention, None)
    screen.print(status_table(orders))
    command = f"{our_command()} --config {folder}/config.toml"
    screen.print("\n[bold]Where to look next[/]", highlight=False)
    for line in (
        f"{command} status",
        f"{command} history {orders[0].task_id}",
        f"less {folder}/daemon.log",
        f"{our_command()} demo --stay  # the same again, with its page until you press q",
        f"rm -r {folder}",
    ):
        screen.print(f"  {line}", highlight=False, soft_wrap=True)


def _tree(root: Path) -> Tree:
    def grow(branch: Tree, folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            if path == root / "stac":
                branch.add("stac  [dim]the catalogue[/]")
            elif path.is_dir() and not path.name.startswith("."):
                grow(branch.add(path.name), path)
            elif path.is_file() and not path.with_suffix("").is_file():
                branch.add(f"{path.name}  [dim]{format_bytes(path.stat().st_size)}[/]")

    tree = Tree(str(root))
    grow(tree, root)
    return tree
