"""The counts that metrics show."""

from datetime import timedelta
from pathlib import Path

from tests.db.kit import MINUTE, NOW, a_delivery, an_order

from orderwatch.core.model import Capture, CapturePhase, DeliveryState, OrderState, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.statistics import MetricCounts
from orderwatch.db.repositories import open_store


def taken(capture_id: str, phase: CapturePhase | None, ago: timedelta | None = None) -> Capture:
    at = None if ago is None else NOW - ago
    return Capture(capture_id=capture_id, status=TrackedStatus(word="a word", phase=phase), published_at=at)


async def test_an_empty_database_counts_nothing(database: Path) -> None:
    async with open_store(database) as store:
        assert await store.statistics.metric_counts() == MetricCounts()


async def test_everything_is_counted_by_account_and_state(database: Path) -> None:
    published = CapturePhase.PUBLISHED
    order = an_order(
        1,
        captures=(
            taken("given-up", published, 9 * MINUTE),
            taken("coming", published, 5 * MINUTE),
            taken("here", published, 7 * MINUTE),
            taken("odd", None),
        ),
        deliveries=(
            a_delivery("s1", capture_id="given-up", state=DeliveryState.GIVEN_UP),
            a_delivery("s2", capture_id="coming", state=DeliveryState.WAITING),
            a_delivery("s3", capture_id="here", state=DeliveryState.STORED, size=70, stored_at=NOW),
            a_delivery("s4", capture_id="here", state=DeliveryState.STORED, size=7, stored_at=NOW),
        ),
    )
    async with open_store(database) as store:
        for verdict in (order, an_order(2), an_order(1, "other", state=OrderState.DONE)):
            await store.orders.save(Verdict(order=verdict, wanted=verdict.deliveries))
        await store.accounts.mark_listed("main", NOW, ["1", "2"])
        census = await store.statistics.metric_counts()
    assert census.orders == {("main", "open"): 2, ("other", "done"): 1}
    assert census.captures == {("main", "published"): 3, ("main", None): 1}
    assert census.deliveries == {("main", "given_up"): 1, ("main", "waiting"): 1, ("main", "stored"): 2}
    assert census.stored_bytes == {"main": 77}
    assert census.oldest == {"main": NOW - 5 * MINUTE}  # nobody waits for what is given up
    assert census.listed_at == {"main": NOW}
