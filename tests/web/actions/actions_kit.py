"""A server that may be acted upon, over a real database with an order that needs a person."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.cli.conftest import CONFIG
from tests.db.kit import MINUTE, NOW, a_delivery, an_order
from tests.patience import PATIENCE
from tests.web.api_kit import no_link

from orderwatch.app.attention import concerns_of
from orderwatch.app.operator import Operator
from orderwatch.app.plan import Plan, resolve
from orderwatch.config import load
from orderwatch.core.actions.action import RefreshAnswer
from orderwatch.core.attention.concern import Concern
from orderwatch.core.model import DeliveryState, Order
from orderwatch.core.orders.explain import Facts
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.core.orders.publication_lag import Lags, fit_lags
from orderwatch.db.daemon_status import read_daemon_status
from orderwatch.db.repositories import Store, open_store
from orderwatch.transfer.tree.stored_file import open_stored
from orderwatch.web.actions.access import KEY_HEADER, action_key
from orderwatch.web.actions.routes import ActionRoutes
from orderwatch.web.agenda.agenda_reader import AgendaReader
from orderwatch.web.agenda.routes import AgendaRoutes
from orderwatch.web.api.change_feed import ChangeFeed
from orderwatch.web.api.routes import api
from orderwatch.web.files.routes import FileRoutes
from orderwatch.web.pages.page_renderer import PageRenderer
from orderwatch.web.queue.queue_reader import QueueReader
from orderwatch.web.queue.routes import QueueRoutes
from orderwatch.web.server.app import ServedPages, serving
from orderwatch.web.server.response_cache import ResponseCache

TOKEN = "canary-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BASIC = {"Authorization": f"Basic {base64.b64encode(f'ann:{TOKEN}'.encode()).decode()}"}
KEYED = {**BASIC, KEY_HEADER: action_key(TOKEN)}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Acted:
    port: int
    store: Store

    async def rows(self) -> tuple[object, ...]:
        """Everything that an action changes."""
        found = await self.store.deliveries.in_states(*DeliveryState)
        newest, pauses = await self.store.actions.newest(), await self.store.actions.pauses()
        moves = await self.store.history.of_order("1")
        return newest, tuple(pauses.all), tuple(found), tuple(moves)

    async def answer_refreshes(self) -> None:
        """Answer as a daemon would, forever."""
        while True:
            for action in (await self.store.actions.news(0, NOW)).refreshes:
                await self.store.actions.answer(action.number, RefreshAnswer(polled=1), NOW)
            await asyncio.sleep(0.01)


def plan_in(folder: Path) -> Plan:
    path = folder / "config.toml"
    path.touch(mode=0o600)
    path.write_text(CONFIG.format(folder=folder), encoding="utf-8")
    return resolve(load(path, resolve=False))


@asynccontextmanager
async def acting(
    database: Path, *, token: str = TOKEN, actions: bool = True, user_header: str = ""
) -> AsyncIterator[Acted]:
    plan = plan_in(database.parent)

    async def attention(store: Store) -> list[Concern]:
        return list(await concerns_of(plan, store, NOW))

    async def explained(order: Order) -> Facts:
        pace = Pace(interval=plan.pace.interval, max_interval=plan.pace.interval, grace=plan.pace.grace)
        return Facts(
            now=NOW,
            order=order,
            moved_at=None,
            watches=(),
            pace=pace,
            lags=fit_lags([]),
            trouble=None,
            rooms=(),
        )

    async def learned() -> Lags:
        return fit_lags([])

    async def unasked(*_asked: object) -> Any:  # noqa: ANN401 - nobody asks
        raise AssertionError

    async with open_store(database) as store:
        given_up = a_delivery(state=DeliveryState.GIVEN_UP, reason="the bytes are wrong", attempts=20)
        await store.orders.save(Verdict(order=an_order(1), wanted=(given_up,)))
        acts = ActionRoutes(
            lambda who: Operator(plan=plan, store=store, who=who, now=lambda: NOW), store.actions
        )
        changes = ChangeFeed(store, lambda: NOW)
        reading = api(
            store,
            explained,
            partial(attention, store),
            changes,
            partial(read_daemon_status, database),
            hosts=lambda: store.hosts.reports(MINUTE, NOW),
        )
        queue = QueueReader(
            records=store, transfers=changes.transfers, limits=lambda: plan.limits, now=lambda: NOW
        )
        renderer = PageRenderer(unasked, lambda: NOW)
        agenda = AgendaReader(records=store, learned=learned, now=lambda: NOW)
        sharing = ResponseCache(lambda: None)
        planned = QueueRoutes(queue.read, renderer, sharing)
        dated = AgendaRoutes(agenda.read, store, renderer, sharing, lambda: NOW)
        files = FileRoutes(store, lambda delivery: open_stored(database.parent, delivery), no_link)
        routes = [acts.add_to, reading, planned.add_to, dated.add_to, files.add_to]
        pages = ServedPages(health=unasked, readiness=unasked, metrics=unasked, routes=routes)
        async with serving(
            "127.0.0.1:0", pages, token=token, actions=actions, files=True, user_header=user_header
        ) as port:
            yield Acted(port, store)


async def sent(
    port: int,
    path: str,
    headers: dict[str, str],
    body: str | bytes = "{}",
    *,
    method: str = "POST",
    host: str | None = None,
) -> tuple[int, Any]:
    """The status, and the JSON of the answer if it is JSON."""
    data = body.encode() if isinstance(body, str) else body
    lines = {"Host": host or f"127.0.0.1:{port}", "Content-Length": str(len(data)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + data)
        async with asyncio.timeout(PATIENCE):
            first, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    is_json = b"application/json" in first
    return int(first.split()[1]), json.loads(rest) if is_json else rest
