"""The provider's words: a final one is sticky, an unknown one is data, and neither costs a file."""

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import (
    DAY,
    HOUR,
    MINUTE,
    PACE,
    by_id,
    house,
    only,
    patterns,
    watching,
)
from tests.service.tracking_kit import (
    ALWAYS,
    BESIDE,
    BYSTANDER,
    SUBJECT,
    alone,
    as_daemon,
    assert_unharmed,
    beside,
    capture,
    course,
    fault,
    heard,
    history,
    lie,
    live,
    moves,
    order,
    stored,
    the_capture,
    the_order,
    words,
)

from orderwatch.core.model import OrderPhase, OrderState
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.watches import Watch, WatchSet
from orderwatch.simulator import Scenario

PATTERN, BY_ID = patterns(project_name="*"), only(SUBJECT, BYSTANDER)
WATCHED = pytest.mark.parametrize(
    "watched",
    [pytest.param(PATTERN, id="by pattern"), pytest.param(BY_ID, id="by id", marks=pytest.mark.long)],
)


# Final is sticky


@WATCHED
async def test_a_final_word_that_is_taken_back_for_a_while_holds(
    tmp_path: Path, events: LogCapture, watched: WatchSet
) -> None:
    """Canceled, in progress for two looks, canceled again; its captures are published meanwhile."""
    subject = order(
        status=[[0, "in_progress"], [600, "canceled"], [1800, "in_progress"], [2700, "canceled"]],
        captures=[capture((0, "captured"), (at, "published"), size=at) for at in (900, 2000, 3000)],
    )
    async with beside(tmp_path, subject) as h:
        poller = as_daemon(h, watched)
        await live(h, poller, 15 * MINUTE)
        states = set()
        while h.time.now() < h.time.epoch + 2 * BESIDE:
            await live(h, poller, PACE.interval)
            states.add((await the_order(h)).state)
        assert states == {OrderState.SETTLING}
        assert await moves(h) == [
            (None, "in_progress", "first"),
            ("in_progress", "canceled", "step"),
            ("canceled", "in_progress", "odd"),
            ("in_progress", "canceled", "step"),
        ]
        found = await the_order(h)
        assert (found.status.phase, found.status.doubts) == (OrderPhase.CANCELED, 0)
        assert await stored(h)
        await assert_unharmed(h)
        assert len(heard(events, "order.changed", task_id=SUBJECT, kind="odd")) == 1


@WATCHED
async def test_a_final_word_that_is_taken_back_for_good_is_believed_after_an_hour(
    tmp_path: Path, watched: WatchSet
) -> None:
    subject = order(
        status=[[0, "canceled"], [600, "in_progress"], [5 * 3600, "completed"]],
        captures=[capture((0, "planned"), (2 * 3600, "published"))],
    )
    async with beside(tmp_path, subject) as h:
        poller = as_daemon(h, watched)
        await live(h, poller, PACE.interval)
        doubted_at = None
        while (before := await the_order(h)).state is OrderState.SETTLING:
            doubted_at = before.status.doubted_at
            await live(h, poller, PACE.interval)
        assert doubted_at is not None
        assert HOUR <= h.time.now() - PACE.interval - doubted_at <= HOUR + 3 * PACE.interval
        assert (await the_order(h)).final_at is None
        await live(h, poller, 5 * HOUR, step=15 * MINUTE)
        assert await words(h) == ["canceled", "in_progress", "completed"]
        assert await stored(h)
        await assert_unharmed(h)


async def test_the_list_alone_takes_a_final_word_back(tmp_path: Path) -> None:
    """No look at the order succeeds."""
    subject = order(status=[[0, "canceled"], [600, "in_progress"]])
    deaf = fault("captures", "status", code=400, match={"task_id": SUBJECT}, **ALWAYS)
    async with beside(tmp_path, subject, faults=[deaf]) as h:
        await live(h, as_daemon(h, PATTERN), 2 * HOUR, step=15 * MINUTE)
        found = await the_order(h)
        assert (found.state, found.status.phase) == (OrderState.OPEN, OrderPhase.IN_PROGRESS)
        assert not alone(h)
        await assert_unharmed(h)


