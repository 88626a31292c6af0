"""Measures what one more file costs, and what each reader costs, by the number of files that are known.

An order has three captures of 40 tiles with 7 files each. Writers are measured per file, and readers per
request. Prints; asserts nothing.
"""

import argparse
import asyncio
import logging
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import aiohttp
import structlog
from benchmarks import tiles
from benchmarks.tiles import NOW
from click.testing import CliRunner

from orderwatch.app.attention import concerns_of
from orderwatch.app.order_facts import facts_of
from orderwatch.app.plan import Plan, resolve
from orderwatch.cli import cli
from orderwatch.config import load
from orderwatch.core.attention.attention import unacknowledged
from orderwatch.core.attention.concern import Concern
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.deliveries import state_machine
from orderwatch.core.model import Delivery, DeliveryState, Order
from orderwatch.core.orders.explain import Evidence, Facts, explain
from orderwatch.core.orders.observe import observe
from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.core.orders.publication_lag import Lags, fit_lags
from orderwatch.core.orders.snapshot import CaptureSnapshot, Observation
from orderwatch.core.orders.watches import traits_of
from orderwatch.db.backup import Backups
from orderwatch.db.migrate import upgrade
from orderwatch.db.repositories import Store, open_dashboard_reader, open_store
from orderwatch.ports.dashboard import AccountSeen, Overview, TreeSeen
from orderwatch.service.account_context import AccountContext
from orderwatch.service.polling.recorder import Recorder
from orderwatch.service.wakeup import Wakeup
from orderwatch.web.api.change_feed import ChangeFeed
from orderwatch.web.api.routes import api
from orderwatch.web.pages.views import Views
from orderwatch.web.server.app import ServedPages, serving
from orderwatch.web.server.response_cache import ResponseCache

SIZES = (1_000, 100_000)
BATCH = 56  # five of them are a capture
PACE = Pace(interval=timedelta(minutes=5), max_interval=timedelta(hours=1), grace=timedelta(days=30))
SETTINGS = """
[accounts.main]
client_id = "id"
client_secret = "secret"
contract_id = "contract"
[[watch]]
account = "main"
task_name = "*"
[delivery]
root = "{folder}/tree"
[database]
url = "sqlite:///{folder}/orderwatch.db"
"""
Work = Callable[[], Awaitable[object]]


class Cost(NamedTuple):
    """Milliseconds of CPU and of the clock."""

    cpu: float
    wall: float


async def timed(work: Work, times: int, each: int = 1) -> Cost:
    """Return the medians of several runs, divided by `each`, after one that is not measured."""
    costs = []
    for _ in range(times + 1):
        cpu, wall = time.process_time(), time.perf_counter()
        await work()
        costs.append(Cost(time.process_time() - cpu, time.perf_counter() - wall))
    return Cost(*(1000 * statistics.median(column) / each for column in zip(*costs[1:], strict=True)))


class Known:
    """A database with files, and one more order that gets further ones."""

    def __init__(self, folder: Path, store: Store, reader: Store, orders: int) -> None:
        self.store, self.reader = store, reader
        self._folder, self._orders = folder, orders
        self._plan: Plan = resolve(load(folder / "config.toml", {}, resolve=False))
        self._tiles = count(10**5)
        self._claimed: list[Delivery] = []
        watched = self._plan.watched("main")
        context = AccountContext(
            account="main", store=store, pace=PACE, now=lambda: NOW, rng=random.Random(1)
        )
        self._recorder = Recorder(context, watched, todo=Wakeup())

    async def poll(self) -> None:
        """Queue the files of one more tile."""
        known = await self.store.orders.get("main", f"{self._orders - 1:06}")
        if known is None:
            raise LookupError(self._orders)
        shown = {known.captures[0].capture_id: (tiles.scene(self._orders, next(self._tiles)),)}
        captures = [
            CaptureSnapshot(
                capture_id=c.capture_id,
                status=c.status.word,
                phase=c.status.phase,
                start=c.start,
                satellite_name=c.satellite_name,
            )
            for c in known.captures
        ]
        seen = Observation(account="main", order=None, captures=tuple(captures), scenes=shown)
        await self.store.orders.save(observe(known, seen, NOW, self._recorder.rules(traits_of(known))))

    async def read_list(self, *, changed: bool) -> None:
        """Record a page of the list with a hundred orders, all as they were or each with a new name."""
        name = f"name {next(self._tiles)}"
        page = [tiles.snapshot(n) for n in range(min(self._orders, 100))]
        await self._recorder.record_page(
            [replace(seen, task_name=name) if changed else seen for seen in page]
        )

    async def claim(self) -> None:
        claimed = await self.store.deliveries.claim(NOW, ["main"], NOW + timedelta(days=1), {None: 10**12})
        if claimed is None:
            raise LookupError("nothing is queued")
        self._claimed = [claimed]

    async def claim_batch(self) -> None:
        await self.claim()
        first = self._claimed[0]
        more = await self.store.deliveries.claim_more(first, NOW, tiles.ASSETS, BATCH - 1)
        self._claimed += more

    async def store_claimed(self) -> None:
        """Record what is claimed as stored, as a batch does."""
        verified = [replace(one, size=50_000, sha256="0f" * 32) for one in self._claimed]
        paths = [f"{one.order_id}/{one.capture_id}/{one.file_name}" for one in verified]
        placed = await self.store.deliveries.intend_all(verified, paths, None)
        await self.store.deliveries.save_all([state_machine.on_stored(one, NOW) for one in placed])

    async def store_one(self) -> None:
        await self.claim()
        await self.store_claimed()

    async def store_batch(self) -> None:
        await self.claim_batch()
        if len(self._claimed) != BATCH:
            raise ValueError(len(self._claimed))
        await self.store_claimed()

    async def command(self, *words: str) -> None:
        """Run a command in this process, so that its start is not measured."""
        arguments = ["--config", str(self._folder / "config.toml"), *words]
        result = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
        if result.exception:
            raise result.exception

    async def back_up(self) -> None:
        at = NOW + timedelta(minutes=next(self._tiles))
        await Backups(self._folder / "orderwatch.db", self._folder / "backups", keep=1).make(at)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Callable[[str], Awaitable[object]]]:
        """Serve pages and API over a socket; yields the work of one request."""
        changes = ChangeFeed(self.reader, lambda: NOW)
        lags = fit_lags(await self.reader.history.publication_lags(1000))

        async def facts(order: Order) -> Facts:
            return await facts_of(self._plan, self.reader, order, NOW, lags)

        async def evidence(order: Order) -> Sequence[Evidence]:
            return list(explain(await facts(order)))

        async def attention() -> Sequence[Concern]:
            return unacknowledged(await concerns_of(self._plan, self.reader, NOW))

        async def overview() -> Overview:
            return Overview(
                accounts=[AccountSeen(name="main", state="fine", swept_at=NOW)],
                trees=[TreeSeen(root="/tree", usable=True, room=10**12)],
                attention=await attention(),
                counts=await self.reader.statistics.counts(),
            )

        async def learned() -> Lags:
            return lags

        async def unused(*_: object) -> Any:  # noqa: ANN401 - of any page
            raise NotImplementedError

        views = Views(
            records=self.reader,
            overview=overview,
            transfers=changes.transfers,
            explain=evidence,
            learned=learned,
            now=lambda: NOW,
            sharing=ResponseCache(lambda: None),
        )
        hosts = partial(self.reader.hosts.reports, timedelta(seconds=30), NOW)
        add = api(self.reader, facts, attention, changes, lambda: DaemonStatus(running=True), hosts=hosts)
        pages = ServedPages(health=unused, readiness=unused, metrics=unused, routes=(add, views.add_to))
        async with (
            serving("127.0.0.1:0", pages) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):

            async def request(path: str) -> None:
                async with session.get(path) as answer:
                    answer.raise_for_status()
                    await answer.read()

            yield request


