"""Retry-After holds everything of the account that was told so, and nothing of another.

The clock moves while this connection sleeps, so that the journal shows the second of each request.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import House, connected, patterns
from tests.service.tracking_kit import (
    ALWAYS,
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
    work,
)

from orderwatch.errors import UnavailableError
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.journal import Entry
from orderwatch.simulator.scenario import Account

PATTERN = patterns(project_name="*")
START, LONG = 1500, 900  # seconds
BOTH = {"accounts": (Account(), OTHER)}
AS_SECONDS, AS_DATE = str(LONG), "Sun, 22 Nov 2026 12:40:00 GMT"  # which is START + LONG


def busy(on: str, retry_after: str, **facts: object) -> Fault:
    return fault(on, "status", code=429, retry_after=retry_after, match={"account": "main"}, **facts)


def told_off(h: House) -> Entry:
    [entry] = h.simulator.journal.find(status=429)
    return entry


def asked_by(h: House, account: str, after: float, until: float) -> list[Entry]:
    return [e for e in h.simulator.journal.find(account=account) if after < e.at < until]


@pytest.mark.parametrize("retry_after", [AS_SECONDS, AS_DATE], ids=["seconds", "date"])
@pytest.mark.parametrize("on", ["tasks", "captures", "scenes", "token"])
async def test_nothing_of_the_account_is_asked_while_it_was_told_to_wait(
    tmp_path: Path, events: LogCapture, on: str, retry_after: str
) -> None:
    late = order(captures=[capture((START, "published"))])
    theirs = course(8, **THEIRS, status=[[0, "in_progress"], [START + LONG / 2, "completed"]])
    async with (
        beside(tmp_path, late, theirs, **BOTH) as h,
        connected(h.simulator, rest=h.time) as connection,
        neighbour(h, PATTERN) as other,
    ):
        poller = as_daemon(h, PATTERN, connection)
        await live(h, poller, timedelta(seconds=300))
        await other.round()
        h.time.seconds = START
        lie(h, busy(on, retry_after))
        if on == "token":
            h.simulator.revoke_tokens()
        while h.time.seconds < START + LONG - 10:
            await poller.round()
            await other.round()
            await work(h)
            with pytest.raises(UnavailableError):
                await connection.archive.scenes("any")
            with pytest.raises(UnavailableError):
                await connection.tasking.order(SUBJECT)
            h.time.move(timedelta(seconds=30))
        since = told_off(h).at
        assert since >= START
        assert not asked_by(h, "main", since, since + LONG)
        assert len(asked_by(h, "other", since, since + LONG)) >= 4
        await live(h, poller, BESIDE)
        await live(h, other, BESIDE)
        assert heard(events, "account.unavailable") == heard(events, "account.unavailable", account="main")
        assert len(heard(events, "provider.paused")) == 1
        await assert_unharmed(h, disturbed=True)
        await assert_unharmed(h, 8, "other", disturbed=True)
