"""Compares downloads with curl, unzip, sha256sum, xargs and aria2c, over loopback. Prints; asserts nothing.

orderwatch does all its work: fetch, fsync, sha256, every member's CRC, publish, rows. The host is one process
that sends files by sendfile to every tool. Tools that are not installed are skipped.
"""

import asyncio
import hashlib
import logging
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from aiohttp import web

from orderwatch.core.deliveries.state_machine import RetryPolicy, claimed
from orderwatch.core.model import Delivery, DeliveryState, Order, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.snapshot import SceneSnapshot
from orderwatch.core.orders.watches import DeliveryPlan, Watch, WatchSet
from orderwatch.db.migrate import upgrade
from orderwatch.db.repositories import Store, open_store
from orderwatch.ports import Offer
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.fetching.attempt import AttemptTree, FetchContext
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.transfer.http.downloader import DownloadOptions, open_downloader
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.http.parallel import ParallelOptions
from orderwatch.transfer.tree.destination import FilesystemDestination

RUNS = 5
LARGE_BYTES, SMALL_BYTES, SMALL_FILES = 2_000_000_000, 5_000_000, 200
FILES_PER_ORDER = 10
LIMITED_BYTES = 100_000_000  # from the host that limits each connection
BYTES_PER_CONNECTION = 10_000_000  # per second
PLAN = DeliveryPlan(attachments=frozenset({"delivery_zip"}), layout="{file_name}")


