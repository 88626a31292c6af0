"""Compares a sweep over 10,000 orders with a bare loop that reads and parses the same pages.

The provider is the simulator in a separate process, over loopback. Prints; asserts nothing.
"""

import asyncio
import logging
import random
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import orjson
import structlog

from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.core.orders.watches import DeliveryPlan, Watch, WatchSet
from orderwatch.db.migrate import upgrade
from orderwatch.db.repositories import open_store
from orderwatch.provider.connection import connect
from orderwatch.provider.credentials import Credentials
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.account_context import AccountContext
from orderwatch.service.polling.poller import Poller
from orderwatch.service.wakeup import Wakeup
from orderwatch.simulator import Scenario, serve
from orderwatch.simulator.scenario import CONTRACT

DAY = 86_400
SWEEPS = 5
PACE = Pace(interval=timedelta(seconds=1), max_interval=timedelta(hours=6), grace=timedelta(days=14))
USUAL = DeliveryPlan(
    attachments=WantedAttachments(frozenset({"delivery_zip"})), layout="{task_id}/{file_name}"
)


def run_provider(count: int, pipe: Pipe) -> None:
    """Run the simulator until the pipe closes; answers each message with the number of requests so far."""

    async def run() -> None:
        orders = [
            {"task_id": n, "task_name": f"Quay {n}", "start": 10 * DAY, "end": 30 * DAY}
            for n in range(1, count + 1)
        ]
        async with serve(Scenario.model_validate({"orders": orders})) as simulator:
            pipe.send(simulator.api_url)
            while await asyncio.to_thread(pipe.recv):
                pipe.send(simulator.journal.count(path="/tasking/tasks/"))

    asyncio.run(run())


async def fetch_pages_only(url: str) -> float:
    """Return the seconds that aiohttp and orjson need for the pages alone."""
    async with aiohttp.ClientSession() as session:
        credentials = {"client_id": "sim-client", "client_secret": "sim-secret"}
        grant = {"grant_type": "client_credentials", "audience": "https://api.satellogic.com/"}
        async with session.post(f"{url}/oauth/token", json=credentials | grant) as answer:
            token = (await answer.json())["access_token"]
        headers = {"authorizationToken": f"Bearer {token}", "X-Satellogic-Contract-Id": CONTRACT}
        began = time.perf_counter()
        next_url: str | None = f"{url}/tasking/tasks/?limit=100&offset=0"
        while next_url:
            async with session.get(next_url, headers=headers) as answer:
                page = orjson.loads(await answer.read())
            next_url = page["next"]
        return time.perf_counter() - began


@asynccontextmanager
async def loop_lag() -> AsyncIterator[list[float]]:
    """Measure the event loop's lag every 2 ms."""
    late: list[float] = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.002)
            late.append(time.perf_counter() - began - 0.002)

    task = asyncio.create_task(watch())
    try:
        yield late
    finally:
        task.cancel()


@asynccontextmanager
async def polling(url: str, database: Path) -> AsyncIterator[Poller]:
    credentials = Credentials(
        name="main",
        kind="platform",
        client_id="sim-client",
        read_secret=lambda: "sim-secret",
        contract_id=CONTRACT,
        token_url=f"{url}/oauth/token",
        accounts_url=url,
        api_url=url,
        requests_per_second=1_000_000,
    )
    rng = random.Random(1)
    watched = WatchSet(usual=USUAL, watches=(Watch(project_name="*"),))

    def now() -> datetime:
        return datetime.now(UTC)

    async with (
        open_store(database) as store,
        connect(credentials, rng=rng, learn_secret=lambda _secret: None) as provider,
    ):
        breaker = AccountBreaker("main", None, store, interval=PACE.interval, now=now, rng=rng)
        context = AccountContext(account="main", store=store, pace=PACE, now=now, rng=rng)
        tasking, archive = provider.tasking, provider.archive
        yield Poller(context, watched, tasking, archive, breaker, fetch_wakeup=Wakeup())


async def compare(url: str, pipe: Pipe, database: Path) -> None:
    upgrade(database)
    async with polling(url, database) as poller:
        await sweep_timed("first sweep", poller, pipe)
        ratios = []
        for number in range(1, SWEEPS + 1):
            alone = await fetch_pages_only(url)
            await asyncio.sleep(PACE.interval.total_seconds())
            ours = await sweep_timed(f"sweep {number}", poller, pipe)
            print(f"    bare loop {alone:.3f} s, ours {ours:.3f} s: {ours / alone:.2f} times")
            ratios.append(ours / alone)
    print(f"median {statistics.median(ratios):.2f} times the bare loop")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


async def sweep_timed(name: str, poller: Poller, pipe: Pipe) -> float:
    before = await request_count(pipe)
    async with loop_lag() as late:
        began = time.perf_counter()
        done = await poller.sweep()
        passed = time.perf_counter() - began
    requests = await request_count(pipe) - before
    p99 = statistics.quantiles(late, n=100)[-1] * 1000
    print(
        f"{name}: {done.listed} orders, {done.looked} polls, {requests} requests, {passed:.3f} s, "
        f"loop lag 99th {p99:.1f} ms, worst {max(late) * 1000:.1f} ms"
    )
    return passed


async def request_count(pipe: Pipe) -> int:
    pipe.send("more")
    number: int = await asyncio.to_thread(pipe.recv)
    return number


def main(count: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    provider = context.Process(target=run_provider, args=(count, theirs))
    provider.start()
    with TemporaryDirectory() as folder:
        asyncio.run(compare(ours.recv(), ours, Path(folder, "orderwatch.db")))
    ours.send("")
    provider.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
