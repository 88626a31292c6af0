"""From which captures the lag between taken and published is learned."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.db.kit import MINUTE, NOW, a_move, an_order, held

from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import Capture, CapturePhase, Subject, TrackedStatus, Transition
from orderwatch.core.orders.observe import Rules, Verdict, observe
from orderwatch.core.orders.snapshot import CaptureSnapshot, Observation, OrderSnapshot
from orderwatch.db.repositories import Store

HOUR = 60 * MINUTE
RULES = Rules(attachments=WantedAttachments(frozenset({"delivery_zip"})), grace=HOUR)


def a_capture(capture_id: str = "c", **fields: Any) -> Capture:  # noqa: ANN401 - of any field
    """Taken two hours ago, published now."""
    standing = TrackedStatus(word="published", phase=CapturePhase.PUBLISHED)
    given = {"capture_id": capture_id, "status": standing, "start": NOW - 2 * HOUR, "published_at": NOW}
    return Capture(**{**given, **fields})


def its_move(after: str, **fields: Any) -> Transition:  # noqa: ANN401 - as above
    return a_move(after, **{"subject": Subject.CAPTURE, "capture_id": "c", **fields})


def first_seen(**fields: Any) -> Transition:  # noqa: ANN401 - as above
    """The capture's first move, an hour before it is published."""
    return its_move("processing", **{"at": NOW - HOUR, **fields})


def published(**fields: Any) -> Transition:  # noqa: ANN401 - as above
    return its_move("published", **{"before": "processing", **fields})


async def learned(store: Store, capture: Capture, *moves: Transition) -> list[tuple[str | None, timedelta]]:
    order = an_order(product="L1", captures=(capture,))
    await store.orders.save(Verdict(order=order, transitions=moves))
    return list(await store.history.publication_lags(10))


async def test_a_capture_seen_before_its_publication_has_a_lag_by_product(store: Store) -> None:
    assert await learned(store, a_capture(), first_seen(), published()) == [("L1", 2 * HOUR)]


@pytest.mark.parametrize(
    ("capture", "moves"),
    [
        (a_capture(), [published(before=None)]),
        (a_capture(), [published(before=None), published(before="published", at=NOW + HOUR)]),
        (a_capture(start=None), [first_seen(), published()]),
        (a_capture(published_at=None), [first_seen()]),
        (a_capture(), [first_seen(capture_id="another"), published(before=None)]),
        (a_capture(), [first_seen(subject=Subject.DELIVERY), published(before=None)]),
        (a_capture(), [first_seen(task_id=2), published(before=None)]),
        (a_capture(), [first_seen(account="other"), published(before=None)]),
    ],
    ids=[
        "published when first seen",
        "and moved later",
        "nobody says when it was taken",
        "not published",
        "another capture was seen before",
        "a delivery was seen before",
        "another order's was seen before",
        "another account's was seen before",
    ],
)
async def test_from_what_we_did_not_see_happen_nothing_is_learned(
    store: Store, capture: Capture, moves: list[Transition]
) -> None:
    assert await learned(store, capture, *moves) == []


async def test_a_capture_counts_once_however_often_it_moved(store: Store) -> None:
    moves = (first_seen(at=NOW - 2 * HOUR), first_seen(), published(), published(at=NOW + MINUTE))
    assert await learned(store, a_capture(), *moves) == [("L1", 2 * HOUR)]


async def test_the_newest_publications_come_first_and_no_more_than_asked_for(store: Store) -> None:
    for number, product in ((1, None), (2, "L1"), (3, "L2")):
        at = NOW + number * HOUR
        order = an_order(number, product=product, captures=(a_capture(published_at=at),))
        moves = (first_seen(task_id=number), published(at=at, task_id=number))
        await store.orders.save(Verdict(order=order, transitions=moves))
    everything = [("L2", 5 * HOUR), ("L1", 4 * HOUR), (None, 3 * HOUR)]
    assert [await store.history.publication_lags(n) for n in (0, 2, 10)] == [[], everything[:2], everything]


@pytest.mark.parametrize(
    ("words", "learned"),
    [
        (["processing", "published"], [timedelta(hours=3)]),
        (["planned", "published"], [timedelta(hours=3)]),
        (["published", "published"], []),
        (["published", "processing"], []),
        (["processing", "published", "processing", "published"], [timedelta(hours=3)]),
    ],
)
async def test_what_the_machine_records_is_what_is_learned_from(
    store: Store, words: list[str], learned: list[timedelta]
) -> None:
    """Taken at noon, looked at two hours later and then every hour."""
    row = OrderSnapshot(order_id="1", task_id=1, status="in_progress", phase=an_order().status.phase)
    order = None
    for number, word in enumerate(words):
        seen = CaptureSnapshot(capture_id="c", status=word, phase=CapturePhase(word), start=NOW)
        verdict = observe(
            order, Observation(account="main", order=row, captures=(seen,)), NOW + (2 + number) * HOUR, RULES
        )
        await store.orders.save(replace(verdict, order=replace(verdict.order, version=number)))
        order = await held(store)
    assert [lag for _, lag in await store.history.publication_lags(10)] == learned
