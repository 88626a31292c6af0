"""How single answers are taken: kinds of moves, sticky final words, done by outcome, what is wanted."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.core.samples import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    POLICY,
    RULES,
    ZIP,
    after,
    capture,
    delivery,
    look,
    order,
    published,
    seen_capture,
    seen_order,
    seen_scene,
    stored,
    with_delivery,
)

from orderwatch.core.deliveries import state_machine as local
from orderwatch.core.deliveries.state_machine import Failure, FailureKind
from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import (
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderKey,
    OrderPhase,
    OrderState,
    Subject,
    TrackedStatus,
    TransitionKind,
)
from orderwatch.core.orders.completeness import awaits_files, state_of
from orderwatch.core.orders.observe import Verdict, observe, observe_missing
from orderwatch.core.orders.snapshot import Observation
from orderwatch.core.orders.status import CAPTURE_TRANSITIONS, ORDER_TRANSITIONS, classify

_O, _C, _K = OrderPhase, CapturePhase, TransitionKind


def kinds(verdict: Verdict, subject: Subject) -> list[tuple[str | None, str, TransitionKind]]:
    return [(m.before, m.after, m.kind) for m in verdict.transitions if m.subject is subject]


@pytest.mark.parametrize(
    ("before", "after_", "kind"),
    [
        (_O.RECEIVED, _O.IN_PROGRESS, _K.STEP),
        (_O.RECEIVED, _O.REJECTED, _K.STEP),
        (_O.RECEIVED, _O.EXPIRED, _K.STEP),
        (_O.IN_PROGRESS, _O.COMPLETED, _K.STEP),
        (_O.IN_PROGRESS, _O.CANCELED, _K.STEP),
        (_O.RECEIVED, _O.COMPLETED, _K.SKIP),
        (_O.IN_PROGRESS, _O.RECEIVED, _K.ODD),
        (_O.COMPLETED, _O.IN_PROGRESS, _K.ODD),
        (_O.CANCELED, _O.COMPLETED, _K.ODD),
        (_O.IN_PROGRESS, None, _K.UNKNOWN),
        (None, _O.COMPLETED, _K.STEP),
        (_O.FAILED, _O.FAILED, _K.STEP),
    ],
)
def test_moves_of_an_order_are_named(
    before: OrderPhase | None, after_: OrderPhase | None, kind: TransitionKind
) -> None:
    assert classify(before, after_, ORDER_TRANSITIONS) is kind


@pytest.mark.parametrize(
    ("before", "after_", "kind"),
    [
        (_C.PLANNED, _C.TASKED, _K.STEP),
        (_C.TASKED, _C.PLANNED, _K.STEP),
        (_C.TASKED, _C.CAPTURED, _K.STEP),
        (_C.CAPTURED, _C.PROCESSING, _K.STEP),
        (_C.PROCESSING, _C.PUBLISHED, _K.STEP),
        (_C.PROCESSING, _C.REJECTED, _K.STEP),
        (_C.PLANNED, _C.PUBLISHED, _K.SKIP),
        (_C.TASKED, _C.PROCESSING, _K.SKIP),
        (_C.PUBLISHED, _C.PROCESSING, _K.ODD),
        (_C.FAILED, _C.PUBLISHED, _K.ODD),
        (_C.CAPTURED, _C.PLANNED, _K.ODD),
        (_C.PROCESSING, None, _K.UNKNOWN),
        (None, _C.PUBLISHED, _K.STEP),
    ],
)
def test_moves_of_a_capture_are_named(
    before: CapturePhase | None, after_: CapturePhase | None, kind: TransitionKind
) -> None:
    assert classify(before, after_, CAPTURE_TRANSITIONS) is kind


def test_every_move_between_known_phases_has_a_name_that_is_not_unknown() -> None:
    orders = {classify(a, b, ORDER_TRANSITIONS) for a in _O for b in _O}
    captures = {classify(a, b, CAPTURE_TRANSITIONS) for a in _C for b in _C}
    assert orders == captures == {_K.STEP, _K.SKIP, _K.ODD}


def test_no_road_leads_out_of_a_final_phase() -> None:
    assert not any(phase.final for phase in ORDER_TRANSITIONS)
    assert not any(phase.final for phase in CAPTURE_TRANSITIONS)
    assert {p for p in _O if not p.final} == set(ORDER_TRANSITIONS)
    assert {p for p in _C if not p.final} == set(CAPTURE_TRANSITIONS)


def test_the_first_look_records_order_capture_and_delivery_as_first() -> None:
    verdict = after(published())
    assert [(m.subject, m.before, m.after, m.kind) for m in verdict.transitions] == [
        (Subject.ORDER, None, "in_progress", _K.FIRST),
        (Subject.CAPTURE, None, "published", _K.FIRST),
        (Subject.DELIVERY, None, "wanted", _K.FIRST),
    ]
    assert verdict.transitions[-1].detail == "delivery_zip s1.zip"
    assert [d.key for d in verdict.wanted] == [("main", "23272", "c1", "s1", ZIP, 1)]


def test_a_skipped_state_is_recorded_as_a_skip() -> None:
    verdict = after(look(captures=[seen_capture("planned")]), look(captures=[seen_capture("published")]))
    assert kinds(verdict, Subject.CAPTURE) == [("planned", "published", _K.SKIP)]


def test_an_unknown_word_is_kept_raw_and_says_nothing_that_we_hold() -> None:
    verdict = after(look("in_progress"), look("on_hold"))
    assert verdict.order.status.word == "on_hold"
    assert verdict.order.status.phase is None
    assert verdict.order.state is OrderState.OPEN
    assert verdict.unknown == ("order:on_hold",)
    assert kinds(verdict, Subject.ORDER) == [("in_progress", "on_hold", _K.UNKNOWN)]


def test_the_road_goes_on_from_the_last_known_phase_after_an_unknown_word() -> None:
    verdict = after(look("in_progress"), look("on_hold"), look("completed"))
    assert kinds(verdict, Subject.ORDER) == [("on_hold", "completed", _K.STEP)]


def test_an_order_whose_first_word_is_unknown_is_open() -> None:
    verdict = after(look("on_hold"))
    assert verdict.order.state is OrderState.OPEN
    assert kinds(verdict, Subject.ORDER) == [(None, "on_hold", _K.UNKNOWN)]


@pytest.mark.parametrize("word", ["beamed", ""])
def test_a_capture_that_has_scenes_is_published_whatever_its_word(word: str) -> None:
    shown = replace(published(), captures=(seen_capture(word),))
    verdict = after(shown)
    assert verdict.order.captures[0].published_at == NOON
    assert [d.scene_id for d in verdict.wanted] == ["s1"]
    assert after(replace(shown, scenes={"c1": ()})).order.captures[0].published_at is None


def test_a_name_missing_from_an_answer_is_not_forgotten() -> None:
    """A list row says less than the order itself, and must not move its files to another folder."""
    first = look()
    poorer = replace(first, order=seen_order(task_name=None, project_name=None))
    kept = after(first, poorer).order
    assert (kept.project_name, kept.task_name) == ("Harbour 1", "Quay")


def test_a_new_name_is_taken_over() -> None:
    renamed = replace(look(), order=seen_order(project_name="Harbour 2"))
    assert after(look(), renamed).order.project_name == "Harbour 2"


def reasoned(word: str, reason: str | None = None) -> Observation:
    return replace(look(), order=seen_order(word, reason=reason))


def test_a_status_change_is_recorded_with_its_reason() -> None:
    verdict = after(reasoned("received"), reasoned("failed", "clouds"))
    assert [(m.after, m.detail) for m in verdict.transitions] == [("failed", "clouds")]
    assert verdict.order.reason == "clouds"


def test_a_reason_known_before_is_not_that_of_the_next_status() -> None:
    held = reasoned("received", "by hand")
    assert after(held, reasoned("received")).order.reason == "by hand"
    assert after(held, reasoned("")).order.reason == "by hand"
    repeated = after(held, reasoned("in_progress", "by hand"))
    assert [(m.after, m.detail) for m in repeated.transitions] == [("in_progress", None)]
    assert after(held, reasoned("completed")).order.reason is None


def test_captures_and_scenes_missing_from_an_answer_stay() -> None:
    verdict = after(published(), look())
    assert [c.capture_id for c in verdict.order.captures] == ["c1"]
    assert [d.scene_id for d in verdict.order.deliveries] == ["s1"]
    assert not verdict.transitions


def test_a_capture_shown_twice_in_one_answer_is_recorded_once() -> None:
    verdict = after(look(captures=[seen_capture("planned"), seen_capture("published")]))
    assert kinds(verdict, Subject.CAPTURE) == [(None, "published", _K.FIRST)]


class TestFinalIsSticky:
    flap = look("in_progress")

    def test_the_flap_is_recorded_as_odd_and_the_order_stays_final(self) -> None:
        verdict = after(look("canceled"), self.flap)
        assert kinds(verdict, Subject.ORDER) == [("canceled", "in_progress", _K.ODD)]
        assert verdict.order.status.phase is _O.CANCELED
        assert verdict.order.status.word == "in_progress"
        assert verdict.order.state is OrderState.SETTLING

    @pytest.mark.parametrize(
        ("looks", "every", "state"),
        [
            (2, HOUR, OrderState.SETTLING),  # an hour, but only two looks
            (3, 29 * MINUTE, OrderState.SETTLING),  # three looks within the hour
            (9, 7 * MINUTE, OrderState.SETTLING),
            (3, 30 * MINUTE, OrderState.OPEN),
            (3, HOUR, OrderState.OPEN),
        ],
    )
    def test_it_is_believed_after_three_looks_over_an_hour(
        self, looks: int, every: timedelta, state: OrderState
    ) -> None:
        verdict = after(look("canceled"), *[self.flap] * looks, every=every)
        assert verdict.order.state is state

    def test_a_believed_flap_forgets_when_the_order_was_final(self) -> None:
        reopened = after(look("canceled"), *[self.flap] * 3).order
        assert reopened.final_at is None
        closed = observe(reopened, look("completed"), NOON + DAY, RULES).order
        assert closed.final_at == NOON + DAY

    def test_the_final_word_heard_again_takes_the_doubts_away(self) -> None:
        verdict = after(look("canceled"), self.flap, self.flap, look("canceled"), self.flap, self.flap)
        assert verdict.order.state is OrderState.SETTLING
        assert verdict.order.status.doubts == 2

    def test_each_new_word_has_to_be_seen_three_times_itself(self) -> None:
        verdict = after(look("canceled"), *[look("on_hold")] * 5, self.flap)
        assert verdict.order.state is OrderState.SETTLING
        assert verdict.order.status.doubts == 1

    def test_an_unknown_word_never_reopens_an_order(self) -> None:
        verdict = after(look("completed"), *[look("archived")] * 9)
        assert verdict.order.status.phase is _O.COMPLETED

    def test_another_final_word_counts_at_once(self) -> None:
        verdict = after(look("canceled"), look("completed"))
        assert verdict.order.status.phase is _O.COMPLETED
        assert kinds(verdict, Subject.ORDER) == [("canceled", "completed", _K.ODD)]

    def test_scenes_of_a_final_order_are_wanted_all_the_same(self) -> None:
        for word in ("canceled", "failed", "in_progress"):
            verdict = after(look("canceled"), published(word))
            assert [d.scene_id for d in verdict.wanted] == ["s1"]

    def test_a_published_capture_that_flaps_keeps_its_deliveries_and_its_day(self) -> None:
        back = look(captures=[seen_capture("processing")])
        verdict = after(published(), back)
        kept = verdict.order.captures[0]
        assert kinds(verdict, Subject.CAPTURE) == [("published", "processing", _K.ODD)]
        assert kept.status.phase is _C.PUBLISHED
        assert kept.published_at == NOON
        assert [d.state for d in verdict.order.deliveries] == [DeliveryState.WANTED]
        assert after(published(), back, back, back).order.captures[0].published_at == NOON


class TestStateByOutcome:
    final = NOON
    over = NOON + RULES.grace

    def state(
        self, *captures: CapturePhase, deliveries: tuple[Delivery, ...] = (), word: str = ""
    ) -> OrderState:
        known = order(
            OrderPhase(word or "completed"),
            captures=[
                replace(
                    capture(phase), capture_id=f"c{n}", published_at=NOON if phase is _C.PUBLISHED else None
                )
                for n, phase in enumerate(captures, 1)
            ],
            deliveries=deliveries,
            final_at=self.final,
        )
        return state_of(known, self.over, RULES.grace)

    def test_an_order_that_is_not_final_is_open_whatever_is_stored(self) -> None:
        assert self.state(_C.PUBLISHED, deliveries=(stored(),), word="in_progress") is OrderState.OPEN

    @pytest.mark.parametrize("word", ["completed", "failed", "rejected", "canceled", "expired", "closed"])
    def test_a_final_order_without_captures_is_done_after_the_grace_time(self, word: str) -> None:
        assert self.state(word=word) is OrderState.DONE

    def test_within_the_grace_time_it_settles(self) -> None:
        known = order(OrderPhase.REJECTED, final_at=self.final)
        assert state_of(known, self.over - MINUTE, RULES.grace) is OrderState.SETTLING

    def test_a_capture_that_is_not_final_keeps_it_settling(self) -> None:
        assert self.state(_C.PROCESSING) is OrderState.SETTLING

    @pytest.mark.parametrize(
        ("asked_at", "expected"),
        [(None, OrderState.SETTLING), (NOON - MINUTE, OrderState.SETTLING), (NOON, OrderState.DONE)],
        ids=["never", "before its end", "after its end"],
    )
    def test_a_capture_whose_word_nobody_knows_lets_it_be_done_once_its_files_were_asked_for(
        self, asked_at: datetime | None, expected: OrderState
    ) -> None:
        strange = replace(capture(), status=TrackedStatus(word="beamed", phase=None), scenes_seen_at=asked_at)
        known = order(OrderPhase.COMPLETED, captures=[strange], final_at=self.final)
        assert state_of(known, self.over, RULES.grace) is expected
        assert state_of(known, self.over - MINUTE, RULES.grace) is OrderState.SETTLING

    def test_files_that_such_a_capture_has_are_waited_for(self) -> None:
        strange = replace(
            capture(), status=TrackedStatus(word="beamed", phase=None), scenes_seen_at=self.over
        )
        found = replace(strange, published_at=NOON)
        for held, expected in ((delivery(), OrderState.SETTLING), (stored(), OrderState.DONE)):
            known = order(OrderPhase.COMPLETED, captures=[found], deliveries=(held,), final_at=self.final)
            assert state_of(known, self.over, RULES.grace) is expected

    def test_a_final_word_that_an_unknown_one_follows_keeps_it_no_longer_than_the_grace_time(self) -> None:
        known = order(OrderPhase.COMPLETED, final_at=self.final)
        standing = replace(known.status, word="archived", doubts=9, doubted_at=self.final + DAY)
        doubted = replace(known, status=standing)
        assert state_of(doubted, self.over, RULES.grace) is OrderState.SETTLING
        assert state_of(doubted, self.over + DAY, RULES.grace) is OrderState.DONE

    def test_a_published_capture_without_any_delivery_keeps_it_settling(self) -> None:
        assert self.state(_C.PUBLISHED) is OrderState.SETTLING

    @pytest.mark.parametrize("state", list(DeliveryState))
    def test_only_stored_and_superseded_deliveries_let_it_be_done(self, state: DeliveryState) -> None:
        done = state in {DeliveryState.STORED, DeliveryState.SUPERSEDED}
        expected = OrderState.DONE if done else OrderState.SETTLING
        assert self.state(_C.PUBLISHED, deliveries=(delivery(state),)) is expected

    def test_captures_that_failed_or_were_canceled_await_nothing(self) -> None:
        assert self.state(_C.FAILED, _C.CANCELED, _C.REJECTED) is OrderState.DONE

    def test_one_waiting_version_is_enough_to_settle_on(self) -> None:
        both = (stored(), delivery(DeliveryState.WAITING, version=2))
        assert self.state(_C.PUBLISHED, deliveries=both) is OrderState.SETTLING

    def test_a_late_scene_takes_a_done_order_back_to_settling(self) -> None:
        done = order(OrderPhase.COMPLETED, OrderState.DONE, final_at=NOON - 20 * DAY)
        assert observe(done, published("completed"), NOON, RULES).order.state is OrderState.SETTLING

    def test_a_capture_that_is_not_published_awaits_no_files(self) -> None:
        assert not awaits_files(order(), capture(_C.PROCESSING))


class TestHalfALook:
    """The list shows an order's own row and no more; where it did, the look asks for captures only."""

    captures_only = replace(published(), order=None)
    row_only = replace(look("completed"), captures=None)

    def test_a_row_of_the_list_moves_the_order_and_leaves_its_captures(self) -> None:
        before = after(published()).order
        verdict = observe(before, self.row_only, NOON + HOUR, RULES)
        assert kinds(verdict, Subject.ORDER) == [("in_progress", "completed", _K.STEP)]
        assert not kinds(verdict, Subject.CAPTURE)
        assert (verdict.order.captures, verdict.order.deliveries) == (before.captures, before.deliveries)
        assert (verdict.order.looked_at, verdict.order.last_seen_at) == (NOON, NOON + HOUR)

    def test_an_order_known_from_the_list_alone_was_not_looked_at(self) -> None:
        found = after(self.row_only).order
        assert (found.looked_at, found.last_seen_at, found.captures) == (None, NOON, ())

    def test_captures_alone_move_captures_and_leave_what_the_row_said(self) -> None:
        before = after(look()).order
        verdict = observe(before, self.captures_only, NOON + HOUR, RULES)
        assert kinds(verdict, Subject.CAPTURE) == [(None, "published", _K.FIRST)]
        assert not kinds(verdict, Subject.ORDER)
        assert (verdict.order.status, verdict.order.task_name) == (before.status, "Quay")
        assert [d.scene_id for d in verdict.wanted] == ["s1"]
        assert (verdict.order.looked_at, verdict.order.last_seen_at) == (NOON + HOUR, NOON + HOUR)

    def test_captures_alone_raise_no_doubt_of_the_order(self) -> None:
        flapped = after(look("canceled"), look("in_progress"))
        assert flapped.order.status.doubts == 1
        later = [observe(flapped.order, self.captures_only, NOON + n * DAY, RULES).order for n in (1, 2)]
        assert {order.status.doubts for order in later} == {1}

    def test_captures_alone_show_a_lost_order_again_and_that_is_recorded(self) -> None:
        lost = observe_missing(after(look()).order, "main", OrderKey("23272", 23272), NOON).order
        verdict = observe(lost, self.captures_only, NOON + HOUR, RULES)
        assert verdict.order.state is OrderState.OPEN
        assert kinds(verdict, Subject.ORDER) == [("lost", "in_progress", _K.ODD)]

    def test_captures_of_nobodys_order_are_our_own_mistake(self) -> None:
        with pytest.raises(ValueError, match="needs a known order"):
            observe(None, self.captures_only, NOON, RULES)

    def test_when_it_was_placed_is_kept_where_an_answer_does_not_say(self) -> None:
        placed = replace(look(), order=seen_order(placed_at=NOON - DAY))
        assert after(placed, look()).order.placed_at == NOON - DAY


