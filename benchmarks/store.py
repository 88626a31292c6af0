"""Measures the CPU that a delivery, a poll and a search for work cost in a SQLite database, and its size.

With interpreters of other checkouts, whose tables may differ, it measures in turns and compares. Prints;
asserts nothing.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orderwatch.core.deliveries import state_machine
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderPhase,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.migrate import upgrade
from orderwatch.db.repositories import Store, open_store

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SIZES = (100, 10_000, 100_000)
SLOTS = 4
BATCH = 56
CAPTURES = 5
CHECKPOINTS = 3
ROUNDS = 5
REPEATS = 40
PUBLISHED: TrackedStatus[CapturePhase] = TrackedStatus(word="published", phase=CapturePhase.PUBLISHED)
IN_PROGRESS: TrackedStatus[OrderPhase] = TrackedStatus(word="in_progress", phase=OrderPhase.IN_PROGRESS)
SHA256 = "0" * 64
Work = Callable[[], Awaitable[object]]

_numbers = count(1)


def an_order(files: int) -> Verdict:
    """Return a new order whose captures have so many files together, all of them wanted."""
    number = next(_numbers)
    names = [f"{number:08x}-{capture:04x}-4000-8000-000000000000" for capture in range(CAPTURES)]
    captures = [
        Capture(capture_id=name, status=PUBLISHED, start=NOW, published_at=NOW + timedelta(seconds=number))
        for name in names
    ]
    ids: dict[str, Any] = {"account": "main", "order_id": str(number), "task_id": number}
    order = Order(**ids, status=IN_PROGRESS, captures=tuple(captures), next_look_at=NOW)
    wanted = [
        Delivery(
            **ids,
            capture_id=names[file % CAPTURES],
            scene_id=f"scene-{file}",
            attachment="delivery_zip",
            file_name=f"scene-{file}.zip",
            fingerprint=f"scene-{file}, first",
        )
        for file in range(files)
    ]
    return Verdict(order=order, wanted=tuple(wanted))


@asynccontextmanager
async def filled(folder: Path, files: int, state: DeliveryState) -> AsyncIterator[Store]:
    """Open a database with so many files in this state, made if it is not there."""
    path = folder / f"{files}-{state.value}.db"
    is_new = not path.exists()
    if is_new:
        upgrade(path)
    async with open_store(path) as store:
        while is_new and files > 0:
            verdict = an_order(min(files, 100))
            await store.orders.save(verdict)
            if state is DeliveryState.STORED:
                while batch := await claimed(store, BATCH):
                    await fetch_together(store, batch)
            files -= len(verdict.wanted)
        yield store


async def look(store: Store) -> Delivery | None:
    """Look for work as a worker does."""
    return await store.deliveries.claim(NOW, ["main"], NOW + timedelta(hours=2), {None: 10**12})


async def claim(store: Store) -> Delivery:
    delivery = await look(store)
    if delivery is None:
        raise LookupError("nothing to fetch")
    return delivery


async def claimed(store: Store, limit: int) -> list[Delivery]:
    first = await look(store)
    if first is None:
        return []
    return [first, *await store.deliveries.claim_more(first, NOW, ["delivery_zip"], limit - 1)]


async def claim_and_release(store: Store) -> None:
    await store.deliveries.save(state_machine.released(await claim(store), NOW))


async def fetch(store: Store) -> None:
    """Write what one delivery writes from its claim to its end."""
    delivery = await claim(store)
    deliveries = store.deliveries
    await store.orders.of_delivery(delivery)
    delivery = replace(delivery, total=10**9, host="downloads.example", validator='"1"')
    await deliveries.save(DeliveryUpdate(delivery=delivery, transition=None))
    for part in range(1, CHECKPOINTS + 1):
        delivery = replace(delivery, durable=part * 10**8)
        await deliveries.checkpoint(delivery, delivery.durable)
    delivery = replace(delivery, size=10**9, sha256=SHA256)
    await deliveries.intend(delivery)
    path = f"{delivery.order_id}/{delivery.file_name}"
    await deliveries.reserve(delivery, path)
    await deliveries.save_all([state_machine.on_stored(replace(delivery, path=path), NOW)])


async def fetch_side_by_side(store: Store) -> None:
    await asyncio.gather(*(fetch(store) for _ in range(SLOTS)))


async def fetch_together(store: Store, batch: list[Delivery]) -> None:
    """Write what a batch of small files writes."""
    verified = [replace(one, total=1000, size=1000, sha256=SHA256) for one in batch]
    paths = [f"{one.order_id}/{one.file_name}" for one in verified]
    intended = await store.deliveries.intend_all(verified, paths, None)
    await store.deliveries.save_all([state_machine.on_stored(one, NOW) for one in intended])


async def cpu(work: Work, times: int = REPEATS) -> float:
    """Return the milliseconds of CPU of the quickest of so many times: a busy machine only adds to it."""
    spent = []
    for _ in range(times):
        began = time.process_time()
        await work()
        spent.append(time.process_time() - began)
    return min(spent) * 1000


class Polled:
    """An order that is polled again and again."""

    def __init__(self, store: Store, order: Order) -> None:
        self._store = store
        self._order = order
        self._words = count()

    async def unchanged(self) -> None:
        await self._save(Verdict(order=self._order))

    async def changed(self) -> None:
        word = f"word-{next(self._words)}"
        order = replace(self._order, status=replace(IN_PROGRESS, word=word))
        move = Transition(
            at=NOW,
            account=order.account,
            order_id=order.order_id,
            task_id=order.task_id,
            subject=Subject.ORDER,
            before=self._order.status.word,
            after=word,
            kind=TransitionKind.STEP,
        )
        await self._save(Verdict(order=order, transitions=(move,)))

    async def _save(self, verdict: Verdict) -> None:
        await self._store.orders.save(verdict)
        self._order = replace(verdict.order, version=verdict.order.version + 1)


async def measure(folder: Path) -> dict[str, float]:
    """Return milliseconds of CPU by the name of the work, and bytes of the database."""
    found: dict[str, float] = {}
    for files in SIZES:
        async with filled(folder, files, DeliveryState.WANTED) as store:
            found[f"claim and release one of {files:,}"] = await cpu(partial(claim_and_release, store))
        async with filled(folder, files, DeliveryState.STORED) as store:
            found[f"look for work beside {files:,} stored"] = await cpu(partial(look, store))
    path = folder / "round.db"
    upgrade(path)
    async with open_store(path) as store:
        await store.orders.save(an_order((1 + SLOTS) * REPEATS))
        found["delivery from claim to end"] = await cpu(partial(fetch, store))
        side_by_side = await cpu(partial(fetch_side_by_side, store))
        found[f"delivery, {SLOTS} side by side"] = side_by_side / SLOTS

        async def batch() -> None:
            await fetch_together(store, await claimed(store, BATCH))

        for _ in range(REPEATS):
            await store.orders.save(an_order(BATCH * CAPTURES))
        found[f"small file of a batch of {BATCH}"] = await cpu(batch) / BATCH
        new = an_order(100)
        await store.orders.save(new)
        polled = Polled(store, replace(new.order, version=1))
        found["poll of an unchanged order"] = await cpu(polled.unchanged)
        found["poll of a changed order"] = await cpu(polled.changed)

        async def list_files() -> None:
            await store.orders.save(an_order(100))

        found["new order with 100 files"] = await cpu(list_files, REPEATS // 4)
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()
    found["bytes of 10,000 stored"] = (folder / "10000-stored.db").stat().st_size
    return found


def answer() -> None:
    """Measure a round at each line of standard input."""
    with TemporaryDirectory(prefix="orderwatch-") as folder:
        for _ in sys.stdin:
            print(json.dumps(asyncio.run(measure(Path(folder)))), flush=True)


def compare(interpreters: list[str]) -> None:
    """Measure with each interpreter in turns, and compare each with the last."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    measured: list[Any] = [
        subprocess.Popen([each, __file__, "--answer"], **pipes)  # noqa: S603 - the user's interpreters
        for each in interpreters
    ]
    rounds: list[list[dict[str, float]]] = []
    for number in range(ROUNDS + 1):
        results = []
        for process in measured:
            print(file=process.stdin, flush=True)
            results.append(json.loads(process.stdout.readline()))
        if number:  # the first fills the databases
            rounds.append(results)
    for process in measured:
        process.stdin.close()
        process.wait()
    for name in rounds[0][0]:
        each = [min(results[number][name] for results in rounds) for number in range(len(measured))]
        ratios = "".join(f"{value / each[-1]:8.2f} times" for value in each[:-1])
        print(f"{name:40}" + "".join(f"{value:>16,.3f}" for value in each) + ratios)


if __name__ == "__main__":
    if sys.argv[1:] == ["--answer"]:
        answer()
    else:
        compare([sys.executable, *sys.argv[1:]])
