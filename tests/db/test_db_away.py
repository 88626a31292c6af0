"""A PostgreSQL that restarts, closes its connections, falls silent, or whose answer to COMMIT is lost."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import LogCapture
from tests import postgres
from tests.db.kit import NOW, a_delivery, a_move, an_order, facts, want

from orderwatch.core.database_location import PostgresServer
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.engines import postgres as engine
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import StaleOrderError

COUNT = "SELECT count(*) FROM transitions"


def logged(events: LogCapture) -> list[str]:
    return [e["event"] for e in events.entries if e["event"].startswith("database.")]


class Proxy:
    """Passes bytes between a client and the server; loses them on demand."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._clients: set[asyncio.StreamWriter] = set()
        self.cuts = 0
        """How many answers to COMMIT it still loses, with their connections."""
        self.is_silent = False

    async def on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, upstream = await asyncio.open_connection("127.0.0.1", self._port)
        ends = {"answer": writer}
        self._clients.add(writer)
        down = asyncio.create_task(self._answers(up, writer, ends))
        try:
            while sent := await reader.read(65536):
                if self.is_silent:
                    continue
                if b"COMMIT;" in sent and self.cuts:
                    self.cuts -= 1
                    ends.clear()
                upstream.write(sent)
        finally:
            upstream.close()
            writer.close()
            await down
            self._clients.discard(writer)

    async def _answers(
        self, up: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: dict[str, asyncio.StreamWriter]
    ) -> None:
        while received := await up.read(65536):
            if not ends:  # the server has committed
                break
            if not self.is_silent:
                writer.write(received)
        writer.close()


@pytest.fixture
def database(server: postgres.Server) -> PostgresServer:
    return server.new_database()


@pytest.fixture
async def proxy(database: PostgresServer) -> AsyncIterator[tuple[Proxy, PostgresServer]]:
    proxy = Proxy(database.port)
    listener = await asyncio.start_server(proxy.on_client, "127.0.0.1", 0)
    yield proxy, replace(database, port=listener.sockets[0].getsockname()[1])
    listener.close()


@pytest.fixture
async def store(proxy: tuple[Proxy, PostgresServer]) -> AsyncIterator[Store]:
    async with open_store(proxy[1], math.inf) as opened:
        yield opened


async def test_a_commit_whose_answer_is_lost_is_seen_by_the_repeat_and_happens_once(
    store: Store, proxy: tuple[Proxy, PostgresServer], database: PostgresServer, events: LogCapture
) -> None:
    await store.orders.save(Verdict(order=an_order()))
    (order,) = await store.orders.list_all()
    proxy[0].cuts = 1
    with pytest.raises(StaleOrderError):
        await store.orders.save(Verdict(order=order, transitions=(a_move(),)))
    assert facts(database, COUNT) == [(1,)]
    assert (await store.orders.list_all())[0].version == order.version + 1
    assert logged(events) == ["database.busy", "database.free"]


async def test_a_claim_whose_answer_is_lost_is_found_again_and_never_given_twice(
    store: Store, proxy: tuple[Proxy, PostgresServer]
) -> None:
    """Otherwise its row would be fetching for as long as this host renews its leases."""
    await want(store, a_delivery("s1"), a_delivery("s2"))
    proxy[0].cuts = 1
    claims = [await store.deliveries.claim(NOW, ["main"]) for _ in range(2)]
    assert [claim.scene_id for claim in claims if claim is not None] == ["s1", "s2"]


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