async def test_two_looks_an_hour_apart_do_not_take_a_final_word_back(tmp_path: Path) -> None:
    async with beside(tmp_path, order(status=[[0, "canceled"], [600, "in_progress"]])) as h:
        await live(h, as_daemon(h, PATTERN), PACE.interval)
        for _ in range(2):
            h.time.move(2 * HOUR)
            await h.poller(PATTERN).sweep()
            assert (await the_order(h)).state is OrderState.SETTLING
        h.time.move(2 * HOUR)
        await h.poller(PATTERN).sweep()
        assert (await the_order(h)).state is OrderState.OPEN


async def test_looks_of_one_moment_are_one_doubt(tmp_path: Path) -> None:
    """Two watches of one order, a list and a look, in a clock that stands."""
    twice = watching(Watch(project_name="*"), by_id(SUBJECT))
    async with beside(tmp_path, order(status=[[0, "canceled"], [600, "in_progress"]])) as h:
        await h.poller(twice).sweep()
        h.time.move(HOUR)
        for _ in range(4):
            await h.poller(twice).sweep(everything=True)
        assert (await the_order(h)).status.doubts == 1


async def test_a_published_capture_that_says_otherwise_brings_its_file_once(tmp_path: Path) -> None:
    taken = capture((0, "published"), (600, "processing"), (6 * 3600, "published"))
    async with beside(tmp_path, order(captures=[taken])) as h:
        await live(h, as_daemon(h, PATTERN), 10 * HOUR, step=15 * MINUTE)
        assert [(m.after, m.kind) for m in await history(h) if m.subject == "capture"] == [
            ("published", "first"),
            ("processing", "odd"),
            ("published", "step"),
        ]
        assert (await the_capture(h)).published_at == h.time.epoch
        assert await h.moves(SUBJECT) == ["wanted", "fetching", "stored"]
        assert await stored(h)
        await assert_unharmed(h)


async def test_an_order_whose_words_run_backwards_is_recorded_as_they_come(tmp_path: Path) -> None:
    subject = order(
        status=[[0, "completed"], [600, "received"], [900, "in_progress"], [1200, "rejected"]],
        captures=[capture()],
    )
    async with beside(tmp_path, subject) as h:
        await live(h, as_daemon(h, PATTERN), BESIDE)
        assert await moves(h) == [
            (None, "completed", "first"),
            ("completed", "received", "odd"),
            ("received", "in_progress", "odd"),
            ("in_progress", "rejected", "odd"),
        ]
        assert await stored(h)
        await assert_unharmed(h)


# Words that nobody knows


@WATCHED
async def test_an_unknown_word_is_kept_said_once_and_not_final(
    tmp_path: Path, events: LogCapture, watched: WatchSet
) -> None:
    subject = order(
        status=[[0, "received"], [600, "pondering"], [4 * 3600, "completed"]],
        captures=[capture((0, "planned"), (600, "daydreaming"), (3 * 3600, "published"))],
    )
    other = order(42, status=[[0, "pondering"]], captures=[capture((0, "daydreaming"))])
    async with beside(tmp_path, subject, other) as h:
        poller = as_daemon(h, watched)
        await live(h, poller, 2 * HOUR, step=15 * MINUTE)
        found = await the_order(h)
        assert (found.status.word, found.status.phase) == ("pondering", None)
        assert found.state is OrderState.OPEN
        taken = (await the_capture(h)).status
        assert (taken.word, taken.phase) == ("daydreaming", None)
        await live(h, poller, 4 * HOUR, step=15 * MINUTE)
        assert await words(h) == ["received", "pondering", "completed"]
        assert await words(h, subject="capture") == ["planned", "daydreaming", "published"]
        assert [m.kind for m in await history(h) if m.after in {"pondering", "daydreaming"}] == [
            "unknown"
        ] * 2
        said = [e["word"] for e in events.entries if e["event"] == "status.unknown"]
        assert sorted(said) == ["capture:daydreaming", "order:pondering"]
        assert await stored(h)
        await assert_unharmed(h)


@pytest.mark.parametrize("on", ["captures", pytest.param("tasks", marks=pytest.mark.long)])
async def test_a_day_on_which_every_word_is_new_ends_nothing(
    tmp_path: Path, events: LogCapture, on: str
) -> None:
    async with beside(
        tmp_path, order(captures=[capture((0, "planned"), (2 * DAY.total_seconds(), "published"))])
    ) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, BESIDE)
        lie(h, fault(on, "words", word="renamed", **ALWAYS))
        await live(h, poller, DAY, step=2 * HOUR)
        assert {o.state for o in await h.store.orders.list_all()} == {OrderState.OPEN, OrderState.SETTLING}
        lie(h)
        await live(h, poller, 2 * DAY, step=3 * HOUR)
        assert len(heard(events, "status.unknown")) == 1
        assert [m.kind for m in await history(h) if m.after == "renamed"] == ["unknown"]
        assert await stored(h)
        assert await stored(h, BYSTANDER)
        assert (await the_order(h, BYSTANDER)).status.phase is OrderPhase.COMPLETED


