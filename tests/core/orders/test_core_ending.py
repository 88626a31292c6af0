"""How an order ended, as far as it is known, and whether its reason is requested."""

from datetime import timedelta
from typing import Any

import pytest
from tests.core.samples import DAY, HOUR, NOON, RULES, after, look, order, seen_order, stored

from orderwatch.core.model import OrderPhase, Subject, TransitionKind
from orderwatch.core.orders.ending import is_history, reason_due
from orderwatch.core.orders.observe import observe
from orderwatch.core.orders.snapshot import Observation

ENDED = {"final_at": NOON, "looked_at": NOON - HOUR, "end": NOON}


@pytest.mark.parametrize(
    ("phase", "facts", "due"),
    [
        (OrderPhase.CLOSED, {}, True),
        (OrderPhase.FAILED, {"looked_at": None}, True),
        (OrderPhase.CLOSED, {"deliveries": (stored(),)}, True),
        (OrderPhase.CLOSED, {"deliveries": (stored(),), "looked_at": NOON}, False),
        (OrderPhase.CLOSED, {"looked_at": NOON + DAY}, True),
        (OrderPhase.CLOSED, {"reason": "clouds"}, True),
        (OrderPhase.CLOSED, {"reason": "clouds", "looked_at": NOON + DAY}, False),
        (OrderPhase.COMPLETED, {}, False),
        (OrderPhase.IN_PROGRESS, {"final_at": None}, False),
        (OrderPhase.CLOSED, {"looked_at": None, "end": NOON - 31 * DAY}, False),
    ],
)
def test_the_reason_is_requested_once_and_again_while_nothing_came(
    phase: OrderPhase, facts: dict[str, Any], *, due: bool
) -> None:
    assert reason_due(order(phase, **ENDED | facts)) is due


@pytest.mark.parametrize(("days", "history"), [(29, False), (31, True)])
def test_an_order_first_seen_final_long_after_its_window_is_history(days: int, *, history: bool) -> None:
    assert is_history(order(final_at=NOON, end=NOON - timedelta(days=days))) is history
    assert not is_history(order(final_at=NOON))
    assert not is_history(order(end=NOON))


@pytest.mark.parametrize("word", ["completed", "failed", "canceled"])
def test_closed_keeps_what_is_known_of_the_end(word: str) -> None:
    """A row of the list without its events, or another API, says less than was known."""
    verdict = after(look("in_progress"), look(word), look("closed"))
    assert (verdict.order.status.word, verdict.order.status.phase) == ("closed", OrderPhase(word))
    assert [m.kind for m in verdict.transitions] == [TransitionKind.STEP]


@pytest.mark.parametrize("word", ["completed", "failed", "canceled"])
def test_what_is_said_after_closed_is_a_step(word: str) -> None:
    verdict = after(look("in_progress"), look("closed"), look(word))
    assert verdict.order.status.phase is OrderPhase(word)
    assert [(m.subject, m.kind) for m in verdict.transitions] == [(Subject.ORDER, TransitionKind.STEP)]


def test_closed_does_not_end_a_doubt_otherwise_than_a_final_status_does() -> None:
    doubted = after(look("canceled"), look("in_progress")).order
    assert doubted.status.doubts == 1
    seen = Observation(account="main", order=seen_order("closed"), captures=())
    closed = observe(doubted, seen, NOON + 2 * HOUR, RULES).order
    assert (closed.status.phase, closed.status.doubts) == (OrderPhase.CANCELED, 0)
