"""Orders restored from a tree, written in one transaction."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError
from tests.db.kit import a_delivery, a_move, an_order

from orderwatch.core.model import Capture, CapturePhase, DeliveryState, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store

pytestmark = pytest.mark.sqlite

TAKEN = Capture(capture_id="capture-1", status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED))


def verdict(task_id: int, *paths: str, root: str | None = None) -> Verdict:
    deliveries = tuple(
        a_delivery(f"scene-{path}", task_id, state=DeliveryState.STORED, path=path, root=root)
        for path in paths
    )
    order = an_order(task_id, captures=(TAKEN,), deliveries=deliveries)
    return Verdict(order=order, transitions=(a_move(task_id=task_id),))


async def test_what_is_restored_is_read_back_with_its_places(store: Store) -> None:
    assert not await store.orders.has_any()
    verdicts = [verdict(2, "a", "b"), verdict(1, "a", root="/own"), verdict(3)]
    await store.maintenance.restore(verdicts)
    assert await store.orders.has_any()
    wanted = sorted((replace(v.order, version=1) for v in verdicts), key=lambda order: order.order_id)
    assert list(await store.orders.list_all()) == wanted
    assert [m.task_id for m in await store.history.of_order("2")] == [2]
    assert not await store.deliveries.reserve(wanted[1].deliveries[1], "A")


async def test_all_or_none_is_restored(store: Store) -> None:
    with pytest.raises(IntegrityError):
        await store.maintenance.restore([verdict(1, "a"), verdict(2, "A")])
    assert not await store.orders.has_any()
    await store.maintenance.restore([])
    assert await store.orders.list_all() == []
