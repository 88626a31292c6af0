"""The four promises of `observe`, each over any story that provider and daemon could play together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.samples import CAPTURE_WORDS, NOON, ORDER_WORDS, POLICY, RULES, ZIP, with_delivery

from orderwatch.core.deliveries import state_machine as local
from orderwatch.core.deliveries.state_machine import Failure, FailureKind
from orderwatch.core.model import Delivery, DeliveryState, Order, OrderKey, OrderState, SceneFacts, Subject
from orderwatch.core.orders.observe import Verdict, observe, observe_missing
from orderwatch.core.orders.snapshot import (
    AttachmentSnapshot,
    CaptureSnapshot,
    Observation,
    OrderSnapshot,
    SceneSnapshot,
)
from orderwatch.core.orders.status import NO_STATUS

_S = DeliveryState
_IDS = ("a", "b", "c")
_STRANGE = ("paused", "", "PUBLISHED!", "архив")


@dataclass(frozen=True)
class Chapter:
    """Some time passes, a delivery moves here, then the provider answers: with a look, or with 404."""

    pause: timedelta
    nudges: tuple[tuple[int, int], ...]  # which delivery, which of its roads
    answer: Observation | None


orders = st.builds(
    lambda word, name, start, placed_at: OrderSnapshot(
        order_id="1",
        task_id=1,
        status=word,
        phase=ORDER_WORDS.get(word),
        task_name=name,
        start=start,
        placed_at=placed_at,
    ),
    st.sampled_from([*ORDER_WORDS, *_STRANGE]),
    st.none() | st.text(max_size=3),
    st.none() | st.just(NOON),
    st.none() | st.just(NOON),
)
captures = st.builds(
    lambda capture_id, word: CaptureSnapshot(
        capture_id=capture_id, status=word, phase=CAPTURE_WORDS.get(word)
    ),
    st.sampled_from(_IDS),
    st.sampled_from([*CAPTURE_WORDS, *_STRANGE, "published", "published"]),
)
attachments = st.builds(
    AttachmentSnapshot,
    name=st.sampled_from([ZIP, ZIP, "thumbnail"]),
    file_name=st.sampled_from(["x.zip", "y.zip"]),
    fingerprint=st.sampled_from(["f1", "f2", "f3"]),
)
scenes = st.builds(
    SceneSnapshot,
    scene_id=st.sampled_from(_IDS),
    facts=st.just(SceneFacts()),
    attachments=st.lists(attachments, max_size=2).map(tuple),
)
looks = st.builds(
    Observation,
    account=st.just("main"),
    order=orders | orders | st.none(),
    captures=st.lists(captures, max_size=4).map(tuple) | st.none(),
    scenes=st.dictionaries(st.sampled_from(_IDS), st.lists(scenes, max_size=3).map(tuple), max_size=2),
)
chapters = st.builds(
    Chapter,
    pause=st.sampled_from([timedelta(0), timedelta(minutes=5), timedelta(minutes=70), timedelta(days=20)]),
    nudges=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3).map(tuple),
    answer=st.none() | looks | looks | looks,
)
stories = st.lists(chapters, min_size=1, max_size=6)


def nudged(order: Order, which: int, road: int, now: datetime) -> Order:
    """One delivery takes one of the steps that the fetcher could take with it."""
    if not order.deliveries:
        return order
    old = order.deliveries[which % len(order.deliveries)]
    steps = _steps(old, now)
    return with_delivery(order, steps[road % len(steps)]) if steps else order


def _steps(old: Delivery, now: datetime) -> Sequence[Delivery]:
    match old.state:
        case _S.WANTED | _S.WAITING | _S.PARKED:
            return [local.claimed(old, now).delivery]
        case _S.FETCHING:
            verified = replace(old, path=f"{old.scene_id}/x.zip", size=9, sha256="ab")
            wrong = Failure(trouble=FailureKind.BYTES, reason="bad zip", bytes_sha256="cd")
            return [
                local.released(old, now).delivery,
                local.released(verified, now).delivery,
                local.on_stored(verified, now).delivery,
                local.on_duplicate(old, now, 1).delivery,
                local.on_failure(old, wrong, now, POLICY, 0.5).delivery,
                local.on_failure(old, wrong, now, replace(POLICY, max_attempts=1), 0.5).delivery,
                *(
                    local.on_failure(held, Failure(trouble=t, reason="why"), now, POLICY, 0.5).delivery
                    for t in FailureKind
                    for held in (old, verified)
                ),
            ]
        case _S.GIVEN_UP:
            return [local.retry(old, now).delivery]
        case _S.STORED:
            return [local.on_superseded(old, now, old.version + 1).delivery]
        case _S.SUPERSEDED:
            return []


def possible(order: Order | None, answer: Observation | None) -> Observation | None:
    """An order that nobody knows is first shown by a row of its own."""
    if order is not None or answer is None or answer.order is not None:
        return answer
    return replace(
        answer, order=OrderSnapshot(order_id="1", task_id=1, status="received", phase=ORDER_WORDS["received"])
    )


def answered(order: Order | None, answer: Observation | None, now: datetime) -> Verdict:
    return (
        observe_missing(order, "main", OrderKey("1", 1), now)
        if answer is None
        else observe(order, answer, now, RULES)
    )


def told(story: Sequence[Chapter]) -> list[tuple[Order | None, Chapter, datetime, Verdict]]:
    """Play a story: the order before each answer, the chapter, its time, the verdict."""
    order: Order | None = None
    now = NOON
    pages: list[tuple[Order | None, Chapter, datetime, Verdict]] = []
    for chapter in story:
        now += chapter.pause
        for which, road in chapter.nudges if order else ():
            order = nudged(order, which, road, now) if order else None
        answer = possible(order, chapter.answer)
        verdict = answered(order, answer, now)
        pages.append((order, replace(chapter, answer=answer), now, verdict))
        order = verdict.order
    return pages


@given(stories)
def test_total_any_answer_gives_a_verdict_that_names_every_move(story: Sequence[Chapter]) -> None:
    for before, chapter, now, verdict in told(story):
        assert verdict.order.last_seen_at == now
        assert len({d.key for d in verdict.order.deliveries}) == len(verdict.order.deliveries)
        assert {d.key for d in verdict.wanted} <= {d.key for d in verdict.order.deliveries}
        assert all(move.at == now for move in verdict.transitions)
        if before is not None and chapter.answer is not None:
            assert {c.capture_id for c in before.captures} <= {c.capture_id for c in verdict.order.captures}
            assert {d.key for d in before.deliveries} <= {d.key for d in verdict.order.deliveries}


@given(stories)
def test_total_an_order_is_lost_and_found_with_a_move_that_says_so(story: Sequence[Chapter]) -> None:
    for before, chapter, _, verdict in told(story):
        was = before is not None and before.state is OrderState.LOST
        assert (verdict.order.state is OrderState.LOST) is (chapter.answer is None)
        if was is not (chapter.answer is None):
            assert [m for m in verdict.transitions if m.subject is Subject.ORDER]


@given(stories)
def test_what_was_not_asked_for_stays_as_it_was(story: Sequence[Chapter]) -> None:
    for before, chapter, now, verdict in told(story):
        order, answer = verdict.order, chapter.answer
        looked_at = before.looked_at if before else None
        assert order.looked_at == (now if answer and answer.captures is not None else looked_at)
        if before is None or answer is None:
            continue
        if answer.order is None:
            assert (order.status, told_of(order)) == (before.status, told_of(before))
        if answer.captures is None and not answer.scenes:
            assert order.captures == before.captures


def told_of(order: Order) -> tuple[object, ...]:
    """What the order's own row says beside its status."""
    return order.task_name, order.start, order.placed_at