@pytest.mark.parametrize(
    ("last_seen_at", "listed_at", "shown_at"),
    [
        (None, None, None),
        (NOON, None, NOON),
        (None, NOON, NOON),
        (NOON, NOON + HOUR, NOON + HOUR),
        (NOON + HOUR, NOON, NOON + HOUR),
    ],
)
def test_an_order_was_shown_last_by_a_look_or_by_the_list(
    last_seen_at: datetime | None, listed_at: datetime | None, shown_at: datetime | None
) -> None:
    assert order(last_seen_at=last_seen_at, listed_at=listed_at).shown_at == shown_at


class TestLost:
    def test_an_order_answered_with_404_is_lost_and_keeps_everything(self) -> None:
        known = after(published()).order
        verdict = observe_missing(known, "main", OrderKey("23272", 23272), NOON + HOUR)
        assert verdict.order == replace(known, state=OrderState.LOST, last_seen_at=NOON + HOUR)
        assert kinds(verdict, Subject.ORDER) == [("in_progress", "lost", _K.ODD)]

    def test_it_is_said_once(self) -> None:
        lost = observe_missing(after(look()).order, "main", OrderKey("23272", 23272), NOON).order
        assert not observe_missing(lost, "main", OrderKey("23272", 23272), NOON + HOUR).transitions

    def test_an_order_never_seen_can_be_lost_too(self) -> None:
        verdict = observe_missing(None, "main", OrderKey("7", 7), NOON)
        assert (verdict.order.task_id, verdict.order.state) == (7, OrderState.LOST)
        assert kinds(verdict, Subject.ORDER) == [(None, "lost", _K.ODD)]

    @pytest.mark.parametrize(
        ("word", "state"), [("in_progress", OrderState.OPEN), ("completed", OrderState.SETTLING)]
    )
    def test_it_comes_back_as_what_it_is_shown_to_be(self, word: str, state: OrderState) -> None:
        lost = observe_missing(after(look()).order, "main", OrderKey("23272", 23272), NOON).order
        verdict = observe(lost, look(word), NOON + HOUR, RULES)
        assert verdict.order.state is state
        assert kinds(verdict, Subject.ORDER) == [("lost", word, _K.ODD)]

    def test_one_that_was_never_seen_comes_back_too(self) -> None:
        lost = observe_missing(None, "main", OrderKey("23272", 23272), NOON).order
        verdict = observe(lost, published("completed"), NOON + HOUR, RULES)
        assert verdict.order.status.phase is _O.COMPLETED
        assert verdict.order.state is OrderState.SETTLING
        assert len(verdict.wanted) == 1


