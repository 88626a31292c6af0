"""What needs a person is known, or it is said that it is not."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from structlog.testing import LogCapture
from tests.databases import of_either_engine
from tests.db.kit import an_order

from orderwatch.core.attention.concern import Changes, Concern, Evidence, Scope
from orderwatch.core.model import OrderPhase, TrackedStatus
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import open_store
from orderwatch.service.notifications.attention import AttentionTracker

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SCOPE = Scope(accounts=["main"], is_watched=lambda *_: True, knows=lambda *_: True)


class Records:
    """Rows that are what nobody reckons with, while `odd`."""

    def __init__(self) -> None:
        self.odd = True

    async def evidence(self, now: datetime) -> Evidence:
        began: list[Any] = [now, 7 if self.odd else now - timedelta(hours=1)]
        problems = [Problem(key=str(at), event="clock.wrong", began_at=at, facts={}) for at in began]
        return Evidence(problems=problems)

    async def recorded(self) -> Sequence[Concern]:
        return ()

    async def record(self, changes: Changes, at: datetime) -> None: ...

    async def acknowledge(self, *_: object) -> None: ...


async def test_an_error_of_our_own_is_said_once_and_meanwhile_nothing_is_called_well(
    events: LogCapture,
) -> None:
    records = Records()
    tracker = AttentionTracker(records, scope=lambda: SCOPE, now=lambda: NOW)
    for _ in range(3):
        assert await tracker.read() is None
    records.odd = False
    found: Sequence[object] | None = await tracker.read()
    assert found is not None
    assert len(found) == 2
    await tracker.update()
    said = [(line["log_level"], line["event"]) for line in events.entries if line["log_level"] != "debug"]
    assert [each for each in said if not each[1].endswith("raised")] == [
        ("warning", "attention.failing"),
        ("info", "attention.restored"),
    ]


async def test_the_log_names_the_order_by_both_its_ids(tmp_path: Path, events: LogCapture) -> None:
    async with open_store(of_either_engine(tmp_path)) as store:
        lost = TrackedStatus(word="rejected", phase=OrderPhase.REJECTED)
        await store.orders.save(Verdict(order=an_order(7, status=lost, final_at=NOW)))
        await AttentionTracker(store.attention, scope=lambda: SCOPE, now=lambda: NOW).update()
    [raised] = [line for line in events.entries if line["event"] == "attention.raised"]
    assert (raised["order_id"], raised["task_id"]) == ("7", 7)
