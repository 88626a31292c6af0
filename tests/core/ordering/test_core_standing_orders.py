"""Which standing orders are still to be placed, and when the budget is spent."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core.samples import DAY, HOUR, MINUTE, NOON

from orderwatch.core.ordering.intent import Budget, Intent, IntentState, describe_outcome, how_to_resume
from orderwatch.core.ordering.order_file import Draft
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import KnownOrderNames, Product, Request
from orderwatch.core.ordering.standing_orders import is_spent, marked, steps, unfit

REQUEST = Request(
    task_name="Quay 5",
    project_name="Harbour",
    product=169,
    target={"type": "Point", "coordinates": [4.0, 51.0]},
    start=NOON,
    end=NOON + 30 * DAY,
)
WIDER = replace(REQUEST, end=NOON + 31 * DAY)


def intent(state: IntentState = IntentState.PLACED, **more: Any) -> Intent:  # noqa: ANN401 - handed on
    facts = {
        "account": "main",
        "request": REQUEST,
        "provenance": Provenance(who="somebody"),
        "written_at": NOON,
        "sent_at": NOON,
        "sends": 1,
        "standing_order": True,
        "order_id": "41" if state is IntentState.PLACED else None,
        "task_id": 41 if state is IntentState.PLACED else None,
        **more,
    }
    return Intent(state=state, **facts)


def against(*intents: Intent, request: Request = REQUEST) -> list[str | None]:
    """The hindrances of one declared order, none where nothing is left to do."""
    found = steps(marked("main", [Draft(request=request)]), intents, NOON + MINUTE)
    return [step.hindrance for step in found]


TODO: list[str | None] = [None]
DONE: list[str | None] = []


@pytest.mark.parametrize(
    ("intents", "expected"),
    [
        ([], TODO),
        ([intent()], DONE),
        ([intent(standing_order=False)], DONE),
        ([intent(sends=0)], DONE),
        ([intent(IntentState.REFUSED), intent()], DONE),
        ([intent(), intent(IntentState.UNSENT)], DONE),
        ([intent(IntentState.REFUSED, written_at=NOON - 7 * HOUR)], TODO),
        ([intent(IntentState.UNSENT)], TODO),
        ([intent(IntentState.REFUSED, written_at=NOON + DAY)], TODO),
    ],
    ids=[
        "never meant",
        "placed",
        "placed by a command",
        "found at the provider",
        "refused, then placed",
        "placed, and another one was not",
        "refused long ago",
        "never sent",
        "refused by a clock that was set back since",
    ],
)
def test_each_declared_order_is_placed_once(intents: list[Intent], expected: list[str | None]) -> None:
    assert against(*intents) == expected


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (IntentState.SENDING, "is being sent, or was"),
        (IntentState.UNCLEAR, "may or may not be placed"),
        (IntentState.ABSENT, "not accepted"),
        (IntentState.FORGOTTEN, "is not searched for any more"),
        (IntentState.REFUSED, "was rejected"),
    ],
)
def test_what_may_have_been_placed_or_was_refused_lately_stands_against_it(
    state: IntentState, words: str
) -> None:
    [hindrance] = against(intent(state))
    assert words in (hindrance or "")


@pytest.mark.parametrize("change", [{"end": NOON + 31 * DAY}, {"product": 90}, {"max_captures": 3}])
def test_what_was_placed_and_is_declared_otherwise_is_refused_under_the_same_name(
    change: dict[str, Any],
) -> None:
    [hindrance] = against(intent(), request=replace(REQUEST, **change))
    assert hindrance == ("changed since it was placed, as order 41: restore it, or give it another task_name")
    [hindrance] = against(intent(IntentState.UNCLEAR), request=replace(REQUEST, **change))
    assert hindrance is not None
    assert "and is not confirmed yet" in hindrance
    assert against(intent(), request=replace(REQUEST, task_name="Quay 6", **change)) == TODO


def test_what_is_alike_was_placed_by_whomever() -> None:
    [hindrance] = against(intent(standing_order=False), request=replace(REQUEST, max_captures=3))
    assert "changed since it was placed" in (hindrance or "")


def test_what_never_came_of_it_or_was_placed_by_a_command_does_not_hold_its_name() -> None:
    for other in (intent(IntentState.REFUSED), intent(IntentState.UNSENT), intent(standing_order=False)):
        assert against(other, request=WIDER) == TODO


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ((NOON - 3 * DAY, NOON - DAY), "end: the window is over"),
        ((NOON - 3 * DAY, NOON + DAY), "start: is more than two days in the past"),
        ((NOON + 800 * DAY, NOON + 801 * DAY), "start: is more than two years ahead"),
    ],
)
def test_a_window_that_cannot_be_ordered_now_stands_against_it_unless_it_is_placed(
    window: tuple[Any, Any], words: str
) -> None:
    request = replace(REQUEST, start=window[0], end=window[1])
    [hindrance] = against(request=request)
    assert (hindrance or "").startswith(words)
    assert against(intent(request=request), request=request) == DONE


def test_a_product_that_is_not_there_or_takes_another_geometry_stands_against_it() -> None:
    point, area = Product(pk=169, name="P", is_area=False), Product(pk=169, name="A", is_area=True)
    assert unfit(REQUEST, KnownOrderNames(NOON, [point])) is None
    assert "does not take a Point" in (unfit(REQUEST, KnownOrderNames(NOON, [area])) or "")
    assert "this contract has no product 169" in (unfit(REQUEST, KnownOrderNames(NOON, [])) or "")
    assert "orders by sku" in (unfit(REQUEST, KnownOrderNames(NOON, None, orders_by_sku=True)) or "")


@pytest.mark.parametrize(
    ("sent", "budget", "spent"),
    [
        ([], Budget(1, 1), False),
        ([], Budget(0, 9), True),
        ([], Budget(9, 0), True),
        ([MINUTE], Budget(1, 9), True),
        ([DAY - MINUTE], Budget(1, 9), True),
        ([DAY], Budget(1, 9), False),
        ([DAY, HOUR], Budget(2, 9), False),
        ([90 * DAY, 2 * DAY], Budget(5, 2), True),
        ([90 * DAY, 2 * DAY], Budget(5, 3), False),
    ],
)
def test_the_budget_counts_orders_of_a_day_and_all(
    sent: list[timedelta], budget: Budget, *, spent: bool
) -> None:
    assert is_spent(budget, [intent(sent_at=NOON - age) for age in sent], NOON) is spent


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        (intent(), True),
        (intent(IntentState.SENDING), True),
        (intent(IntentState.UNCLEAR), True),
        (intent(IntentState.ABSENT), True),
        (intent(IntentState.REFUSED), False),
        (intent(IntentState.UNSENT), False),
        (intent(sends=0, sent_at=None), False),
        (intent(standing_order=False), False),
    ],
    ids=["placed", "sending", "unclear", "absent", "refused", "unsent", "found", "by a command"],
)
def test_what_may_have_been_taken_counts_and_what_cost_nothing_does_not(
    other: Intent, *, counts: bool
) -> None:
    assert is_spent(Budget(1, 9), [other], NOON) is counts


@pytest.mark.parametrize(
    ("state", "words", "hint"),
    [
        (IntentState.REFUSED, "was rejected, nothing was ordered: why", False),
        (IntentState.UNSENT, "could not be sent, nothing was ordered: why", False),
        (IntentState.ABSENT, "not accepted", True),
        (IntentState.UNCLEAR, "may or may not be placed, and is not sent again: why", True),
        (IntentState.SENDING, "is being sent, or was when orderwatch stopped", True),
    ],
)
def test_what_is_not_placed_says_why_and_what_is_open_says_what_to_do(
    state: IntentState, words: str, *, hint: bool
) -> None:
    told = describe_outcome(intent(state, reason="why"), "do this")
    assert words in told
    assert ("do this" in told) is hint


def test_who_does_not_know_the_command_is_told_the_file_or_to_make_one() -> None:
    assert "copy its [[order]] to a file" in how_to_resume(intent())
    by_hand = intent(standing_order=False, provenance=Provenance(who="somebody", source="orders.toml"))
    assert how_to_resume(by_hand) == "run `orderwatch place FILE --resume` with its file (orders.toml)"