@given(stories)
def test_idempotent_the_same_answer_again_moves_nothing_and_wants_nothing(story: Sequence[Chapter]) -> None:
    for _, chapter, now, verdict in told(story):
        repeated = answered(verdict.order, chapter.answer, now)
        assert not repeated.transitions
        assert not repeated.wanted
        assert repeated.order == verdict.order


@given(stories)
def test_nothing_forgotten_every_offered_attachment_has_a_delivery_that_is_cared_for(
    story: Sequence[Chapter],
) -> None:
    for _, chapter, _, verdict in told(story):
        offers = chapter.answer.scenes if chapter.answer else {}
        for capture_id, shown in offers.items():
            for scene in shown:
                if any(map(RULES.attachments.take, scene.attachments)):
                    assert _is_cared_for(verdict.order, capture_id, scene.scene_id)


def _is_cared_for(order: Order, capture_id: str, scene_id: str) -> bool:
    known = [d for d in order.deliveries_of(capture_id) if (d.scene_id, d.attachment) == (scene_id, ZIP)]
    latest = max(known, key=lambda d: d.version)
    match latest.state:
        case _S.WANTED | _S.FETCHING:
            return True
        case _S.STORED:
            return latest.path is not None and latest.sha256 is not None
        case _S.WAITING:
            return latest.reason is not None and latest.not_before is not None
        case _S.PARKED | _S.GIVEN_UP | _S.SUPERSEDED:
            return latest.reason is not None


@given(stories)
def test_what_is_offered_last_is_what_is_wanted_unless_it_is_being_fetched(story: Sequence[Chapter]) -> None:
    for _, chapter, _, verdict in told(story):
        for capture_id, shown in (chapter.answer.scenes if chapter.answer else {}).items():
            offered = {(s.scene_id, a.name): a for s in shown for a in s.attachments}
            for (scene_id, _), attachment in offered.items():
                known = [d for d in verdict.order.deliveries_of(capture_id) if d.scene_id == scene_id]
                latest = max(known, key=lambda d: d.version, default=None)
                if RULES.attachments.take(attachment):
                    assert latest is not None
                    assert latest.fingerprint == attachment.fingerprint or latest.state is _S.FETCHING


@given(stories)
def test_monotone_no_answer_touches_what_is_stored(story: Sequence[Chapter]) -> None:
    for before, _, _, verdict in told(story):
        held = {d.key: d for d in verdict.order.deliveries}
        for delivery in before.deliveries if before else ():
            if delivery.stored_at is not None or delivery.state is _S.FETCHING:
                assert held[delivery.key] == delivery


@pytest.mark.parametrize("word", [*ORDER_WORDS, *_STRANGE])
def test_a_first_look_at_any_word_gives_an_order(word: str) -> None:
    seen = OrderSnapshot(order_id="1", task_id=1, status=word, phase=ORDER_WORDS.get(word))
    verdict = observe(None, Observation(account="main", order=seen), NOON, RULES)
    assert verdict.order.status.word == (word or NO_STATUS)
    assert verdict.unknown == (() if word in ORDER_WORDS else (f"order:{word or NO_STATUS}",))
