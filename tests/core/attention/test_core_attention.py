"""What needs a person, for which reason, and when it no longer does."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core.ordering.test_core_intent import an_intent
from tests.db.kit import MINUTE, NOW, a_delivery

from orderwatch.core.attention.attention import (
    beyond_heartbeat,
    by_order,
    changes,
    concerns,
    headline,
    unacknowledged,
)
from orderwatch.core.attention.concern import (
    Concern,
    Evidence,
    OrderFacts,
    Raised,
    Scope,
    StuckDelivery,
    UnknownWord,
)
from orderwatch.core.model import DeliveryState, OrderPhase, OrderState, Subject
from orderwatch.core.notifications.notification import Channel, of_concern
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.order_names import OrderNames
from orderwatch.core.ordering.intent import IntentState
from orderwatch.core.orders.status import NO_STATUS
from orderwatch.core.serializers import concern_to_dict

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAMES = OrderNames("main", "1", 1, "Harbour", "Quay")
PROBLEM = Problem(
    key="p", event="space.short", began_at=NOW - HOUR, facts={"root": "/srv", "reason": "full."}
)


def scope(
    accounts: Collection[str] = ("main",), *, watched: bool = True, known: Collection[str] = ()
) -> Scope:
    return Scope(accounts=accounts, is_watched=lambda *_: watched, knows=lambda _, word: word in known)


def an_order(**fields: Any) -> OrderFacts:  # noqa: ANN401 - of any field
    given = {
        "account": "main",
        "order_id": "1",
        "task_id": 1,
        "project_name": "Harbour",
        "task_name": "Quay",
        "placed_at": None,
        "word": "in_progress",
        "reason": None,
        "ours": False,
        "phase": OrderPhase.IN_PROGRESS,
        "state": OrderState.OPEN,
        "end": None,
        "final_at": None,
        "last_seen_at": NOW,
        "lost_at": None,
        "failing_since": None,
        "lacking_since": None,
        "has_file": False,
        "is_coming": False,
        "is_pending": False,
    }
    return OrderFacts(**{**given, **fields})


def final(phase: OrderPhase, ago: timedelta = HOUR, **fields: Any) -> OrderFacts:  # noqa: ANN401 - as above
    return an_order(word=str(phase), phase=phase, state=OrderState.SETTLING, final_at=NOW - ago, **fields)


def stuck(state: DeliveryState, **fields: Any) -> StuckDelivery:  # noqa: ANN401 - as above
    return StuckDelivery(delivery=a_delivery(state=state, **fields), names=NAMES, since=NOW - HOUR)


def reasons(evidence: Evidence, of: Scope | None = None) -> list[str]:
    return [str(concern.reason) for concern in concerns(evidence, NOW, of or scope())]


def one(evidence: Evidence) -> Concern:
    (found,) = concerns(evidence, NOW, scope())
    return found


def raised(*found: Concern, acknowledged: bool = False) -> dict[str, Raised]:
    at = NOW if acknowledged else None
    return {concern.key: Raised(concern=concern, acknowledged_at=at) for concern in found}


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (an_order(), None),
        (an_order(state=OrderState.LOST), "lost"),
        (an_order(end=NOW + MINUTE), None),
        (an_order(end=NOW), "overdue"),
        (an_order(end=NOW - HOUR, is_coming=True), None),
        (an_order(end=NOW - HOUR, is_pending=True), None),
        (an_order(end=NOW - DAY, is_pending=True), "overdue"),
        (final(OrderPhase.REJECTED), "order_failed"),
        (final(OrderPhase.FAILED), "order_failed"),
        (final(OrderPhase.EXPIRED), "order_failed"),
        (final(OrderPhase.FAILED, is_coming=True), None),
        (final(OrderPhase.FAILED, is_pending=True), None),
        (final(OrderPhase.FAILED, DAY, is_pending=True), "order_failed"),
        (final(OrderPhase.COMPLETED), None),
        (final(OrderPhase.COMPLETED, DAY), "order_failed"),
        (final(OrderPhase.CANCELED, 9 * DAY), None),
        (final(OrderPhase.REJECTED, end=NOW - 40 * DAY), None),
        (final(OrderPhase.REJECTED, end=NOW - 20 * DAY), "order_failed"),
        (final(OrderPhase.COMPLETED, 9 * DAY, has_file=True), None),
        (an_order(end=NOW, has_file=True), None),
        (an_order(failing_since=NOW - 6 * DAY, is_coming=True), None),
        (an_order(failing_since=NOW - 7 * DAY, is_coming=True), "overdue"),
        (an_order(lacking_since=NOW - 7 * DAY), "overdue"),
        (final(OrderPhase.COMPLETED, 9 * DAY, failing_since=NOW - 7 * DAY, has_file=True), "overdue"),
        (final(OrderPhase.COMPLETED, 9 * DAY, lacking_since=NOW - 7 * DAY, has_file=True), "overdue"),
        (final(OrderPhase.COMPLETED, 9 * DAY, lacking_since=NOW - 7 * DAY), "order_failed"),
        (final(OrderPhase.COMPLETED, end=NOW - 40 * DAY, lacking_since=NOW - 9 * DAY), None),
        (final(OrderPhase.COMPLETED, end=NOW - 40 * DAY, failing_since=NOW - 9 * DAY), "overdue"),
    ],
)
def test_which_orders_need_a_person(order: OrderFacts, reason: str | None) -> None:
    assert reasons(Evidence(orders=[order])) == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("state", "reason"), [(DeliveryState.PARKED, "parked"), (DeliveryState.GIVEN_UP, "given_up")]
)
def test_a_stuck_delivery_says_which_file_why_and_what_to_do(state: DeliveryState, reason: str) -> None:
    found = one(Evidence(deliveries=[stuck(state, reason="the host answers 500")]))
    assert (found.reason, found.since) == (reason, NOW - HOUR)
    assert found.text.startswith("The delivery_zip scene-1.zip of order 1 (Harbour / Quay)")
    assert found.text.endswith("the host answers 500.")
    assert "`orderwatch retry --task 1`" in found.remedy


def test_a_delivery_that_is_tried_again_stays_in_the_list_until_that_is_decided() -> None:
    parked = one(Evidence(deliveries=[stuck(DeliveryState.PARKED)]))
    trying = [stuck(DeliveryState.FETCHING)]
    assert reasons(Evidence(deliveries=trying)) == []
    assert concerns(Evidence(deliveries=trying, raised=raised(parked)), NOW, scope()) == [parked]


def test_a_problem_is_listed_with_its_reason_but_not_beside_the_order_that_it_is_about() -> None:
    assert one(Evidence(problems=[PROBLEM])).text == "Too little disk space below /srv: full."
    unclear = Problem(key="u", event="intent.unclear", began_at=NOW, facts={})
    intent = an_intent(state=IntentState.UNCLEAR, reason="the answer was lost")
    assert reasons(Evidence(problems=[unclear], intents=[intent])) == ["unconfirmed"]


def test_an_order_being_placed_right_now_needs_nobody() -> None:
    sending = an_intent(state=IntentState.SENDING, sent_at=NOW - MINUTE, written_at=NOW - MINUTE)
    assert reasons(Evidence(intents=[sending])) == []
    assert reasons(Evidence(intents=[replace(sending, sent_at=NOW - HOUR)])) == ["unconfirmed"]


def test_a_word_that_nobody_knows_is_listed_once_and_no_longer_when_it_is_known() -> None:
    words = [
        UnknownWord(subject=Subject.CAPTURE, word="pondering", names=NAMES, capture_id=c, since=NOW)
        for c in ("a", "b")
    ]
    assert reasons(Evidence(words=words)) == ["unknown_status"]
    assert reasons(Evidence(words=words), scope(known=["pondering"])) == []
    unsaid = [replace(word, word=NO_STATUS) for word in words]
    assert reasons(Evidence(words=unsaid)) == []


def test_what_is_not_configured_or_not_watched_needs_nobody() -> None:
    evidence = Evidence(orders=[an_order(state=OrderState.LOST)], deliveries=[stuck(DeliveryState.GIVEN_UP)])
    assert reasons(evidence, scope(accounts=["other"])) == []
    assert reasons(evidence, scope(watched=False)) == ["given_up"]


def test_the_list_is_sorted_by_reason_and_then_by_age() -> None:
    old = replace(PROBLEM, key="old", began_at=NOW - DAY)
    evidence = Evidence(
        problems=[PROBLEM, old],
        deliveries=[stuck(DeliveryState.PARKED)],
        orders=[an_order(state=OrderState.LOST)],
    )
    found = concerns(evidence, NOW, scope())
    assert [c.reason for c in found] == ["problem", "problem", "parked", "lost"]
    assert found[0].since < found[1].since


def test_what_lasts_keeps_its_first_moment() -> None:
    first = one(Evidence(deliveries=[stuck(DeliveryState.PARKED)]))
    again = replace(stuck(DeliveryState.PARKED), since=NOW)
    assert one(Evidence(deliveries=[again], raised=raised(first))).since == NOW - HOUR


def test_what_is_acknowledged_leaves_the_list_and_comes_back_only_when_it_began_again() -> None:
    lost = one(Evidence(orders=[an_order(state=OrderState.LOST)]))
    known = raised(lost, acknowledged=True)
    found = concerns(Evidence(orders=[an_order(state=OrderState.LOST)], raised=known), NOW, scope())
    assert unacknowledged(found) == []
    assert not changes(found, known)
    over = changes([], known)
    assert (over.raised, over.cleared, over.forgotten) == ([], [], [lost.key])


def test_a_word_that_was_acknowledged_once_is_never_raised_again() -> None:
    word = UnknownWord(subject=Subject.ORDER, word="x", names=NAMES, capture_id=None, since=NOW)
    known = raised(one(Evidence(words=[word])), acknowledged=True)
    assert not changes([], known)


def test_what_is_new_is_raised_and_what_is_over_is_cleared() -> None:
    lost = one(Evidence(orders=[an_order(state=OrderState.LOST)]))
    parked = one(Evidence(deliveries=[stuck(DeliveryState.PARKED)]))
    found = changes([lost], raised(parked))
    assert (found.raised, found.cleared) == ([lost], [parked])
    assert not changes([lost], raised(lost))


def test_the_headline_counts_by_reason_and_says_that_all_is_well_only_of_nothing() -> None:
    assert headline([]) == "all is well"
    some = concerns(Evidence(problems=[PROBLEM], deliveries=[stuck(DeliveryState.GIVEN_UP)]), NOW, scope())
    assert headline(some) == "2 things need you: 1 problem, 1 given up"
    assert headline(some[:1]) == "1 thing needs you: 1 problem"
    assert headline([some[0], some[0]]) == "2 things need you: 2 problems"


def test_its_json_has_the_fields_of_the_contract() -> None:
    facts = json.loads(json.dumps(concern_to_dict(one(Evidence(deliveries=[stuck(DeliveryState.GIVEN_UP)])))))
    assert list(facts) == [
        "reason",
        "account",
        "order_id",
        "task_id",
        "capture_id",
        "scene_id",
        "name",
        "since",
        "text",
        "remedy",
    ]
    assert (facts["reason"], facts["order_id"], facts["task_id"]) == ("given_up", "1", 1)
    assert (facts["name"], facts["since"]) == ("delivery_zip", "2026-11-22T11:00:00Z")


def test_the_providers_names_stay_on_one_line_of_printable_characters() -> None:
    order = an_order(state=OrderState.LOST, project_name="a\nb", task_name="\x1b[2J")
    assert one(Evidence(orders=[order])).text.isprintable()


@pytest.mark.parametrize(
    ("projects", "wanted"), [(("*",), True), (("Harbour",), True), (("Desert*",), False)]
)
def test_a_channel_for_some_projects_hears_of_their_orders(projects: Sequence[str], wanted: bool) -> None:  # noqa: FBT001 - parametrized
    channel = Channel(name="c", events=("attention.*",), projects=tuple(projects))
    lost = one(Evidence(orders=[an_order(state=OrderState.LOST)]))
    assert channel.wants(of_concern(lost, NOW, cleared=False)) is wanted


def test_every_channel_hears_of_what_belongs_to_no_project_but_not_of_its_own_trouble() -> None:
    channel = Channel(name="c", events=("attention.*",), projects=("Desert*",))
    note = of_concern(one(Evidence(problems=[PROBLEM])), NOW, cleared=False)
    assert channel.wants(note)
    failing = Problem(key="n", event="notify.failing", began_at=NOW, facts={"channel": "c", "reason": "x"})
    assert not channel.wants(of_concern(one(Evidence(problems=[failing])), NOW, cleared=False))


def test_the_heartbeats_own_failure_never_keeps_its_url_from_being_asked() -> None:
    failing = Problem(key="h", event="heartbeat.failing", began_at=NOW, facts={"reason": "answers 500"})
    found = concerns(Evidence(problems=[PROBLEM, failing]), NOW, scope())
    assert [concern.name for concern in beyond_heartbeat(found)] == ["space.short"]


def test_concerns_are_found_by_their_order() -> None:
    lost = one(Evidence(orders=[an_order(state=OrderState.LOST)]))
    assert by_order([lost, one(Evidence(problems=[PROBLEM]))]) == {("main", "1"): [lost]}
