"""A daemon and its provider in one process that hurries, and what is measured of them."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import aiohttp
import orjson
from tests.databases import blank
from tests.doors import free_port
from tests.notifiers.receiver import Receiver, receiver

from orderwatch.app.daemon.lifecycle import run_daemon
from orderwatch.config import load
from orderwatch.ops.log import Redactor, set_up
from orderwatch.simulator import Scenario, Simulator, serve

HOUR, DAY = 3600.0, 86_400.0
MB = 10**6

_SETTINGS = """
[[watch]]
account = "main"
task_name = "*"
[polling]
interval = "{interval}"
[delivery]
root = "{folder}/tree"
keep_free = "0"
parallel = {parallel}
[database]
url = "sqlite:///{folder}/orderwatch.db"
retain = "7d"
[log]
format = "json"
[http]
listen = "127.0.0.1:{port}"
[[notify]]
kind = "webhook"
url = "{hook}"
allow_private = true
[heartbeat]
url = "{hook}/alive"
allow_private = true
"""
# Periodic work, due or not: (module, constant, how many wakeups apart).
PERIODS: tuple[tuple[str, str, timedelta | float], ...] = (
    ("app.daemon.scheduler", "_MAX_TICK", timedelta(seconds=1)),
    ("app.daemon.monitor", "_STATUS_INTERVAL_SECONDS", 3.0),
    ("service.clock", "CHECK_INTERVAL_SECONDS", 3.0),
    ("service.liveness", "_LOOP_CHECK_SECONDS", 1.0),
    ("service.notifications.dispatcher", "_IDLE_SECONDS", 3.0),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process and its files take at a moment of the story, in bytes and pieces."""

    at: float  # seconds since the daemon began
    rss: int
    fds: int
    threads: int
    wal: int
    database: int


class Log(StringIO):
    """Takes what the daemon says, line by line, with the second when."""

    def __init__(self, path: Path, began: float) -> None:
        super().__init__()
        self._file = path.open("a", encoding="utf-8")
        self._began = began
        self.lines: list[float] = []
        self.events: Counter[str] = Counter()
        self.levels: Counter[str] = Counter()

    def write(self, text: str) -> int:
        self._file.write(text)
        for line in text.splitlines():
            if line:
                self.lines.append(time.monotonic() - self._began)
                facts = orjson.loads(line) if line.startswith("{") else {"event": "no JSON"}
                self.events[str(facts["event"])] += 1
                self.levels[str(facts.get("level"))] += 1
        return len(text)

    def flush(self) -> None:
        self._file.flush()


@dataclass
class Stage:
    folder: Path
    simulator: Simulator
    log: Log
    hook: Receiver
    port: int  # of the daemon's own pages
    began: float
    requests: Counter[str] = field(default_factory=Counter)  # by host
    scrapes: Counter[int] = field(default_factory=Counter)  # by status
    told: Counter[str] = field(default_factory=Counter)  # requests to the webhook and the heartbeat's URL
    samples: list[Sample] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    async def until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self.seconds))

    def note(self) -> None:
        """Measure, and let the provider forget what only tests of it want to know."""
        database = self.folder / "orderwatch.db"
        self.samples.append(
            Sample(
                at=self.seconds,
                rss=int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
                fds=len(list(Path("/proc/self/fd").iterdir())),
                threads=threading.active_count(),
                wal=_size(database.with_name("orderwatch.db-wal")),
                database=_size(database),
            )
        )
        self.count_by_host()
        self.told.update("heartbeat" if heard.method == "GET" else "webhook" for heard in self.hook.heard)
        self.hook.heard.clear()
        self.simulator._contents.clear()
        live = set(self.simulator.tokens.live)
        self.simulator._holders = {t: name for t, name in self.simulator._holders.items() if t in live}

    async def scrape(self) -> None:
        url = f"http://127.0.0.1:{self.port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            await answer.read()
            self.scrapes[answer.status] += 1

    def count_by_host(self) -> Counter[str]:
        """The requests so far."""
        self.requests.update(entry.listener for entry in self.simulator.journal)
        self.simulator.journal.clear()
        return Counter(self.requests)


def slow_down_wakeups(seconds: float) -> None:
    """Set how many seconds pass between two wakeups of the daemon, and between its own checks."""
    for name, constant, times in PERIODS:
        module = sys.modules[f"orderwatch.{name}"]
        assert hasattr(module, constant), f"{name} has no {constant}"
        setattr(module, constant, times * seconds)


Story = Callable[[Stage], Awaitable[None]]


async def play(
    folder: Path, scenario: Scenario, story: Story, *, interval: str = "5m", parallel: int = 1
) -> Stage:
    """The daemon at work beside the story, and its end when that ends."""
    async with serve(scenario, clock=time.monotonic, now=_now) as simulator, receiver() as hook:
        config, began, port = folder / "config.toml", time.monotonic(), free_port()
        settings = _SETTINGS.format(
            folder=folder, interval=interval, parallel=parallel, port=port, hook=hook.url
        )
        config.touch(mode=0o600)
        config.write_text(simulator.config_toml() + settings, encoding="utf-8")
        (folder / "orderwatch.db").write_bytes(blank())
        stage = Stage(folder, simulator, Log(folder / "log", began), hook, port, began)
        sys.stderr, before = stage.log, sys.stderr
        try:
            redactor = Redactor()
            set_up("info", "json", redactor)
            async with asyncio.TaskGroup() as both:
                both.create_task(_told(stage, story))
                await run_daemon(load(config), redactor, lambda: load(config))
        finally:
            sys.stderr = before
        return stage


async def _told(stage: Stage, story: Story) -> None:
    await story(stage)
    os.kill(os.getpid(), signal.SIGTERM)


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
