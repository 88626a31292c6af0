"""How long things took: which spans count, and the figures made of them."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.samples import DAY, HOUR, MINUTE, NOON

from orderwatch.core.model import CapturePhase, Subject
from orderwatch.core.orders.latency_report import (
    CaptureRow,
    ChangeRow,
    Dwell,
    Figures,
    Group,
    OrderRow,
    ReportBuilder,
    StoredRow,
    figures,
)

SECOND = timedelta(seconds=1)
NONE = Figures(count=0, median=None, p90=None)


def an_order(task_id: int = 1, **more: Any) -> OrderRow:  # noqa: ANN401 - of any field
    plain = OrderRow(
        account="main",
        order_id=str(task_id),
        task_id=task_id,
        task_name="Quay",
        project_name="Harbour",
        product="L1D",
        word="in_progress",
        state="open",
        placed_at=NOON,
        end=None,
    )
    return plain._replace(**more)


def a_capture(name: str = "c1", phase: str | None = "published", **more: Any) -> CaptureRow:  # noqa: ANN401 - as above
    plain = CaptureRow("main", "1", name, phase, start=NOON + HOUR, published_at=NOON + 3 * HOUR)
    return plain._replace(**more)


def a_move(after: str, before: str | None = None, at: datetime = NOON, **more: Any) -> ChangeRow:  # noqa: ANN401 - as above
    plain = ChangeRow(at, "main", "1", "c1", None, Subject.CAPTURE, before, after)
    return plain._replace(**more)


def a_stored(version: int = 1, after: timedelta = MINUTE, **more: Any) -> StoredRow:  # noqa: ANN401 - as above
    return StoredRow("main", "1", version, NOON, NOON + after)._replace(**more)


def entered(*rows: OrderRow | ChangeRow | CaptureRow | StoredRow) -> ReportBuilder:
    ledger = ReportBuilder()
    for row in rows:
        match row:
            case OrderRow():
                ledger.order(row)
            case ChangeRow():
                ledger.move(row)
            case CaptureRow():
                ledger.capture(row)
            case StoredRow():
                ledger.stored(row)
    return ledger


def the_group(*rows: OrderRow | ChangeRow | CaptureRow | StoredRow) -> Group:
    (group,) = entered(*rows).report(NOON).groups
    return group


def dwell(*moves: ChangeRow) -> dict[tuple[str, str], Figures]:
    return {(d.subject, d.state): d.spans for d in entered(*moves).report(NOON).dwell}


def one(length: timedelta) -> Figures:
    return Figures(count=1, median=length, p90=length)


class TestFigures:
    @pytest.mark.parametrize(
        ("seconds", "median", "p90"),
        [
            ([], None, None),
            ([7], 7, 7),
            ([1, 2], 1, 2),
            ([3, 1, 2], 2, 3),
            ([4, 3, 2, 1], 2, 4),
            (range(1, 11), 5, 9),
            (range(1, 12), 6, 10),
            (range(1, 101), 50, 90),
            ([-5], 0, 0),
            ([-5, -1, 8], 0, 8),
        ],
    )
    def test_nearest_rank(self, seconds: Sequence[int], median: int | None, p90: int | None) -> None:
        found = figures([n * SECOND for n in seconds])
        told = [None if n is None else n * SECOND for n in (median, p90)]
        assert found == Figures(count=len(seconds), median=told[0], p90=told[1])

    @given(st.lists(st.timedeltas(), min_size=1, max_size=60), st.randoms())
    def test_each_is_the_shortest_real_span_that_enough_do_not_exceed(
        self, spans: list[timedelta], chance: Random
    ) -> None:
        found = figures(spans)
        real = [max(span, timedelta(0)) for span in spans]
        for figure, percent in ((found.median, 50), (found.p90, 90)):
            assert figure in real
            assert sum(span <= figure for span in real) * 100 >= percent * len(real)
            assert sum(span < figure for span in real) * 100 < percent * len(real)
        chance.shuffle(spans)
        assert figures(spans) == found


class TestFirstCapture:
    def test_it_is_the_earliest_that_was_really_taken(self) -> None:
        rows = (
            a_capture("failed", "failed", start=NOON + MINUTE),
            a_capture("late", start=NOON + 5 * HOUR),
            a_capture("early", "processing", start=NOON + 2 * HOUR),
            a_capture("nowhere", start=None),
        )
        assert the_group(an_order(), *rows).placed_to_first_capture == one(2 * HOUR)

    @pytest.mark.parametrize("phase", [*CapturePhase, None])
    def test_what_may_still_fail_was_not_taken(self, phase: CapturePhase | None) -> None:
        taken = phase in {CapturePhase.CAPTURED, CapturePhase.PROCESSING, CapturePhase.PUBLISHED}
        group = the_group(an_order(), a_capture(phase=phase))
        assert group.placed_to_first_capture == (one(HOUR) if taken else NONE)

    def test_of_an_order_that_does_not_say_when_it_was_placed_nothing_is_known(self) -> None:
        assert the_group(an_order(placed_at=None), a_capture()).placed_to_first_capture == NONE

    def test_a_capture_before_its_order_counts_as_at_once(self) -> None:
        rows = (an_order(), a_capture(start=NOON - MINUTE))
        assert the_group(*rows).placed_to_first_capture == one(timedelta(0))


class TestPublishing:
    def test_only_a_capture_that_was_seen_before_tells_how_long_it_took(self) -> None:
        seen = a_move("planned"), a_move("PUBLISHED", "planned")
        assert the_group(an_order(), *seen, a_capture()).capture_to_published == one(2 * HOUR)
        delivered = a_move("planned"), a_move("Delivered", "planned", at=NOON + 3 * HOUR)
        assert the_group(an_order(), *delivered, a_capture()).capture_to_published == one(2 * HOUR)
        at_once = a_move("published", at=NOON + 3 * HOUR)
        assert the_group(an_order(), at_once, a_capture()).capture_to_published == NONE
        assert the_group(an_order(), a_capture()).capture_to_published == NONE

    def test_one_that_was_first_seen_published_does_not_tell_by_coming_back(self) -> None:
        moves = [
            a_move("published", at=NOON + 3 * HOUR),
            a_move("processing", "published", at=NOON + 4 * HOUR),
            a_move("published", "processing", at=NOON + 5 * HOUR),
        ]
        assert the_group(an_order(), *moves, a_capture()).capture_to_published == NONE

    def test_the_same_capture_of_another_account_is_another_one(self) -> None:
        moves = a_move("published", at=NOON + 3 * HOUR), a_move("planned", account="other")
        assert the_group(an_order(), *moves, a_capture()).capture_to_published == NONE

    def test_only_the_first_version_tells_how_long_storing_took(self) -> None:
        rows = a_stored(), a_stored(2, DAY), a_stored(after=2 * MINUTE), a_stored(published_at=None)
        found = the_group(an_order(), *rows).published_to_stored
        assert found == Figures(count=2, median=MINUTE, p90=2 * MINUTE)


def test_orders_are_grouped_by_account_project_and_product_and_absent_names_come_first() -> None:
    report = entered(
        an_order(1),
        an_order(2, project_name=None),
        an_order(3, product=None),
        an_order(4, project_name=""),
        an_order(1, account="a"),
        an_order(5),
    ).report(NOON)
    assert [(g.account, g.project_name, g.product, g.orders) for g in report.groups] == [
        ("a", "Harbour", "L1D", 1),
        ("main", None, "L1D", 1),
        ("main", "", "L1D", 1),
        ("main", "Harbour", None, 1),
        ("main", "Harbour", "L1D", 2),
    ]


def test_an_empty_ledger_is_an_empty_report() -> None:
    report = ReportBuilder().report(NOON)
    assert (report.at, report.groups, report.dwell, report.overdue) == (NOON, [], [], [])


def test_overdue_is_what_ended_with_nothing_stored_the_oldest_end_first() -> None:
    report = entered(
        an_order(1, end=NOON - DAY),
        an_order(2, end=NOON - HOUR, state="done"),
        an_order(3, end=NOON),
        an_order(4, end=NOON + HOUR),
        an_order(5),
        an_order(6, end=NOON - 2 * DAY, state="lost"),
        an_order(1, account="other", end=NOON - DAY),
        a_stored(),
        a_stored(2, order_id="2", published_at=None),
    ).report(NOON)
    assert [(o.account, o.task_id) for o in report.overdue] == [("main", 6), ("other", 1)]


class TestDwell:
    def test_it_lasts_from_the_move_in_to_the_move_out_and_what_stays_is_not_counted(self) -> None:
        found = dwell(
            a_move("planned", at=NOON),
            a_move("tasked", "planned", at=NOON + HOUR),
            a_move("planned", "tasked", at=NOON + 2 * HOUR),
            a_move("captured", "planned", at=NOON + 5 * HOUR),
        )
        assert found == {
            ("capture", "planned"): Figures(count=2, median=HOUR, p90=3 * HOUR),
            ("capture", "tasked"): one(HOUR),
        }

    @pytest.mark.parametrize(
        "other",
        [
            {"account": "other"},
            {"order_id": "2"},
            {"capture_id": "c2"},
            {"subject": Subject.ORDER, "capture_id": None},
            {"subject": Subject.DELIVERY, "scene_id": "s1"},
        ],
    )
    def test_another_thing_does_not_end_it(self, other: dict[str, Any]) -> None:
        moves = a_move("planned"), a_move("x", "planned", at=NOON + HOUR, **other)
        assert dwell(*moves) == {}

    def test_two_attachments_of_a_scene_leave_in_the_order_in_which_they_came(self) -> None:
        scene = {"subject": Subject.DELIVERY, "scene_id": "s1"}
        found = dwell(
            a_move("wanted", at=NOON, **scene),
            a_move("wanted", at=NOON, **scene),
            a_move("fetching", "wanted", at=NOON + MINUTE, **scene),
            a_move("fetching", "wanted", at=NOON + HOUR, **scene),
            a_move("stored", "fetching", at=NOON + 2 * HOUR, **scene),
        )
        assert found == {
            ("delivery", "wanted"): Figures(count=2, median=MINUTE, p90=HOUR),
            ("delivery", "fetching"): one(2 * HOUR - MINUTE),
        }

    def test_states_stand_in_the_order_in_which_they_are_lived(self) -> None:
        words = ("zzz", "published", "lost", "completed", "planned", "received", "Tasked", "wanted")
        moves = [
            move
            for subject in reversed(Subject)
            for word in words
            for move in (a_move(word, subject=subject), a_move("end", word, subject=subject))
        ]
        told: list[Dwell] = list(entered(*moves).report(NOON).dwell)
        lived = ["received", "completed", "planned", "Tasked", "published", "wanted", "lost", "zzz"]
        assert [(d.subject, d.state) for d in told] == [(s, word) for s in Subject for word in lived]

    @given(
        st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.timedeltas(-HOUR, DAY)), max_size=40)
    )
    def test_it_is_what_lies_between_consecutive_moves_of_the_same_thing(
        self, drawn: list[tuple[int, str, timedelta]]
    ) -> None:
        """Things move by turns; each goes from the word it has to the one that is drawn."""
        stands: dict[int, tuple[str, datetime]] = {}
        moves, expected = [], Counter[tuple[str, timedelta]]()
        now = NOON
        for task_id, word, pause in drawn:
            now += pause
            before, since = stands.get(task_id, (None, now))
            moves.append(a_move(word, before, now, order_id=str(task_id)))
            if word == before:
                continue  # something was done to it that did not move it
            if before is not None:
                expected[before, now - since] += 1
            stands[task_id] = (word, now)
        spans: dict[str, list[timedelta]] = {}
        for (word, span), times in expected.items():
            spans.setdefault(word, []).extend([span] * times)
        assert dwell(*moves) == {("capture", word): figures(found) for word, found in spans.items()}
