"""What the provider no longer shows: only a 404 loses an order, and nothing loses a file."""

from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import (
    DAY,
    HOUR,
    MINUTE,
    PACE,
    House,
    by_id,
    only,
    patterns,
    watching,
)
from tests.service.tracking_kit import (
    ALWAYS,
    BYSTANDER,
    SUBJECT,
    TASKS,
    alone,
    as_daemon,
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
    now_told,
    order,
    paths,
    stored,
    the_capture,
    the_order,
    words,
)

from orderwatch.core.model import OrderState
from orderwatch.core.orders.watches import Watch, WatchSet

PATTERN, BY_ID = patterns(project_name="*"), only(SUBJECT, BYSTANDER)
BY_BOTH = watching(Watch(project_name="*"), by_id(SUBJECT))
FAR = timedelta(days=10).total_seconds()
PUBLISHED = capture((0, "processing"), (600, "published"))


async def states(h: House) -> dict[int | None, str]:
    return {found.task_id: str(found.state) for found in await h.store.orders.list_all()}


# A single order


@pytest.mark.parametrize(
    "watched",
    [
        pytest.param(PATTERN, id="by pattern"),
        pytest.param(BY_ID, id="by id", marks=pytest.mark.long),
        pytest.param(BY_BOTH, id="by both", marks=pytest.mark.long),
    ],
)
async def test_a_404_loses_an_order_until_it_is_shown_again_with_all_that_it_had(
    tmp_path: Path, events: LogCapture, watched: WatchSet
) -> None:
    gone = order(lost=3600, captures=[PUBLISHED])
    async with beside(tmp_path, gone) as h:
        poller = as_daemon(h, watched)
        await live(h, poller, 4 * HOUR, step=15 * MINUTE)
        lost = await the_order(h)
        assert (lost.state, len(lost.captures), len(lost.deliveries)) == (OrderState.LOST, 1, 1)
        await h.assert_sound()
        asked = alone(h)
        await live(h, poller, 2 * HOUR, step=15 * MINUTE)
        assert alone(h) - asked <= 3
        now_told(h, gone.model_copy(update={"lost": None}), course())
        await live(h, poller, 8 * HOUR, step=30 * MINUTE)
        assert (await the_order(h)).state is OrderState.OPEN
        assert await moves(h) == [
            (None, "in_progress", "first"),
            ("in_progress", "lost", "odd"),
            ("lost", "in_progress", "odd"),
        ]
        assert await h.moves(SUBJECT) == ["wanted", "fetching", "stored"]
        assert await stored(h)
        await assert_unharmed(h)
        assert not heard(events, "order.look_", "account.", "list.failed")


async def test_a_file_of_an_order_that_is_lost_meanwhile_still_comes_when_it_is_back(tmp_path: Path) -> None:
    gone = order(lost=300, captures=[capture()])
    async with beside(tmp_path, gone) as h:
        poller = as_daemon(h, PATTERN)
        await poller.sweep()  # wanted, and not fetched yet
        h.time.move(HOUR)
        await live(h, poller, 2 * HOUR, step=15 * MINUTE)
        assert (await the_order(h)).state is OrderState.LOST
        assert set(await h.moves(SUBJECT)) == {"wanted", "fetching", "waiting"}
        now_told(h, order(captures=[capture()]), course())
        await live(h, poller, 12 * HOUR, step=HOUR)
        assert await stored(h)


async def test_an_order_that_only_the_list_forgot_is_asked_for_once_and_not_lost(
    tmp_path: Path, events: LogCapture
) -> None:
    """Its window opens in ten days, so that nothing but itself is there to ask for."""
    async with beside(tmp_path, order(start=FAR)) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, 30 * MINUTE)
        assert not alone(h)
        hide(h, SUBJECT)
        await live(h, poller, 5 * HOUR, step=15 * MINUTE)
        assert alone(h) == 1
        assert heard(events, "list.lacks") == ["list.lacks"]
        assert await moves(h) == [(None, "in_progress", "first")]
        hide(h)
        await live(h, poller, 2 * HOUR, step=15 * MINUTE)
        assert alone(h) == 1
        await assert_unharmed(h)


async def test_an_order_that_the_list_forgot_goes_its_course_all_the_same(tmp_path: Path) -> None:
    async with beside(tmp_path, course(SUBJECT)) as h:
        poller = as_daemon(h, PATTERN)
        await poller.sweep()
        hide(h, SUBJECT)
        await live(h, poller, 4 * HOUR, step=15 * MINUTE)
        assert alone(h) <= paths(h)[f"{TASKS}{SUBJECT}/captures/"]
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id)


async def test_an_order_that_flickers_in_the_list_makes_no_history(tmp_path: Path) -> None:
    """Every other sweep shows it: rows slip between pages while the list is read."""
    sweeps = 0

    async with beside(tmp_path, order(start=FAR)) as h:
        poller = as_daemon(h, PATTERN)
        for _ in range(12):
            sweeps += 1
            hide(h, *([SUBJECT] if sweeps % 2 == 0 else []))
            await live(h, poller, PACE.interval)
        assert await moves(h) == [(None, "in_progress", "first")]
        assert alone(h) <= sweeps / 2
        await assert_unharmed(h)


