"""Runs the demonstration: simulator and daemon as two processes, while this one shows the database."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.tree import Tree

from orderwatch.app.attention import concerns_of
from orderwatch.app.plan import resolve
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
from orderwatch.core.orders.completeness import is_complete
from orderwatch.db.migrate import Schema, schema_of
from orderwatch.db.repositories import Store, open_reader
from orderwatch.errors import ConfigError
from orderwatch.ports import Detail

_TIMEOUT_SECONDS = 300.0  # on a quick machine the demonstration takes half a minute
_FRAME_SECONDS = 0.2
_MAX_FILES_OF_FOLDER = 8  # shown in the tree
_LAST_PART_AFTER = timedelta(seconds=3)
_PAGE_PORT = 8787  # unless it is in use

_DELIVERY = """[delivery]
attachments = ["delivery_zip", "thumbnail", "preview"]
stac = true
"""
_TILES = '[[watch]]\naccount = "tiles"\ntask_name = "*"\n'
_ALL_TILES = f'{_TILES}[watch.delivery]\nattachments = ["*"]\n'
_LOG = """
[log]
format = "json"
"""


async def run_demo(folder: Path | None, picture: Path | None, *, stay: bool) -> int:
    """Run the demonstration in a folder, which is kept; return the exit code."""
    folder = _empty_folder(folder or Path(tempfile.mkdtemp(prefix="orderwatch-demo-")))
    config, port = folder / "config.toml", free_port(_PAGE_PORT)
    page = f"http://127.0.0.1:{port}/"
    async with AsyncExitStack() as stack:
        simulate = ["simulate", "--scenario", "demo", "--page-port", str(port), "--write-config", str(config)]
        simulator = await stack.enter_async_context(_process(folder / "simulator.log", *simulate))
        await _until(config.exists, simulator, folder / "simulator.log")
        text = config.read_text(encoding="utf-8").replace("[delivery]\n", _DELIVERY)
        text = text.replace(_TILES, _ALL_TILES)
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
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await _watch(reader, view, daemon)
        except TimeoutError:
            click.echo(f"orderwatch: the demonstration timed out; see {folder}/daemon.log", err=True)
            return FAILED
        if picture is not None:
            view.save_picture(picture)
        if daemon.returncode is None:
            concerns = await concerns_of(resolve(load(config, {}, resolve=False)), reader, datetime.now(UTC))
            _print_result(
                folder, await reader.orders.list_all(detail=Detail.LISTED), unacknowledged(concerns)
            )
            if stay:
                await _stay(page, daemon)
    if daemon.returncode != 0:
        click.echo(
            f"orderwatch: the daemon ended with {daemon.returncode}; see {folder}/daemon.log", err=True
        )
        return FAILED
    return 0


async def _watch(reader: Store, view: View, daemon: asyncio.subprocess.Process) -> None:
    with view:
        while daemon.returncode is None:
            orders = await reader.orders.list_all(detail=Detail.LISTED)
            view.show(orders, await reader.history.after(view.last_move))
            done = orders and all(_is_over(order, datetime.now(UTC)) for order in orders)
            if done and not await reader.catalog.unlisted(None):
                return
            await asyncio.sleep(_FRAME_SECONDS)


def _is_over(order: Order, now: datetime) -> bool:
    """Return whether everything is stored. Unlike the daemon this does not wait hours for further tiles."""
    parts = [at for capture in order.captures if (at := capture.parts_changed_at)]
    captures = tuple(replace(capture, parts_changed_at=None) for capture in order.captures)
    is_quiet = now - max(parts, default=datetime.min.replace(tzinfo=UTC)) > _LAST_PART_AFTER
    return order.status.final and is_quiet and is_complete(replace(order, captures=captures))


async def _stay(page: str, daemon: asyncio.subprocess.Process) -> None:
    """Keep the page up until the user quits."""
    click.echo(f"\nThe page stays up until you press q: {page}")
    with listening() as keys:
        while not keys.ended and daemon.returncode is None:
            await keys.pause(_FRAME_SECONDS)


@asynccontextmanager
async def _process(log: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run one of our commands as a process; stop it as a service manager would."""
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
    """Wait until `ready`, unless the process has ended."""
    for _ in range(round(_TIMEOUT_SECONDS / _FRAME_SECONDS)):
        if ready():
            return
        if process.returncode is not None:
            break
        await asyncio.sleep(_FRAME_SECONDS)
    raise click.ClickException(f"the demonstration did not start; see {log}")


def _empty_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        raise ConfigError([f"cannot use {folder}: {error.strerror}"]) from error
    if taken:
        raise ConfigError([f"{folder} is not empty"])
    return folder.resolve()


def _print_result(folder: Path, orders: Sequence[Order], attention: Sequence[Concern]) -> None:
    stored = [files for o in orders for files in o.files if files.state is DeliveryState.STORED]
    screen = console()
    screen.print(
        f"\n[bold]{sum(files.number for files in stored)} deliveries, "
        f"{format_bytes(sum(files.size for files in stored))}[/], "
        "all verified, each with a sidecar (.json) beside it:"
    )
    screen.print(_tree(folder / "deliveries"), highlight=False)
    screen.print(
        f"\nSTAC catalog, for QGIS and pystac: {folder}/deliveries/catalog.json",
        highlight=False,
        soft_wrap=True,
    )
    screen.print("\n[bold]orderwatch status[/]")
    print_attention(screen, attention, None)
    screen.print(status_table(orders))
    command = f"{our_command()} --config {folder}/config.toml"
    screen.print("\n[bold]Next steps[/]", highlight=False)
    for line in (
        f"{command} status",
        f"{command} history {orders[0].order_id}",
        f"less {folder}/daemon.log",
        f"{our_command()} demo --stay  # run it again and keep the page until you press q",
        f"rm -r {folder}",
    ):
        screen.print(f"  {line}", highlight=False, soft_wrap=True)


def _tree(root: Path) -> Tree:
    def grow(branch: Tree, folder: Path) -> None:
        files = 0
        for path in sorted(folder.iterdir()):
            if path == root / "stac":
                branch.add("stac  [dim]the STAC catalog[/]")
            elif path.is_dir() and not path.name.startswith("."):
                grow(branch.add(path.name), path)
            elif path.is_file() and not path.with_suffix("").is_file():
                files += 1
                if files <= _MAX_FILES_OF_FOLDER:
                    branch.add(f"{path.name}  [dim]{format_bytes(path.stat().st_size)}[/]")
        if files > _MAX_FILES_OF_FOLDER:
            branch.add(f"[dim]and {files - _MAX_FILES_OF_FOLDER} more files[/]")

    tree = Tree(str(root))
    grow(tree, root)
    return tree
