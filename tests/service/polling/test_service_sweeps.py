"""Many orders of which nothing is new cost the pages of their list, and no writing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.service.service_kit import DAY, HOUR, MINUTE, PACE, House, house, only, patterns, told
from tests.service.tracking_kit import (
    BYSTANDER,
    TASKS,
    as_daemon,
    assert_unharmed,
    beside,
    course,
    live,
    order,
    paths,
)

from orderwatch.core.model import Order
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.orders import Orders
from orderwatch.simulator import Scenario

IDLE, STEADY, PAGE = 120, 300, 100
LONG = pytest.mark.long  # played by `make sweep`
OPENS = 10 * DAY
PATTERN = patterns(project_name="*")
RECEIVED = {"status": [[0, "received"]]}
WAITING = [order(1000 + n, start=OPENS.total_seconds(), **RECEIVED) for n in range(IDLE)]


def looks(h: House) -> dict[str, int]:
    """Every request but for the list, and those of the order beside."""
    mine = {path: n for path, n in paths(h).items() if path.startswith(TASKS) and path != TASKS}
    return {path: n for path, n in mine.items() if not path.startswith(f"{TASKS}{BYSTANDER}")}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Verdict]:
    """Every order that is written."""
    seen: list[Verdict] = []
    save, save_all = Orders.save, Orders.save_all

    async def one(orders: Orders, verdict: Verdict) -> None:
        seen.append(verdict)
        await save(orders, verdict)

    async def several(orders: Orders, verdicts: Sequence[Verdict]) -> None:
        seen.extend(verdicts)
        await save_all(orders, verdicts)

    monkeypatch.setattr(Orders, "save", one)
    monkeypatch.setattr(Orders, "save_all", several)
    return seen


async def as_they_are(h: House) -> list[Order]:
    """Every order as its row has it, without what its account says."""
    return [replace(found, listed_at=None) for found in await h.store.orders.list_all()]


async def test_orders_whose_window_opens_in_days_cost_nothing_but_the_pages(tmp_path: Path) -> None:
    async with beside(tmp_path, *WAITING) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, 9 * HOUR, step=3 * HOUR)
        assert not looks(h)
        assert paths(h)[TASKS] == 3 * 2  # of 121 orders, every three hours
        h.time.seconds = (OPENS - HOUR).total_seconds()
        await live(h, poller, HOUR - MINUTE, step=30 * MINUTE)
        assert not looks(h)
        h.time.seconds = OPENS.total_seconds()
        await live(h, poller, 20 * MINUTE, step=10 * MINUTE)
        asked = looks(h)
        assert asked.keys() == {f"{TASKS}{1000 + n}/captures/" for n in range(IDLE)}
        assert sum(asked.values()) <= 2 * IDLE
        await assert_unharmed(h, disturbed=True)


@LONG
async def test_orders_by_id_whose_window_opens_in_days_are_asked_together_too(tmp_path: Path) -> None:
    ids = [found.task_id for found in WAITING]
    async with beside(tmp_path, *WAITING) as h:
        await live(h, as_daemon(h, only(*ids, BYSTANDER)), 12 * HOUR, step=HOUR)
        assert not [path for path in looks(h) if path.endswith("captures/")]
        assert paths(h)[TASKS] + sum(looks(h).values()) <= 12 * 4
        await assert_unharmed(h, disturbed=True)


async def test_a_steady_sweep_writes_nothing_and_asks_its_pages(
    tmp_path: Path, written: list[Verdict]
) -> None:
    waiting = [order(1000 + n, start=OPENS.total_seconds()) for n in range(STEADY - 1)]
    async with beside(tmp_path, *waiting) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, HOUR)
        await assert_unharmed(h)
        before, history = await as_they_are(h), await h.store.history.after(0)
        h.simulator.journal.clear()
        written.clear()
        for restarted in (poller, as_daemon(h, PATTERN)):
            for _ in range(5):
                h.time.move(PACE.interval)
                await restarted.sweep()
        assert {verdict.order.task_id for verdict in written} <= {BYSTANDER}
        assert paths(h)[TASKS] == 10 * STEADY // PAGE
        assert not looks(h)
        unmoved = [found for found in before if found.task_id != BYSTANDER]
        assert [found for found in await as_they_are(h) if found.task_id != BYSTANDER] == unmoved
        assert await h.store.history.after(0) == history
        shown = {found.listed_at for found in await h.store.orders.list_all()}
        assert shown == {h.time.now()}


@LONG
async def test_finished_orders_cost_nothing_but_the_pages_for_ever(
    tmp_path: Path, written: list[Verdict]
) -> None:
    finished = tuple(told(n, {"size": 5000 + n}) for n in range(1, 21))
    async with house(tmp_path, Scenario(orders=(*finished, course(100)))) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, HOUR)
        await live(h, poller, 16 * DAY, step=12 * HOUR)
        h.simulator.journal.clear()
        written.clear()
        await live(h, as_daemon(h, PATTERN), 10 * DAY, step=12 * HOUR)
        assert paths(h).keys() == {TASKS}
        assert h.simulator.journal.count(path=TASKS, status=200) == 20
        assert not written
        await assert_unharmed(h, 100)
        await h.assert_all_stored()


async def test_of_many_unmoved_orders_the_one_that_moves_is_looked_at(
    tmp_path: Path, written: list[Verdict]
) -> None:
    waiting = [order(1000 + n, start=OPENS.total_seconds()) for n in range(99)]
    moving = order(2000, start=OPENS.total_seconds(), status=[[0, "received"], [4000, "rejected"]])
    async with beside(tmp_path, *waiting, moving) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, HOUR)
        written.clear()
        await live(h, poller, timedelta(minutes=20))
        assert {verdict.order.task_id for verdict in written} - {BYSTANDER} == {2000}
        assert looks(h).keys() == {f"{TASKS}2000/captures/"}
        await assert_unharmed(h)