async def test_an_order_that_only_the_list_still_shows_is_lost_and_stays_so(tmp_path: Path) -> None:
    gone = [
        fault(on, "status", code=404, match={"task_id": SUBJECT}, **ALWAYS) for on in ("task", "captures")
    ]
    async with beside(tmp_path, order()) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, PACE.interval)
        lie(h, *gone)
        await live(h, poller, 4 * HOUR, step=15 * MINUTE)
        assert (await the_order(h)).state is OrderState.LOST
        for _ in range(3):  # restarts
            await live(h, as_daemon(h, PATTERN), 15 * MINUTE)
        assert set(await words(h)) == {"in_progress", "lost"}
        assert (await the_order(h)).state is OrderState.LOST
        lie(h)
        await live(h, poller, 8 * HOUR, step=30 * MINUTE)
        assert (await the_order(h)).state is OrderState.OPEN
        await assert_unharmed(h)


# Captures and scenes


@pytest.mark.parametrize("on", ["captures", pytest.param("scenes", marks=pytest.mark.long)])
async def test_captures_and_scenes_that_vanish_take_nothing_with_them(
    tmp_path: Path, events: LogCapture, on: str
) -> None:
    async with beside(tmp_path, course(SUBJECT)) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, HOUR)
        before = await the_order(h)
        lie(h, fault(on, "vanished", match={"task_id": SUBJECT}, **ALWAYS))
        await live(h, poller, DAY, step=HOUR)
        after = await the_order(h)
        assert after.state is OrderState.SETTLING
        assert after.deliveries == before.deliveries
        assert (await the_capture(h)).status == before.captures[0].status
        lie(h)
        await live(h, poller, 2 * DAY, step=4 * HOUR)
        assert not (await the_capture(h)).lacking
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id)
        assert not heard(events, "order.look_", "account.")


async def test_a_capture_that_vanished_before_it_was_published_is_found_under_its_name(
    tmp_path: Path,
) -> None:
    taken = capture((0, "captured"), (6 * 3600, "published"), capture_id="kept")
    async with beside(tmp_path, order(captures=[taken])) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, 10 * MINUTE)
        lie(h, fault("captures", "vanished", match={"task_id": SUBJECT}, **ALWAYS))
        await live(h, poller, 8 * HOUR, step=30 * MINUTE)
        assert (await the_capture(h)).status.word == "captured"
        lie(h)
        await live(h, poller, 4 * HOUR, step=30 * MINUTE)
        assert await words(h, subject="capture") == ["captured", "published"]
        assert await stored(h)
        await assert_unharmed(h)


# All orders at once


async def test_a_list_that_shows_nothing_any_more_loses_nothing(tmp_path: Path, events: LogCapture) -> None:
    many = [order(n, start=FAR) for n in range(100, 120)]
    async with beside(tmp_path, course(SUBJECT), *many) as h:
        poller = as_daemon(h, PATTERN)
        await poller.sweep()
        lie(h, fault("tasks", "vanished", **ALWAYS))
        assert not await live(h, poller, 4 * HOUR, step=15 * MINUTE)
        assert heard(events, "list.lacks") == ["list.lacks"]
        assert "lost" not in (await states(h)).values()
        assert [alone(h, n) for n in range(100, 120)] == [0] * 20  # so many: the list is not believed
        lie(h)
        await live(h, poller, HOUR)
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id)


async def test_of_the_orders_that_a_list_lacks_those_are_lost_that_answer_404(tmp_path: Path) -> None:
    many = [order(n, start=FAR, lost=250 if n % 2 else None) for n in range(100, 108)]
    async with beside(tmp_path, *many) as h:
        poller = as_daemon(h, PATTERN)
        await poller.sweep()
        lie(h, fault("tasks", "vanished", **ALWAYS))
        await live(h, poller, 3 * HOUR, step=15 * MINUTE)
        found = await states(h)
        assert {n for n, state in found.items() if state == "lost"} == {101, 103, 105, 107}
        await assert_unharmed(h)


async def test_a_list_that_lacks_everything_in_an_account_that_is_refused_loses_nothing(
    tmp_path: Path,
) -> None:
    """What is asked for then gets no answer that says anything about an order."""
    async with beside(tmp_path, course(SUBJECT)) as h:
        poller = as_daemon(h, PATTERN)
        await poller.sweep()
        lie(h, fault("tasks", "vanished", **ALWAYS), fault("task", "status", code=403, times=6))
        await live(h, poller, 4 * HOUR, step=15 * MINUTE)
        assert "lost" not in (await states(h)).values()
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id, disturbed=True)


async def test_a_list_of_strangers_only_is_an_account_that_is_empty_for_us(
    tmp_path: Path, events: LogCapture
) -> None:
    strangers = [order(n, project_name="Elsewhere") for n in (1, 2)]
    async with beside(tmp_path, course(SUBJECT)) as h:
        poller = as_daemon(h, patterns(project_name="Sim*"))
        await poller.sweep()
        estrange(h, lambda _orders: strangers)
        await live(h, poller, 4 * HOUR, step=15 * MINUTE)
        assert (await states(h)).keys() == {SUBJECT, BYSTANDER}
        assert heard(events, "list.lacks") == ["list.lacks"]
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id)
