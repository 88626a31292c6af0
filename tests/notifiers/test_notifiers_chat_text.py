"""Notifications in chats: within limits, without alerting anybody, with the colour of what happened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.notifiers.receiver import item

from orderwatch.core.notifications.notification import OutboxItem
from orderwatch.notifiers.chat_text import chat_line, chat_text, severity_of


def of_event(*events: str) -> list[OutboxItem]:
    return [OutboxItem(n, str(n), {**item(n).document, "event": event}) for n, event in enumerate(events)]


def test_what_fits_is_a_line_each() -> None:
    assert chat_text([item(1, "Köln is done."), item(2)], 1000) == "12:00 UTC Köln is done.\n12:00 UTC No. 2"


@given(st.lists(st.text(max_size=300), min_size=1, max_size=30), st.integers(100, 3000))
def test_a_text_is_never_longer_than_the_limit_and_counts_what_it_leaves_out(
    texts: list[str], limit: int
) -> None:
    items = [item(n, text.replace("\n", " ") or "x") for n, text in enumerate(texts)]
    text = chat_text(items, limit)
    assert len(text) <= limit
    whole = sum(len(chat_line(str(one.document["text"]))) + 11 for one in items) - 1
    if whole > limit and len(items) > 1:
        assert "more: orderwatch status" in text


def test_the_first_ones_are_kept() -> None:
    text = chat_text([item(n) for n in range(100)], 200)
    assert text.splitlines()[0] == "12:00 UTC No. 0"
    kept = len(text.splitlines()) - 1
    assert text.splitlines()[-1] == f"… and {100 - kept} more: orderwatch status"


@pytest.mark.parametrize("name", ["@everyone", "@here", "@Room", "@channel"])
def test_no_name_of_the_provider_alerts_a_room(name: str) -> None:
    assert name not in chat_text([item(1, f"Order {name} is done.")], 1000)
    assert chat_line("ann@host.example") == "ann@host.example"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (("delivery.stored", "order.done"), "success"),
        (("delivery.stored", "problem.began"), "warning"),
        (("attention.raised",), "warning"),
        (("problem.ended", "order.changed"), "info"),
        (("newer.event",), "info"),
    ],
)
def test_the_worst_event_decides(events: tuple[str, ...], expected: str) -> None:
    assert severity_of(of_event(*events)) == expected
