"""A PostgreSQL that restarts, closes its connections, or falls silent."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest
from structlog.testing import LogCapture
from tests import postgres
from tests.db.kit import an_order
from tests.db.proxy import Proxy, before

from orderwatch.core.database_location import PostgresServer
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.engines import postgres as engine
from orderwatch.db.repositories import Store, open_store


def logged(events: LogCapture) -> list[str]:
    return [e["event"] for e in events.entries if e["event"].startswith("database.")]


@pytest.fixture
async def proxy(server: postgres.Server) -> AsyncIterator[tuple[Proxy, PostgresServer]]:
    async with before(server.new_database()) as found:
        yield found


@pytest.fixture
async def store(proxy: tuple[Proxy, PostgresServer]) -> AsyncIterator[Store]:
    async with open_store(proxy[1], math.inf) as opened:
        yield opened


async def test_a_restarted_server_ends_no_unit_and_is_reported_once(
    store: Store, server: postgres.Server, events: LogCapture
) -> None:
    await store.orders.save(Verdict(order=an_order()))
    server.stop()
    acts = [
        asyncio.create_task(act)
        for act in (
            store.orders.save(Verdict(order=an_order(2))),
            store.orders.list_all(),
            store.orders.list_all(),
        )
    ]
    await asyncio.wait(acts, return_when=asyncio.FIRST_COMPLETED, timeout=0.5)
    assert not any(act.done() for act in acts)
    server.start()
    await asyncio.gather(*acts)
    assert logged(events) == ["database.busy", "database.free"]


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "write"])
async def test_a_server_that_falls_silent_is_waited_for(
    store: Store,
    proxy: tuple[Proxy, PostgresServer],
    monkeypatch: pytest.MonkeyPatch,
    events: LogCapture,
    *,
    is_read: bool,
) -> None:
    """The client's timeout is no `DBAPIError`; it was taken for an error of a file that no retry ends."""
    monkeypatch.setattr(engine, "_STATEMENT_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(engine, "_CONNECT_TIMEOUT_SECONDS", 0.5)
    await store.orders.save(Verdict(order=an_order()))
    proxy[0].is_silent = True
    unit = store.orders.list_all() if is_read else store.orders.save(Verdict(order=an_order(2)))
    act = asyncio.ensure_future(unit)
    while not store.database.trouble and not act.done():
        await asyncio.sleep(0.01)
    proxy[0].is_silent = False
    await act
    assert logged(events) == ["database.busy", "database.free"]
