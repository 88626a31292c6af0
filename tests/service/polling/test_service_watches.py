"""Which orders are watched: by name, age and status, by several watches, and no longer."""

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
    Time,
    by_id,
    only,
    patterns,
    watching,
)
from tests.service.tracking_kit import (
    ALWAYS,
    BESIDE,
    BYSTANDER,
    SUBJECT,
    TASKS,
    alone,
    as_daemon,
    assert_unharmed,
    beside,
    course,
    estrange,
    fault,
    heard,
    history,
    live,
    moves,
    order,
    paths,
    the_order,
)

from orderwatch.core.model import OrderState
from orderwatch.core.orders.watches import Watch, WatchSet

EPOCH = Time.epoch
HERE = by_id(BYSTANDER)
WANDERING = course(SUBJECT, status=[[0, "received"], [600, "in_progress"], [1200, "completed"]])


async def known(h: House) -> set[int | None]:
    return {found.task_id for found in await h.store.orders.list_all()}


def looks(h: House, task_id: int = SUBJECT) -> int:
    return paths(h)[f"{TASKS}{task_id}/captures/"]


# By age


async def test_only_orders_that_were_placed_since_then_are_watched(tmp_path: Path) -> None:
    ages = {1: -2 * DAY, 2: -DAY, 3: timedelta(0)}
    orders = [order(n, created=age.total_seconds()) for n, age in ages.items()]
    async with beside(tmp_path, *orders) as h:
        watched = watching(Watch(placed_after=EPOCH - DAY), HERE)
        await live(h, as_daemon(h, watched), BESIDE)
        assert await known(h) == {2, 3, BYSTANDER}
        await assert_unharmed(h)


async def test_an_order_that_does_not_say_when_it_was_placed_is_not_left_out_for_that(tmp_path: Path) -> None:
    lies = [fault("tasks", "bare", after=n) for n in (0, 2, 3)]
    async with beside(tmp_path, course(SUBJECT), faults=lies) as h:
        poller = as_daemon(h, patterns(placed_after=EPOCH))
        await poller.sweep()
        assert await known(h) == {SUBJECT, BYSTANDER}
        await live(h, poller, 2 * BESIDE)
        await assert_unharmed(h, disturbed=True)
        await assert_unharmed(h, SUBJECT, disturbed=True)


# By status


@pytest.mark.parametrize(
    "word", [*(pytest.param(word, marks=pytest.mark.long) for word in ("received", "RECEIVED")), "Rec*"]
)
async def test_an_order_is_taken_up_by_its_status_and_followed_when_that_moves_on(
    tmp_path: Path, word: str
) -> None:
    too_late = order(42)
    async with beside(tmp_path, WANDERING, too_late) as h:
        watched = watching(Watch(status=(word,)), HERE)
        await live(h, as_daemon(h, watched), 600 * timedelta(seconds=1))
        assert await known(h) == {SUBJECT, BYSTANDER}
        await live(h, as_daemon(h, watched), BESIDE)  # a restart: its word is another one by now
        assert await known(h) == {SUBJECT, BYSTANDER}
        assert await moves(h) == [
            (None, "received", "first"),
            ("received", "in_progress", "step"),
            ("in_progress", "completed", "step"),
        ]
        await assert_unharmed(h)


async def test_name_age_and_status_of_one_watch_must_all_fit(tmp_path: Path) -> None:
    fits: dict[str, object] = {"project_name": "Harbour East", "created": 3600, "status": [[0, "received"]]}
    misfits: dict[str, object] = {"project_name": "Mines", "created": -3600, "status": [[0, "in_progress"]]}
    others = [order(n, **{**fits, name: value}) for n, (name, value) in enumerate(misfits.items(), start=1)]
    async with beside(tmp_path, order(SUBJECT, **fits), *others) as h:
        watch = Watch(project_name="Harbour*", placed_after=EPOCH, status=("received",))
        await live(h, as_daemon(h, watching(watch, HERE)), BESIDE)
        assert await known(h) == {SUBJECT, BYSTANDER}
        await assert_unharmed(h)


# Several


async def test_each_watch_finds_its_own_and_two_of_one_order_are_one(tmp_path: Path) -> None:
    async with beside(
        tmp_path, course(SUBJECT, project_name="Harbour"), order(42, project_name="Mines")
    ) as h:
        twice = (
            Watch(project_name="Harbour"),
            Watch(task_name="Sim*", status=("in_progress",)),
            by_id(SUBJECT),
            Watch(project_name="Sim*"),
        )
        once, several = as_daemon(h, watching(twice[0])), as_daemon(h, watching(*twice))
        rounds = BESIDE // PACE.interval
        for number in range(1, rounds + 1):
            await live(h, several, PACE.interval)
            assert looks(h) <= number
        assert await known(h) == {SUBJECT, 42, BYSTANDER}
        assert not alone(h)
        assert await h.moves(SUBJECT) == ["wanted", "fetching", "stored"]
        before = looks(h)
        h.time.move(DAY)
        await several.sweep()
        assert looks(h) == before + 1
        assert (await once.sweep()).looked == 0  # it was looked at just now
        await assert_unharmed(h)
        await assert_unharmed(h, SUBJECT)


