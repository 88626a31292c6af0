"""Simulates visible browser tabs (`page.js` and `map.js`) in a separate process."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe

import aiohttp
import orjson

_RELOAD_SOON_SECONDS, _RELOAD_LATER_SECONDS, _MIN_RELOAD_SECONDS = 0.25, 5.0, 1.0  # as in page.js
_MAP_DELAY_SECONDS = 15.0  # as in map.js with many orders


@dataclass
class ViewerStats:
    """`delays` are the seconds from a recorded change to the page that was requested after its event."""

    delays: list[float] = field(default_factory=list)
    reads: int = 0
    maps: int = 0
    unchanged: int = 0
    events: int = 0
    failures: int = 0


class Viewer:
    def __init__(self, session: aiohttp.ClientSession, seen: ViewerStats) -> None:
        self._session = session
        self._seen = seen
        self._rng = random.Random()
        self._due = asyncio.Event()
        self._at = float("inf")
        self._read_at = 0.0
        self._changed_at: list[datetime] = []
        self._tags: dict[str, str] = {}
        self._map_due = asyncio.Event()

    async def run(self) -> None:
        await asyncio.sleep(2 * self._rng.random())
        await self._get("/")
        await self._get("/map.json")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._reload())
            tasks.create_task(self._reload_map())

    async def _listen(self) -> None:
        async with self._session.get("/api/events") as answer:
            self._later(_RELOAD_SOON_SECONDS)
            async for name, data in _events(answer.content):
                self._seen.events += 1
                if not name:
                    self._changed_at.append(datetime.fromisoformat(orjson.loads(data)["at"]))
                self._later(_RELOAD_LATER_SECONDS if name else _RELOAD_SOON_SECONDS)

    def _later(self, pause: float) -> None:
        at = max(time.monotonic() + pause * (1 + self._rng.random()), self._read_at + _MIN_RELOAD_SECONDS)
        if at < self._at:
            self._at = at
            self._due.set()

    async def _reload(self) -> None:
        while True:
            self._due.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), max(0.0, min(self._at - time.monotonic(), 60.0)))
                continue  # it may be due sooner
            if time.monotonic() < self._at < float("inf"):
                continue
            self._at, self._read_at = float("inf"), time.monotonic()
            changed_at, self._changed_at = self._changed_at, []
            await self._get("/")
            self._seen.reads += 1
            now = datetime.now(UTC)
            self._seen.delays += [(now - at).total_seconds() for at in changed_at]
            if changed_at:
                self._map_due.set()

    async def _reload_map(self) -> None:
        while True:
            await self._map_due.wait()
            await asyncio.sleep(_MAP_DELAY_SECONDS)
            self._map_due.clear()
            await self._get("/map.json")
            self._seen.maps += 1

    async def _get(self, path: str) -> None:
        headers = {"Accept-Encoding": "gzip", "If-None-Match": self._tags.get(path, "")}
        async with self._session.get(path, headers=headers) as answer:
            await answer.read()
            self._seen.unchanged += answer.status == 304  # noqa: PLR2004 - not modified
            self._seen.failures += answer.status >= 400  # noqa: PLR2004 - errors
            self._tags[path] = answer.headers.get("ETag", self._tags.get(path, ""))


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, bytes]]:
    """Yield the name (empty for a change) and the data of each event."""
    name, data = "", b""
    async for line in content:
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            data = line[6:]
        elif not line.strip() and data:
            yield name, data
            name, data = "", b""


async def watch(base: str, seen: ViewerStats) -> None:
    """Be a viewer with connections of its own, kept open as a browser keeps them."""
    async with aiohttp.ClientSession(
        base,
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"Connection": "keep-alive"},
        auto_decompress=False,
    ) as session:
        await Viewer(session, seen).run()


def run_viewers(base: str, count: int, pipe: Pipe) -> None:
    """Run `count` viewers until the second message in the pipe; the first one resets the statistics."""

    async def run() -> None:
        os.nice(10)  # their work is not measured
        seen = ViewerStats()
        viewers = [asyncio.create_task(watch(base, seen)) for _ in range(count)]
        await asyncio.to_thread(pipe.recv)
        seen.__init__()  # type: ignore[misc]
        await asyncio.to_thread(pipe.recv)
        for viewer in viewers:
            viewer.cancel()
        await asyncio.wait(viewers)
        pipe.send(seen)

    asyncio.run(run())
