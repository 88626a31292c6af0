"""The guard against ordering twice: what a list shows, and what it proves."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.core.ordering.test_core_request import request
from tests.core.samples import HOUR, MINUTE, NOON, seen_order

from orderwatch.core.model import OrderPhase
from orderwatch.core.ordering.intent import (
    Intent,
    IntentState,
    OrderList,
    alike,
    closed,
    forgotten,
    found,
    placed,
    searched,
    sending,
    unclear,
)
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.orders.snapshot import OrderSnapshot

_S = IntentState
SECOND = timedelta(seconds=1)
WAIT = MINUTE
LONG = WAIT + 2 * MINUTE  # so far no clock is set unnoticed
ASKED = request()
ACT = Provenance(who="ada@desk", source="quay.toml", digest="d1", note="for the port")


def an_intent(**more: object) -> Intent:
    plain = Intent(account="main", request=ASKED, provenance=ACT, written_at=NOON)
    return replace(plain, **more)  # type: ignore[arg-type]  # by name


def just_like_it(task_id: int = 1, placed_at: datetime | None = NOON, **more: object) -> OrderSnapshot:
    facts = {
        "task_name": ASKED.task_name,
        "project_name": ASKED.project_name,
        "product": str(ASKED.product),
        "placed_at": placed_at,
        "start": ASKED.start,
        "end": ASKED.end,
        "document": {"target": ASKED.target},
    }
    keys = {"order_id": str(task_id), "task_id": task_id}
    return replace(seen_order(), **(keys | facts | more))  # type: ignore[arg-type]  # by name


def a_stranger(task_id: int) -> OrderSnapshot:
    return just_like_it(task_id, task_name="Another's")


def lost(stock: Sequence[OrderSnapshot] = (), ended_at: datetime = NOON) -> Intent:
    """Sent at noon, when the list showed that, and its answer was lost."""
    return unclear(sending(an_intent(), OrderList(NOON, stock), NOON), "500", ended_at)


def looked(
    intent: Intent, *ages: timedelta, stock: Sequence[OrderSnapshot] = (), waited: timedelta = timedelta()
) -> Intent:
    """Whole lists that lack it, begun so long after its end."""
    for age in ages:
        assert intent.ended_at is not None
        intent, doubt = searched(intent, OrderList(intent.ended_at + age, stock), (), WAIT, waited)
        assert doubt is None
    return intent


def test_only_these_states_leave_it_open_whether_the_provider_took_it() -> None:
    assert {state for state in IntentState if state.open} == {_S.SENDING, _S.UNCLEAR, _S.ABSENT}


def test_what_is_sent_remembers_what_the_list_showed_before() -> None:
    before = replace(looked(lost(), LONG, LONG), reason="500", sends=1)
    after = sending(before, OrderList(NOON, [a_stranger(5), just_like_it(7), just_like_it(6)]), NOON + HOUR)
    assert (after.state, after.sends, after.sent_at) == (_S.SENDING, 2, NOON + HOUR)
    assert after.before == ("5", "7", "6")
    assert (after.ended_at, after.searched_at, after.reason) == (None, None, None)


def test_the_oldest_of_several_that_are_alike_comes_first_and_what_ended_in_vain_last() -> None:
    undated, late, early = just_like_it(1, None), just_like_it(2, NOON + HOUR), just_like_it(9)
    ended = just_like_it(3, NOON - HOUR, status="canceled", phase=OrderPhase.CANCELED)
    stock = OrderList(NOON, [ended, undated, a_stranger(4), late, early])
    assert alike(ASKED, stock) == [early, late, undated, ended]


@pytest.mark.parametrize(
    ("ages", "state"),
    [
        ((), _S.UNCLEAR),
        ((0 * SECOND,), _S.UNCLEAR),
        ((HOUR,), _S.UNCLEAR),  # one list alone proves nothing, however late
        ((0 * SECOND, WAIT), _S.UNCLEAR),  # our clock may have been set
        ((0 * SECOND, LONG - SECOND), _S.UNCLEAR),
        ((0 * SECOND, LONG), _S.ABSENT),
        ((HOUR, HOUR), _S.ABSENT),
        ((0 * SECOND, LONG, 2 * LONG), _S.ABSENT),
    ],
)
def test_absence_is_proven_by_two_lists_the_second_after_the_wait(
    ages: Sequence[timedelta], state: IntentState
) -> None:
    after = looked(lost(), *ages)
    assert after.state is state
    assert after.searched_at == (NOON + ages[-1] if ages else None)


def test_who_waited_himself_need_not_believe_the_clock() -> None:
    assert looked(lost(), 0 * SECOND, 0 * SECOND, waited=WAIT).state is _S.ABSENT
    assert looked(lost(), 0 * SECOND, 0 * SECOND, waited=WAIT - SECOND).state is _S.UNCLEAR
    assert looked(lost(), 0 * SECOND, waited=WAIT).state is _S.UNCLEAR


BEFORE = [a_stranger(5), just_like_it(6, NOON - HOUR)]
NAMELESS = just_like_it(9, None, task_name=None)


@pytest.mark.parametrize(
    ("stock", "words"),
    [
        (OrderList(NOON, BEFORE, 1), "1 rows of the provider's list are unreadable"),
        (OrderList(NOON, [*BEFORE, NAMELESS]), "order 9 is new and may be this order"),
        (
            OrderList(NOON, [*BEFORE, just_like_it(9, product="90")]),
            "order 9 is new and may be this order",
        ),
        (OrderList(NOON, BEFORE[:1]), "lacks orders that it showed before (6)"),
    ],
    ids=["a row that cannot be read", "one without a name", "one of another product", "fewer than before"],
)
def test_a_list_that_proves_nothing_undoes_what_was_proven(stock: OrderList, words: str) -> None:
    absent = looked(lost(BEFORE), LONG, LONG, stock=BEFORE)
    assert absent.state is _S.ABSENT
    after, doubt = searched(absent, stock, (), WAIT, WAIT)
    assert (after.state, after.searched_at, after.reason) == (_S.UNCLEAR, None, "500")
    assert words in (doubt or "")


def test_what_was_there_before_casts_no_doubt_whatever_it_is() -> None:
    before = [replace(NAMELESS, order_id="5", task_id=5), just_like_it(6, product="90"), just_like_it(7)]
    assert looked(lost(before), LONG, LONG, stock=before).state is _S.ABSENT


@pytest.mark.parametrize(
    ("seen", "is_it"),
    [
        (just_like_it(9), True),
        (just_like_it(9, None), True),
        (just_like_it(9, NOON - 14 * HOUR), True),  # a time of another zone
        (just_like_it(9, NOON + HOUR), True),
        (just_like_it(5), False),  # it was there before
        (just_like_it(6), False),  # another intent's
        (a_stranger(9), False),
    ],
)
def test_what_became_of_it_is_like_it_new_and_of_no_other_intent(seen: OrderSnapshot, *, is_it: bool) -> None:
    intent = lost([just_like_it(5)])
    assert found(intent, OrderList(NOON, [just_like_it(5), seen]), {"6"}) == (seen if is_it else None)


def test_of_two_that_could_be_it_the_one_that_is_dated_since_then_is() -> None:
    late, odd = just_like_it(9, NOON + MINUTE), just_like_it(8, NOON - 14 * HOUR)
    assert found(lost(), OrderList(NOON, [odd, late]), ()) == late


def test_what_is_another_intents_casts_no_doubt() -> None:
    intent = lost()
    for _ in range(2):
        intent, doubt = searched(intent, OrderList(NOON + LONG, [just_like_it(5)]), {"5"}, WAIT, WAIT)
        assert doubt is None
    assert intent.state is _S.ABSENT


def test_what_is_forgotten_is_open_no_more_and_says_on_whose_word() -> None:
    after = forgotten(lost(BEFORE), "bob@desk")
    assert (after.state.open, after.state.ordered, after.before) == (False, True, ())
    assert after.reason == "forgotten by bob@desk"


def test_an_end_is_told_with_its_reason() -> None:
    intent = sending(an_intent(), OrderList(NOON, []), NOON)
    assert closed(intent, "400: no", refused=True) == replace(intent, state=_S.REFUSED, reason="400: no")
    assert closed(intent, "429", refused=False) == replace(intent, state=_S.UNSENT, reason="429")
    assert placed(lost(), just_like_it(7)).reason is None


def test_the_history_tells_how_it_was_placed() -> None:
    by = "by ada@desk from quay.toml (sha256 d1), note: for the port"
    sent = sending(an_intent(), OrderList(NOON, []), NOON)
    assert placed(sent, just_like_it(7)).words == f"placed {by}"
    assert placed(unclear(sent, "500", NOON), just_like_it(7)).words == (
        f"placed {by}; the response was lost, and it was found in the provider's list"
    )
    assert (
        placed(an_intent(), just_like_it(7)).words
        == f"found in the provider's list, placed earlier; requested {by}"
    )
