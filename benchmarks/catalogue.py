"""Measures what one more item of the STAC catalog costs, by the number of items that it has.

Each order has 1,000 tiles of one project and month; a tile is one file. Prints; asserts nothing.
"""

import asyncio
import logging
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from orderwatch.core.model import Delivery, DeliveryState, Order, OrderPhase, SceneFacts, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.migrate import upgrade
from orderwatch.db.repositories import Store, open_store
from orderwatch.service.catalog import CatalogTree, CatalogUpdater
from orderwatch.transfer.tree.catalog_files import CatalogWriter

SIZES = (100, 1_000, 10_000, 100_000)
TILES_PER_ORDER = 1_000
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IN_PROGRESS = TrackedStatus(word="in_progress", phase=OrderPhase.IN_PROGRESS)


def tile(number: int) -> Delivery:
    west, south = (number % 100) / 10, (number // 100 % 100) / 10
    corners = [
        (west, south),
        (west + 0.1, south),
        (west + 0.1, south + 0.1),
        (west, south + 0.1),
        (west, south),
    ]
    footprint = {"type": "Polygon", "coordinates": [[list(corner) for corner in corners]]}
    return Delivery(
        account="main",
        order_id=str(1 + number // TILES_PER_ORDER),
        capture_id="capture",
        scene_id=f"tile-{number}",
        attachment="visual",
        file_name=f"tile-{number}.tif",
        fingerprint=f"{number}",
        scene=SceneFacts(timestamp=NOW, footprint=footprint),
        state=DeliveryState.STORED,
        path=f"tiles/{number}.tif",
        size=1,
        sha256="0f" * 32,
        stored_at=NOW,
    )


async def store_tiles(store: Store, numbers: Iterable[int]) -> None:
    """Record these tiles as stored."""
    tiles: dict[str, list[Delivery]] = {}
    for delivery in map(tile, numbers):
        tiles.setdefault(delivery.order_id, []).append(delivery)
    for order_id, wanted in tiles.items():
        order = await store.orders.get("main", order_id) or Order(
            account="main", order_id=order_id, status=IN_PROGRESS, project_name="Harbour"
        )
        await store.orders.save(Verdict(order=replace(order, deliveries=()), wanted=tuple(wanted)))


async def update_timed(updater: CatalogUpdater) -> tuple[float, float]:
    """Update the catalog; returns the seconds of CPU and of the clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    problems = await updater.update()
    if problems:
        raise SystemExit(problems[0])
    return time.process_time() - cpu, time.perf_counter() - wall


async def ready() -> None: ...


async def measure(folder: Path, added: int, sizes: Iterable[int]) -> None:
    (folder / "tree" / ".orderwatch").mkdir(parents=True)
    upgrade(folder / "orderwatch.db")
    async with open_store(folder / "orderwatch.db") as store:
        writer = CatalogWriter(folder / "tree")
        updater = CatalogUpdater(store, {None: CatalogTree(str(folder / "tree"), writer, ready)})
        known = 0
        for size in sizes:
            await store_tiles(store, range(known, size))
            cpu, wall = await update_timed(updater)
            print(f"{size - known:7} items at once: {cpu:6.2f} s of CPU, {wall:6.2f} s", flush=True)
            costs = []
            for number in range(size, size + added):
                await store_tiles(store, [number])
                costs.append(await update_timed(updater))
            known = size + added
            cpu, wall = (statistics.fmean(column) * 1000 for column in zip(*costs, strict=True))
            print(f"one more of {size:7}: {cpu:7.1f} ms of CPU, {wall:7.1f} ms", flush=True)


def main(added: int, sizes: Iterable[int]) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), added, sizes))


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(given[0] if given else 100, given[1:] or SIZES)
