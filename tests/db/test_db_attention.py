"""What may need a person, read from a real database; and what was raised, kept in it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.db.kit import MINUTE, NOW, a_delivery, a_move, an_order, held

from orderwatch.core.attention.attention import changes, concerns, unacknowledged
from orderwatch.core.attention.concern import Concern, Reason, Scope
from orderwatch.core.model import (
    Capture,
    CapturePhase,
    DeliveryState,
    OrderKey,
    OrderPhase,
    OrderState,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)
from orderwatch.core.notifications.notification import Channel
from orderwatch.core.notifications.problems import Problem, ProblemChange
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store, open_dashboard_reader, open_store
from orderwatch.ports.queries import Search, Sort

DAY = timedelta(days=1)
ALL = Scope(accounts=["main"], is_watched=lambda *_: True, knows=lambda *_: False)


async def listed(store: Store) -> Sequence[Concern]:
    return concerns(await store.attention.evidence(NOW), NOW, ALL)


async def raise_all(store: Store) -> Sequence[Concern]:
    evidence = await store.attention.evidence(NOW)
    found = concerns(evidence, NOW, ALL)
    await store.attention.record(changes(found, evidence.raised), NOW)
    return found


def capture(word: str, phase: CapturePhase | None = None, capture_id: str = "capture-1") -> Capture:
    return Capture(capture_id=capture_id, status=TrackedStatus(word=word, phase=phase))


async def test_an_empty_database_needs_nobody(database: Path) -> None:
    async with open_store(database) as store:
        assert await listed(store) == []


async def test_every_reason_is_found_in_the_rows(database: Path) -> None:
    rejected: TrackedStatus[OrderPhase] = TrackedStatus(word="rejected", phase=OrderPhase.REJECTED)
    unknown = a_move(
        "pondering", 6, subject=Subject.CAPTURE, capture_id="capture-1", kind=TransitionKind.UNKNOWN
    )
    verdicts = [
        Verdict(order=an_order(1), wanted=(a_delivery(state=DeliveryState.GIVEN_UP),)),
        Verdict(order=an_order(2), wanted=(a_delivery(task_id=2, state=DeliveryState.PARKED),)),
        Verdict(order=an_order(3, status=rejected, state=OrderState.SETTLING, final_at=NOW - DAY)),
        Verdict(order=an_order(4, state=OrderState.LOST), transitions=(a_move("lost", 4),)),
        Verdict(order=an_order(5, end=NOW - DAY)),
        Verdict(order=an_order(6, captures=(capture("pondering"),)), transitions=(unknown,)),
        Verdict(order=an_order(7, end=NOW + DAY)),
    ]
    async with open_store(database) as store:
        for verdict in verdicts:
            await store.orders.save(verdict)
        problem = Problem(key="p", event="clock.wrong", began_at=NOW, facts={"reason": "10 min ahead"})
        await store.outbox.record_problems([ProblemChange(problem, NOW)])
        found = await listed(store)
    assert [(str(c.reason), c.task_id) for c in found] == [
        ("problem", None),
        ("parked", 2),
        ("given_up", 1),
        ("order_failed", 3),
        ("lost", 4),
        ("overdue", 5),
        ("unknown_status", 6),
    ]
    assert found[4].since == NOW


async def test_what_has_a_file_did_not_fail(database: Path) -> None:
    failed: TrackedStatus[OrderPhase] = TrackedStatus(word="failed", phase=OrderPhase.FAILED)
    stored = a_delivery(state=DeliveryState.STORED, stored_at=NOW, size=1, sha256="0" * 64)
    order = an_order(1, status=failed, state=OrderState.SETTLING, final_at=NOW - 9 * DAY, end=NOW - DAY)
    async with open_store(database) as store:
        await store.orders.save(Verdict(order=order, wanted=(stored,)))
        assert await listed(store) == []


STORED: dict[str, Any] = {
    "state": DeliveryState.STORED,
    "stored_at": NOW,
    "size": 1,
    "sha256": "0" * 64,
}
LONG_AGO, LATELY = NOW - 8 * DAY, NOW - 6 * DAY


def half_delivered(task_id: int, wanted_at: datetime, second: dict[str, Any], **of_capture: Any) -> Verdict:  # noqa: ANN401 - of any field
    """A completed order with one of its two files."""
    published = replace(capture("published", CapturePhase.PUBLISHED), published_at=wanted_at, **of_capture)
    order = an_order(
        task_id,
        status=TrackedStatus(word="completed", phase=OrderPhase.COMPLETED),
        state=OrderState.SETTLING,
        final_at=LONG_AGO,
        captures=(published,),
    )
    wanted = (a_delivery("scene-1", task_id, **STORED), a_delivery("scene-2", task_id, **second))
    moves = tuple(wanted_move(task_id, delivery.scene_id, wanted_at) for delivery in wanted)
    return Verdict(order=order, wanted=wanted, transitions=moves)


def wanted_move(task_id: int, scene_id: str, at: datetime) -> Transition:
    move = a_move("wanted", task_id, subject=Subject.DELIVERY, capture_id="capture-1", scene_id=scene_id)
    return replace(move, at=at)


async def test_files_that_are_published_and_do_not_come_are_late_beside_those_that_came(
    database: Path,
) -> None:
    """The host of one always answers 429; nothing of another is offered; the others are being fetched."""
    waiting = {"state": DeliveryState.WAITING, "reason": "the download host is busy", "attempts": 9}
    verdicts = [
        half_delivered(1, LONG_AGO, waiting),
        half_delivered(2, LATELY, waiting),
        half_delivered(3, LONG_AGO, {"state": DeliveryState.FETCHING, "attempts": 9}),
        half_delivered(4, LONG_AGO, {"state": DeliveryState.FETCHING}),  # the queue is long
        half_delivered(5, LONG_AGO, STORED, lacking=True),
        half_delivered(6, LATELY, STORED, lacking=True),
        half_delivered(7, LONG_AGO, STORED),
    ]
    bare = replace(capture("published", CapturePhase.PUBLISHED), published_at=LONG_AGO)
    async with open_store(database) as store:
        for verdict in (*verdicts, Verdict(order=an_order(8, captures=(bare,)))):
            await store.orders.save(verdict)
        assert [(c.reason, c.task_id, c.since) for c in await listed(store)] == [
            (Reason.OVERDUE, task_id, LONG_AGO) for task_id in (1, 3, 5, 8)
        ]


async def test_a_file_that_is_published_again_is_late_only_some_time_after_that(database: Path) -> None:
    waiting = {"state": DeliveryState.WAITING, "attempts": 9}
    first = half_delivered(1, LONG_AGO, waiting)
    renewed = replace(first, transitions=(*first.transitions, wanted_move(1, "scene-2", LATELY)))
    async with open_store(database) as store:
        await store.orders.save(renewed)
        assert await listed(store) == []


async def test_captures_that_are_still_to_be_published_count(database: Path) -> None:
    pending = an_order(1, end=NOW - MINUTE, captures=(capture("captured", CapturePhase.CAPTURED),))
    over = an_order(2, end=NOW - MINUTE, captures=(capture("failed", CapturePhase.FAILED),))
    async with open_store(database) as store:
        for order in (pending, over):
            await store.orders.save(Verdict(order=order))
        assert [c.task_id for c in await listed(store)] == [2]


async def test_a_word_is_listed_only_while_something_has_it(database: Path) -> None:
    new = a_move("pondering", subject=Subject.CAPTURE, capture_id="capture-1", kind=TransitionKind.UNKNOWN)
    async with open_store(database) as store:
        await store.orders.save(Verdict(order=an_order(captures=(capture("pondering"),)), transitions=(new,)))
        (found,) = await listed(store)
        assert (found.reason, found.name) == (Reason.UNKNOWN_STATUS, "pondering")
        order = await held(store)
        published = capture("published", CapturePhase.PUBLISHED)
        await store.orders.save(Verdict(order=replace(order, captures=(published,))))
        assert await listed(store) == []


async def test_raised_and_cleared_are_notified_once(database: Path) -> None:
    channel = Channel(name="c", events=("attention.*",))
    async with open_store(database) as store:
        store.outbox.subscribe([channel])
        await store.orders.save(Verdict(order=an_order(4, state=OrderState.LOST)))
        await raise_all(store)
        await raise_all(store)
        await store.orders.save(Verdict(order=replace(await held(store, 4), state=OrderState.OPEN)))
        await raise_all(store)
        documents = [item.document for item in await store.outbox.batch("c", 9)]
    assert [(d["event"], d["reason"], d["order_id"]) for d in documents] == [
        ("attention.raised", "lost", "4"),
        ("attention.cleared", "lost", "4"),
    ]
    assert documents[0]["id"] != documents[1]["id"]


async def test_what_is_acknowledged_stays_so_until_it_is_over_and_no_notification_follows(
    database: Path,
) -> None:
    channel = Channel(name="c", events=("attention.*",))
    async with open_store(database) as store:
        await store.orders.save(Verdict(order=an_order(4, state=OrderState.LOST)))
        found = await listed(store)  # no daemon has raised it yet
        await store.attention.acknowledge(found, [a_move("in_progress", 4, detail="acknowledged")], NOW)
        store.outbox.subscribe([channel])
        assert unacknowledged(await raise_all(store)) == []
        assert (await store.history.of_order("4"))[-1].detail == "acknowledged"
        await store.orders.save(Verdict(order=replace(await held(store, 4), state=OrderState.OPEN)))
        await raise_all(store)
        assert await store.outbox.batch("c", 9) == []
        await store.orders.save(Verdict(order=replace(await held(store, 4), state=OrderState.LOST)))
        assert len(unacknowledged(await raise_all(store))) == 1


async def test_orders_that_need_a_person_come_first_or_alone(database: Path) -> None:
    async with open_store(database) as store, open_dashboard_reader(database) as gallery:
        for number in (1, 2, 3):
            state = OrderState.LOST if number == 2 else OrderState.OPEN
            move = a_move(task_id=number)
            await store.orders.save(Verdict(order=an_order(number, state=state), transitions=(move,)))
        found = await raise_all(store)
        first = await gallery.search.find(Search(sort=Sort.ATTENTION, descending=True))
        assert [order.task_id for order in first.orders] == [2, 3, 1]
        alone = await gallery.search.find(Search(attention=True))
        assert ([order.task_id for order in alone.orders], alone.total) == ([2], 1)
        await store.attention.acknowledge(found, [], NOW)
        assert (await gallery.search.find(Search(attention=True))).total == 0


async def test_what_was_acknowledged_of_an_order_stays_so_under_its_other_id(database: Path) -> None:
    failed: TrackedStatus[OrderPhase] = TrackedStatus(word="failed", phase=OrderPhase.FAILED)
    order = replace(an_order(383), status=failed, final_at=NOW)
    async with open_store(database) as store:
        await store.orders.save(Verdict(order=order))
        (concern,) = await raise_all(store)
        await store.attention.acknowledge([concern], [], NOW)
        assert await store.orders.adopt("main", [OrderKey("000007", 383)])
        (renamed,) = await listed(store)
        assert (renamed.order_id, renamed.acknowledged_at) == ("000007", NOW)
        raised = (await store.attention.evidence(NOW)).raised
        assert not changes([renamed], raised)
        assert [known.concern.order_id for known in raised.values()] == ["000007"]
