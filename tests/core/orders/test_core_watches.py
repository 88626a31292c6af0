"""Which orders a watch takes up and follows, and what is wanted of each."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.samples import DAY, NOON, ZIP, order, seen_order

from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import OrderKey
from orderwatch.core.orders.watches import DeliveryPlan, OrderTraits, Watch, WatchSet, traits_of

USUAL = DeliveryPlan(attachments=WantedAttachments(frozenset({ZIP})), layout="{task_id}/{file_name}")
SECOND = timedelta(seconds=1)
HARBOUR = Watch(project_name="Harbour *")
PREVIEWS = WantedAttachments(frozenset({"preview"}))


def watched(*watches: Watch) -> WatchSet:
    return WatchSet(usual=USUAL, watches=watches)


@pytest.mark.parametrize(
    ("watch", "project", "task", "expected"),
    [
        (HARBOUR, "Harbour 1", "anything", True),
        (HARBOUR, "Harbour", "anything", False),
        (HARBOUR, "harbour 1", "anything", False),
        (Watch(project_name="Harbour [12]"), "Harbour 2", None, True),
        (Watch(project_name="Harbour ?", task_name="Q*"), "Harbour 2", "Quay", True),
        (Watch(project_name="Harbour ?", task_name="Q*"), "Harbour 2", "Pier", False),
        (HARBOUR, None, "Quay", False),
        (Watch(task_name="*"), None, None, True),
        (Watch(task_name="?*"), None, None, False),
        (Watch(task_name="a\nb"), None, "a\nb", True),
        (Watch(task_name="Quay [north]"), None, "Quay [north]", True),
        (Watch(task_name="Quay [north] *"), None, "Quay n 1", True),
        (Watch(project_name="Caf\u00e9 *"), "Cafe\u0301 1", None, True),
        (Watch(project_name="Cafe\u0301 *"), "Caf\u00e9 1", None, True),
        (HARBOUR, "Harbour\u00a01", None, True),
        (HARBOUR, " Harbour  1 ", None, True),
        (Watch(project_name="Harbour\u00a01"), "Harbour 1", None, True),
    ],
)
def test_names_match_shell_patterns_case_and_all_and_no_name_is_an_empty_one(
    watch: Watch,
    project: str | None,
    task: str | None,
    expected: bool,  # noqa: FBT001 - a table's column
) -> None:
    named = OrderTraits("1", 1, project, task)
    assert watched(watch).matches_new(named) is expected
    assert watched(watch).still_matches(named) is expected


@pytest.mark.parametrize(
    ("placed_at", "expected"),
    [
        (NOON, True),
        (NOON + SECOND, True),
        (NOON - SECOND, False),
        (NOON.astimezone(timezone(timedelta(hours=-5))), True),
        (None, True),
    ],
    ids=["at that moment", "after", "before", "in another zone", "nobody says when"],
)
def test_orders_placed_after_a_moment_are_wanted_and_those_of_which_nobody_says_it(
    placed_at: datetime | None,
    expected: bool,  # noqa: FBT001 - a table's column
) -> None:
    placed = OrderTraits("1", 1, "Harbour 1", "Quay", placed_at)
    for watch in (Watch(placed_after=NOON), replace(HARBOUR, placed_after=NOON)):
        assert watch.matches_new(placed) is expected
        assert watch.still_matches(placed) is expected
    elsewhere = Watch(placed_after=NOON, project_name="Airport *")
    assert not elsewhere.matches_new(placed)


@pytest.mark.parametrize(
    ("words", "status", "taken_up"),
    [
        (("received",), "received", True),
        (("received",), "Received", True),
        (("in_progress",), "In Progress", True),
        (("in-*",), "IN PROGRESS", True),
        (("[q-s]eceived",), "received", True),
        (("received",), "", True),
        (("RECEIVED",), "received", True),
        (("received",), "in_progress", False),
        (("received", "in_progress"), "in_progress", True),
        (("*ed",), "completed", True),
        ((), "anything", True),
    ],
)
def test_the_status_chooses_what_is_taken_up_and_nothing_is_left_when_it_moves_on(
    words: tuple[str, ...],
    status: str,
    taken_up: bool,  # noqa: FBT001 - a table's column
) -> None:
    watch = replace(HARBOUR, status=words)
    found = OrderTraits("1", 1, "Harbour 1", status=status)
    assert watch.matches_new(found) is taken_up
    assert watch.still_matches(found)
    assert not watch.still_matches(OrderTraits("1", 1, "Airport", status=status))


def test_a_status_alone_is_a_pattern_and_then_every_known_order_is_followed() -> None:
    watch = Watch(status=("received",))
    assert watch.by_pattern
    assert watch.matches_new(OrderTraits("1", 1, status="received"))
    assert not watch.matches_new(OrderTraits("1", 1, status="completed"))
    assert watch.still_matches(OrderTraits("1", 1, status="completed"))


@pytest.mark.parametrize(
    "watch",
    [
        Watch(task_ids=frozenset({23272}), task_name="Quay"),
        Watch(task_ids=frozenset({23272}), placed_after=NOON),
        Watch(task_ids=frozenset({23272}), status=("received",)),
    ],
)
def test_explicit_ids_are_wanted_whatever_else_the_watch_says(watch: Watch) -> None:
    by_id = OrderTraits("23272", 23272, None, "Pier", NOON - DAY, "completed")
    assert watch.matches_new(by_id)
    assert watch.still_matches(by_id)
    other = by_id._replace(task_id=1)
    assert not watch.matches_new(other)


def test_a_watch_of_ids_alone_wants_no_other_order_and_is_no_pattern() -> None:
    watch = Watch(task_ids=frozenset({7}))
    assert not watch.by_pattern
    assert not watch.matches_new(OrderTraits("1", 1, "Harbour 1", "Quay", NOON, "received"))
    assert not watch.still_matches(OrderTraits("1", 1))


def test_nothing_is_wanted_where_nothing_is_watched() -> None:
    anything = OrderTraits("1", 1, "Harbour 1", "Quay", NOON, "received")
    assert not watched().matches_new(anything)
    assert not watched().still_matches(anything)
    assert not Watch().matches_new(anything)


def test_several_watches_want_together_what_each_wants() -> None:
    by_id = Watch(order_ids=frozenset({"7", "8"}), task_ids=frozenset({7, 8}))
    by_both = Watch(order_ids=frozenset({"9"}), task_ids=frozenset({9}), task_name="Q*")
    both = watched(HARBOUR, by_id, by_both)
    assert both.order_keys == {OrderKey("7", 7), OrderKey("8", 8), OrderKey("9", 9)}
    assert both.listed == (HARBOUR, by_both)
    wanted = [
        OrderTraits("1", 1, "Harbour 1"),
        OrderTraits("7", 7),
        OrderTraits("9", 9),
        OrderTraits("2", 2, None, "Quay"),
    ]
    assert all(map(both.matches_new, wanted))
    assert all(map(both.still_matches, wanted))
    assert not both.matches_new(OrderTraits("2", 2, "Airport", "Pier"))


class TestPlan:
    """What becomes of a delivery: each part from the first watch that wants the order and says it."""

    found = OrderTraits("7", 7, "Harbour 1", "Quay")
    rooted = replace(HARBOUR, root="/harbour")
    laid_out = Watch(task_name="Q*", root="/quay", layout="{scene_id}/{file_name}")
    unpacked = Watch(task_name="Q*", extract=True)
    packed = Watch(task_name="Q*", extract=False)
    small = Watch(task_ids=frozenset({7}), attachments=PREVIEWS)
    elsewhere = Watch(project_name="Airport", root="/airport", layout="{file_name}", attachments=PREVIEWS)

    @pytest.mark.parametrize(
        ("watches", "expected"),
        [
            ((), USUAL),
            ((HARBOUR,), USUAL),
            ((elsewhere,), USUAL),
            ((rooted,), replace(USUAL, root="/harbour")),
            ((small,), replace(USUAL, attachments=PREVIEWS)),
            ((rooted, laid_out), replace(USUAL, root="/harbour", layout=laid_out.layout or "")),
            ((HARBOUR, unpacked, packed), replace(USUAL, extract=True)),
            ((packed, unpacked), USUAL),
            ((laid_out, rooted), replace(USUAL, root="/quay", layout=laid_out.layout or "")),
            (
                (elsewhere, HARBOUR, small, rooted),
                DeliveryPlan(attachments=PREVIEWS, layout=USUAL.layout, root="/harbour"),
            ),
        ],
        ids=[
            "none",
            "silent",
            "other",
            "root",
            "by-id",
            "first-root",
            "extract",
            "no-extract",
            "turned",
            "parts",
        ],
    )
    def test_each_part_is_from_the_first_watch_that_says_it(
        self, watches: tuple[Watch, ...], expected: DeliveryPlan
    ) -> None:
        assert watched(*watches).delivery_plan(self.found) == expected

    def test_it_does_not_change_when_the_status_moves_on(self) -> None:
        chosen = watched(replace(self.rooted, status=("received",)))
        assert chosen.delivery_plan(self.found._replace(status="completed")).root == "/harbour"


@pytest.mark.parametrize(
    ("watch", "words"),
    [
        (Watch(task_ids=frozenset({9, 7})), "task_ids = [7, 9]"),
        (HARBOUR, "project_name = 'Harbour *'"),
        (Watch(project_name="H", task_name=""), "project_name = 'H', task_name = ''"),
        (Watch(placed_after=NOON), "placed_after = '2026-11-22T12:00:00+00:00'"),
        (Watch(status=("a", "b"), root="/x", layout="y"), "status = ['a', 'b']"),
    ],
)
def test_a_watch_is_shown_as_the_operator_wrote_it(watch: Watch, words: str) -> None:
    assert str(watch) == words


def test_an_order_has_the_same_traits_in_the_list_and_in_our_books() -> None:
    listed = seen_order("received", placed_at=NOON)
    kept = order(task_name="Quay", project_name="Harbour 1", placed_at=NOON)
    assert traits_of(listed) == OrderTraits("23272", 23272, "Harbour 1", "Quay", NOON, "received")
    assert traits_of(kept) == OrderTraits("23272", 23272, "Harbour 1", "Quay", NOON, "in_progress")


names = st.none() | st.sampled_from(["Harbour 1", "Harbour 2", "Quay", ""])
moments = st.none() | st.sampled_from([NOON - DAY, NOON, NOON + DAY])
found_orders = st.builds(
    OrderTraits,
    task_id=st.integers(1, 3),
    project_name=names,
    task_name=names,
    placed_at=moments,
    status=st.sampled_from(["received", "completed", ""]),
)
watches = st.builds(
    Watch,
    task_ids=st.frozensets(st.integers(1, 3), max_size=2),
    project_name=st.none() | st.sampled_from(["Harbour *", "*", "Quay"]),
    task_name=st.none() | st.sampled_from(["Q*", "*"]),
    placed_after=moments,
    status=st.sampled_from([(), ("received",), ("comp*", "x")]),
    attachments=st.none() | st.just(PREVIEWS),
    layout=st.none() | st.just("{file_name}"),
    root=st.none() | st.sampled_from(["/a", "/b"]),
)


@given(st.lists(watches, max_size=3), found_orders)
def test_what_is_taken_up_is_followed_and_has_a_plan(found: list[Watch], one: OrderTraits) -> None:
    both = watched(*found)
    plan = both.delivery_plan(one)
    assert both.still_matches(one) or not both.matches_new(one)
    assert plan.attachments in {USUAL.attachments, PREVIEWS}
    assert plan == USUAL or both.still_matches(one)


@given(watches, found_orders, st.sampled_from(["received", "completed", "odd"]))
def test_whether_an_order_is_followed_does_not_hang_on_its_status(
    watch: Watch, one: OrderTraits, status: str
) -> None:
    assert watch.still_matches(one) is watch.still_matches(one._replace(status=status))


def test_an_order_placed_from_here_is_followed_whatever_the_watches_say() -> None:
    ours = traits_of(order(ours=True))
    assert watched().still_matches(ours)
    assert watched(HARBOUR).still_matches(ours)
    assert not watched().still_matches(traits_of(order()))
    assert watched().watches_of(ours) == ()
    assert watched().delivery_plan(ours) == USUAL


def test_a_watch_that_fits_an_order_placed_from_here_says_what_is_wanted_of_it() -> None:
    wanting = Watch(project_name="Harbour *", attachments=PREVIEWS)
    ours = traits_of(order(ours=True, project_name="Harbour 1"))
    assert watched(wanting).delivery_plan(ours).attachments == PREVIEWS


def test_what_the_list_shows_is_not_taken_for_placed_from_here() -> None:
    assert not traits_of(seen_order()).ours