@asynccontextmanager
async def known(files: int, state: DeliveryState) -> AsyncIterator[Known]:
    """Yield a database that knows that many files, and one order more, of 420 stored ones."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "config.toml"
        config.touch(mode=0o600)
        config.write_text(SETTINGS.format(folder=folder))
        upgrade(folder / "orderwatch.db")
        async with (
            open_store(folder / "orderwatch.db") as store,
            open_dashboard_reader(folder / "orderwatch.db") as reader,
        ):
            orders = await tiles.fill(store, files, state)
            if state is DeliveryState.STORED:
                half = tiles.FILES_PER_ORDER // 2
                await store.maintenance.restore([tiles.order(orders, DeliveryState.STORED, half)])
                orders += 1
            yield Known(folder, store, reader, orders)


async def measure(files: int, times: int) -> dict[str, Cost]:
    """Return the cost of each piece of work with that many known files."""
    costs: dict[str, Cost] = {}
    async with known(files, DeliveryState.STORED) as at:
        order = "/orders/main/000000"
        async with at.served() as request:
            for path in ("/", order, "/events", "/map.json", f"/api{order}", "/api/orders"):
                costs[f"request {path}"] = await timed(partial(request, path), times)
        for words in ("status", "status --json", "report", "explain 000000", "history 000000", "top"):
            costs[words] = await timed(partial(at.command, *words.split()), min(times, 3))
        now = NOW + timedelta(days=8)
        works: dict[str, Work] = {
            "attention": partial(at.reader.attention.evidence, NOW),
            "counts": at.reader.statistics.counts,
            "metrics": at.reader.statistics.metric_counts,
            "scrub, next 50 files": partial(at.store.maintenance.least_recently_read, [None], now, 50),
            "prune": partial(at.store.maintenance.prune, NOW, 100),
            "backup": at.back_up,
            "list page, unchanged": partial(at.read_list, changed=False),
            "list page, changed": partial(at.read_list, changed=True),
        }
        for name, work in works.items():
            costs[name] = await timed(work, times)
        per_tile = len(tiles.ASSETS)
        costs["poll, per file"] = await timed(at.poll, max(times, 20), per_tile)
        costs["store one file"] = await timed(at.store_one, times)
    async with known(files, DeliveryState.WANTED) as at:
        costs["store a batch, per file"] = await timed(at.store_batch, times, BATCH)
        costs["claim while so many are queued"] = await timed(at.claim, times)
        costs["attention while so many are queued"] = await timed(
            partial(at.reader.attention.evidence, NOW), times
        )
    return costs


def lines(sizes: Sequence[int], costs: Sequence[Mapping[str, Cost]]) -> Iterator[str]:
    """Yield the table, with the ratio of the last size to the first."""
    yield " " * 40 + "".join(f"{size:>12,} files" + " " * 6 for size in sizes) + "   CPU ratio"
    for name in costs[0]:
        each = [cost[name] for cost in costs]
        cells = "".join(f"{cost.cpu:9.2f} ms {cost.wall:9.2f} ms " for cost in each)
        yield f"{name:40}{cells}  {each[-1].cpu / max(each[0].cpu, 1e-6):9.2f}"


async def run(sizes: Sequence[int], times: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    costs = [await measure(size, times) for size in sizes]
    print("milliseconds of CPU and of the clock, medians")
    for line in lines(sizes, costs):
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=9, help="runs of each piece of work")
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES, help="numbers of known files")
    given = parser.parse_args()
    asyncio.run(run(given.sizes, given.times))


if __name__ == "__main__":
    main()
