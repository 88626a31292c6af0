"""Answers that are broken, wrong or lead elsewhere: they harm only what they are about, and for a while."""

from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import (
    DAY,
    House,
    by_id,
    patterns,
    watching,
)
from tests.service.tracking_kit import (
    ALWAYS,
    BESIDE,
    BYSTANDER,
    SUBJECT,
    as_daemon,
    asked,
    assert_unharmed,
    beside,
    capture,
    course,
    estrange,
    fault,
    heard,
    hide,
    lie,
    live,
    moves,
    order,
    stored,
    the_order,
    words,
)

from orderwatch.core.model import OrderState
from orderwatch.core.orders.watches import Watch
from orderwatch.simulator.documents import Document
from orderwatch.simulator.scenario import Capture
from orderwatch.simulator.world import Place, Sign, World

BROKEN = ["html", "malformed", "huge", "page_loop", "foreign_next"]
LONG = pytest.mark.long  # played by `make sweep`
SOME = [*BROKEN[:1], *(pytest.param(kind, marks=LONG) for kind in BROKEN[1:])]
ENDLESS = [pytest.param(kind, marks=() if kind in {"html", "page_loop"} else LONG) for kind in BROKEN]
ANY, BY_ID = Watch(project_name="*"), by_id(BYSTANDER)
BOTH = by_id(SUBJECT, BYSTANDER)
ACCOUNT = ("account.unavailable", "account.refused")


def times(kind: str, reads: int) -> int:
    """So many requests make `reads` of a list fail: half of a page that is too large is asked for at once."""
    return 4 + reads if kind == "huge" else reads


def assert_nothing_leaked(h: House) -> None:
    """No credentials and no question of an API went to the other host."""
    assert not h.simulator.journal.leaks
    assert all(entry.path.startswith("/v2/scenes/") for entry in h.downloads)


# About one order


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("on", ["captures", pytest.param("scenes", marks=LONG)])
async def test_broken_answers_about_one_order_are_said_once_and_made_up_for(
    tmp_path: Path, events: LogCapture, on: str, kind: str
) -> None:
    spoiled = fault(on, kind, match={"task_id": SUBJECT}, times=times(kind, 2))
    async with beside(tmp_path, order(captures=[capture()]), faults=[spoiled]) as h:
        problems = await live(h, as_daemon(h, patterns(project_name="*")), BESIDE)
        assert problems
        assert all(f"order {SUBJECT}" in problem for problem in problems)
        said = heard(events, "order.look_")
        assert (said[0], said[-1]) == ("order.look_failed", "order.look_restored")
        assert not heard(events, *ACCOUNT)
        assert await stored(h)
        await assert_unharmed(h)
        await h.assert_all_stored()
        assert_nothing_leaked(h)


@pytest.mark.parametrize("kind", SOME[:3])
async def test_a_broken_answer_about_the_order_itself_is_made_up_for(tmp_path: Path, kind: str) -> None:
    spoiled = fault("task", kind, match={"task_id": SUBJECT}, times=3)
    async with beside(tmp_path, order(captures=[capture()]), faults=[spoiled]) as h:
        hide(h, SUBJECT)
        assert await live(h, as_daemon(h, watching(ANY, BOTH)), BESIDE)
        assert await stored(h)
        await assert_unharmed(h)


@pytest.mark.parametrize("kind", SOME)
async def test_a_link_that_cannot_be_asked_for_is_asked_for_later(tmp_path: Path, kind: str) -> None:
    """The look got its answer, the worker does not."""
    spoiled = fault("scenes", kind, match={"task_id": SUBJECT}, after=1, times=times(kind, 1))
    async with beside(tmp_path, order(captures=[capture()]), faults=[spoiled]) as h:
        poller = as_daemon(h, patterns(project_name="*"))
        await poller.sweep()
        h.forget_links()
        await live(h, poller, BESIDE)
        assert await h.moves(SUBJECT) == ["wanted", "fetching", "waiting", "fetching", "stored"]
        await assert_unharmed(h)
        assert_nothing_leaked(h)


