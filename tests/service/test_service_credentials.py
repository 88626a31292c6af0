"""Tokens that end too early and secrets that change: seen by nobody, or mended without a restart."""

from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import HOUR, MINUTE, PACE, SECRET, House, connected, patterns
from tests.service.tracking_kit import (
    BESIDE,
    OTHER,
    SUBJECT,
    THEIRS,
    as_daemon,
    assert_unharmed,
    beside,
    course,
    fault,
    heard,
    lie,
    live,
    neighbour,
)

from orderwatch.simulator.scenario import Account

PATTERN = patterns(project_name="*")
QUIET = ("account.", "token.refresh_", "order.look_", "list.")


def minted(h: House, account: str = "main") -> int:
    return h.simulator.journal.count(path="/oauth/token", account=account)


async def test_a_token_that_is_revoked_early_is_replaced_once_and_nobody_sees_it(
    tmp_path: Path, events: LogCapture
) -> None:
    async with beside(tmp_path, *(course(100 + n) for n in range(6))) as h:
        poller = as_daemon(h, PATTERN)
        await poller.sweep()
        assert minted(h) == 1
        h.simulator.revoke_tokens()
        assert not await live(h, poller, BESIDE)
        assert minted(h) == 2
        assert not heard(events, *QUIET)
        await assert_unharmed(h)


@pytest.mark.parametrize(
    "on", ["scenes", *(pytest.param(on, marks=pytest.mark.long) for on in ("tasks", "captures"))]
)
async def test_a_token_that_is_refused_in_the_middle_of_things_is_replaced(
    tmp_path: Path, events: LogCapture, on: str
) -> None:
    async with beside(tmp_path, *(course(100 + n) for n in range(3))) as h:
        lie(h, fault(on, "expire", after=2))
        assert not await live(h, as_daemon(h, PATTERN), BESIDE)
        assert minted(h) == 2
        assert not heard(events, *QUIET)
        for task_id in (100, 101, 102):
            await assert_unharmed(h, task_id)
        await assert_unharmed(h)


@pytest.mark.parametrize(
    "knows",
    [
        pytest.param(True, id="renewed in time"),
        pytest.param(False, id="renewed when refused", marks=pytest.mark.long),
    ],
)
async def test_tokens_that_live_an_hour_are_renewed_all_day(
    tmp_path: Path, events: LogCapture, *, knows: bool
) -> None:
    """A clock that stands still does not know that its token has ended."""
    async with (
        beside(tmp_path, token_life=3600) as h,
        connected(h.simulator, rest=h.time if knows else None) as connection,
    ):
        assert not await live(h, as_daemon(h, PATTERN, connection), 6 * HOUR)
        assert minted(h) == (8 if knows else 6)
        assert h.simulator.journal.count(status=401) == (0 if knows else 5)
        assert not heard(events, *QUIET)
        await assert_unharmed(h)


async def test_a_secret_that_is_rotated_with_us_is_seen_by_nobody(tmp_path: Path, events: LogCapture) -> None:
    secret = SECRET
    async with beside(tmp_path) as h, connected(h.simulator, lambda: secret) as connection:
        poller = as_daemon(h, PATTERN, connection)
        await live(h, poller, PACE.interval)
        for secret in ("second", "third"):
            h.simulator.rotate("main", secret)
            h.simulator.revoke_tokens()
            assert not await live(h, poller, PACE.interval)
        await live(h, poller, BESIDE)
        assert minted(h) == 3
        assert not heard(events, *QUIET)
        await assert_unharmed(h)


async def test_a_secret_that_is_rotated_before_ours_is_said_once_and_mended_without_a_restart(
    tmp_path: Path, events: LogCapture
) -> None:
    secret = SECRET
    subjects = (course(SUBJECT), course(8, **THEIRS))
    async with (
        beside(tmp_path, *subjects, accounts=(Account(), OTHER)) as h,
        connected(h.simulator, lambda: secret) as connection,
        neighbour(h, PATTERN) as other,
    ):
        poller = as_daemon(h, PATTERN, connection)
        await live(h, poller, MINUTE)
        h.simulator.rotate("main", "second")
        assert not await live(h, poller, 2 * PACE.interval)  # the token is still good
        h.simulator.revoke_tokens()
        await live(h, poller, HOUR)
        assert heard(events, "account.") == ["account.refused"]
        [said] = [event for event in events.entries if event["event"] == "account.refused"]
        assert "client_secret" in said["reason"]
        assert not any(word in str(events.entries) for word in (SECRET, "second"))
        secret = "second"
        await live(h, poller, BESIDE, step=timedelta(minutes=1))
        assert heard(events, "account.") == ["account.refused", "account.recovered"]
        await live(h, other, BESIDE)
        await assert_unharmed(h, disturbed=True)
        await assert_unharmed(h, SUBJECT, disturbed=True)
        await assert_unharmed(h, 8, "other", disturbed=True)
