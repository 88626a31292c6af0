"""A real database with orders of all sorts, served over a real socket as the house serves it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.db.kit import MINUTE, NOW, a_delivery, a_move, an_order
from tests.patience import PATIENCE

from orderwatch.core.attention.concern import Concern
from orderwatch.core.cluster.hosts import HostReport
from orderwatch.core.deliveries.bandwidth import Allowance
from orderwatch.core.model import Capture, CapturePhase, Delivery, DeliveryState, Order, TrackedStatus
from orderwatch.core.orders.explain import Evidence, Facts, explain
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.core.orders.publication_lag import Lags, fit_lags
from orderwatch.core.orders.watches import Watch
from orderwatch.core.queue.report import Limits
from orderwatch.db.daemon_status import read_daemon_status
from orderwatch.db.repositories import Store, open_dashboard_reader, open_store
from orderwatch.ports.dashboard import AccountSeen, Overview, TreeSeen
from orderwatch.transfer.tree.stored_file import open_stored
from orderwatch.web.agenda.agenda_reader import AgendaReader
from orderwatch.web.agenda.routes import AgendaRoutes
from orderwatch.web.api.change_feed import ChangeFeed
from orderwatch.web.api.routes import api
from orderwatch.web.files.routes import FileRoutes
from orderwatch.web.pages.gallery import GalleryPages
from orderwatch.web.pages.page_renderer import PageRenderer
from orderwatch.web.pages.thumbnails import Thumbnails
from orderwatch.web.pages.views import Views
from orderwatch.web.queue.queue_reader import QueueReader
from orderwatch.web.queue.routes import QueueRoutes
from orderwatch.web.server.app import ServedPages, serving
from orderwatch.web.server.response_cache import ResponseCache
from orderwatch.web.server.static import add_static

HOSTILE = "a/b ?&#%\"<script>'é{}"


@dataclass(frozen=True)
class Served:
    port: int
    store: Store
    gallery: Store
    look: asyncio.Event  # set: the watcher looks without a pause


@asynccontextmanager
async def served(
    database: Path,
    now: Callable[[], datetime] = lambda: NOW,
    *,
    seen: Overview | Callable[[], Overview] | None = None,
    steadily: bool = False,
    token: str = "",
    actions: bool = False,
    files: bool = False,
    limits: Limits | None = None,
) -> AsyncIterator[Served]:
    """`seen` is the overview; `steadily` the watcher looks as often as in the daemon."""
    look = asyncio.Event()

    async def pause() -> None:
        await look.wait()
        await asyncio.sleep(0)

    async def explained(order: Order) -> Facts:
        return Facts(
            now=now(),
            order=order,
            moved_at=None,
            watches=(Watch(task_name="*"),),
            pace=Pace(interval=MINUTE, max_interval=MINUTE, grace=MINUTE),
            lags=fit_lags([]),
            trouble=None,
            rooms=(),
        )

    async def evidence(order: Order) -> Sequence[Evidence]:
        return list(explain(await explained(order)))

    async def overview() -> Overview:
        if seen:
            return seen() if callable(seen) else seen
        account = AccountSeen(name=HOSTILE, state="fine", swept_at=NOW)
        tree = TreeSeen(root="/deliveries", usable=True, room=10**9)
        return Overview(accounts=[account], trees=[tree], attention=[])

    async def attention() -> Sequence[Concern]:
        return (await overview()).attention

    async def learned() -> Lags:
        return fit_lags([])

    async def unasked(*_asked: object) -> Any:  # noqa: ANN401 - nobody asks
        raise AssertionError

    async def hosts() -> Sequence[HostReport]:
        return await gallery.hosts.reports(MINUTE, now())

    async with open_store(database) as store, open_dashboard_reader(database) as gallery:
        changes = ChangeFeed(gallery, now, None if steadily else pause)
        sharing = ResponseCache(lambda: changes.newest)
        views = Views(
            records=gallery,
            overview=overview,
            transfers=changes.transfers,
            explain=evidence,
            learned=learned,
            now=now,
            sharing=sharing,
        )
        queue = QueueReader(
            records=gallery,
            transfers=changes.transfers,
            limits=lambda: limits or Limits({"main", HOSTILE}, 4, Allowance(0)),
            now=now,
        )
        renderer = PageRenderer(overview, now)
        queue_routes = QueueRoutes(queue.read, renderer, sharing)
        agenda = AgendaReader(records=gallery, learned=learned, now=now)
        agenda_routes = AgendaRoutes(agenda.read, gallery, renderer, sharing, now)
        pictures = GalleryPages(records=gallery, renderer=renderer, sharing=sharing)
        stored = FileRoutes(gallery, lambda delivery: open_stored(database.parent, delivery), no_link)
        thumbnails = Thumbnails(gallery, lambda delivery: asyncio.to_thread(_read, database.parent, delivery))
        add = api(gallery, explained, attention, changes, partial(read_daemon_status, database), hosts=hosts)
        parts = (views, queue_routes, agenda_routes, pictures, thumbnails, stored)
        routes = (add, *(part.add_to for part in parts), add_static)
        pages = ServedPages(health=unasked, readiness=unasked, metrics=unasked, routes=routes)
        async with serving("127.0.0.1:0", pages, token=token, actions=actions, files=files) as port:
            yield Served(port, store, gallery, look)


async def no_link(*_asked: object) -> None:
    """Every file is on this machine."""


def _read(folder: Path, delivery: Delivery) -> bytes | None:
    """Files stand beside the database."""
    return (folder / delivery.file_name).read_bytes()


async def fill(store: Store) -> None:
    taken = Capture(
        capture_id="capture-1",
        status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED),
        start=NOW,
    )
    order = an_order(1, task_name="Quay", project_name=HOSTILE, captures=(taken,))
    coming = a_delivery(state=DeliveryState.FETCHING, durable=10, total=100)
    await store.orders.save(Verdict(order=order, transitions=(a_move(),), wanted=(coming,)))
    other = an_order(2, HOSTILE, task_name=HOSTILE)
    await store.orders.save(Verdict(order=other, transitions=(a_move(task_id=2, account=HOSTILE),)))
    await store.orders.save(Verdict(order=an_order(3, start=NOW)))


async def asked(
    port: int, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{lines}\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    first, *said = head.decode().split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in said)}, body


async def told(port: int, path: str) -> Any:  # noqa: ANN401 - JSON
    status, _, body = await asked(port, path)
    assert status == 200, body
    return json.loads(body)


class Viewer:
    """Reads one event after the other, each as its fields."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def event(self) -> dict[str, str]:
        async with asyncio.timeout(PATIENCE):
            found: dict[str, str] = {}
            while not ({"data", "event"} & found.keys()):
                found = {}
                while line := (await self._line()):
                    if ": " in line:
                        name, _, value = line.partition(": ")
                        found[name] = value
            return found

    async def _line(self) -> str:
        line = (await self._reader.readline()).decode()
        if not line:
            raise EOFError
        # Lengths of chunks stand on lines of their own.
        return line.rstrip("\r\n") if ": " in line or line in {"\n", "\r\n"} else "-"


@asynccontextmanager
async def viewing(port: int, path: str = "/api/events", **headers: str) -> AsyncIterator[Viewer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        # HTTP/1.0: what comes is the stream itself, not chunks of it
        writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{lines}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0], head
        await reader.readuntil(b"\n\n")  # retry
        yield Viewer(reader)
    finally:
        writer.close()