# About all of them


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_broken_list_is_said_once_and_what_it_hid_is_found_when_it_is_mended(
    tmp_path: Path, events: LogCapture, kind: str
) -> None:
    spoiled = fault("tasks", kind, times=times(kind, 5))
    async with beside(tmp_path, order(captures=[capture()]), faults=[spoiled]) as h:
        await live(h, as_daemon(h, watching(ANY, BY_ID)), BESIDE)
        assert heard(events, "list.failed", "list.restored", "order.look_") == [
            "list.failed",
            "list.restored",
        ]
        assert heard(events, "account.") in ([], ["account.unavailable", "account.recovered"])
        assert await stored(h)
        await assert_unharmed(h)
        assert_nothing_leaked(h)


@pytest.mark.parametrize("kind", ["page_loop", pytest.param("foreign_next", marks=LONG)])
async def test_a_list_that_never_ends_well_brings_the_rows_it_shows(
    tmp_path: Path, events: LogCapture, kind: str
) -> None:
    spoiled = fault("tasks", kind, **ALWAYS)
    async with beside(tmp_path, order(captures=[capture()]), faults=[spoiled]) as h:
        await live(h, as_daemon(h, patterns(project_name="*")), BESIDE)
        assert heard(events, "list.", *ACCOUNT) == ["list.failed"]
        assert await stored(h)
        await assert_unharmed(h)
        assert_nothing_leaked(h)


async def test_orders_behind_a_page_that_fails_from_now_on_are_asked_one_by_one(
    tmp_path: Path, events: LogCapture
) -> None:
    async with beside(tmp_path, course(100), course(101), page_size=2, page_max=2) as h:
        poller = as_daemon(h, patterns(project_name="*"))
        await poller.sweep()
        # Of the two requests of each sweep the second fails: a fault does not count those that others hit.
        lie(h, *(fault("tasks", "malformed", after=n) for n in range(1, 60)))
        await live(h, poller, 3 * BESIDE)
        assert heard(events, "list.") == ["list.failed"]
        for task_id in (100, 101, BYSTANDER):
            await assert_unharmed(h, task_id)


@pytest.mark.parametrize("kind", [*SOME[:3], "bare"])
async def test_a_token_that_cannot_be_read_is_asked_for_again(tmp_path: Path, kind: str) -> None:
    spoiled = fault("token", kind, times=3)
    async with beside(tmp_path, faults=[spoiled]) as h:
        assert await live(h, as_daemon(h, patterns(project_name="*")), BESIDE)
        await assert_unharmed(h, disturbed=True)


# Lists and answers as they come


@pytest.mark.parametrize("on", ["tasks", "captures", "scenes"])
async def test_a_list_without_end_costs_one_more_request_and_nothing_else(
    tmp_path: Path, events: LogCapture, on: str
) -> None:
    async with beside(tmp_path, course(SUBJECT), faults=[fault(on, "endless_next", **ALWAYS)]) as h:
        assert not await live(h, as_daemon(h, patterns(project_name="*")), BESIDE)
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id)
        assert len(asked(h)) < 200
        assert not heard(events, "list.", *ACCOUNT)


async def test_pages_whose_next_names_an_inner_host_are_all_read(tmp_path: Path, events: LogCapture) -> None:
    inner = [fault(on, "inner_next", **ALWAYS) for on in ("tasks", "captures", "scenes")]
    one = course(SUBJECT, captures=[capture((600, "published"), size=5000 + n) for n in range(3)])
    async with beside(tmp_path, one, course(8), faults=inner, page_size=1, page_max=1) as h:
        assert not await live(h, as_daemon(h, patterns(project_name="*")), BESIDE)
        for task_id in (SUBJECT, 8, BYSTANDER):
            assert await stored(h, task_id)
        assert not heard(events, "list.", *ACCOUNT)
        assert_nothing_leaked(h)


