"""Measures what viewers cost a daemon with 10,000 orders, and 50 more of 840 small files each.

First 50 viewers with live updates, then Chromium's first paint, then each request.

The daemon, the provider and the viewers are one process each. The provider regularly changes an order and
publishes a file, from a host that limits each connection. Prints; asserts nothing.
"""

import argparse
import asyncio
import os
import random
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import aiohttp
from benchmarks import tiles
from benchmarks.viewers import ViewerStats, run_viewers
from playwright.async_api import Browser
from tests.browser.visits import chromium

from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    SceneFacts,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.migrate import upgrade
from orderwatch.db.repositories import open_store
from orderwatch.simulator import Scenario, serve

VIEWERS = 50
LARGE_ORDERS = 50
MEASUREMENT_SECONDS = 20
ROUNDS = 3
SETTLING_SECONDS = 15  # until all viewers are connected
ATTEMPTS = 9
INTERVAL_SECONDS = 2.0  # between two reads of the list
FILE_BYTES, BYTES_PER_SECOND = 12_000_000, 4_000_000  # per connection
QUIET_SECONDS = 45  # before the first order changes
PARTS = ("viewers", "paint", "requests")
PAINTED = ("/", "/events", "/orders/main/10001")
PATHS = (
    "/api/orders",
    "/api/orders?state=open",
    "/api/orders?project=project%203",
    "/api/orders?account=main",
    "/api/orders?text=quay%2099",
    "/api/orders?text=%C3%A9quay",
    *(
        f"/api/orders?sort={s}&descending=true"
        for s in ("name", "status", "state", "start", "next_look", "moved")
    ),
    "/api/orders?sort=moved&offset=9900",
    "/api/orders?limit=200",
    "/api/orders/main/10001",
    "/",
    "/?text=quay+99",
    "/?offset=9900",
    "/map.json",
    "/orders/main/10001",
    "/orders/main/000001",
    "/orders/main/000001/map.json",
    "/api/orders/main/000001",
    "/?sort=state&descending=yes",
    "/api/orders?state=settling&limit=50",
    "/events",
    "/metrics",
)
SETTINGS = """
[[watch]]
account = "main"
task_name = "*"
[polling]
interval = "{interval}s"
requests_per_second = 50
[delivery]
root = "{folder}/tree"
keep_free = "0"
scrub = "0"
[database]
url = "sqlite:///{folder}/orderwatch.db"
backups = 0
[log]
format = "json"
[http]
listen = "127.0.0.1:{port}"
"""


def square(east: float, north: float) -> dict[str, object]:
    corners = ((0.0, 0.0), (0.1, 0.0), (0.1, 0.1), (0.0, 0.1), (0.0, 0.0))
    return {"type": "Polygon", "coordinates": [[[east + x, north + y] for x, y in corners]]}


def past_order(number: int, now: datetime, rng: random.Random) -> Verdict:
    """Return a finished order: two captures with two stored files each."""
    task_id, taken = 10_000 + number, now - timedelta(days=300 * rng.random())
    target = square(rng.uniform(-170, 170), rng.uniform(-60, 70))
    captures = tuple(
        Capture(
            capture_id=f"{rng.getrandbits(128):032x}",
            status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED),
            start=taken,
            satellite_name="NewSat-42",
            published_at=taken + timedelta(hours=5),
        )
        for _ in range(2)
    )
    deliveries = tuple(
        Delivery(
            account="main",
            order_id=str(task_id),
            task_id=task_id,
            capture_id=captures[n % 2].capture_id,
            scene_id=f"{rng.getrandbits(128):032x}",
            attachment="delivery_zip",
            file_name=f"{task_id}_{n}.zip",
            path=f"{task_id}/{n}.zip",
            fingerprint=str(n),
            scene=SceneFacts(timestamp=taken, satellite_name="NewSat-42", footprint=target),
            state=DeliveryState.STORED,
            size=10**8,
            sha256="ab" * 32,
            stored_at=taken + timedelta(hours=9),
        )
        for n in range(4)
    )
    move = Transition(
        at=taken,
        account="main",
        order_id=str(task_id),
        task_id=task_id,
        subject=Subject.ORDER,
        before="a",
        after="b",
        kind=TransitionKind.STEP,
    )
    order = Order(
        account="main",
        order_id=str(task_id),
        task_id=task_id,
        task_name=f"Quay {number}",
        project_name=f"project {number % 20}",
        status=TrackedStatus(word="completed", phase=OrderPhase.COMPLETED),
        state=OrderState.DONE,
        start=taken,
        end=taken + timedelta(days=20),
        final_at=taken + timedelta(days=1),
        looked_at=taken + timedelta(days=1),
        document={"task_id": task_id, "target": target, "text": "x" * 1000},
        captures=captures,
        deliveries=deliveries,
    )
    return Verdict(order=order, transitions=tuple(replace(move, after=f"b{n}") for n in range(12)))


