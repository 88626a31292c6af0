"""An order is done by what it brought, not by its word: late, again, canceled or before its last capture."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import DAY, HOUR, MINUTE, PACE, House, only, patterns
from tests.service.tracking_kit import (
    BESIDE,
    BYSTANDER,
    SUBJECT,
    as_daemon,
    assert_unharmed,
    beside,
    capture,
    fault,
    heard,
    lie,
    live,
    moves,
    order,
    stored,
    the_order,
)

from orderwatch.core.deliveries.state_machine import retry
from orderwatch.core.model import DeliveryState, OrderState
from orderwatch.core.orders.watches import WatchSet
from orderwatch.simulator.scenario import Order as Told

BY_PATTERN, BY_ID = patterns(project_name="*"), only(SUBJECT, BYSTANDER)
LONG = pytest.mark.long  # the same story again, played by `make sweep`
WATCHED = pytest.mark.parametrize(
    "watched", [pytest.param(BY_PATTERN, id="by pattern"), pytest.param(BY_ID, id="by id", marks=LONG)]
)
GRACE = PACE.grace


def seconds(**moments: float) -> float:
    return sum(n * {"days": 86400, "hours": 3600}[unit] for unit, n in moments.items())


def finished(*scenes: Mapping[str, object], **facts: object) -> Told:
    taken = {"status": [[0, "published"]], "scenes": scenes}
    return order(SUBJECT, **{"status": [[0, "completed"]], "captures": [taken]} | facts)


async def versions(h: House) -> list[tuple[int, str]]:
    return [(d.version, str(d.state)) for d in (await the_order(h)).deliveries]


# Late


@WATCHED
@pytest.mark.parametrize(
    "late",
    [seconds(hours=2), pytest.param(seconds(days=2), marks=LONG), pytest.param(seconds(days=10), marks=LONG)],
)
async def test_a_scene_that_comes_late_is_fetched_within_the_grace(
    tmp_path: Path, watched: WatchSet, late: float
) -> None:
    async with beside(tmp_path, finished({"size": 5000}, {"size": 6000, "appears": late})) as h:
        poller = as_daemon(h, watched)
        await live(h, poller, BESIDE)
        await live(h, poller, GRACE + 6 * HOUR, step=6 * HOUR)
        assert len((await the_order(h)).deliveries) == 2
        assert await stored(h)
        await assert_unharmed(h)


async def test_a_zip_that_comes_after_the_grace_is_waited_for(tmp_path: Path) -> None:
    """The scene is there without it, so that the order is not complete."""
    late = (GRACE + 5 * DAY).total_seconds()
    async with beside(tmp_path, finished({"size": 6000, "zip_appears": late})) as h:
        poller = as_daemon(h, BY_PATTERN)
        await live(h, poller, BESIDE)
        await live(h, poller, GRACE + 4 * DAY, step=DAY)
        assert (await the_order(h)).state is OrderState.SETTLING
        assert not (await the_order(h)).deliveries
        await live(h, poller, 2 * DAY, step=6 * HOUR)
        assert await stored(h)
        await live(h, poller, 2 * DAY, step=6 * HOUR)
        assert (await the_order(h)).state is OrderState.DONE
        await assert_unharmed(h)


# Again


@WATCHED
async def test_a_scene_that_is_published_again_becomes_a_new_version_each_time(
    tmp_path: Path, watched: WatchSet
) -> None:
    retry = [seconds(hours=4), seconds(days=2), seconds(days=9)]
    async with beside(tmp_path, finished({"size": 6000, "republished": retry})) as h:
        poller = as_daemon(h, watched)
        await live(h, poller, BESIDE)
        await live(h, poller, GRACE + 2 * DAY, step=8 * HOUR)
        assert await versions(h) == [*((n, "superseded") for n in (1, 2, 3)), (4, "stored")]
        assert len({d.path for d in (await the_order(h)).deliveries}) == 4
        assert (await the_order(h)).state is OrderState.DONE
        await h.assert_sound()
        await assert_unharmed(h)


async def test_a_scene_of_an_open_order_that_is_published_again_is_found_within_hours(tmp_path: Path) -> None:
    scene = {"size": 6000, "republished": [seconds(hours=3)]}
    taken = {"status": [[0, "published"]], "scenes": [scene]}
    async with beside(tmp_path, order(captures=[taken])) as h:
        await live(h, as_daemon(h, BY_PATTERN), 6 * HOUR, step=15 * MINUTE)
        assert await versions(h) == [(1, "superseded"), (2, "stored")]
        await assert_unharmed(h)


# The word and the outcome


@WATCHED
@pytest.mark.parametrize(
    "word",
    ["canceled", *(pytest.param(w, marks=LONG) for w in ("completed", "failed", "expired", "rejected"))],
)
async def test_a_capture_published_after_its_order_ended_is_delivered_all_the_same(
    tmp_path: Path, word: str, watched: WatchSet
) -> None:
    captures = [
        capture((0, "published"), size=6001),
        capture((0, "captured"), (seconds(hours=8), "published"), size=6002),
        capture((0, "planned"), (seconds(hours=1), "failed"), size=6003),
    ]
    subject = order(status=[[0, "in_progress"], [seconds(hours=1), word]], captures=captures)
    async with beside(tmp_path, subject) as h:
        poller = as_daemon(h, watched)
        await live(h, poller, 3 * HOUR, step=15 * MINUTE)
        assert [d.state for d in (await the_order(h)).deliveries] == [DeliveryState.STORED]
        await live(h, poller, 2 * DAY, step=3 * HOUR)
        assert await stored(h)
        assert len((await the_order(h)).deliveries) == 2
        assert await moves(h) == [(None, "in_progress", "first"), ("in_progress", word, "step")]
        assert (await the_order(h)).state is OrderState.SETTLING
        await assert_unharmed(h)


async def test_an_order_is_done_once_and_only_when_all_is_stored_and_the_grace_is_over(
    tmp_path: Path, events: LogCapture
) -> None:
    """The last file comes two days after the grace has ended."""
    async with beside(tmp_path, finished({"size": 5000})) as h:
        poller = as_daemon(h, BY_PATTERN)
        lie(h, fault("download", "status", code=503, match={"task_id": SUBJECT}, times=0))
        await live(h, poller, BESIDE)
        states = set()
        while h.time.now() < h.time.epoch + GRACE + 2 * DAY:
            await live(h, poller, 12 * HOUR, step=12 * HOUR)
            states.add((await the_order(h)).state)
        assert states == {OrderState.SETTLING}
        lie(h)
        for delivery in await h.store.deliveries.in_states(DeliveryState.GIVEN_UP):
            await h.store.deliveries.save(retry(delivery, h.time.now()))
        await live(h, poller, 2 * DAY, step=6 * HOUR)
        assert (await the_order(h)).state is OrderState.DONE
        assert len(heard(events, "order.done", task_id=SUBJECT)) == 1
        await live(h, poller, 5 * DAY, step=DAY)
        assert len(heard(events, "order.done", task_id=SUBJECT)) == 1
        assert (await the_order(h)).next_look_at is None
        await assert_unharmed(h)


async def test_an_order_whose_capture_never_ends_is_not_done(tmp_path: Path) -> None:
    captures = [capture(), capture((0, "processing"))]
    async with beside(tmp_path, order(status=[[0, "completed"]], captures=captures)) as h:
        poller = as_daemon(h, BY_PATTERN)
        await live(h, poller, BESIDE)
        await live(h, poller, 2 * GRACE, step=DAY)
        assert (await the_order(h)).state is OrderState.SETTLING
        await assert_unharmed(h)


async def test_an_order_that_ended_without_a_capture_is_done_after_the_grace(tmp_path: Path) -> None:
    async with beside(tmp_path, order(status=[[0, "rejected"]])) as h:
        poller = as_daemon(h, BY_PATTERN)
        await live(h, poller, BESIDE)
        await live(h, poller, GRACE - 6 * HOUR, step=12 * HOUR)
        assert (await the_order(h)).state is OrderState.SETTLING
        await live(h, poller, 2 * DAY, step=6 * HOUR)
        assert (await the_order(h)).state is OrderState.DONE
        await assert_unharmed(h)


async def test_what_is_published_again_after_an_order_is_done_is_none_of_ours(tmp_path: Path) -> None:
    again_at = (GRACE + 5 * DAY).total_seconds()
    async with beside(tmp_path, finished({"size": 5000, "republished": [again_at]})) as h:
        poller = as_daemon(h, BY_PATTERN)
        await live(h, poller, BESIDE)
        await live(h, poller, GRACE + 10 * DAY, step=DAY)
        assert await versions(h) == [(1, "stored")]
        assert (await the_order(h)).state is OrderState.DONE
        await assert_unharmed(h)