@pytest.mark.parametrize(("kind", "code"), [("huge", 503), *(("status", code) for code in (413, 502, 504))])
async def test_lists_that_only_small_pages_come_of_are_read_whole(
    tmp_path: Path, events: LogCapture, kind: str, code: int
) -> None:
    idle = [order(100 + number, status=[[0, "received"]], start=1e6) for number in range(30)]
    large = [
        fault(on, kind, code=code, match={"rows_above": 25}, **ALWAYS)
        for on in ("tasks", "captures", "scenes")
    ]
    async with beside(tmp_path, course(SUBJECT), *idle, faults=large) as h:
        await live(h, as_daemon(h, patterns(project_name="*")), BESIDE)
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id)
        known = {found.task_id for found in await h.store.orders.list_all()}
        assert known == {SUBJECT, BYSTANDER, *(100 + number for number in range(30))}
        assert not heard(events, "list.failed", "order.look_failed", *ACCOUNT)
        assert sorted(entry["list"] for entry in events.entries if entry["event"] == "list.limited") == [
            "tasking captures",
            "tasking tasks",
            "telluric scenes",
        ]


@pytest.mark.parametrize("code", [400, 404, 500])
async def test_captures_whose_scenes_cannot_be_had_do_not_hide_the_orders_others(
    tmp_path: Path, code: int
) -> None:
    """A look gives up after three failures; what comes behind them is not for ever the same."""
    bad = [fault("scenes", "status", code=code, match={"capture_id": f"bad{n}"}, **ALWAYS) for n in range(3)]
    captures = [capture(capture_id=f"bad{n}") for n in range(3)] + [capture(capture_id="good", size=7000)]
    async with beside(tmp_path, order(captures=captures), faults=bad) as h:
        await live(h, as_daemon(h, patterns(project_name="*")), 2 * BESIDE)
        states = {d.capture_id: d.state for d in (await the_order(h)).deliveries}
        assert states == {"good": "stored"}
        await assert_unharmed(h)


@pytest.mark.parametrize("kind", ["constants", "latin1", "marked"])
async def test_answers_that_are_not_quite_json_cost_no_order_anything(
    tmp_path: Path, events: LogCapture, kind: str
) -> None:
    odd = [fault(on, kind, **ALWAYS) for on in ("token", "contracts", "tasks", "task", "captures", "scenes")]
    named = course(SUBJECT, task_name="Hafen Köln")
    async with beside(tmp_path, named, faults=odd) as h:
        assert not await live(h, as_daemon(h, patterns(project_name="*")), BESIDE)
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id)
        assert not heard(events, "provider.bad_item", "list.", *ACCOUNT)
        assert (await the_order(h)).task_name == ("Hafen K\ufffdln" if kind == "latin1" else "Hafen Köln")


# Twice, and in other clothes


@pytest.mark.parametrize(
    ("on", "kind"),
    [
        ("task", "loose"),
        ("captures", "loose"),
        ("tasks", "doubled"),
        ("scenes", "doubled"),
        *(
            pytest.param(on, kind, marks=LONG)
            for on, kind in (("tasks", "loose"), ("captures", "doubled"), ("scenes", "loose"))
        ),
    ],
)
async def test_ids_as_strings_times_without_zone_and_rows_that_come_twice_change_nothing(
    tmp_path: Path, events: LogCapture, on: str, kind: str
) -> None:
    async with beside(tmp_path, course(SUBJECT), faults=[fault(on, kind, **ALWAYS)]) as h:
        if on == "task":
            hide(h, SUBJECT, BYSTANDER)
        assert not await live(h, as_daemon(h, watching(ANY, BOTH)), 2 * BESIDE)
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id)
        found = await the_order(h)
        assert found.placed_at == found.start == h.time.epoch
        assert found.product == "169"
        await h.assert_all_stored()
        assert not heard(events, "provider.bad_item")


@pytest.mark.parametrize("page", [2, 100], ids=["on two pages", "on one page"])
async def test_an_order_that_the_list_shows_twice_with_two_words_is_one_order(
    tmp_path: Path, page: int
) -> None:
    """It slipped from one page to the next while the list was read, and moved."""
    stale = order(status=[[0, "received"]])
    async with beside(tmp_path, course(SUBJECT), page_size=page, page_max=page) as h:
        estrange(h, lambda orders: [stale, *orders])
        assert not await live(h, as_daemon(h, patterns(project_name="*")), BESIDE)
        assert (await words(h))[-2:] == ["in_progress", "completed"]
        assert await stored(h)
        await assert_unharmed(h)


