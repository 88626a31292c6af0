"""A daemon at work in this process, its provider, two channels that take its notes, and its pages."""

import asyncio
import json
import logging
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from prometheus_client.parser import text_string_to_metric_families
from tests.app.app_rig import Facts, Rig, sha256
from tests.databases import new_database
from tests.doors import free_port
from tests.notifiers.receiver import Receiver, receiver
from tests.patience import PATIENCE

from orderwatch.app.daemon.lifecycle import Daemon, open_daemon
from orderwatch.app.held_database import held_database
from orderwatch.config import load
from orderwatch.core.notifications.problems import begins, ends
from orderwatch.ops.log import Redactor
from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene
from orderwatch.simulator.server import serve

SCENES = 3  # of each of the two captures
SIZE = 300_000
Metrics = Mapping[str, float]

_MORE = """
[http]
listen = "127.0.0.1:{port}"
[[notify]]
kind = "webhook"
name = "first"
url = "{first}"
secret = "canary-secret"
allow_private = true
batch = "10ms"
[[notify]]
kind = "webhook"
name = "second"
url = "{second}"
allow_private = true
batch = "10ms"
"""


@dataclass
class Stage:
    rig: Rig
    first: Receiver
    second: Receiver
    web: aiohttp.ClientSession
    days: list[float]  # of the provider's story: on the first one the second captures are published
    daemon: Daemon = field(init=False)

    async def said(self, *events: str) -> None:
        """Wait until the log has all of these."""
        async with asyncio.timeout(PATIENCE):
            while not set(events) <= {e["event"] for e in self.rig.events()}:
                await asyncio.sleep(0.02)

    async def served(self) -> None:
        """Wait until the pages are there."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(aiohttp.ClientConnectorError):
                    async with self.web.get("/healthz"):
                        return
                await asyncio.sleep(0.01)

    async def metrics(self) -> Metrics:
        """Each sample by its name and the values of its labels: `name{a,b}`."""
        async with self.web.get("/metrics") as answer:
            assert answer.status == 200
            families = text_string_to_metric_families(await answer.text())
        samples = [sample for family in families for sample in family.samples]
        return {_named(sample.name, sample.labels): sample.value for sample in samples}

    async def page(self, path: str) -> tuple[int, Facts]:
        async with self.web.get(path) as answer:
            return answer.status, await answer.json()

    async def shows(self, wanted: Callable[[Metrics], bool]) -> None:
        """Wait until the metrics are as wanted."""
        async with asyncio.timeout(PATIENCE):
            while not wanted(await self.metrics()):
                await asyncio.sleep(0.05)

    async def sweeps(self, count: int) -> None:
        """Wait until so many more times everything that was due has been asked for."""
        name = "orderwatch_last_sweep_timestamp_seconds{main}"
        for _ in range(count):
            last = (await self.metrics()).get(name)
            await self.shows(lambda now, last=last: now.get(name) != last)  # type: ignore[misc]

    async def stored(self, count: int) -> None:
        await self.rig.until_stored(count)
        found = sorted(sha256(path) for path in self.rig.zips())
        assert found == sorted((await self.rig.truth()).values())

    async def told(self, there: Receiver, *events: str) -> None:
        """Wait until the channel took a note of each of these."""
        async with asyncio.timeout(PATIENCE):
            while not Counter(events) <= Counter(note["event"] for note in notes(there)):
                await asyncio.sleep(0.02)

    def edges(self) -> list[str]:
        """Every event so far that begins or ends a problem."""
        events = self.rig.events()
        return [e["event"] for e in events if begins(e["event"], e) or ends(e["event"], e)]

    def loud(self) -> set[str]:
        """What was said at warning or above."""
        return {e["event"] for e in self.rig.events() if e["level"] not in {"debug", "info"}}


def notes(there: Receiver) -> list[dict[str, Any]]:
    """Those that were taken, in the order in which they came; repeats are known by their ids."""
    taken = [request for request in there.heard if request.answer == 204]
    return list({n["id"]: n for request in taken for n in json.loads(request.body)["notes"]}.values())


def problems(there: Receiver) -> list[tuple[str, str]]:
    return [(n["event"], n["problem"]) for n in notes(there) if n["event"].startswith("problem.")]


def story(orders: int = 1) -> Scenario:
    """The first capture of each order is published from the beginning, the second on the first day."""

    def capture(published: float) -> Capture:
        scenes = tuple(Scene(size=SIZE) for _ in range(SCENES))
        return Capture(status=((published - 1, "planned"), (published, "published")), scenes=scenes)

    status = ((0, "in_progress"), (2, "completed"))
    told = [
        Order(task_id=number, status=status, captures=(capture(0), capture(1)))
        for number in range(7, 7 + orders)
    ]
    return Scenario(orders=tuple(told))


@asynccontextmanager
async def stage(folder: Path, scenario: Scenario, forks: Path | None = None) -> AsyncIterator[Stage]:
    """All is set up, and the daemon not at work yet."""
    days, port = [0.0], free_port()
    async with (
        serve(scenario, clock=lambda: days[0]) as simulator,
        receiver() as first,
        receiver() as second,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as web,
    ):
        rig = Rig(folder, simulator, forks)
        channels = _MORE.format(port=port, first=first.url, second=second.url)
        rig.configure('task_name = "*"', delivery="parallel = 2", more=channels)
        rig.tree.mkdir(exist_ok=True)
        new_database(rig.database.parent)
        yield Stage(rig, first, second, web, days)


@asynccontextmanager
async def at_work(scene: Stage) -> AsyncIterator[None]:
    """The daemon; what it says is in `daemon.log`."""
    settings, redactor = load(scene.rig.config, {}, resolve=True), Redactor()
    with scene.rig.log.open("a", encoding="utf-8") as log, logged_to(log), held_database(settings.database):
        async with open_daemon(settings, redactor) as scene.daemon:
            await scene.served()
            yield


@contextmanager
def logged_to(log: Any) -> Iterator[None]:  # noqa: ANN401 - an open file
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        with redirect_stderr(log):
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def _named(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{','.join(labels.values())}}}" if labels else name
