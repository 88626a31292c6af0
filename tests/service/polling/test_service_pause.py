"""Retry-After holds everything of the account that was told so, and nothing of another.

The clock moves while this connection sleeps, so that the journal shows the second of each request.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import House, connected, new_gate, patterns
from tests.service.tracking_kit import (
    BESIDE,
    OTHER,
    SUBJECT,
    THEIRS,
    as_daemon,
    assert_unharmed,
    beside,
    capture,
    course,
    fault,
    heard,
    lie,
    live,
    neighbour,
    order,
    stored,
    the_order,
    work,
)

from orderwatch.core.model import Capture, TrackedStatus
from orderwatch.errors import UnavailableError
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.journal import Entry
from orderwatch.simulator.scenario import Account

PATTERN = patterns(project_name="*")
RARE = [pytest.param(on, marks=pytest.mark.long) for on in ("captures", "scenes")]
START, LONG = 1500, 900  # seconds
AS_SECONDS, AS_DATE = str(LONG), "Sun, 22 Nov 2026 12:40:00 GMT"  # which is START + LONG


def busy(on: str, retry_after: str, **facts: object) -> Fault:
    return fault(on, "status", code=429, retry_after=retry_after, match={"account": "main"}, **facts)


def told_off(h: House) -> Entry:
    [entry] = h.simulator.journal.find(status=429)
    return entry


def asked_by(h: House, account: str, after: float, until: float) -> list[Entry]:
    """Of the APIs, tokens included; what nobody's token came with counts as main's."""
    entries = h.simulator.journal.find(listener="api")
    return [e for e in entries if after < e.at < until and (e.account or "main") == account]


@pytest.mark.parametrize(
    "retry_after",
    [pytest.param(AS_SECONDS, id="seconds"), pytest.param(AS_DATE, id="date", marks=pytest.mark.long)],
)
@pytest.mark.parametrize("on", ["tasks", "token", *RARE])
async def test_nothing_of_the_account_is_asked_while_it_was_told_to_wait(
    tmp_path: Path, events: LogCapture, on: str, retry_after: str
) -> None:
    late = order(captures=[capture((START, "published"))])
    theirs = course(8, **THEIRS, status=[[0, "in_progress"], [START + LONG / 2, "completed"]])
    async with (
        beside(tmp_path, late, theirs, accounts=(Account(), OTHER)) as h,
        connected(h.simulator, rest=h.time) as connection,
        neighbour(h, PATTERN) as other,
    ):
        poller = as_daemon(h, PATTERN, connection)
        unread = Capture(capture_id="any", status=TrackedStatus(word="published", phase=None))
        await live(h, poller, timedelta(seconds=300))
        await other.sweep()
        h.time.seconds = START
        lie(h, busy(on, retry_after))
        if on == "token":
            h.simulator.revoke_tokens()
        while h.time.seconds < START + LONG - 10:
            await poller.sweep()
            await other.sweep()
            await work(h)
            with pytest.raises(UnavailableError):
                await connection.archive.scenes(await the_order(h), unread)
            with pytest.raises(UnavailableError):
                await connection.tasking.order(str(SUBJECT))
            h.time.move(timedelta(seconds=90))
        since = told_off(h).at
        assert since >= START
        assert not asked_by(h, "main", since, since + LONG)
        assert len(asked_by(h, "other", since, since + LONG)) >= 4
        await live(h, poller, BESIDE)
        await live(h, other, BESIDE)
        assert heard(events, "account.unavailable") == heard(events, "account.unavailable", account="main")
        await assert_unharmed(h, disturbed=True)
        await assert_unharmed(h, 8, "other", disturbed=True)


@pytest.mark.parametrize("on", ["tasks", *RARE])
async def test_a_short_pause_is_waited_for_within_the_call(
    tmp_path: Path, events: LogCapture, on: str
) -> None:
    """By everybody: the other looks under way go on after it too."""
    orders = [order(100 + n, captures=[capture(size=6000 + n)]) for n in range(4)]
    async with beside(tmp_path, *orders) as h, connected(h.simulator, rest=h.time) as connection:
        poller = as_daemon(h, PATTERN, connection)
        lie(h, busy(on, "8"))
        assert not await live(h, poller, BESIDE)
        since = told_off(h).at
        assert not asked_by(h, "main", since, since + 8)
        assert asked_by(h, "main", since, since + 10)
        assert not heard(events, "account.", "order.look_", "list.")
        for n in range(4):
            assert await stored(h, 100 + n)
        await assert_unharmed(h)


async def test_a_pause_in_an_outage_is_longer_than_the_usual_one(tmp_path: Path) -> None:
    """And over a restart it is not forgotten."""
    async with beside(tmp_path) as h:
        lie(h, busy("tasks", AS_SECONDS))
        await as_daemon(h, PATTERN).sweep()
        before = len(h.simulator.journal)
        kept = (await h.store.accounts.states())["main"].trouble
        breaker = new_gate(h.store, h.time, trouble=kept)
        async with connected(h.simulator) as fresh:
            poller = as_daemon(h, PATTERN, fresh, breaker=breaker)
            await live(h, poller, timedelta(seconds=LONG), step=timedelta(seconds=30))
            assert len(h.simulator.journal) == before
            await live(h, poller, BESIDE)
            await assert_unharmed(h, disturbed=True)