# Fields that are not there


@pytest.mark.parametrize(
    "on", ["tasks", *(pytest.param(on, marks=LONG) for on in ("task", "captures")), "scenes"]
)
async def test_what_is_null_or_missing_changes_nothing_that_is_known(tmp_path: Path, on: str) -> None:
    """The watch goes by a name which a bare answer does not have."""
    async with beside(tmp_path, course(SUBJECT, task_name="Pier", product=90)) as h:
        poller = as_daemon(h, patterns(project_name="Sim*"))
        await poller.sweep()
        before = await the_order(h)
        if on == "task":
            hide(h, SUBJECT)
        lie(h, fault(on, "bare", times=30))
        await live(h, poller, BESIDE)
        after = await the_order(h)
        for name in ("task_name", "project_name", "product", "placed_at", "start", "end"):
            assert getattr(after, name) == getattr(before, name)
        assert after.status.word == "completed"
        await live(h, poller, 2 * BESIDE)
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id)


async def test_bare_rows_are_recorded_as_they_come_and_filled_in_later(tmp_path: Path) -> None:
    lies = [fault("tasks", "bare"), fault("captures", "bare", times=2)]
    async with beside(tmp_path, order(captures=[capture()]), faults=lies) as h:
        poller = as_daemon(h, patterns(project_name="*"))
        await poller.sweep()
        assert (await the_order(h)).project_name is None
        await live(h, poller, BESIDE)
        found = await the_order(h)
        assert (found.project_name, found.state) == ("Simulated project", OrderState.OPEN)
        assert await moves(h) == [(None, "in_progress", "first")]
        await assert_unharmed(h)


# Rows that cannot be read


@dataclass(frozen=True)
class Spoilt(World):
    """These fields of the captures and scenes whose id is `odd` are not what they should be."""

    spoilt: Document = field(default_factory=dict)

    def capture(self, capture: Capture, at: float) -> Document:
        truth = super().capture(capture, at)
        return truth | self.spoilt if truth["capture_id"] == "odd" else truth

    def scene(self, place: Place, at: float, sign: Sign) -> Document:
        truth = super().scene(place, at, sign)
        return truth | self.spoilt if truth["scene_id"] == "odd" else truth


@pytest.mark.parametrize(
    ("captures", "spoilt"),
    [
        ([capture(capture_id="odd"), capture(capture_id="sound", size=7000)], {"capture_id": None}),
        ([capture(capture_id="odd")], {"capture_id": {"id": "odd"}}),
        ([{"status": [(0, "published")], "scenes": [{"scene_id": "odd"}, {}]}], {"scene_id": None}),
        ([{"status": [(0, "published")], "scenes": [{}, {"scene_id": "odd"}]}], {"attachments": "none"}),
    ],
    ids=["capture beside a sound one", "only capture", "scene without id", "scene without a list of files"],
)
async def test_an_order_is_not_done_while_a_row_of_it_cannot_be_read(
    tmp_path: Path, events: LogCapture, captures: list[Document], spoilt: Document
) -> None:
    """It is not known what is in it; the others are brought, and the order needs a look."""
    subject = order(status=[[0, "completed"]], captures=captures)
    async with beside(tmp_path, subject) as h:
        honest = h.simulator.world
        kept = {each.name: getattr(honest, each.name) for each in fields(World)}
        h.simulator.world = Spoilt(**kept, spoilt=spoilt)
        poller = as_daemon(h, patterns(project_name="*"))
        await live(h, poller, 16 * DAY, step=DAY)
        assert (await the_order(h)).state is OrderState.SETTLING
        assert all(d.state == "stored" for d in (await the_order(h)).deliveries)
        assert heard(events, "order.look_", *ACCOUNT) == ["order.look_failed"]
        h.simulator.world = honest
        await live(h, poller, 3 * DAY, step=DAY)
        assert (await the_order(h)).state is OrderState.DONE
        assert await stored(h)
        assert heard(events, "order.look_", *ACCOUNT) == ["order.look_failed", "order.look_restored"]