# Empty


async def test_a_watch_that_nothing_fits_is_said_once_and_once_when_something_does(
    tmp_path: Path, events: LogCapture
) -> None:
    new = course(SUBJECT, project_name="Harbour")
    later = [[7200, "received"], [8000, "in_progress"], [9000, "completed"]]
    async with beside(tmp_path, new.model_copy(update={"status": tuple(map(tuple, later))})) as h:
        watched = watching(Watch(project_name="Harbour"), Watch(project_name="Sim*"))
        poller = as_daemon(h, watched)
        await live(h, poller, BESIDE)
        [said] = [event for event in events.entries if event["event"] == "watch.empty"]
        assert (said["watch"], said["orders"]) == ("project_name = 'Harbour'", 1)
        await live(h, poller, 3 * HOUR, step=15 * MINUTE)
        assert heard(events, "watch.") == ["watch.empty", "watch.matched"]
        estrange(h, lambda orders: [found for found in orders if found.task_id == BYSTANDER])
        await live(h, poller, BESIDE)
        assert heard(events, "watch.") == ["watch.empty", "watch.matched"]
        await assert_unharmed(h)


async def test_a_list_that_cannot_be_read_says_nothing_of_watches(tmp_path: Path, events: LogCapture) -> None:
    broken = fault("tasks", "malformed", **ALWAYS)
    async with beside(tmp_path, faults=[broken]) as h:
        await live(h, as_daemon(h, watching(Watch(project_name="Harbour"), HERE)), BESIDE)
        assert not heard(events, "watch.")
        await assert_unharmed(h)


# No longer


@pytest.mark.parametrize(
    "watched",
    [
        pytest.param(patterns(project_name="*"), id="by pattern"),
        pytest.param(only(SUBJECT, BYSTANDER), id="by id", marks=pytest.mark.long),
    ],
)
async def test_an_order_no_longer_watched_is_kept_unasked_and_comes_back_with_its_history(
    tmp_path: Path, watched: WatchSet
) -> None:
    subject = course(SUBJECT, status=[[0, "in_progress"], [4 * 3600, "completed"]])
    async with beside(tmp_path, subject) as h:
        await live(h, as_daemon(h, watched), BESIDE)
        before, asked = await the_order(h), looks(h) + alone(h)
        moved = await history(h)
        await live(h, as_daemon(h, watching(HERE)), 6 * HOUR, step=15 * MINUTE)
        assert looks(h) + alone(h) == asked
        assert await history(h) == moved
        assert (await the_order(h)).deliveries == before.deliveries
        await live(h, as_daemon(h, watched), BESIDE)
        assert (await history(h))[: len(moved)] == moved
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id)


async def test_a_delivery_of_an_order_no_longer_watched_still_comes(tmp_path: Path) -> None:
    """It was wanted when it was published."""
    async with beside(tmp_path, course(SUBJECT)) as h:
        h.time.seconds = 700
        await as_daemon(h, watching(by_id(SUBJECT))).sweep()
        assert await h.moves(SUBJECT) == ["wanted"]
        await live(h, as_daemon(h, watching(HERE)), BESIDE)
        assert await h.moves(SUBJECT) == ["wanted", "fetching", "stored"]
        assert (await the_order(h)).state is OrderState.OPEN
        await assert_unharmed(h, disturbed=True)


async def test_an_order_that_is_renamed_is_watched_by_its_new_name(tmp_path: Path) -> None:
    async with beside(tmp_path, order(project_name="Harbour")) as h:
        poller = as_daemon(h, watching(Watch(project_name="Harbour"), HERE))
        await poller.sweep()
        renamed = order(SUBJECT, project_name="Mines", status=[[0, "canceled"]])
        estrange(h, lambda orders: [renamed, *(found for found in orders if found.task_id != SUBJECT)])
        await live(h, poller, BESIDE)
        found = await the_order(h)
        assert (found.project_name, found.status.word) == ("Mines", "canceled")
        assert looks(h) == 1
        estrange(h, list)
        await live(h, poller, BESIDE)
        assert (await the_order(h)).project_name == "Harbour"
        assert looks(h) > 1
        await assert_unharmed(h)