class TestRepublished:
    """The provider publishes a scene anew: another fingerprint under the same names."""

    def renewed(self, held: Delivery) -> Verdict:
        known = after(published()).order
        return observe(with_delivery(known, held), published(fingerprint="f2"), NOON + DAY, RULES)

    def test_a_stored_scene_becomes_a_new_version_beside_the_old(self) -> None:
        verdict = self.renewed(stored())
        assert [(d.version, d.state, d.fingerprint) for d in verdict.order.deliveries] == [
            (1, DeliveryState.STORED, "f1"),
            (2, DeliveryState.WANTED, "f2"),
        ]
        assert kinds(verdict, Subject.DELIVERY) == [(None, "wanted", _K.FIRST)]
        assert verdict.transitions[-1].detail == "delivery_zip s1.zip, version 2"

    def test_versions_count_on_from_the_highest(self) -> None:
        second = self.renewed(stored()).order
        twice = replace(
            second, deliveries=(replace(second.deliveries[1], state=DeliveryState.STORED), stored())
        )
        verdict = observe(twice, published(fingerprint="f3"), NOON + 2 * DAY, RULES)
        assert [d.version for d in verdict.wanted] == [3]

    def test_a_superseded_duplicate_is_not_wanted_again(self) -> None:
        copy = delivery(
            DeliveryState.SUPERSEDED, version=2, fingerprint="f2", reason="same bytes as version 1"
        )
        known = order(captures=[capture()], deliveries=[stored(), copy])
        assert not observe(known, published(fingerprint="f2"), NOON, RULES).wanted

    @pytest.mark.parametrize("state", [DeliveryState.WAITING, DeliveryState.PARKED, DeliveryState.GIVEN_UP])
    def test_one_that_waits_is_wanted_anew_in_the_same_version(self, state: DeliveryState) -> None:
        held = delivery(
            state,
            attempts=5,
            attempts_without_progress=5,
            durable=7,
            reason="why",
            path="a/b.zip",
            not_before=NOON,
        )
        verdict = self.renewed(held)
        assert verdict.wanted == (delivery(fingerprint="f2", attempts=5),)
        assert verdict.order.deliveries == verdict.wanted
        assert kinds(verdict, Subject.DELIVERY) == [(state.value, "wanted", _K.STEP)]

    def test_one_that_was_not_begun_is_renewed_without_a_word(self) -> None:
        verdict = self.renewed(delivery())
        assert [d.fingerprint for d in verdict.wanted] == ["f2"]
        assert not verdict.transitions

    def test_one_that_is_being_fetched_is_left_alone_and_compared_later(self) -> None:
        fetching = local.claimed(delivery(), NOON).delivery
        verdict = self.renewed(fetching)
        assert verdict.order.deliveries == (fetching,)
        assert not verdict.wanted
        home = local.on_stored(replace(fetching, path="a", sha256="ab", size=9), NOON).delivery
        assert [d.version for d in self.renewed(home).wanted] == [2]

    def test_verified_bytes_that_await_their_name_are_not_thrown_away(self) -> None:
        parked = delivery(DeliveryState.PARKED, sha256="ab", size=9, path="a/s1.zip", reason="no space")
        verdict = self.renewed(parked)
        assert [(d.version, d.state) for d in verdict.order.deliveries] == [
            (1, DeliveryState.PARKED),
            (2, DeliveryState.WANTED),
        ]

    def test_the_same_fingerprint_never_wakes_what_was_given_up(self) -> None:
        tired = Failure(trouble=FailureKind.NETWORK, reason="cut")
        fetching = local.claimed(delivery(), NOON).delivery
        gone = local.on_failure(fetching, tired, NOON, replace(POLICY, max_attempts=1), 0.5).delivery
        known = with_delivery(after(published()).order, gone)
        assert not observe(known, published(), NOON + DAY, RULES).wanted


