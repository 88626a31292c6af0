"""What viewers cost: `/api/orders` with 10,000 orders, and 50 viewers with a move a second.

Server and database in this process, viewers in another. Prints; asserts nothing.
"""

import asyncio
import statistics
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from orderwatch.core.machine import Verdict
from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    Kind,
    Order,
    OrderPhase,
    Standing,
    Subject,
    Transition,
)
from orderwatch.db.gallery import open_gallery
from orderwatch.db.store import Store, open_store
from orderwatch.db.upgrade import upgrade
from orderwatch.ports.sight import Search, Sort
from orderwatch.web.api.changes import Changes
from orderwatch.web.api.routes import api
from orderwatch.web.server import Pages, serving

VIEWERS = 50
SECONDS = 20
TRIES = 7
QUERIES = ("limit=100", "sort=moved&descending=true", "text=quay%2099", "offset=9900", "limit=1000")


def view(port: int, pipe: Pipe) -> None:
    """Viewers, until the pipe speaks; answers how many events each saw."""

    async def follow(session: aiohttp.ClientSession, seen: list[int], n: int) -> None:
        async with session.get(f"http://127.0.0.1:{port}/api/events") as answer:
            async for line in answer.content:
                seen[n] += line.startswith(b"id: ")

    async def run() -> None:
        seen = [0] * VIEWERS
        unbounded = aiohttp.ClientTimeout(total=None)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=unbounded, connector=connector) as session:
            tasks = [asyncio.create_task(follow(session, seen, n)) for n in range(VIEWERS)]
            await asyncio.to_thread(pipe.recv)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        pipe.send((min(seen), max(seen)))

    asyncio.run(run())


def an_order(task_id: int, now: datetime) -> Verdict:
    captures = tuple(
        Capture(
            capture_id=f"capture-{task_id}-{n}",
            standing=Standing(word="published", phase=CapturePhase.PUBLISHED),
            start=now,
            satellite_name="NewSat-42",
        )
        for n in range(2)
    )
    order = Order(
        account="main",
        task_id=task_id,
        task_name=f"Quay {task_id}",
        standing=Standing(word="in_progress", phase=OrderPhase.IN_PROGRESS),
        looked_at=now,
        document={"task_id": task_id, "text": "x" * 2000},
        captures=captures,
    )
    wanted = tuple(
        Delivery(
            account="main",
            task_id=task_id,
            capture_id=f"capture-{task_id}-{n % 2}",
            scene_id=f"scene-{task_id}-{n}",
            attachment="delivery_zip",
            file_name=f"{n}.zip",
            fingerprint=f"{n}",
        )
        for n in range(4)
    )
    return Verdict(order=order, transitions=(a_move(task_id, now, 0),), wanted=wanted)


def a_move(task_id: int, now: datetime, number: int) -> Transition:
    return Transition(
        at=now,
        account="main",
        task_id=task_id,
        subject=Subject.ORDER,
        before=None,
        after=f"word {number}",
        kind=Kind.STEP,
    )


async def fill(store: Store, count: int) -> None:
    now = datetime.now(UTC)
    for first in range(1, count + 1, 1000):
        await store.apply_all([an_order(n, now) for n in range(first, min(first + 1000, count + 1))])


async def moving(store: Store) -> None:
    """A move a second of some order."""
    for number in range(SECONDS):
        order = await store.order("main", number + 1)
        assert order is not None  # noqa: S101 - it was written above
        now = datetime.now(UTC)
        verdict = Verdict(order=replace(order, looked_at=now), transitions=(a_move(number + 1, now, number),))
        await store.apply(verdict)
        await asyncio.sleep(1)


async def cost(store: Store) -> float:
    """Percent of a core that this process takes meanwhile."""
    began, used = time.perf_counter(), time.process_time()
    await moving(store)
    return 100 * (time.process_time() - used) / (time.perf_counter() - began)


async def unasked(*_asked: object) -> Any:  # noqa: ANN401 - nobody asks
    raise AssertionError


async def measure(database: Path, count: int) -> None:
    upgrade(database)
    async with open_store(database) as store, open_gallery(database) as gallery:
        await fill(store, count)
        for sort in Sort:
            began = time.perf_counter()
            await gallery.find(Search(sort=sort))
            print(f"a page of 100 by {sort}: {1000 * (time.perf_counter() - began):.0f} ms")
        add = api(gallery, unasked, Changes(gallery, lambda: datetime.now(UTC)))
        pages = Pages(health=unasked, readiness=unasked, metrics=unasked, routes=(add,))
        async with serving("127.0.0.1:0", pages) as port:
            for query in QUERIES:
                await timed(f"http://127.0.0.1:{port}/api/orders?{query}")
            alone = await cost(store)
            ours, theirs = get_context("spawn").Pipe()
            viewers = get_context("spawn").Process(target=view, args=(port, theirs))
            viewers.start()
            await asyncio.sleep(3)
            watched = await cost(store)
            ours.send("")
            least, most = await asyncio.to_thread(ours.recv)
            viewers.join()
            print(
                f"{VIEWERS} viewers, {SECONDS} moves, seen {least} to {most}: {watched:.1f} % of a core, "
                f"{alone:.1f} % without them"
            )


async def timed(url: str) -> None:
    spent, size = [], 0
    async with aiohttp.ClientSession() as session:
        for _ in range(TRIES):
            began = time.perf_counter()
            async with session.get(url) as answer:
                size = len(await answer.read())
            spent.append(time.perf_counter() - began)
    path = url.partition("/api")[2]
    print(f"GET /api{path}: median {1000 * statistics.median(spent):.0f} ms, {size} bytes")


def main(count: int) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder, "orderwatch.db"), count))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
