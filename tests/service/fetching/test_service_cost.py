"""What a delivery costs the database: few statements, and one transaction for what several write at once."""

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from tests.patience import PATIENCE
from tests.service.service_kit import House, house, told

from orderwatch.core.model import DeliveryState
from orderwatch.simulator import Scenario

pytestmark = pytest.mark.sqlite  # its statements are counted, and its thread is held

TOGETHER = 8
MAX_STATEMENTS = 19  # from the claim to the stored file, with the beginnings of five transactions


def engines(h: House) -> tuple[Engine, Engine]:
    writer = h.store.database._writer
    assert writer is not None
    return h.store.database._readers, writer._engine


async def test_a_delivery_is_claimed_and_stored_with_few_statements(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(told(41, *[{"size": 5000}] * 20),))) as h:
        await h.look()
        statements: list[str] = []
        for engine in engines(h):
            event.listen(
                engine,
                "before_cursor_execute",
                lambda _c, _cursor, statement, *_: statements.append(statement),
            )
        assert (await h.fetcher.fetch(await h.claim())).state is DeliveryState.STORED
        assert 0 < len(statements) <= MAX_STATEMENTS, statements


async def test_what_several_deliveries_write_at_the_same_time_is_one_transaction(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(told(41, *[{"size": 5000}] * TOGETHER),))) as h:
        await h.look()
        claimed = [await h.claim() for _ in range(TOGETHER)]
        commits: list[object] = []
        event.listen(engines(h)[1], "commit", commits.append)
        writer, may_end = h.store.database._writer, threading.Event()
        assert writer is not None
        other = asyncio.create_task(h.store.database.write(lambda _: may_end.wait()))
        fetching = [asyncio.create_task(h.fetcher.fetch(delivery)) for delivery in claimed]
        async with asyncio.timeout(PATIENCE):
            while len(writer._waiting) < TOGETHER:
                await asyncio.sleep(0.001)
        may_end.set()
        await asyncio.gather(other, *fetching)
        names, intents, results = 1, TOGETHER, TOGETHER  # those that wait together, and at most one for each
        assert len(commits) <= 1 + names + intents + results
        await h.assert_all_stored()