class TestWanted:
    def test_only_attachments_the_operator_wants_are_wanted(self) -> None:
        shown = look(captures=[seen_capture()], scenes={"c1": (seen_scene("s1", "f1", ZIP, "thumbnail"),)})
        assert [d.attachment for d in after(shown).wanted] == [ZIP]
        both = replace(RULES, attachments=WantedAttachments(frozenset({ZIP, "thumbnail"})))
        assert {d.attachment for d in observe(None, shown, NOON, both).wanted} == {ZIP, "thumbnail"}

    def test_a_scene_that_offers_its_zip_later_is_wanted_then(self) -> None:
        early = look(captures=[seen_capture()], scenes={"c1": (seen_scene("s1", "f1", "thumbnail"),)})
        assert not after(early).wanted
        assert [d.scene_id for d in after(early, published()).wanted] == ["s1"]

    def test_scenes_of_a_capture_we_were_not_shown_are_wanted_too(self) -> None:
        shown = look(scenes={"c9": (seen_scene("s1"),)})
        assert [d.capture_id for d in after(shown).wanted] == ["c9"]

    def test_the_look_at_scenes_is_dated(self) -> None:
        empty = look(captures=[seen_capture()], scenes={"c1": ()})
        known: Order = after(look(captures=[seen_capture()]), empty).order
        assert known.captures[0].scenes_seen_at == NOON + HOUR
        assert known.captures[0].published_at == NOON

    def test_the_date_stays_while_scenes_are_not_asked_for(self) -> None:
        assert after(published(), look(captures=[seen_capture()])).order.captures[0].scenes_seen_at == NOON
