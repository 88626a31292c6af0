"""Why an order is where it is, in words."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core.samples import DAY, HOUR, MINUTE, NOON, capture, delivery, order, stored

from orderwatch.core.model import (
    Capture,
    CapturePhase,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    TrackedStatus,
)
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.explain import DiskRoom, Facts, explain
from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.core.orders.publication_lag import UNLEARNED, Lag, Lags
from orderwatch.core.orders.watches import Watch

PACE = Pace(interval=5 * MINUTE, max_interval=6 * HOUR, grace=14 * DAY)
BY_ID = Watch(task_ids=frozenset({7}))
DOWN = OpenCircuit(
    began_at=NOON - HOUR, failures=9, until=NOON + 2 * MINUTE, refused=False, reason="tasking: GET /: 503"
)


def facts(of: Order, **more: Any) -> Facts:  # noqa: ANN401 - of any field
    usual: dict[str, Any] = {
        "now": NOON,
        "moved_at": None,
        "watches": (BY_ID,),
        "pace": PACE,
        "lags": UNLEARNED,
        "trouble": None,
        "rooms": (),
    }
    return Facts(order=of, **{**usual, **more})


def told(of: Order, **more: Any) -> dict[str, str]:  # noqa: ANN401 - of any field
    return {line.topic.strip(): line.text for line in explain(facts(of, **more))}


def running(*captures: Capture, **more: Any) -> Order:  # noqa: ANN401 - of any field
    window = {"start": NOON - 10 * DAY, "end": NOON + 10 * DAY}
    seen = {"last_seen_at": NOON - MINUTE, "looked_at": NOON - MINUTE, "next_look_at": NOON + 4 * MINUTE}
    return order(captures=captures, **{**window, **seen, **more})


def final(**more: Any) -> Order:  # noqa: ANN401 - of any field
    return order(OrderPhase.COMPLETED, OrderState.SETTLING, final_at=NOON - DAY, **more)


DOUBTED = TrackedStatus(
    word="in_progress", phase=OrderPhase.COMPLETED, doubts=2, doubted_at=NOON - 30 * MINUTE
)


@pytest.mark.parametrize(
    ("of", "topic", "words"),
    [
        (running(), "provider", "in_progress"),
        (running(), "state", "open; its window is open until 2026-12-02 12:00:00 UTC"),
        (running(end=NOON - DAY), "state", "open; its window is over since 2026-11-21 12:00:00 UTC"),
        (running(start=NOON + DAY), "state", "not open yet, it opens in 1 d (2026-11-23 12:00:00 UTC)"),
        (running(start=None), "state", "its window is unknown"),
        (
            final(),
            "state",
            "settling: final since 2026-11-21 12:00:00 UTC, polled at least until 2026-12-05",
        ),
        (replace(final(), state=OrderState.DONE), "state", "done: final, every file is stored"),
        (order(state=OrderState.LOST), "state", "lost: the provider answers 404"),
        (replace(order(), status=TrackedStatus(word="", phase=None)), "provider", "answers 404"),
        (
            replace(order(), status=TrackedStatus(word="dreaming", phase=None)),
            "provider",
            "unknown status",
        ),
        (
            replace(final(), status=DOUBTED),
            "provider",
            "in_progress, contradicting its final status completed 2 times since 2026-11-22 11:30:00 UTC",
        ),
        (running(), "watched", "by task_ids = [7]"),
        (running(), "polled", "its captures were requested 1 min ago"),
        (running(listed_at=NOON - 2 * MINUTE), "polled", "the list showed it 2 min ago"),
        (running(looked_at=None, last_seen_at=None), "polled", "never"),
        (running(next_look_at=NOON - 2 * HOUR), "next poll", "no daemon runs, or its polls fail"),
        (running(next_look_at=NOON - 2 * MINUTE), "next poll", "due 2 min ago"),
        (running(next_look_at=None), "next poll", "none, unless the list shows a change"),
        (
            running(next_look_at=NOON - MINUTE),
            "next poll",
            "due 1 min ago (2026-11-22 11:59:00 UTC): its status",
        ),
        (running(), "next poll", "in 4 min (2026-11-22 12:04:00 UTC): sooner than a pause of"),
    ],
)
def test_what_is_said_of_the_order(of: Order, topic: str, words: str) -> None:
    assert words in told(of)[topic]


def test_the_next_look_names_the_rule_it_follows() -> None:
    taken = capture(CapturePhase.PROCESSING, start=NOON - HOUR)
    found = told(running(taken))
    assert found["awaited"] == "the publication of a capture"
    assert found["next poll"] == ("in 4 min (2026-11-22 12:04:00 UTC): a pause of 5 min (±10 %)")


def test_what_was_learned_is_named_with_how_much_stands_behind_it() -> None:
    known = Lags({"L1": Lag(median=4 * HOUR, sigma=0.5, learned=31)})
    assert "no publication of its product yet" in told(running())["lag"]
    assert "31 publications of its product" in told(running(product="L1"), lags=known)["lag"]
    assert "lag" not in told(final())


def test_captures_and_deliveries_are_told_with_what_they_wait_for() -> None:
    cut = delivery(
        DeliveryState.WAITING,
        attempts=3,
        durable=500,
        total=900,
        not_before=NOON + 2 * MINUTE,
        reason="the connection broke",
    )
    published = capture(start=NOON - 5 * HOUR, published_at=NOON - HOUR, scenes_seen_at=NOON - MINUTE)
    found = told(running(published, deliveries=(cut,)))
    assert found["capture c1"] == (
        "published, taken 5 h ago, seen published 1 h ago, its scenes were requested 1 min ago"
    )
    assert found["delivery_zip"].endswith(
        "waiting, 3 attempts, 500 B of 900 B received, next attempt in 2 min, the connection broke"
    )


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (capture(CapturePhase.PLANNED, start=NOON + HOUR), "planned, due in 1 h"),
        (capture(published_at=NOON - HOUR), "its scenes were not requested yet"),
        (
            capture(published_at=NOON - HOUR, scenes_seen_at=NOON - MINUTE),
            "its files were not all offered 1 min ago",
        ),
    ],
)
def test_a_capture_that_brought_nothing_says_why(shown: Capture, words: str) -> None:
    assert words in told(running(shown))["capture c1"]


def test_many_files_of_a_capture_are_a_line_for_each_state() -> None:
    tiles = [replace(stored(), scene_id=f"s{number}", size=1000) for number in range(40)]
    tiles += [replace(delivery(), scene_id="late"), replace(delivery(DeliveryState.PARKED), reason="full")]
    published = capture(
        published_at=NOON - HOUR, scenes_seen_at=NOON - MINUTE, parts_changed_at=NOON - 10 * MINUTE
    )
    found = told(final(captures=(published,), deliveries=tuple(tiles)))
    assert found["40 stored"] == "40.0 kB, the last just now"
    assert found["1 wanted"] == "for example delivery_zip s1.zip: wanted"
    assert found["1 parked"] == "for example delivery_zip s1.zip: parked, full"
    assert found["capture c1"].endswith(
        "its files come one by one, the last 10 min ago, complete if none follows for 6 h"
    )


def test_a_capture_whose_parts_have_settled_is_called_complete() -> None:
    published = capture(published_at=NOON - DAY, scenes_seen_at=NOON - HOUR, parts_changed_at=NOON - 8 * HOUR)
    found = told(final(captures=(published,), deliveries=(stored(),)))
    assert found["capture c1"].endswith(
        "its scenes were requested 1 h ago, complete: no file followed the last one, 8 h ago"
    )


def test_what_is_stored_says_where() -> None:
    there = replace(stored(), stored_at=NOON - HOUR, path="7/a.zip")
    published = capture(published_at=NOON - HOUR, scenes_seen_at=NOON - MINUTE)
    assert told(running(published, deliveries=(there,)))["delivery_zip"].endswith(
        "stored 1 h ago, as 7/a.zip"
    )


def test_trouble_of_the_account_is_told_and_explains_a_late_look() -> None:
    found = told(running(next_look_at=NOON - 2 * HOUR), trouble=DOWN)
    assert found["account"].startswith("unavailable since 2026-11-22 11:00:00 UTC, 9 failures")
    assert found["account"].endswith("next request in 2 min: tasking: GET /: 503")
    assert found["next poll"].endswith("requests of its account are paused")


def test_an_order_that_nothing_watches_is_not_looked_at() -> None:
    found = told(running(), watches=())
    assert found["watched"] == "by no [[watch]]: its record is kept, and it is not polled"
    assert found["next poll"].startswith("none while no [[watch]] matches")


def test_an_order_placed_from_here_is_looked_at_without_any_watch() -> None:
    found = told(running(ours=True), watches=())
    assert found["watched"] == "because orderwatch placed it"
    assert found["next poll"].startswith("in 4 min")
    assert told(running(ours=True))["watched"] == "by task_ids = [7]"


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (2_500_000_000, "2.5 GB may be written below /a"),
        (40_000_000, "40.0 MB"),
        (-7, "no room below /a"),
        (None, "unavailable"),
    ],
)
def test_the_room_is_told(left: int | None, words: str) -> None:
    assert words in told(running(), rooms=(DiskRoom(root="/a", left=left),))["space"]


def test_what_was_just_seen_to_move_is_followed_closely() -> None:
    of = running(last_seen_at=NOON - timedelta(seconds=30))
    assert told(of, moved_at=NOON - timedelta(seconds=30))["awaited"] == "what follows a recent change"