def serve(folder: Path, pipe: Pipe) -> None:
    """Serve the files of `folder` until the pipe closes: at once under /files/, slowly under /slow/."""

    async def slow(request: web.Request) -> web.StreamResponse:
        path = folder / request.match_info["name"]
        size, asked = path.stat().st_size, request.http_range
        start, stop = asked.start or 0, min(asked.stop or size, size)
        response = web.StreamResponse(status=206 if "Range" in request.headers else 200)
        response.content_length = stop - start
        response.headers["ETag"] = f'"{size}"'
        response.headers["Accept-Ranges"] = "bytes"
        if response.status == 206:  # noqa: PLR2004 - partial content
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        await response.prepare(request)
        with path.open("rb") as file:
            file.seek(start)
            due = time.monotonic()
            while start < stop:
                piece = file.read(min(BYTES_PER_CONNECTION // 20, stop - start))
                await response.write(piece)
                start += len(piece)
                due += len(piece) / BYTES_PER_CONNECTION
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        return response

    async def run() -> None:
        logging.disable()  # of clients that disconnect early
        app = web.Application()
        app.add_routes([web.static("/files", folder), web.get("/slow/{name}", slow)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        pipe.send(runner.addresses[0][1])
        await asyncio.to_thread(pipe.poll, None)

    asyncio.run(run())


@dataclass(frozen=True)
class Links:
    """An archive in which every scene has a file of its name."""

    base: str

    async def scenes(self, capture_id: str) -> Sequence[SceneSnapshot]:
        raise NotImplementedError(capture_id)

    async def offer(self, capture_id: str, scene_id: str, attachment: str) -> Offer:  # noqa: ARG002 - the port's
        return Offer(file_name=scene_id, fingerprint="once", url=f"{self.base}/{scene_id}")


@asynccontextmanager
async def open_fetcher(folder: Path, base: str, connections: int) -> AsyncIterator[tuple[Fetcher, Store]]:
    upgrade(folder / "orderwatch.db")
    destination = FilesystemDestination(folder / "tree")
    options = DownloadOptions(
        stall_timeout=60, min_speed=4000, parallel=ParallelOptions(connections=connections)
    )
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(folder / "orderwatch.db"))
        transport = await stack.enter_async_context(
            open_downloader("127.0.0.1", destination.partials, options, RateLimit(0))
        )
        rng = random.Random(1)
        tree = AttemptTree(
            destination=destination,
            transport=transport,
            space=DiskBudget(destination.free, 0),
            volume=MountGuard("tree", destination, store, nullcontext),
        )
        await tree.volume.open()
        tools = FetchContext(
            archive=Links(base),
            breaker=AccountBreaker("main", None, store, interval=timedelta(minutes=5), now=now, rng=rng),
            watched=WatchSet(usual=PLAN, watches=(Watch(task_name="*"),)),
            trees={None: tree},
            store=store,
            now=now,
        )
        retries = RetryPolicy(retry_min=timedelta(seconds=1), retry_max=timedelta(hours=1), max_attempts=3)
        yield Fetcher({"main": tools}, store, retries=retries, now=now, rng=rng), store


async def fetch_all(folder: Path, base: str, names: Sequence[str], parallel: int, connections: int) -> None:
    """Fetch these files as the daemon does, and print seconds, peak memory, loop lag and CPU seconds."""
    async with open_fetcher(folder, base, connections) as (fetcher, store):
        wanted = [delivery_of(name, 1 + number // FILES_PER_ORDER) for number, name in enumerate(names)]
        for task_id in {d.task_id for d in wanted}:
            order = Order(account="main", task_id=task_id, status=TrackedStatus(word="x", phase=None))
            own = tuple(d for d in wanted if d.task_id == task_id)
            await store.orders.save(Verdict(order=order, wanted=own, transitions=()))
        slots, delays, began = asyncio.Semaphore(parallel), list[float](), time.monotonic()
        watcher = asyncio.create_task(lag(delays))

        async def fetch(delivery: Delivery) -> Delivery:
            async with slots:
                move = claimed(delivery, now())
                await store.deliveries.save(move)
                return await fetcher.fetch(move.delivery)

        done = await asyncio.gather(*map(fetch, wanted))
        seconds = time.monotonic() - began
        watcher.cancel()
        if missing := [d for d in done if d.state is not DeliveryState.STORED]:
            raise SystemExit(missing[0].reason)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        seconds,
        peak_megabytes(),
        sorted(delays)[int(len(delays) * 0.99)] * 1000,
        used.ru_utime + used.ru_stime,
    )


def delivery_of(name: str, task_id: int) -> Delivery:
    return Delivery(
        account="main",
        task_id=task_id,
        capture_id="c",
        scene_id=name,
        attachment="delivery_zip",
        file_name=name,
        fingerprint="once",
    )


def peak_megabytes() -> float:
    """Return the peak memory of this process; ru_maxrss would include its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


async def lag(found: list[float]) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.005)
        found.append(time.monotonic() - before - 0.005)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Measurement:
    seconds: float
    megabytes: float
    lag: float
    cpu: float


def run_orderwatch(
    work: Path, base: str, names: Sequence[str], parallel: int, connections: int = 4
) -> Measurement:
    """Run in a separate process; measures without the start of Python."""
    command = [sys.executable, __file__, str(work), base, str(parallel), str(connections), *names]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this file
    return Measurement(*map(float, ended.stdout.split()))


def shell(command: str, work: Path) -> float:
    began = time.monotonic()
    subprocess.run(["bash", "-o", "pipefail", "-ec", command], cwd=work, check=True, capture_output=True)  # noqa: S603, S607 - commands of this file
    return time.monotonic() - began


def make_zip(path: Path, size: int, *, deflated: bool = False) -> None:
    """Write members of 64 MB: noise, stored; or image-like numbers, deflated to about half."""
    rng = random.Random(path.name)
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        number = 0
        while (made := path.stat().st_size if path.exists() else 0) < size:
            block = min(64_000_000, size - made)
            noise = rng.randbytes(block)
            if deflated:
                noise = noise.translate(bytes(value & 0x0F for value in range(256)))
            archive.writestr(f"scene/{number}.tif", noise)
            archive.fp.flush()  # type: ignore[union-attr]  # it is open
            number += 1


@contextmanager
def host(folder: Path) -> Iterator[str]:
    ours_end, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=serve, args=(folder, theirs), daemon=True)
    process.start()
    theirs.close()
    yield f"http://127.0.0.1:{ours_end.recv()}"
    ours_end.close()
    process.terminate()
    process.join()


def compare(title: str, ways: dict[str, Callable[[Path], float | Measurement]], base: Path) -> None:
    """Run each command in turn, `RUNS` times; print medians and their ratios."""
    print(f"\n{title}")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    details: list[Measurement] = []
    for _ in range(RUNS):
        for name, way in ways.items():
            with TemporaryDirectory(dir=base) as work:
                took = way(Path(work))
                os.sync()
            if isinstance(took, Measurement):
                details.append(took)
                took = took.seconds
            seconds[name].append(took)
    own = statistics.median(seconds["orderwatch"])
    for name, found in seconds.items():
        median = statistics.median(found)
        print(
            f"  {name:36} {median:6.2f} s  ({min(found):.2f} - {max(found):.2f})"
            + ("" if name == "orderwatch" else f"   orderwatch / this = {own / median:.2f}")
        )
    print(
        f"  orderwatch: peak {max(d.megabytes for d in details):.0f} MB, "
        f"loop lag 99th {statistics.median(d.lag for d in details):.1f} ms, "
        f"{statistics.median(d.cpu for d in details):.1f} s of CPU"
    )


def noise() -> str:
    """Measure how much the machine itself varies: the same hash, five times."""
    took = []
    for _ in range(RUNS):
        began = time.monotonic()
        hashlib.sha256(bytes(300_000_000)).digest()
        took.append(time.monotonic() - began)
    return f"{os.cpu_count()} cores; the same sha256 of 300 MB: {min(took):.2f} - {max(took):.2f} s"


def main() -> None:
    print(noise())
    scale = float(os.environ.get("BENCH_SCALE", "1"))
    with TemporaryDirectory() as place:
        base = Path(place)
        files = base / "files"
        files.mkdir()
        large, limited = int(LARGE_BYTES * scale), int(LIMITED_BYTES * scale)
        make_zip(files / "large.zip", large)
        make_zip(files / "deflated.zip", large // 4, deflated=True)
        make_zip(files / "limited.zip", limited)
        fours = [f"four{n}.zip" for n in range(4)]
        for name in fours:
            make_zip(files / name, large // 4)
        many = [f"small{n}.zip" for n in range(SMALL_FILES)]
        for name in many:
            make_zip(files / name, int(SMALL_BYTES * scale))
        with host(files) as url:
            run(base, url, fours, many)


def run(base: Path, url: str, fours: list[str], many: list[str]) -> None:
    for name in ("large", "deflated"):
        link = f"{url}/files/{name}.zip"
        compare(
            f"one zip, {name}, {(base / 'files' / f'{name}.zip').stat().st_size / 1e6:.0f} MB",
            {
                "orderwatch": partial(run_orderwatch, base=f"{url}/files", names=[f"{name}.zip"], parallel=1),
                "curl": partial(shell, f"curl -sfO {link}"),
                "curl && sync": partial(shell, f"curl -sfO {link} && sync *.zip"),
                "curl && unzip -t && sha256sum": partial(
                    shell, f"curl -sfO {link} && unzip -tq *.zip && sha256sum *.zip"
                ),
            },
            base,
        )
    compare(
        "four at once",
        {
            "orderwatch": lambda work: run_orderwatch(work, f"{url}/files", fours, 4),
            "xargs -P4 curl": lambda work: shell(url_list(fours, url, "xargs -P4 -n1 curl -sfO"), work),
        },
        base,
    )
    ways: dict[str, Callable[[Path], float | Measurement]] = {
        "orderwatch": lambda work: run_orderwatch(work, f"{url}/files", many, 8),
        "xargs -P8 curl": lambda work: shell(url_list(many, url, "xargs -P8 -n1 curl -sfO"), work),
    }
    if shutil.which("aria2c"):
        ways["aria2c -j8"] = lambda work: shell(url_list(many, url, "aria2c -q -j8 -i -"), work)
    compare(f"{SMALL_FILES} small ones, 8 at once", ways, base)
    slow = f"{url}/slow/limited.zip"
    ways = {
        "orderwatch": lambda work: run_orderwatch(work, f"{url}/slow", ["limited.zip"], 1),
        "orderwatch, connections = 1": lambda work: run_orderwatch(
            work, f"{url}/slow", ["limited.zip"], 1, 1
        ),
        "curl": lambda work: shell(f"curl -sfO {slow}", work),
    }
    if shutil.which("aria2c"):
        ways["aria2c -x4"] = lambda work: shell(f"aria2c -q -x4 -s4 {slow}", work)
    compare(f"a host that gives each connection {BYTES_PER_CONNECTION / 1e6:.0f} MB/s", ways, base)


def url_list(names: Sequence[str], url: str, then: str) -> str:
    return f"printf '%s\\n' {' '.join(f'{url}/files/{name}' for name in names)} | {then}"


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    if len(sys.argv) > 1:
        work, base, parallel, connections, *names = sys.argv[1:]
        asyncio.run(fetch_all(Path(work), base, names, int(parallel), int(connections)))
    else:
        main()