def large_order(number: int, now: datetime) -> Verdict:
    """Return a settling order of 840 stored files, which is polled after the measurements."""
    verdict = tiles.order(number, DeliveryState.STORED)
    status = TrackedStatus(word="completed", phase=OrderPhase.COMPLETED)
    settling = replace(
        verdict.order,
        status=status,
        state=OrderState.SETTLING,
        final_at=now,
        next_look_at=now + timedelta(days=1),
    )
    return replace(verdict, order=settling)


async def fill(database: Path, count: int) -> None:
    now, rng = datetime.now(UTC), random.Random(1)
    upgrade(database)
    async with open_store(database) as store:
        for first in range(0, count, 1000):
            await store.maintenance.restore(
                [past_order(n, now, rng) for n in range(first, min(first + 1000, count))]
            )
        for number in range(1, LARGE_ORDERS + 1):
            await store.maintenance.restore([large_order(number, now)])


def provide(pipe: Pipe, every: int) -> None:
    """Run the simulator until an empty message; answers others with the times of list requests in seconds."""
    orders = [
        {
            "task_id": 100_001 + n,
            "task_name": f"Pier {n}",
            "project_name": "live",
            "status": [(0, "received"), (QUIET_SECONDS + n * every, "completed")],
            "captures": [
                {
                    "start": QUIET_SECONDS + n * every,
                    "status": [(QUIET_SECONDS + n * every, "published")],
                    "scenes": [{"size": FILE_BYTES}],
                }
            ],
        }
        for n in range((ROUNDS * (2 * MEASUREMENT_SECONDS + SETTLING_SECONDS) + 60) // every)
    ]

    async def run() -> None:
        scenario = Scenario.model_validate(
            {"orders": orders, "downloads": {"rate": BYTES_PER_SECOND}, "page_size": 100}
        )
        async with serve(scenario) as simulator:
            pipe.send(simulator.config_toml())
            while await asyncio.to_thread(pipe.recv):
                pipe.send([entry.at for entry in simulator.journal.find(path="/tasking/tasks/")])

    asyncio.run(run())


class Figures(NamedTuple):
    """`used` are seconds of CPU, `received` bytes, `lists` the seconds of the requests for the list."""

    at: float
    used: float
    received: float
    lists: Sequence[float]
    lag: float


class Daemon:
    def __init__(self, pid: int, base: str, provider: Pipe) -> None:
        self._pid = pid
        self._provider = provider
        self.base = base

    async def figures(self) -> Figures:
        metrics = await self._metrics()
        self._provider.send("lists")
        lists = await asyncio.to_thread(self._provider.recv)
        received = sum(v for name, v in metrics.items() if name.startswith("orderwatch_received_bytes_total"))
        return Figures(
            time.monotonic(), _used(self._pid), received, lists, metrics["orderwatch_loop_lag_max_seconds"]
        )

    async def _metrics(self) -> dict[str, float]:
        async with aiohttp.ClientSession(self.base) as session, session.get("/metrics") as answer:
            lines = (await answer.text()).splitlines()
        pairs = [line.split(" ")[:2] for line in lines if line and not line.startswith("#")]
        return {name: float(value) for name, value in pairs}


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def running(folder: Path, provider: Pipe) -> AsyncIterator[Daemon]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    settings = SETTINGS.format(folder=folder, interval=INTERVAL_SECONDS, port=port)
    config = folder / "config.toml"
    config.touch(mode=0o600)
    config.write_text(f"{provider.recv()}\n{settings}")
    command = (sys.executable, "-m", "orderwatch", "run", "--config", str(config))
    with (folder / "daemon.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        yield Daemon(process.pid, f"http://127.0.0.1:{port}", provider)
    finally:
        process.terminate()
        await process.wait()


async def questions(base: str) -> None:
    async with aiohttp.ClientSession(base) as session:
        for path in PATHS:
            spent, size = [], 0
            for _ in range(ATTEMPTS):
                began = time.perf_counter()
                async with session.get(path) as answer:
                    size = len(await answer.read())
                spent.append(1000 * (time.perf_counter() - began))
            median, least, most = statistics.median(spent), min(spent), max(spent)
            print(f"  {path:47} {median:5.0f} ms  ({least:.0f}-{most:.0f}), {size} bytes")


async def measured(name: str, daemon: Daemon) -> float:
    """Print the measurement; returns percent of a core."""
    before = await daemon.figures()
    await asyncio.sleep(MEASUREMENT_SECONDS)
    after = await daemon.figures()
    passed = after.at - before.at
    used = 100 * (after.used - before.used) / passed
    starts = [b for a, b in pairwise(after.lists[len(before.lists) :]) if b - a > INTERVAL_SECONDS / 2]
    gaps = [b - a for a, b in pairwise(starts)] or [0.0]
    rate = (after.received - before.received) / passed / 1e6
    print(
        f"  {name:14} {used:5.1f} % of a core; {rate:.1f} MB/s; {len(starts)} sweeps, "
        f"{statistics.median(gaps):.2f} s from one to the next, worst {max(gaps):.2f} s; "
        f"loop at worst {1000 * after.lag:.0f} ms behind"
    )
    return used


async def watched(daemon: Daemon) -> float:
    ours, theirs = get_context("spawn").Pipe()
    viewers = get_context("spawn").Process(target=run_viewers, args=(daemon.base, VIEWERS, theirs))
    viewers.start()
    theirs.close()  # so that its end is noticed
    await asyncio.sleep(SETTLING_SECONDS)
    ours.send("now")
    used = await measured(f"{VIEWERS} viewers", daemon)
    ours.send("enough")
    seen: ViewerStats = await asyncio.to_thread(ours.recv)
    viewers.join()
    delays = statistics.quantiles(seen.delays or [0.0, 0.0], n=100)
    print(
        f"    {seen.events} events sent, {seen.reads} pages and {seen.maps} maps read again, "
        f"{seen.unchanged} of them unchanged, {seen.failures} refused; from a move to a page with it: "
        f"median {delays[49]:.2f} s, 99th {delays[98]:.2f} s, worst {max(seen.delays, default=0.0):.2f} s"
    )
    return used


async def rounds(daemon: Daemon) -> None:
    more, alone = [], await measured("no viewer", daemon)
    for _ in range(ROUNDS):
        seen, before = await watched(daemon), alone
        alone = await measured("no viewer", daemon)
        more.append(seen - (before + alone) / 2)
    listed = ", ".join(f"{one:.1f}" for one in sorted(more))
    print(f"  {VIEWERS} viewers cost {statistics.median(more):.1f} % of a core ({listed})")


async def paints(base: str) -> None:
    """Print when Chromium paints a page, each time with an empty cache, and with a full one."""
    async with chromium() as browser:
        for path in PAINTED:
            times = [await painted(browser, base + path) for _ in range(ATTEMPTS)]
            for name, seconds in zip(("empty cache", "full cache"), zip(*times, strict=True), strict=True):
                median, least, most = statistics.median(seconds), min(seconds), max(seconds)
                print(f"  {path:24} painted after {median:.2f} s ({least:.2f}-{most:.2f}), {name}")


async def painted(browser: Browser, address: str) -> tuple[float, float]:
    """Return the seconds from the request to the first contentful paint, of a first and a second visit."""
    context = await browser.new_context(bypass_csp=True)  # or waiting for a script is refused
    page = await context.new_page()
    seconds = []
    for _ in range(2):
        await page.goto(address, wait_until="load")
        await page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        seconds.append(
            await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
        )
    await context.close()
    first, second = seconds
    return first, second


async def measure(folder: Path, provider: Pipe, parts: Collection[str]) -> None:
    async with running(folder, provider) as daemon:
        await asyncio.sleep(QUIET_SECONDS - 10 if "viewers" in parts else 10)  # until orders move
        if "viewers" in parts:
            await rounds(daemon)
        if "paint" in parts:
            await paints(daemon.base)
        if "requests" in parts:
            await questions(daemon.base)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=10_000, help="past orders")
    parser.add_argument("every", type=int, nargs="?", default=1, help="seconds between live orders")
    parser.add_argument("--only", choices=PARTS, help="measure this part alone")
    given = parser.parse_args()
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    provider = context.Process(target=provide, args=(theirs, given.every))
    with TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(fill(folder / "orderwatch.db", given.count))
        print(
            f"{given.count} past orders, {2 * given.count} captures, {4 * given.count} files; "
            f"{LARGE_ORDERS} of {tiles.FILES_PER_ORDER} files; one more each {given.every} s:"
        )
        provider.start()
        theirs.close()
        asyncio.run(measure(folder, ours, [given.only] if given.only else PARTS))
    ours.send("")
    provider.join()


if __name__ == "__main__":
    main()