async def test_capitals_and_the_other_spelling_are_the_words_we_know(tmp_path: Path) -> None:
    async with beside(tmp_path, order(status=[[0, "RECEIVED"], [600, "Cancelled"]]), course(42)) as h:
        await live(h, as_daemon(h, PATTERN), BESIDE)
        assert await moves(h) == [(None, "RECEIVED", "first"), ("RECEIVED", "Cancelled", "step")]
        assert (await the_order(h)).state is OrderState.SETTLING
        for task_id in (42, BYSTANDER):
            await assert_unharmed(h, task_id)


# Files are the truth


BEAMED = fault("captures", "words", word="beamed", match={"task_id": SUBJECT}, **ALWAYS)
SCENES = "/telluric/scenes/"


@pytest.mark.parametrize("first", ["processing", "failed"])
async def test_files_of_a_capture_whose_word_nobody_knows_are_delivered(
    tmp_path: Path, events: LogCapture, first: str
) -> None:
    """Whether a word that we know, final or not, came before it."""
    subject = order(
        status=[[0, "in_progress"], [4 * 3600, "completed"]],
        captures=[capture((0, first), (3 * 3600, "published"))],
    )
    async with beside(tmp_path, subject) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, HOUR)
        lie(h, BEAMED)
        await live(h, poller, 6 * HOUR, step=15 * MINUTE)
        assert await stored(h)
        assert (await the_capture(h)).status.word == "beamed"
        assert (await the_order(h)).state is OrderState.SETTLING
        assert len(heard(events, "status.unknown")) == 1
        await assert_unharmed(h)


async def test_a_capture_whose_word_nobody_knows_is_asked_for_seldom_while_its_order_runs(
    tmp_path: Path,
) -> None:
    subject = order(end=30 * DAY.total_seconds(), captures=[capture((0, "processing"))])
    async with house(tmp_path, Scenario(orders=(subject,), faults=(BEAMED,))) as h:
        await live(h, as_daemon(h, PATTERN), DAY, step=15 * MINUTE)
        assert 3 <= h.simulator.journal.count(path=SCENES) <= 5


async def test_an_order_of_captures_whose_word_nobody_knows_does_not_settle_without_end(
    tmp_path: Path,
) -> None:
    """One has files and one has none."""
    subject = order(
        status=[[0, "in_progress"], [3600, "completed"]],
        captures=[capture((0, "published")), capture((0, "processing"))],
    )
    async with beside(tmp_path, subject, faults=[BEAMED]) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, 13 * DAY, step=6 * HOUR)
        assert await stored(h)
        assert (await the_order(h)).state is OrderState.SETTLING
        await live(h, poller, 3 * DAY, step=6 * HOUR)
        assert (await the_order(h)).state is OrderState.DONE


async def test_a_final_order_that_an_unknown_word_follows_is_done_in_the_end(tmp_path: Path) -> None:
    subject = course(
        SUBJECT, status=[[0, "in_progress"], [1200, "completed"], [DAY.total_seconds(), "archived"]]
    )
    async with beside(tmp_path, subject) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, 2 * HOUR)
        await live(h, poller, 17 * DAY, step=6 * HOUR)
        found = await the_order(h)
        assert (found.status.word, found.state) == ("archived", OrderState.DONE)
        before = found.version
        await live(h, poller, 2 * DAY, step=6 * HOUR)
        assert (await the_order(h)).version == before


async def test_a_word_that_a_newer_version_knows_is_taken_though_it_did_not_move(tmp_path: Path) -> None:
    async with beside(tmp_path, order(status=[[0, "closed"]])) as h:
        await live(h, as_daemon(h, PATTERN), MINUTE)
        known = await the_order(h)
        unknown = replace(known, status=replace(known.status, phase=None), final_at=None)
        await h.store.orders.save(Verdict(order=replace(unknown, state=OrderState.OPEN)))
        await live(h, as_daemon(h, PATTERN), MINUTE)
        assert (await the_order(h)).status.phase is OrderPhase.CLOSED
